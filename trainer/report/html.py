"""Web pages that are one file each: jinja2 templates with escaping on, and the values that the templates are given.

No function here takes or returns HTML in part: text becomes HTML in a template alone.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure

from schemas.api import DISCLAIMER


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; without a head the first cell of each row is its title."""

    caption: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that lies in the page itself, with its description."""

    address: str | None
    """`data:image/…;base64,…`; None: the caption stands alone."""
    alt: str
    """What the image shows, for readers who cannot see it."""
    caption: tuple[str, ...]
    """Lines below the image."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page."""

    title: str
    template: str
    """The name of its file in the package's folder `templates`."""
    content: object
    """What the template calls `content`."""


def render_page(title: str, subtitle: str, sections: Sequence[Section], *, package: str = "trainer.report") -> str:
    """One HTML document with a table of contents.

    Args:
        title: of the page.
        subtitle: one line below it.
        sections: in their order.
        package: the Python package whose templates the sections name; those of `trainer.report` are always found.

    Raises:
        jinja2.UndefinedError: a template asks for a value that its content does not have.
    """
    page = _environment(package).get_template("page.html.j2")
    return page.render(title=title, subtitle=subtitle, sections=sections)


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("trainer.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["disclaimer"] = DISCLAIMER
    environment.filters |= {"thousands": "{:,}".format, "utc": utc}
    return environment


def utc(moment: datetime) -> str:
    """A moment to the minute; records hold moments in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def drawing(figure: Figure, *, caption: str, alt: str) -> Picture:
    """A figure of matplotlib as a picture in SVG."""
    svg = io.BytesIO()
    # Text stays text: a quarter of the size, and the reader's own font where the figure's is missing.
    # The salt gives the parts of a figure the same names in every run of the program.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "page"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return Picture(_data_address(svg.getvalue(), "svg+xml"), alt, (caption,))


def photograph(png: bytes, *, caption: tuple[str, ...], alt: str) -> Picture:
    """A PNG file as a picture."""
    return Picture(_data_address(png, "png"), alt, caption)


def _data_address(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
