"""What axe-core finds in each state of the page, and what those who ask for less motion get."""

import pytest
from playwright.sync_api import expect

from tests.page.axe import violations


def empty(page, films, give) -> None:
    pass


def positive_with_heat(page, films, give) -> None:
    give(page, "phantom.jpeg")
    page.keyboard.press("h")


def unfamiliar_in_a_list(page, films, give) -> None:
    page.locator("#file").set_input_files([films / "unfamiliar.png", films / "broken.jpeg", films / "negative.png"])
    expect(page.get_by_text("3 of 3")).to_be_visible()


def failed(page, films, give) -> None:
    page.locator("#file").set_input_files([films / "broken.jpeg"])
    expect(page.locator("#status")).to_contain_text("cannot be decoded")


def helped(page, films, give) -> None:
    page.keyboard.press("?")


@pytest.mark.parametrize("state", [empty, positive_with_heat, unfamiliar_in_a_list, failed, helped])
def test_axe_finds_nothing(page, films, give, state) -> None:
    state(page, films, give)

    assert violations(page) == []


def test_axe_finds_nothing_on_a_phone(visit, server, give) -> None:
    page = visit(server, viewport={"width": 390, "height": 844})
    give(page, "undecided.png")

    assert violations(page) == []


@pytest.mark.parametrize(("asked", "animations"), [("reduce", 0), ("no-preference", 1)])
def test_nothing_moves_for_those_who_ask_for_less_motion(visit, server, give, asked, animations) -> None:
    page = visit(server, reduced_motion=asked)
    give(page, "positive.png")

    assert (
        page.locator(".verdict").evaluate("(part) => Number(getComputedStyle(part).animationName !== 'none')")
        == animations
    )
