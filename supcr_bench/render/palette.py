"""One colour per implementation, for light and dark backgrounds and for colour-blind readers.

Each colour has a contrast of at least 3:1 on either background, and any two remain distinct with
protanopia, deuteranopia and tritanopia, as tests/render/test_palette.py checks. Markers and dashes
tell implementations apart without any colour. From the ninth implementation on colours repeat, with
other dashes.
"""

from collections.abc import Iterable

SERIES = (
    "#5460a8",  # blue
    "#f66600",  # orange
    "#30a2b4",  # teal
    "#9000fc",  # violet
    "#a89066",  # tan
    "#cc001e",  # red
    "#cc54fc",  # orchid
    "#ae3c6c",  # raspberry
)
INK, QUIET, LINE, PAPER = "#1a1a1a", "#5c5c5c", "#d8d8d8", "#ffffff"
"""Text, secondary text, grid lines and background, for a light background."""
_VARIABLES = {INK: "--ink", QUIET: "--quiet", LINE: "--line", PAPER: "--paper"}
"""The CSS variables of a page's theme. An implementation's colour is the same in every theme."""
_MARKERS = ("o", "s", "D", "^", "P", "v", "h")
_DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (2, 1.5), (8, 2, 2, 2), (4, 1.5, 1.5, 1.5))
"""Lengths of dashes and gaps, in line widths; empty for a solid line."""
_FIXED = ("broadcast", "loopy", "rowsort")
"""These have the same colours in every report."""


def _place(name: str, names: Iterable[str]) -> int:
    return [*_FIXED, *(n for n in names if n not in _FIXED)].index(name)


def colour(name: str, names: Iterable[str]) -> str:
    """The colour of an implementation; ``names``: all names of the run, as they appear."""
    return SERIES[_place(name, names) % len(SERIES)]


def marker(name: str, names: Iterable[str]) -> str:
    return _MARKERS[_place(name, names) % len(_MARKERS)]


def dashes(name: str, names: Iterable[str]) -> tuple[float, ...]:
    return _DASHES[_place(name, names) % len(_DASHES)]


def palette_css() -> str:
    """Rules that give the charts on a page its theme."""
    rules = [
        f'figure svg [style*="{kind}: {value}"] {{ {kind}: var({name}) !important; }}'
        for value, name in _VARIABLES.items()
        for kind in ("fill", "stroke")
    ]
    hidden = 'figure svg :is([id$=".paper"], [id$=".title"]) { display: none; }'
    return "\n".join([*rules, hidden])
