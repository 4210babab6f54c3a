"""The picture of a training report in docs/images: `python -m docs.make_report_image runs/ID/report.html`."""

import shutil
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

IMAGE: Final = Path(__file__).parent / "images" / "report.png"


def main(report: Path) -> None:
    """Take the top of the report, as a desktop shows it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1200, "height": 1400}, reduced_motion="reduce")
        page.goto(report.resolve().as_uri())
        page.screenshot(path=IMAGE)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
