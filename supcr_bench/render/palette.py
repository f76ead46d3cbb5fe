"""Colours that stay with their implementation, and that colour-blind readers can tell apart.

One set for a light ground and one for a dark one. Each colour has a contrast of at least 3:1 on its
ground, and any two of a set stay apart with protanopia, deuteranopia and tritanopia as well;
tests/render/test_palette.py holds both. Marker and dashes tell implementations apart without any
colour. Beyond eight implementations colours begin again, with other dashes.
"""

from collections.abc import Sequence

LIGHT = (
    "#003ffd",  # blue
    "#be881d",  # ochre
    "#214e3b",  # green
    "#a3119e",  # purple
    "#5f4c08",  # brown
    "#0d95ff",  # sky
    "#2408aa",  # indigo
    "#ef3080",  # rose
)
DARK = (
    "#2f76fa",
    "#d56a12",
    "#4dfba6",
    "#c670b2",
    "#f3e23a",
    "#c9f6ff",
    "#a888f6",
    "#e8305a",
)
_MARKERS = ("o", "s", "D", "^", "P", "v", "h")
_DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (2, 1.5), (8, 2, 2, 2), (4, 1.5, 1.5, 1.5))
"""On and off, in widths of the line; nothing for a solid one."""


_FIXED = ("broadcast", "loopy", "rowsort")
"""The note's three keep their colours from report to report, whoever is beside them."""


def _place(name: str, names: Sequence[str]) -> int:
    if name in _FIXED:
        return _FIXED.index(name)
    return len(_FIXED) + [n for n in names if n not in _FIXED].index(name)


def colour(name: str, names: Sequence[str]) -> str:
    """The colour of an implementation on a light ground.

    Args:
        name: whose.
        names: of every implementation of the run, in order of first appearance.
    """
    return LIGHT[_place(name, names) % len(LIGHT)]


def variable(name: str, names: Sequence[str]) -> str:
    """The CSS variable of that colour, which a page sets for light and for dark."""
    return f"--series-{_place(name, names) % len(LIGHT) + 1}"


def marker(name: str, names: Sequence[str]) -> str:
    """The marker of an implementation, as matplotlib calls it; shape tells as much as colour."""
    return _MARKERS[_place(name, names) % len(_MARKERS)]


def dashes(name: str, names: Sequence[str]) -> tuple[float, ...]:
    """The dashes of an implementation's line."""
    return _DASHES[_place(name, names) % len(_DASHES)]


def palette_css() -> str:
    """The variables: light, dark where the system or ``html[data-theme]`` says so, light on paper.

    An attribute of the page wins over the system.
    """
    light, dark = (
        " ".join(f"--series-{i}: {value};" for i, value in enumerate(values, start=1))
        for values in (LIGHT, DARK)
    )
    return (
        f":root {{ {light} }}\n"
        "@media screen and (prefers-color-scheme: dark) "
        f'{{ :root:not([data-theme="light"]) {{ {dark} }} }}\n'
        f'@media screen {{ :root[data-theme="dark"] {{ {dark} }} }}\n'
    )
