"""A page is one file: every text is escaped, every figure lies in it and is described."""

import base64
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure

from trainer.report.html import Picture, Section, Table, drawing, photograph, render_page

HOSTILE = "<script>\"&'</script>"


def _attributes(html: str, tag_name: str) -> list[dict[str, str | None]]:
    elements: list[dict[str, str | None]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs) -> None:
            if tag == tag_name:
                elements.append(dict(attrs))

    Parser().feed(html)
    return elements


def _page(*sections: Section) -> str:
    return render_page("title", "subtitle", sections, package="trainer.explore")


def _pictures(*pictures: Picture) -> str:
    return _page(Section("Pictures", "montages.html.j2", {str(place): each for place, each in enumerate(pictures)}))


def test_titles_and_sections_are_escaped_and_linked() -> None:
    sections = [
        Section("First", "bullets.html.j2", ["<p>not a paragraph</p>"]),
        Section(HOSTILE, "reading.html.j2", None),
    ]
    page = render_page(HOSTILE, HOSTILE, sections, package="trainer.explore")

    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "<p>not" not in page
    assert "<li>&lt;p&gt;not a paragraph&lt;/p&gt;</li>" in page
    assert [link["href"] for link in _attributes(page, "a")] == ["#s0", "#s1"]
    assert [section["id"] for section in _attributes(page, "section")] == ["s0", "s1"]
    assert _attributes(page, "meta")[0] == {"charset": "utf-8"}


def test_a_page_asks_nothing_of_the_network() -> None:
    page = _page(Section("a", "tables.html.j2", [Table("c", ("a",), [("b",)])]))

    assert "http" not in page
    assert "src=" not in page


def test_a_value_that_a_template_misses_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="leak_count"):
        _page(Section("Copies", "copies.html.j2", object()))


def test_a_figure_is_drawn_into_the_page_with_its_description() -> None:
    figure = Figure()
    figure.add_subplot().plot([0, 1], [1, 0])

    page = _pictures(drawing(figure, caption=HOSTILE, alt=HOSTILE))

    image = _attributes(page, "img")[0]
    kind, _, data = (image["src"] or "").partition(",")
    assert image["alt"] == HOSTILE
    assert kind == "data:image/svg+xml;base64"
    assert b"<svg" in base64.b64decode(data)
    assert "<script" not in page


def test_lines_of_a_caption_are_escaped_and_a_missing_picture_has_its_caption_alone() -> None:
    page = _pictures(photograph(b"png", caption=("first", HOSTILE), alt="a"), Picture(None, "", ("gone", "away")))

    assert [image["src"] for image in _attributes(page, "img")] == ["data:image/png;base64,cG5n"]
    assert "<figcaption>first<br>&lt;script&gt;" in page
    assert "<figcaption>gone<br>away</figcaption>" in page


def test_the_same_figure_gives_the_same_bytes() -> None:
    first, second = (Figure(figsize=(2, 2)) for _ in range(2))
    for figure in (first, second):
        figure.add_subplot().fill_between([0, 1], [1, 0])

    assert drawing(first, caption="", alt="a") == drawing(second, caption="", alt="a")


def test_cells_are_escaped_and_a_figure_with_its_interval_stays_on_one_line() -> None:
    rows = [(HOSTILE, "0.962 [0.949, 0.973]"), ("a long text that may be broken", "")]
    page = _page(Section("Table", "tables.html.j2", [Table(HOSTILE, ("name", HOSTILE), rows)]))

    assert "<script" not in page
    assert '<td class="short">0.962 [0.949, 0.973]</td>' in page
    assert "<td>a long text that may be broken</td>" in page
    assert [cell["scope"] for cell in _attributes(page, "th")] == ["col", "col"]


def test_without_a_head_the_first_cell_is_the_title_of_its_row() -> None:
    page = _page(Section("Table", "tables.html.j2", [Table("Origin", (), [("Device", "cpu"), ("Seed", "0")])]))

    assert "<thead>" not in page
    assert '<th scope="row">Device</th>' in page
    assert [cell["scope"] for cell in _attributes(page, "th")] == ["row", "row"]
