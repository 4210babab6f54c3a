"""Several findings, whose film it is, and which bundle answered."""

from functools import partial

import pytest
from playwright.sync_api import expect

from tests.page.axe import violations
from tests.service.bundles import FINDINGS, make_current, write_tiny_bundle
from tests.service.server import Server
from tests.waiting import wait_until


@pytest.fixture
def page(visit, guided):
    """The page of a service whose bundle has several findings and a guide."""
    opened = visit(guided)
    expect(opened.get_by_role("heading", name="Looks for Effusion, Cardiomegaly, Pneumothorax")).to_be_visible()
    return opened


def items(page):
    """The list of findings that is in sight, as the words of each line."""
    return [item.inner_text().split("\n") for item in page.locator(".findings li:visible").all()]


def test_before_any_film_the_page_tells_the_population_and_each_operating_point(page) -> None:
    result = page.locator("#result")

    expect(result).to_contain_text("Population: child, below 18 years")
    for name, threshold in FINDINGS.items():
        expect(result).to_contain_text(f"{name}, called from {100 * threshold:.1f} %")
    result.get_by_text("Cardiomegaly, called from").click()
    expect(result.get_by_text("Cardiomegaly is called from a probability of 50.0 %")).to_be_visible()


def test_findings_are_a_list_with_sign_band_and_probability_what_was_reached_first(page, give) -> None:
    give(page, "two.png")

    expect(page.locator(".verdict")).to_contain_text("Effusion, Cardiomegaly: operating point reached")
    assert items(page) == [
        ["▲", "Effusion", "Reached. High confidence", "99.9 %"],
        ["▲", "Cardiomegaly", "Reached. High confidence", "95.3 %"],
        ["○", "Pneumothorax", "Not reached. High confidence", "0.0 %"],
    ]
    marks = page.locator(".findings .bar").evaluate_all(
        "(bars) => bars.map((bar) => [...bar.children].map((part) => part.offsetLeft / bar.offsetWidth)[1])"
    )
    assert marks == pytest.approx([0.3, 0.5, 0.2], abs=0.02)


def test_the_operating_points_of_what_was_reached_are_open_and_the_others_folded(page, give) -> None:
    give(page, "two.png")
    points = page.locator(".point")

    assert points.evaluate_all("(all) => all.map(({ open }) => open)") == [True, True, False]
    expect(points.first).to_contain_text("90.0 % (80.0 to 95.0)")


def test_an_unclear_finding_shows_no_probability_and_leaves_the_others_theirs(page, give) -> None:
    give(page, "open.png")

    expect(page.locator(".verdict")).to_contain_text("Undecided: no answer")
    first, *others = items(page)
    assert first == ["?", "Effusion", "Undecided"]
    assert [item[:2] for item in others] == [["○", "Pneumothorax"], ["○", "Cardiomegaly"]]
    page.get_by_text("What the network computed all the same").click()
    assert items(page)[-1] == ["Effusion", "51.0 %"]


def test_a_film_without_any_of_the_findings_names_what_was_looked_for(page, give) -> None:
    give(page, "none.png")

    expect(page.locator(".verdict")).to_contain_text(
        "Effusion, Cardiomegaly, Pneumothorax: operating point not reached"
    )


def test_a_film_of_another_population_has_no_answer_and_says_what_was_seen(page, give) -> None:
    give(page, "adult.png")
    result = page.locator("#result")

    expect(page.locator(".verdict")).to_contain_text("Outside the population: no answer")
    expect(page.locator(".verdict")).to_contain_text("Seen as: adult")
    expect(result).to_contain_text("the film looks like one of an adult (population: adult, .9")
    expect(page.locator(".traits")).to_contain_text("not what the network was trained on")
    expect(page.locator(".traits")).to_contain_text("frontal, 100.0 %")
    expect(page.locator(".findings")).to_be_hidden()
    expect(page.get_by_role("status")).to_have_text("Outside the population: no answer")


def test_a_header_that_contradicts_the_film_is_told_in_words(page, give) -> None:
    give(page, "child of 44.dcm")
    result = page.locator("#result")

    expect(page.locator(".verdict")).to_contain_text("By what is stated of it")
    expect(result).to_contain_text("its own file states an age outside of those that the network was trained on")
    expect(result).to_contain_text("by PatientAge.")
    expect(result).to_contain_text("The film is outside the intended population.")
    expect(result).to_contain_text("The age that the file states and what the film looks like contradict each other.")
    assert "44" not in result.inner_text().replace("0.44", "")


def test_every_reason_for_no_answer_is_told_where_there_are_several(page, give) -> None:
    give(page, "unfamiliar.png")

    expect(page.locator(".reasons li")).to_have_text(
        [
            "The film uses a small part of its gray levels.",
            "The film differs from those that the network was trained on.",
        ]
    )


def test_any_finding_can_be_explained_and_the_most_called_is_at_first(page, give) -> None:
    give(page, "two.png")
    chosen = page.get_by_label("Finding to explain")

    expect(chosen).to_have_value("Effusion")
    assert chosen.locator("option").all_inner_texts() == list(FINDINGS)
    chosen.select_option("Pneumothorax")
    expect(page.locator("#result")).to_contain_text("Of Pneumothorax (gradcam, onnx)")


def test_the_bundle_that_answered_is_named_though_another_served_when_the_page_was_opened(
    visit, give, tmp_path
) -> None:
    write_tiny_bundle(tmp_path, guide=True)
    write_tiny_bundle(tmp_path, version="1.1.0", current=False)
    server = Server(tmp_path, model_poll_s=0.2)
    try:
        page = visit(server)
        give(page, "positive.png")
        expect(page.locator(".by")).to_have_text("By tiny 1.0.0, population: child, below 18 years.")
        make_current(tmp_path, "tiny/1.1.0")
        serves = partial(server.client.get, "/models/current")
        wait_until(lambda: serves().json()["version"] == "1.1.0", "1.1.0 serves", timeout_s=200)  # loading gives way
        give(page, "negative.png")
        expect(page.locator(".by")).to_have_text("By tiny 1.1.0.")
        expect(page.locator(".traits")).to_have_count(0)
    finally:
        server.end()


@pytest.mark.parametrize("film", ["two.png", "open.png", "adult.png"])
def test_everything_fits_a_phone_and_axe_finds_nothing(visit, guided, give, film) -> None:
    page = visit(guided, viewport={"width": 390, "height": 844}, has_touch=True)
    give(page, film)

    assert page.evaluate("document.documentElement.scrollWidth") == 390
    select = page.get_by_label("Finding to explain").bounding_box()
    assert select["x"] + select["width"] <= 378
    assert violations(page) == []
