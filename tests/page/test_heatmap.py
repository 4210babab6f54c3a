"""The heat map: off until it is asked for, evenly coloured, with a line at half of its maximum."""

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

ROW = [(0.33 + 0.0034 * step, 0.5) for step in range(100)]


@pytest.fixture
def film(page, give):
    give(page, "phantom.jpeg")
    return page


def is_gray(colours):
    return all(max(colour) - min(colour) <= 1 for colour in colours)


def test_a_film_is_seen_first_without_heat_even_after_another_was_seen_with_it(film, give, look) -> None:
    first = look(film, *ROW)
    film.get_by_role("button", name="Heat map").click()
    hot = look(film, *ROW)
    give(film, "positive.png")

    assert is_gray(first)
    assert not is_gray(hot)
    assert is_gray(look(film, *ROW))
    expect(film.locator("#legend")).to_be_hidden()


@pytest.mark.parametrize("hold", ["key", "button"])
def test_peeking_shows_the_heat_as_long_as_it_is_held(film, look, hold) -> None:
    button = film.get_by_role("button", name="Hold to peek").bounding_box()
    film.mouse.move(button["x"] + 5, button["y"] + 5)
    film.keyboard.down("p") if hold == "key" else film.mouse.down()
    held = look(film, *ROW)
    expect(film.locator("#legend")).to_be_visible()
    film.keyboard.up("p") if hold == "key" else film.mouse.up()

    assert not is_gray(held)
    assert is_gray(look(film, *ROW))


def test_opacity_fades_the_colours_but_not_the_line(film, look) -> None:
    film.get_by_role("button", name="Heat map").click()
    strong = look(film, *ROW)
    film.get_by_label("Opacity").fill("0")
    faded = look(film, *ROW)

    def colourful(colours):
        return sum(max(colour) - min(colour) for colour in colours)

    assert colourful(strong) > 300
    assert colourful(faded) < 50
    assert (255, 255, 255) in faded  # the line


def test_side_by_side_shows_the_film_left_and_the_heat_right(film, look) -> None:
    film.get_by_role("button", name="Side by side").click()
    left = look(film, *[(0.1 + 0.003 * step, 0.5) for step in range(100)])
    right = look(film, *[(0.6 + 0.003 * step, 0.5) for step in range(100)])

    assert is_gray(left)
    assert not is_gray(right)


def test_another_finding_can_be_explained(film, look) -> None:
    film.get_by_role("button", name="Heat map").click()
    before = look(film, *ROW)
    expect(film.locator("#result")).to_contain_text("Of PNEUMONIA (gradcam, onnx)")
    film.get_by_label("Finding to explain").select_option("NORMAL")

    expect(film.locator("#result")).to_contain_text("Of NORMAL (gradcam, onnx)")
    wait_until(lambda: look(film, *ROW) != before, "the other map is drawn: its words come first")


def test_the_colours_are_those_of_the_service(page) -> None:
    expected = (
        cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_PLASMA).reshape(256, 3)[:, ::-1].astype(int)
    )

    colours = page.evaluate(
        """async () => {
            const { colour } = await import("/static/page/heatmap.js");
            return Array.from({ length: 256 }, (_, heat) => colour(heat));
        }"""
    )

    assert np.abs(np.array(colours) - expected).max() <= 5  # 2 %: seventeen of the 256 steps are kept


def test_the_line_runs_where_the_heat_crosses_its_level(page) -> None:
    on_line = page.evaluate(
        """async () => {
            const { contour } = await import("/static/page/heatmap.js");
            const side = 100;
            const values = new Uint8Array(side * side);
            for (let at = 0; at < values.length; at += 1) {
                const [x, y] = [(at % side) + 0.5 - 50, Math.floor(at / side) + 0.5 - 50];
                values[at] = Math.max(0, 255 - 5.1 * Math.hypot(x, y)); // a cone: half of 255 at a radius of 25
            }
            const context = new OffscreenCanvas(1, 1).getContext("2d");
            context.lineWidth = 0.01;
            const path = contour({ rows: side, columns: side, values }, 127.5);
            return [0, 1, 2, 3, 4, 5].map((angle) => {
                const at = (radius) => [0.5 + radius * Math.cos(angle), 0.5 + radius * Math.sin(angle)];
                return [0.2, 0.25, 0.3].map((radius) => context.isPointInStroke(path, ...at(radius)));
            });
        }"""
    )

    assert on_line == [[False, True, False]] * 6
