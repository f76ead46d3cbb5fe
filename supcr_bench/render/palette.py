"""One colour per implementation, for light and dark backgrounds and for colour-blind readers.

Each colour has a contrast of at least 3:1 on either background, and any two remain distinct with
protanopia, deuteranopia and tritanopia, as tests/render/test_palette.py checks. Markers and dashes
tell implementations apart without any colour. From the ninth on colours repeat, with other dashes.
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


def look(name: str, names: Iterable[str]) -> tuple[str, str, tuple[float, ...]]:
    """Colour, marker and dashes of an implementation; ``names``: all of the run, in their order."""
    place = [*_FIXED, *(n for n in names if n not in _FIXED)].index(name)
    marker, dashes = _MARKERS[place % len(_MARKERS)], _DASHES[place % len(_DASHES)]
    return SERIES[place % len(SERIES)], marker, dashes


def palette_css() -> str:
    rules = [
        f'figure svg [style*="{kind}: {value}"] {{ {kind}: var({name}) !important; }}'
        for value, name in _VARIABLES.items()
        for kind in ("fill", "stroke")
    ]
    hidden = 'figure svg :is([id$=".paper"], [id$=".title"]) { display: none; }'
    return "\n".join([*rules, hidden])
