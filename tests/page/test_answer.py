"""The answer: what is said, in which order, and what is held back."""

import json

import pytest
from playwright.sync_api import expect

from bundle.opening import open_bundle
from schemas.model.manifest import CURRENT
from tests.service.server import ROOT, Server


@pytest.mark.parametrize(
    ("film", "told"),
    [
        ("positive.png", ("PNEUMONIA: operating point reached", "confidence", "▲")),
        ("negative.png", ("PNEUMONIA: operating point not reached", "confidence", "○")),
        ("undecided.png", ("Undecided: no answer", "The network abstains", "?")),
        ("unfamiliar.png", ("Unfamiliar film: no answer", "Unlike the films that the network was trained on", "≠")),
    ],
)
def test_each_state_has_its_words_and_its_sign(page, give, film, told) -> None:
    headline, band, sign = told
    give(page, film)
    verdict = page.locator(".verdict")

    expect(verdict.get_by_role("heading")).to_have_text(headline)
    expect(verdict).to_contain_text(band)
    expect(verdict.locator(".sign")).to_have_text(sign)
    expect(page.get_by_role("status")).to_have_text(headline)


def test_the_answer_tells_figures_with_their_intervals_and_where_they_come_from(page, give) -> None:
    give(page, "positive.png")
    result = page.locator("#result")

    for words in (
        "Calibrated probability",
        "none of the findings",
        "PNEUMONIA is called from a probability of 30.0 %",
        "90.0 % (80.0 to 95.0)",
        "validation: 20 films",
        "Within what the training films looked like",
        "not where disease is",
        "tiny 1.0.0",
        "8 bits",
    ):
        expect(result).to_contain_text(words)


def test_beside_the_figures_that_chose_the_threshold_stand_those_of_the_test_films(visit, give) -> None:
    models_dir = ROOT / "models"
    manifest = open_bundle(models_dir / (models_dir / CURRENT).read_text().strip()).manifest
    (point,) = manifest.calibration.operating_points
    test = next(evaluation for evaluation in manifest.evaluation if evaluation.data == "test")
    metrics = next(metrics for metrics in test.findings if metrics.threshold == point.threshold)
    server = Server(models_dir)
    try:
        page = visit(server)
        shown = page.locator(".whiskers")

        for film in (None, "phantom.jpeg"):  # before any film, and with an answer
            if film is not None:
                give(page, film)
            expect(shown).to_have_count(2)
            for table, figures in zip(shown.all(), (point, metrics), strict=True):
                for name in ("sensitivity", "specificity"):
                    estimate = getattr(figures, name)
                    row = table.get_by_role("row", name=name.capitalize())
                    words = f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"
                    expect(row).to_contain_text(words)
            expect(shown.last).to_contain_text(f"{test.films} test films of {test.patients} patients")
    finally:
        server.end()


def test_a_bundle_that_states_no_test_shows_the_figures_of_validation_alone(page, give) -> None:
    give(page, "positive.png")

    expect(page.locator(".whiskers")).to_have_count(1)


def test_bars_are_as_long_as_their_probabilities_and_bear_the_threshold(page, give) -> None:
    give(page, "positive.png")
    row = page.get_by_role("row", name="PNEUMONIA")
    shares = row.locator(".bar").evaluate(
        "(bar) => [...bar.children].map((part) => "
        "[part.offsetLeft / bar.offsetWidth, part.offsetWidth / bar.offsetWidth])"
    )
    (_, filled), (mark, _) = shares

    assert 100 * filled == pytest.approx(float(row.locator("td").last.inner_text().split()[0]), abs=1)
    assert mark == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("film", ["undecided.png", "unfamiliar.png"])
def test_an_abstention_shows_no_probabilities_unless_they_are_asked_for(page, give, film) -> None:
    give(page, film)

    expect(page.locator(".bars")).to_be_hidden()
    page.get_by_text("What the network computed all the same").click()
    expect(page.locator(".bars")).to_be_visible()


def test_warnings_about_the_film_are_told_in_words_before_the_figures(page, give) -> None:
    give(page, "unfamiliar.png")
    text = page.locator("#result").inner_text()

    assert "About the film: 2 warnings" in text
    assert text.index("Little contrast") < text.index("Operating point")


def test_the_caution_stays_in_sight_on_a_phone_and_the_film_comes_first(visit, server, give) -> None:
    page = visit(server, viewport={"width": 390, "height": 844}, has_touch=True)
    give(page, "positive.png")
    tops = [page.locator(name).bounding_box()["y"] for name in ("#film", "#tools", ".verdict")]
    page.mouse.wheel(0, 2000)
    page.locator("#disclaimer").scroll_into_view_if_needed()

    assert tops == sorted(tops)
    expect(page.get_by_text("Research use, not a diagnosis")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_answer_and_the_overlay_can_be_taken_along(page, give) -> None:
    give(page, "positive.png")
    with page.expect_download() as answer:
        page.get_by_role("button", name="JSON").click()
    with page.expect_download() as overlay:
        page.get_by_role("button", name="Overlay").click()
    body = json.loads(answer.value.path().read_text())

    assert body["prediction"]["label"] == "PNEUMONIA"
    assert answer.value.suggested_filename == f"cxr-{body['request_id']}.json"
    assert overlay.value.path().read_bytes().startswith(b"\x89PNG")
    assert overlay.value.suggested_filename == f"cxr-{body['request_id']}-PNEUMONIA.png"


def test_the_report_has_the_film_beside_its_heat_map_the_answer_and_the_caution(page, give) -> None:
    give(page, "phantom.jpeg")
    pdf = page.pdf()
    printed = page.evaluate(
        "[document.getElementById('report-film').width, document.getElementById('report-film').height]"
    )
    page.emulate_media(media="print")

    assert pdf.startswith(b"%PDF")
    assert printed == [1600, 1067]  # two films of 3 to 4
    expect(page.locator("#report-film")).to_be_visible()
    expect(page.locator("#report-head")).to_contain_text("phantom.jpeg")
    expect(page.get_by_text("Research use, not a diagnosis")).to_be_visible()
    expect(page.get_by_text("not for diagnosis, triage or any decision")).to_be_visible()
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator("#tools")).to_be_hidden()


def test_the_model_card_can_be_read(page) -> None:
    page.get_by_role("button", name="Model card").click()

    expect(page.get_by_role("dialog")).to_contain_text("A bundle for tests.")
