"""Reads the pages of the documentation: their fenced blocks, commands and links."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGES = (CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").glob("*.md"))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Those of all pages, in some languages."""
    return [
        Block(str(page.relative_to(CHECKOUT)), language, text)
        for page in PAGES
        for language, text in _BLOCK.findall(page.read_text("utf-8"))
        if language in languages
    ]


def commands() -> list[tuple[str, list[str]]]:
    """Every command line that a page shows, with the page; comments and output are left out."""
    lines = [(b.page, line) for b in blocks("sh") for line in b.text.splitlines()]
    lines += [(b.page, line[2:]) for b in blocks("console") for line in b.text.splitlines()[:1]]
    return [(page, shlex.split(line, comments=True)) for page, line in lines if line.strip()]


def links(page: Path) -> list[str]:
    """What a page links to within the checkout."""
    text = _BLOCK.sub("", page.read_text("utf-8"))
    return [link for link in _LINK.findall(text) if not link.startswith("http")]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}
