"""The views beside the films: acceptance reports, monitoring, the challenger, and the banner above all of them."""

import httpx2
import pytest
from playwright.sync_api import expect

from schemas.acceptance import AcceptanceFigure, Limit
from schemas.estimate import Estimate
from schemas.serving import Readiness
from tests.page.axe import violations
from tests.page.reports import challenger, monitoring
from tests.service.acceptance.records import report, write_report
from tests.service.dicomweb.films import film, stow, uid
from tests.service.server import Server
from tests.waiting import wait_until

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1200, "height": 800}


@pytest.fixture(scope="session")
def hospital(tiny_models, tmp_path_factory):
    """Takes films by DICOMweb, and has two acceptance reports."""
    folder = tmp_path_factory.mktemp("evidence")
    write_report(folder, report())
    missed = AcceptanceFigure(
        name="specificity",
        title="Specificity of the answers given",
        estimate=Estimate(value=0.79, low=0.70, high=0.86),
        hits=75,
        films=95,
        limit=Limit(at_least=0.9),
        outcome="missed",
        card=Estimate(value=0.97, low=0.95, high=0.98),
    )
    figures = (*report().figures, missed)
    write_report(folder, report("site-b", verdict="reject", figures=figures, reasons=("specificity is too low",)))
    spool = tmp_path_factory.mktemp("hospital")
    running = Server(tiny_models, evidence_dir=folder, dicomweb="true", spool_url=f"sqlite:///{spool}/spool.db")
    yield running
    running.end()


@pytest.fixture
def answers(visit, hospital):
    """Open a view whose body is this record: `answers("monitoring", record)`."""

    def opened(path, record, view, **options):
        page = visit(hospital, **options)
        page.route(f"**/{path}", lambda route: route.fulfill(json=record.model_dump(mode="json")))
        page.get_by_role("link", name=view).click()
        return page

    return opened


def test_the_list_of_acceptance_reports_leads_to_each(visit, hospital) -> None:
    page = visit(hospital)
    page.get_by_role("link", name="Acceptance").click()

    expect(page.get_by_role("heading", name="Acceptance")).to_be_focused()
    expect(page.get_by_role("link", name="Acceptance", exact=True)).to_have_attribute("aria-current", "page")
    row = page.get_by_role("row", name="site-b")
    expect(row).to_contain_text("Rejected")
    row.get_by_role("link", name="site-b").click()
    expect(page.get_by_role("heading", name="Rejected: site-b")).to_be_visible()
    expect(page.get_by_text("specificity is too low")).to_be_visible()
    picture = page.get_by_role(
        "img", name="Specificity of the answers given: 79.0 %, interval 70.0 % to 86.0 %, at least 90.0 %"
    )
    expect(picture).to_be_visible()
    expect(page.get_by_role("row", name="Specificity of the answers given")).to_contain_text("missed")
    expect(page.locator("#evidence")).to_contain_text("97.0 % (95.0 to 98.0)")
    page.go_back()
    expect(page.get_by_role("row", name="site-a")).to_contain_text("Accepted")


def test_a_report_is_opened_as_html_and_as_pdf(visit, hospital) -> None:
    page = visit(hospital)
    page.goto(f"{hospital.address}/#acceptance/site-a")
    page.reload()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Report as HTML").click()

    expect(opened.value).to_have_title("report")
    opened.value.close()
    link = page.get_by_role("link", name="Report as PDF").get_attribute("href")
    assert httpx2.get(f"{hospital.address}/{link}").content == b"%PDF-1.4"


def test_a_service_without_reports_says_so(visit, server) -> None:
    page = visit(server)
    page.get_by_role("link", name="Acceptance").click()

    expect(page.locator("#evidence")).to_contain_text("CXR_EVIDENCE_DIR")


def test_running_figures_are_pictures_with_words(answers) -> None:
    page = answers("monitoring", monitoring(), "Monitoring")

    expect(page.get_by_role("heading", name="Not suspended")).to_be_visible()
    picture = page.get_by_role("img", name="Specificity of PNEUMONIA over films with a verdict: 70.0 % after 100")
    expect(picture).to_be_visible()
    expect(picture).to_have_attribute("aria-label", picture.get_attribute("aria-label"))
    assert picture.get_attribute("aria-label").endswith("band 58.0 % to 82.0 %, limit 90.0 %")
    assert picture.locator(".band").count() == 1
    expect(page.get_by_text("below its limit")).to_be_visible()
    expect(page.get_by_role("img", name="Not answered, not stated, not stated: 40.0 %")).to_be_visible()
    page.get_by_text("The points of the picture").click()
    expect(page.get_by_role("row", name="100 70.0 %")).to_be_visible()


def test_a_stop_stands_at_the_top_of_every_view(answers) -> None:
    page = answers("monitoring", monitoring(suspended=True), "Monitoring")
    stopped = Readiness(status="ready", suspended="since 2026-11-02 09:00 UTC: specificity fell")
    page.route("**/readyz", lambda route: route.fulfill(json=stopped.model_dump(mode="json")))
    expect(page.get_by_role("heading", name="Suspended: films are analysed and not answered")).to_be_visible()
    page.get_by_role("link", name="Films").click()
    page.get_by_role("link", name="Monitoring").click()

    expect(page.locator("#banner")).to_contain_text("Suspended. Films are analysed and not answered, since 2026-11-02")
    expect(page.get_by_role("status")).to_contain_text("Suspended.")


def test_the_challenger_stands_against_the_bundle_that_serves(answers) -> None:
    page = answers("models/challenger", challenger(), "Challenger")

    expect(page.get_by_role("heading", name="The rule does not promote it")).to_be_visible()
    difference = page.get_by_role("img", name="Specificity, challenger minus active: -11.8 %")
    expect(difference).to_be_visible()
    expect(page.get_by_role("row", name="Sensitivity")).to_contain_text("9 and 0 films")
    expect(page.get_by_role("row", name="serves: negative")).to_contain_text("18")


def test_without_a_challenger_the_view_says_how_to_have_one(visit, hospital) -> None:
    page = visit(hospital)
    page.get_by_role("link", name="Challenger").click()

    expect(page.locator("#evidence")).to_contain_text("CXR_CHALLENGER")


@pytest.mark.parametrize("viewport", [DESK, PHONE])
@pytest.mark.parametrize(
    ("path", "record", "view"),
    [("monitoring", monitoring(suspended=True), "Monitoring"), ("models/challenger", challenger(), "Challenger")],
    ids=["monitoring", "challenger"],
)
def test_axe_finds_nothing_in_the_views(answers, path, record, view, viewport) -> None:
    page = answers(path, record, view, viewport=viewport)
    expect(page.locator("#evidence .card").first).to_be_visible()

    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("viewport", [DESK, PHONE])
@pytest.mark.parametrize("address", ["#acceptance", "#acceptance/site-b"])
def test_axe_finds_nothing_in_the_reports(visit, hospital, address, viewport) -> None:
    page = visit(hospital, viewport=viewport)
    page.goto(f"{hospital.address}/{address}")
    expect(page.locator("#evidence table").first).to_be_visible()

    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_views_are_reached_and_left_by_keys_alone(page) -> None:
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Monitoring":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Monitoring")).to_be_focused()
    page.keyboard.press("h")  # belongs to the films
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.go_back()

    expect(page.locator("#films")).to_be_visible()
    expect(page.locator("#evidence")).to_be_hidden()


@pytest.fixture
def stored(hospital, films):
    """A film that came by DICOMweb, as a file on this machine too."""
    content = film("judged")
    hospital.client.post("/dicomweb/studies", **stow(content))
    address = f"/results/{uid('judged')}"
    wait_until(lambda: hospital.client.get(address).json().get("analysis"), "the film is analysed")
    (films / "judged.dcm").write_bytes(content)
    return "judged.dcm"


def test_two_keys_send_a_verdict_about_a_film_that_came_by_dicomweb(visit, hospital, give, stored) -> None:
    page = visit(hospital)
    give(page, stored)
    expect(page.locator("#verdict")).to_contain_text("tiny 1.0.0 answered: PNEUMONIA positive")
    page.keyboard.press("w")
    expect(page.locator("#verdict-state")).to_have_text(
        "Stored: the answer is wrong. The film counts as PNEUMONIA absent."
    )
    page.keyboard.press("c")
    expect(page.locator("#verdict-state")).to_have_text(
        "Stored: the answer is correct. The film counts as PNEUMONIA present."
    )

    expect(page.get_by_role("status")).to_contain_text("PNEUMONIA present")
    assert violations(page) == []
    counted = hospital.client.get("/monitoring").json()
    assert counted["verdicts"] == 1


def test_a_film_that_did_not_come_by_dicomweb_is_not_judged(visit, hospital, give) -> None:
    page = visit(hospital)
    give(page, "lossless.dcm")
    expect(page.locator("#verdict")).to_be_hidden()
    page.keyboard.press("w")

    expect(page.locator("#verdict")).to_be_hidden()


def test_a_silent_service_says_so_before_and_with_each_answer(visit, tiny_models, give) -> None:
    silent = Server(tiny_models, mode="silent")
    try:
        page = visit(silent)
        expect(page.locator("#banner")).to_contain_text("Silent trial. Films are analysed and stored")
        give(page, "positive.png")
        expect(page.locator("#result")).to_contain_text("SILENT TRIAL, not for care")

        assert violations(page) == []
    finally:
        silent.end()
