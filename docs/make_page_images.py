"""The pictures of the page in docs/images, taken of a running service: `python -m docs.make_page_images http://127.0.0.1:8000`."""

import shutil
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydicom.data import get_testdata_file

IMAGES: Final = Path(__file__).parent / "images"
# Of the package pydicom-data, MIT.
CHEST, LEG = (Path(str(get_testdata_file(name, download=False))) for name in ("RG1_UNCI.dcm", "RG3_UNCI.dcm"))
PATIENCE_MS: Final = 60_000


def main(address: str) -> None:
    """Take all of them.

    Args:
        address: of the service, which serves the bundle that ships.
    """
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = _page_with(browser, address, CHEST, width=1440, height=900)
        page.keyboard.press("h")
        _take(page, "page.png")
        page = _page_with(browser, address, CHEST, width=390, height=844)
        page.keyboard.press("h")
        _take(page, "page-phone.png")
        _take(_page_with(browser, address, CHEST, LEG, width=1440, height=900), "page-unfamiliar.png")
        browser.close()


def _page_with(browser: Browser, address: str, *films: Path, width: int, height: int) -> Page:
    """The page that shows the last of `films`, its window set by hand."""
    page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
    page.goto(address)
    page.locator("#file").set_input_files(films)
    if len(films) > 1:
        page.get_by_role("button", name=films[-1].name).click()
    expect(page.locator("#heat")).to_be_enabled()
    page.get_by_label("L", exact=True).fill("38000")
    page.get_by_label("W", exact=True).fill("52000")
    page.get_by_label("W", exact=True).press("Tab")
    return page


def _take(page: Page, name: str) -> None:
    page.evaluate("document.activeElement.blur()")
    expect(page.locator("#shown")).to_contain_text("W 52000")
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.screenshot(path=IMAGES / name)


if __name__ == "__main__":
    main(sys.argv[1])
