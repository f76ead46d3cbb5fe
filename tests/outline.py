"""What a page is made of, for tests of pages."""

from html.parser import HTMLParser


class Outline(HTMLParser):
    """Which tags a page has, which addresses it names, and which ids it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]
        self.ids += [v for k, v in attrs if k == "id" and v]
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))


def outline(text: str) -> Outline:
    """Of a page."""
    found = Outline()
    found.feed(text)
    return found
