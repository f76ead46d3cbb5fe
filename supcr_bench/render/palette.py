"""Colours that stay with their implementation, and that colour-blind readers can tell apart.

The eight of Okabe and Ito ("Color Universal Design", 2008), black left out: it is the text's.
"""

from collections.abc import Sequence

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B5A300")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FIXED = ("broadcast", "loopy", "rowsort")


def _index(name: str, names: Sequence[str]) -> int:
    """A fixed place for the note's three, the next free ones for others in order of name."""
    if name in _FIXED:
        return _FIXED.index(name)
    others = sorted(n for n in names if n not in _FIXED)
    return len(_FIXED) + others.index(name)


def colour(name: str, names: Sequence[str]) -> str:
    """The colour of an implementation among these."""
    return _COLOURS[_index(name, names) % len(_COLOURS)]


def marker(name: str, names: Sequence[str]) -> str:
    """The marker of an implementation among these; shape tells as much as colour."""
    return _MARKERS[_index(name, names) % len(_MARKERS)]


def variable(name: str, names: Sequence[str]) -> str:
    """The CSS variable of that colour, which a page sets for light and for dark."""
    return f"--series-{_index(name, names) % len(_COLOURS) + 1}"


CHART_CSS = ":root { " + " ".join(f"--series-{i}: {c};" for i, c in enumerate(_COLOURS, 1)) + " }"
"""The variables, for a page."""
