"""matplotlib's SVG made over for a page: themed, small, with an element for every point.

What is drawn gets its meaning by the id of its element: the canvas gives ids that hold no text of a
person's, and keeps what each stands for beside the drawing. Names reach the markup here alone, by a
serialiser that escapes them.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET

from supcr_bench.render.palette import LIGHT

INK = "#1a1a1a"
QUIET = "#5c5c5c"
LINE = "#d8d8d8"
PAPER = "#ffffff"
_THEMED = {
    INK: "currentColor",
    QUIET: "var(--quiet, currentColor)",
    LINE: "var(--line)",
    PAPER: "var(--paper, Canvas)",
} | {value: f"var(--series-{i})" for i, value in enumerate(LIGHT, start=1)}
_HREF = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+")
_KEPT = ("viewBox", "d", "x", "y", "width", "height", "clip-path", "id")
_INHERITED = ("font-family", "stroke-linejoin", "stroke-linecap", "stroke-miterlimit")
"""Declarations that the page or the root says once."""


def plain(text: str) -> str:
    """Text without what XML does not take."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a drawn element stands for.

    Attributes:
        kind: ``point`` (its figures can be asked for), ``series`` (a line, a band, a label),
            ``crossing``, or ``head`` (of the file alone, not for a page).
        implementation: whose.
        other: of a crossing, the other one.
        key: what pieces of one point have in common.
        text: the figures in words.
    """

    kind: Literal["point", "series", "crossing", "head"]
    implementation: str = ""
    other: str = ""
    key: str = ""
    text: str = ""


def themed(
    drawn: str, name: str, title: str, marks: Mapping[str, Mark], view: tuple[float, ...]
) -> str:
    """The SVG for within a page.

    Args:
        drawn: matplotlib's.
        name: begins every id, so that many charts can stand on one page.
        title: its accessible name.
        marks: by id, what elements stand for; others are decoration.
        view: the part to show: left, top, width, height.
    """
    source = ET.fromstring(drawn)  # noqa: S314, drawn just before
    over = _MakeOver(name, marks)
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "chart",
            "viewBox": " ".join(f"{x:g}" for x in view),
            "role": "group",
            "aria-label": title,
            "stroke-linejoin": "round",
        },
    )
    # Ticks and labels would be read out one by one; the points and the description say it better.
    scenery = ET.Element("g", {"aria-hidden": "true"})
    for child in source:
        over.copy(child, scenery)
    definitions = ET.SubElement(root, "defs")
    definitions.extend(over.definitions)
    root.append(scenery)
    root.extend(over.points())
    return ET.tostring(root, encoding="unicode")


class _MakeOver:
    """One drawing, on its way from matplotlib's elements to a page's."""

    def __init__(self, name: str, marks: Mapping[str, Mark]) -> None:
        self.name = name
        self.marks = marks
        self.definitions: list[ET.Element] = []
        self._ids: dict[str, str] = {}
        self._points: dict[str, tuple[Mark, list[ET.Element]]] = {}

    def copy(self, element: ET.Element, parent: ET.Element) -> None:
        """Copy an element and all below it, without the groups that say nothing."""
        tag = element.tag.rpartition("}")[2]
        mark = self.marks.get(element.get("id", ""))
        if tag in ("style", "metadata") or (mark and mark.kind == "head"):
            return
        if tag == "defs":
            for child in element:
                if child.get("id"):
                    self._define(child)
            return
        if mark and mark.kind == "point":
            held = ET.Element("g")
            for child in element:
                self.copy(child, held)
            self._points.setdefault(mark.key, (mark, []))[1].extend(held)
            return
        attributes = self._attributes(element, tag)
        if mark:
            attributes |= _said(mark)
        if tag == "g" and not attributes:
            own = parent
        else:
            own = ET.SubElement(parent, tag, attributes)
            if mark and mark.text:
                ET.SubElement(own, "title").text = plain(mark.text)
        if tag == "text":
            own.text = element.text
        for child in element:
            self.copy(child, own)

    def _define(self, element: ET.Element) -> None:
        tag = element.tag.rpartition("}")[2]
        attributes = self._attributes(element, tag)
        attributes["id"] = self._id(element.get("id", ""))
        # A marker takes the colour of whoever uses it.
        own = ET.Element(tag, {k: v for k, v in attributes.items() if k != "style"})
        for child in element:
            self.copy(child, own)
        self.definitions.append(own)

    def _id(self, drawn: str) -> str:
        return self._ids.setdefault(drawn, f"{self.name}-{len(self._ids) + 1}")

    def _attributes(self, element: ET.Element, tag: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in element.attrib.items():
            if key == "style":
                if style := _style(value):
                    found["style"] = style
            elif key == _HREF:
                found["href"] = f"#{self._id(value.removeprefix('#'))}"
            elif key == "clip-path":
                found[key] = f"url(#{self._id(value[len('url(#') : -1])})"
            elif key == "transform":
                if not re.match(r"rotate\(-?0(\.0)? ", value):
                    found[key] = _shortened(value)
            elif key in _KEPT and key != "id":
                found[key] = _shortened(value)
        if tag == "path" and found.get("d"):
            found["d"] = re.sub(r"\s*([A-Za-z])\s*", r"\1", found["d"]).strip()
        return found

    def points(self) -> Iterator[ET.Element]:
        """An element for each, reached by the keyboard: the first of each implementation by Tab."""
        seen: set[str] = set()
        for mark, pieces in self._points.values():
            first = mark.implementation not in seen
            seen.add(mark.implementation)
            group = ET.Element(
                "g",
                {
                    **_said(mark),
                    "tabindex": "0" if first else "-1",
                    "role": "img",
                    "aria-label": plain(mark.text),
                },
            )
            ET.SubElement(group, "title").text = plain(mark.text)
            styles = {piece.attrib.get("style") for piece in pieces}
            if len(styles) == 1 and (style := styles.pop()):
                group.set("style", style)
                for piece in pieces:
                    del piece.attrib["style"]
            group.extend(pieces)
            yield group


def _said(mark: Mark) -> dict[str, str]:
    one, other = plain(mark.implementation), plain(mark.other)
    if mark.kind == "crossing":
        return {"class": mark.kind, "data-one": one, "data-other": other}
    return {"class": mark.kind, "data-implementation": one}


def _shortened(numbers: str) -> str:
    """With one decimal: a tenth of a unit is less than a pixel."""
    return _NUMBER.sub(lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), numbers)


def _style(value: str) -> str:
    """Declarations without what is inherited, in the colours of the theme."""
    kept = []
    for declaration in value.split(";"):
        key, _, said = (part.strip() for part in declaration.partition(":"))
        if not said or key in _INHERITED:
            continue
        if key == "font":  # the page has the family
            size = next(word for word in said.split() if word.endswith("px"))
            weight = next((w for w in said.split() if w == "bold" or w.isdigit()), "")
            kept += [f"font-size:{size}", *([f"font-weight:{weight}"] if weight else [])]
            continue
        if key in ("stroke-dasharray", "stroke-dashoffset", "stroke-width"):
            said = re.sub(r"\d+\.\d+", lambda m: f"{float(m[0]):.2g}", said)
        kept.append(f"{key}:{_THEMED.get(said, said)}")
    return ";".join(kept)
