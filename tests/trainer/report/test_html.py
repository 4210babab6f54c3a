"""A page is one file: every text is escaped, every figure stands in it and is described."""

import base64
from html.parser import HTMLParser

from matplotlib.figure import Figure

from trainer.report.html import Section, figure_html, render_page, table_html

HOSTILE = "<script>\"&'</script>"


def _attributes(html: str, wanted: str) -> dict[str, str | None]:
    found: list[dict[str, str | None]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs) -> None:
            if tag == wanted:
                found.append(dict(attrs))

    Parser().feed(html)
    return found[0]


def test_titles_are_escaped_and_sections_are_linked_and_taken_as_they_are() -> None:
    page = render_page(HOSTILE, HOSTILE, [Section("First", "<p>kept</p>"), Section(HOSTILE, "")])

    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "<p>kept</p>" in page
    assert '<a href="#s1">' in page
    assert 'id="s1"' in page
    assert _attributes(page, "meta") == {"charset": "utf-8"}


def test_a_page_asks_nothing_of_the_network() -> None:
    page = render_page("title", "subtitle", [Section("a", table_html(("a",), [("b",)], caption="c"))])

    assert "http" not in page
    assert "src=" not in page


def test_a_figure_is_drawn_into_the_page_with_its_description() -> None:
    figure = Figure()
    figure.add_subplot().plot([0, 1], [1, 0])

    html = figure_html(figure, caption=HOSTILE, alt=HOSTILE)

    image = _attributes(html, "img")
    kind, _, data = (image["src"] or "").partition(",")
    assert image["alt"] == HOSTILE
    assert kind == "data:image/svg+xml;base64"
    assert b"<svg" in base64.b64decode(data)
    assert "<script" not in html


def test_the_same_figure_gives_the_same_bytes() -> None:
    first, second = (Figure(figsize=(2, 2)) for _ in range(2))
    for figure in (first, second):
        figure.add_subplot().fill_between([0, 1], [1, 0])

    assert figure_html(first, caption="", alt="a") == figure_html(second, caption="", alt="a")


def test_cells_are_escaped_and_a_figure_with_its_interval_stays_on_one_line() -> None:
    html = table_html(
        ("name", HOSTILE), [(HOSTILE, "0.962 [0.949, 0.973]"), ("a long text that may be broken", "")], caption=HOSTILE
    )

    assert "<script" not in html
    assert '<td class="short">0.962 [0.949, 0.973]</td>' in html
    assert "<td>a long text that may be broken</td>" in html
