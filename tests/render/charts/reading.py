"""Reading what charts drew."""

from xml.etree import ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    """The drawing."""
    return ET.fromstring(svg)


def of_class(svg: str, kind: str) -> list[ET.Element]:
    """Its elements of a class, in order."""
    return [e for e in parsed(svg).iter() if e.get("class") == kind]


def texts(svg: str) -> list[str]:
    """What is written in it."""
    return [e.text or "" for e in parsed(svg).iter(f"{SVG}text")]


def labels(svg: str, implementation: str) -> list[str]:
    """What is written in the colour of an implementation."""
    return [
        e.text or ""
        for group in of_class(svg, "series")
        if group.get("data-implementation") == implementation
        for e in group.iter(f"{SVG}text")
    ]


def points(svg: str, implementation: str) -> list[str]:
    """The figures of its points, in order."""
    return [
        e.get("aria-label", "")
        for e in of_class(svg, "point")
        if e.get("data-implementation") == implementation
    ]
