"""The film: what is drawn, and what dragging, wheel, fingers and buttons do to it."""

import pytest
from playwright.sync_api import expect

MIDDLE = (0.5, 0.5)
CORNER = (0.01, 0.5)


@pytest.fixture
def film(page, give):
    """A page that shows a film of gray 200 of 255; its canvas is black beside it."""
    give(page, "positive.png")
    return page


def drag(page, x, y, *, keys=()) -> None:
    box = page.locator("#film").bounding_box()
    start = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + x, start[1] + y, steps=4)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)


def test_a_film_is_drawn_in_the_middle_with_the_files_own_gray(film, look) -> None:
    assert look(film, MIDDLE, CORNER) == [(200, 200, 200), (0, 0, 0)]


def test_dragging_up_and_down_moves_the_level_and_sideways_the_width(film, look) -> None:
    drag(film, 0, -60)  # a tenth of the range: the level falls by 25.5, everything is brighter
    brighter = look(film, MIDDLE)[0][0]
    film.get_by_role("button", name="Reset").click()
    drag(film, -300, 0)  # half of the range
    steeper = look(film, MIDDLE)[0][0]

    assert brighter == pytest.approx(226, abs=2)
    assert steeper == 255  # (200 - 127.5) / 127.5 + 0.5
    assert film.get_by_label("W", exact=True).input_value() == "128"
    assert film.get_by_label("L", exact=True).input_value() == "128"


def test_window_and_level_can_be_typed(film, look) -> None:
    film.get_by_label("L", exact=True).fill("200")
    film.get_by_label("W", exact=True).fill("50")
    film.get_by_label("W", exact=True).press("Enter")

    assert look(film, MIDDLE)[0][0] == pytest.approx(128, abs=1)


def test_the_window_works_on_all_of_a_films_sixteen_bits(page, give) -> None:
    give(page, "deep.png")
    page.get_by_label("W", exact=True).fill("400")
    page.get_by_label("L", exact=True).fill("30000")
    page.get_by_label("L", exact=True).press("Enter")

    expect(page.locator("#shown")).to_contain_text("L 30000  W 400")


def test_automatic_window_stretches_the_films_own_values(page, give, look) -> None:
    give(page, "phantom.jpeg")
    before = look(page, *[(0.35 + 0.03 * step, 0.5) for step in range(11)])
    page.get_by_role("button", name="Auto").click()
    after = look(page, *[(0.35 + 0.03 * step, 0.5) for step in range(11)])

    def spread(colours):
        return max(colours)[0] - min(colours)[0]

    assert spread(after) > spread(before)


def test_inverting_turns_black_into_white_and_back(film, look) -> None:
    film.get_by_role("button", name="Invert").click()
    inverted = look(film, MIDDLE)
    expect(film.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "true")
    film.get_by_role("button", name="Invert").click()

    assert inverted == [(55, 55, 55)]
    assert look(film, MIDDLE) == [(200, 200, 200)]


def test_wheel_and_buttons_zoom_and_fit_shows_all_again(film, look) -> None:
    box = film.locator("#film").bounding_box()
    film.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    film.mouse.wheel(0, -1200)
    zoomed = look(film, CORNER)
    film.get_by_role("button", name="Fit").click()
    fitted = look(film, CORNER)
    for _ in range(8):
        film.get_by_role("button", name="Zoom in").click()

    assert (zoomed, fitted, look(film, CORNER)) == ([(200, 200, 200)], [(0, 0, 0)], [(200, 200, 200)])


def test_one_to_one_shows_a_pixel_of_the_film_on_a_pixel_of_the_screen(film, look) -> None:
    film.get_by_role("button", name="One pixel of the film").click()
    width = film.locator("#film").evaluate("(canvas) => canvas.width")

    assert look(film, ((width / 2 - 118) / width, 0.5), ((width / 2 - 122) / width, 0.5)) == [(200,) * 3, (0,) * 3]


@pytest.mark.parametrize("by", ["shift", "mode"])
def test_a_film_can_be_moved_but_never_out_of_sight(film, look, by) -> None:
    if by == "mode":
        film.get_by_text("Move", exact=True).click()
    drag(film, -150, 0, keys=("Shift",) if by == "shift" else ())
    moved = look(film, (0.75, 0.5))
    for _ in range(3):
        drag(film, -350, 0, keys=("Shift",) if by == "shift" else ())

    assert moved == [(0, 0, 0)]
    assert look(film, (0.49, 0.5)) == [(200, 200, 200)]
    assert film.get_by_label("W", exact=True).input_value() == "255"


def test_the_sample_film_is_offered_and_its_dicom_pixels_are_shown(page, look) -> None:
    page.get_by_role("button", name="Try the sample film").click()
    expect(page.locator("#heat")).to_be_enabled()

    expect(page.locator("#result")).to_contain_text("1955 pixels, 16 bits, MONOCHROME1")
    assert look(page, (0.5, 0.5))[0][0] > 150  # the spine is white although the file stores it as dark
    assert look(page, (0.4, 0.25))[0][0] < 150  # and the lung is not


def test_a_compressed_dicom_file_that_no_browser_can_read_is_shown(page, give, look) -> None:
    give(page, "lossless.dcm")

    expect(page.locator("#result")).to_contain_text("300 pixels, 8 bits, MONOCHROME2")
    assert look(page, MIDDLE, CORNER) == [(200, 200, 200), (0, 0, 0)]
