"""The reports on a phone: in a browser, 390 pixels wide, nothing is cut off and the page does not scroll sideways."""

from pathlib import Path

import pytest

from tests.films import write_classes
from tests.runs import write_run
from trainer.explore.document import write_data_report
from trainer.films.options import DataOptions
from trainer.films.sources.find import index_films
from trainer.folder import RunFolder
from trainer.report.document import write_report

PHONE = {"width": 390, "height": 844}
LONG = "Pneumothorax_and_subcutaneous_emphysema_after_drainage"

WIDTHS = """() => ({
    page: document.documentElement.scrollWidth,
    cut: [...document.querySelectorAll('.wide, .wide *, figcaption')]
        .filter(each => each.getBoundingClientRect().width > 0 && (each.getBoundingClientRect().right > 390
            || each.matches('.wide') && each.scrollWidth > each.clientWidth + 1))
        .map(each => `${each.tagName}.${each.className}: ${each.textContent.trim().slice(0, 60)}`),
})"""


def report_of_a_run(folder: Path) -> Path:
    run = RunFolder(
        write_run(folder / "run", classes=("NORMAL", LONG, "TB"), trials={"cnn4-seed0": 3.0, "cnn4-seed1": 2})
    )
    return write_report(run)


def report_of_data(folder: Path) -> Path:
    write_classes(folder / "films", {"Normal": 12, LONG: 12, "TB": 12})
    options = DataOptions(path=str(folder / "films"), cache=str(folder / "cache"))
    page = folder / "data.html"
    write_data_report(
        index_films(options), page, data="films", cache=folder / "cache", side=32, shown=6, seed=0, progress=None
    )
    return page


@pytest.mark.parametrize("made", [report_of_a_run, report_of_data])
def test_tables_and_captions_fit_a_phone(browser, tmp_path, made) -> None:
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(made(tmp_path).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    assert page.evaluate(WIDTHS) == {"page": 390, "cut": []}
    context.close()
