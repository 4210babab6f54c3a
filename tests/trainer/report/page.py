"""A page as a reader meets it."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """What a reader finds in a page: its text, its tags and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        self.text += f"{data} "

    @property
    def alts(self) -> list[str]:
        """Descriptions of all figures and pictures."""
        return [
            attributes.get("alt") or attributes.get("aria-label") or ""
            for tag, attributes in self.tags
            if tag == "img" or (tag == "svg" and attributes.get("role") == "img")
        ]
