"""Everything by keys alone, with a visible focus and a voice for those who do not see."""

import pytest
from playwright.sync_api import expect


def test_a_film_is_opened_read_and_judged_without_a_pointer(page, films, look) -> None:
    page.on("filechooser", lambda _: None)  # listened for from now on: under load, only from later on otherwise
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Choose films":
            break
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([films / "phantom.jpeg", films / "positive.png"])
    expect(page.get_by_text("2 of 2")).to_be_visible()
    expect(page.locator("#heat")).to_be_enabled()
    expect(page.locator("#film")).to_be_focused()

    page.keyboard.press("h")
    expect(page.locator("#heat")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("status")).to_have_text("Heat map on")
    page.keyboard.press("e")
    expect(page.locator("#result")).to_contain_text("Of NORMAL")
    page.keyboard.press("s")
    expect(page.locator("#beside")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press(".")
    expect(page.locator("#opacity")).to_have_value("60")
    page.keyboard.press("n")
    expect(page.get_by_role("button", name="positive.png")).to_have_attribute("aria-current", "true")
    expect(page.locator("#film-status")).to_be_hidden()
    page.keyboard.press("i")
    assert look(page, (0.5, 0.5)) == [(55, 55, 55)]
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="phantom.jpeg")).to_have_attribute("aria-current", "true")
    with page.expect_download():
        page.keyboard.press("d")
    with page.expect_download():
        page.keyboard.press("g")


def test_arrows_on_the_film_move_it_and_with_shift_set_the_window(page, give, look) -> None:
    give(page, "positive.png")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#shown")).to_contain_text("L 122  W 250")
    page.keyboard.press("+")
    expect(page.locator("#shown")).to_contain_text("1.3")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert look(page, (0.75, 0.5)) == [(0, 0, 0)]
    page.keyboard.press("r")

    expect(page.locator("#shown")).to_contain_text("L 128  W 255")


def test_keys_typed_into_a_field_are_text_and_can_be_switched_off_for_good(page, give) -> None:
    give(page, "positive.png")
    page.get_by_label("L", exact=True).press("i")
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Single keys work").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "false")
    page.reload()
    page.get_by_role("button", name="Keys").click()

    expect(page.get_by_label("Single keys work")).not_to_be_checked()


def test_the_help_lists_every_key_and_escape_closes_it(page) -> None:
    page.keyboard.press("?")
    listed = page.locator("#shortcuts kbd").all_inner_texts()

    assert {"O", "N", "B", "H", "P", "S", "E", "I", "F", "A", "R", "D", "G", "T", "M", "+", "-", "?", "Esc"} <= set(
        listed
    )
    assert len(listed) == len(set(listed))
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_whatever_has_the_focus_shows_it(page, give) -> None:
    give(page, "positive.png")
    page.locator("body").press("Tab")
    seen = set()
    unmarked = []
    for _ in range(40):
        name, outline = page.evaluate(
            """() => {
                const focused = document.activeElement;
                if (focused === document.body) return ["", ""];
                const marked = focused.matches(".choice input") ? focused.nextElementSibling : focused;
                return [focused.id || focused.textContent || focused.value, getComputedStyle(marked).outlineStyle];
            }"""
        )
        if name in seen:
            break
        if name != "":  # between the last and the first stop nothing has the focus
            seen.add(name)
            unmarked += [name] if outline == "none" else []
        page.keyboard.press("Tab")

    assert {"film", "heat", "peek", "beside", "finding", "opacity", "level", "width", "save-json", "print"} <= seen
    assert unmarked == []


@pytest.mark.parametrize("name", ["n", "b", "h", "d", "g", "e", "i", "a", "1", "+", "Escape"])
def test_a_key_before_any_film_does_nothing(page, name) -> None:
    page.keyboard.press(name)

    expect(page.get_by_role("heading", name="Looks for PNEUMONIA")).to_be_visible()
