"""What charts draw of implementations: lines, bands, points, crossings, and a label for each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from supcr_bench.render.charts.chart import Chart, Section
from supcr_bench.render.charts.placing import Box, Wanted, place, spread
from supcr_bench.render.charts.sheet import AXES, Sheet
from supcr_bench.render.charts.theme import INK, PAPER, QUIET, Mark, plain
from supcr_bench.render.palette import colour, dashes, marker

_CROSSING_ROOM = 54.0
_LINE_HEIGHT, _LETTER = 14.5, 7.9
"""Of a label: the letter is the widest that its bold text comes to on average."""
_LONGEST_NAME = 16
ARROW = Path(
    [(0, 0), (0, 0.55), (-0.45, 0.55), (0, 1.25), (0.45, 0.55), (0, 0.55), (0, 0)],
    [Path.MOVETO, *[Path.LINETO] * 5, Path.CLOSEPOLY],
)
"""A marker that stands on its bound and points to where the figure is."""
KEY_ARROW = ARROW.transformed(Affine2D().translate(0, -0.6))
"""The same, in the middle of its line of a key."""


def short_name(name: str) -> str:
    """A name that fits beside the axes: its end, which tells paths and modules apart."""
    name = plain(name)
    return name if len(name) <= _LONGEST_NAME else "\u2026" + name[1 - _LONGEST_NAME :]


class Canvas(Sheet):
    """A sheet that knows implementations: their lines, bands, points and labels.

    Args:
        title: what is seen.
        subtitle: what is drawn.
        names: of every implementation of the run, for colours.
        key_entries: how many the key will have.
    """

    def __init__(
        self, title: str, subtitle: str, names: Sequence[str], key_entries: int = 0
    ) -> None:
        super().__init__(title, subtitle, key_entries)
        self.names = names
        self._spots: list[tuple[float, float]] = []
        self._taken: list[Box] = []
        self._ends: list[tuple[float, float, str, str]] = []
        self._crossings: list[tuple[float, Mark]] = []

    def line(
        self, name: str, xs: Sequence[float], ys: Sequence[float], *, faint: bool = False
    ) -> None:
        """A line of an implementation, in its dashes."""
        pattern = dashes(name, self.names)
        (line,) = self.axes.plot(
            xs,
            ys,
            color=colour(name, self.names),
            lw=1.2 if faint else 1.8,
            alpha=0.55 if faint else 1.0,
            zorder=2.2,
        )
        line.set_dashes(list(pattern)) if pattern else line.set_linestyle("-")
        self._mark(line, Mark(kind="series", implementation=name))
        self._cover(xs, ys)

    def _cover(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Labels are to keep clear of these spots, and of those between them."""
        spots = [self._pixels(x, y) for x, y in zip(xs, ys, strict=True)]
        for (x0, y0), (x1, y1) in pairwise(spots):
            steps = max(1, round((abs(x1 - x0) + abs(y1 - y0)) / 8))
            self._spots += [
                (x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(steps)
            ]
        self._spots += spots[-1:]

    def band(
        self,
        name: str,
        xs: Sequence[float],
        bounds: Sequence[tuple[float, float]],
        *,
        faint: bool,
    ) -> None:
        """What the data leave open of an implementation's figure."""
        area = self.axes.fill_between(
            xs,
            [low for low, _ in bounds],
            [high for _, high in bounds],
            color=colour(name, self.names),
            alpha=0.15 if faint else 0.25,
            lw=0,
            zorder=1.8,
        )
        self._mark(area, Mark(kind="series", implementation=name))

    def point(
        self,
        name: str,
        x: float,
        y: float,
        text: str,
        *,
        interval: tuple[float, float] | None = None,
        hollow: bool = False,
        shape: str | Path | None = None,
    ) -> None:
        """A point whose figures can be asked for.

        Args:
            name: whose.
            x: on the axes.
            y: on the axes.
            text: the figures in words.
            interval: of y.
            hollow: whether it is more than a plain measurement says.
            shape: in place of the implementation's marker, for a bound.
        """
        shade, key = colour(name, self.names), f"{len(self._marks) + 1}"
        mark = Mark(kind="point", implementation=name, key=key, text=text)
        if interval:
            (bar,) = self.axes.plot([x, x], interval, color=shade, lw=1.3, zorder=2.5)
            bar.set_clip_on(False)
            self._mark(bar, mark)
            self._cover([x, x], interval)
        (drawn,) = self.axes.plot(
            [x],
            [y],
            ls="",
            marker=shape if shape is not None else marker(name, self.names),
            ms=17 if shape is ARROW else 7.5 if shape is not None else 6,
            mec=shade,
            mfc=PAPER if hollow else shade,
            mew=1.2,
            clip_on=False,
            zorder=3,
        )
        self._mark(drawn, mark)
        at, up = self._pixels(x, y), 8 if shape is ARROW else 0
        around = ((0, up), (-5, up), (5, up), (0, up - 6), (0, up + 6))
        self._spots += [(at[0] + dx, at[1] + dy) for dx, dy in around]

    def level(self, y: float, text: str, order: int) -> None:
        """A horizontal line that stands for all implementations; texts go from left to right."""
        self.axes.axhline(y, color=QUIET, lw=0.8, ls=(0, (5, 3)), zorder=1.5)
        left = 6 + 62 * order
        self.axes.annotate(
            text,
            (0, y),
            xycoords=("axes fraction", "data"),
            xytext=(left, 0),
            textcoords="offset points",
            color=QUIET,
            fontsize=10,
            va="center",
            bbox={"boxstyle": "square,pad=0.15", "fc": PAPER, "ec": "none"},
            zorder=1.6,
        )
        at = self._pixels(self.axes.get_xlim()[0], y)
        width = len(text) * 6.6
        self._taken.append(Box(at[0] + left, at[1] - 6, width, 12))

    def crossing(self, one: str, other: str, at: tuple[float, float, float], text: str) -> None:
        """Where the faster one of two changes.

        Args:
            one: an implementation.
            other: another.
            at: the size, and its interval.
            text: the figures in words.
        """
        size, low, high = at
        mark = Mark(kind="crossing", implementation=one, other=other, text=text)
        shade = self.axes.axvspan(low, high, color=INK, alpha=0.12, lw=0, zorder=1.4)
        self._mark(shade, mark)
        self._mark(self.axes.axvline(size, color=INK, lw=1, zorder=1.7), mark)
        self._crossings.append((size, replace(mark, text="")))

    def end(self, name: str, x: float, y: float, says: str) -> None:
        """Where the line of an implementation ends, which is where its label goes."""
        self._ends.append((x, y, name, says))

    def _label_crossings(self) -> None:
        """Their sizes above the axes; those too near to stand side by side share a label."""
        groups: list[list[tuple[float, Mark]]] = []
        for size, mark in sorted(self._crossings, key=lambda c: c[0]):
            if groups and self._across(size) - self._across(groups[-1][-1][0]) < _CROSSING_ROOM:
                groups[-1].append((size, mark))
            else:
                groups.append([(size, mark)])
        _, top = self._pixels(self.axes.get_xlim()[0], self.axes.get_ylim()[1])
        for group in groups:
            label = self.axes.annotate(
                "N=" + ", ".join(dict.fromkeys(f"{size:.0f}" for size, _ in group)),
                (math.sqrt(group[0][0] * group[-1][0]), 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=11,
                fontweight="bold",
                color=INK,
            )
            if len(group) == 1:
                self._mark(label, group[0][1])
        # A label over such a line is better than one far from its own.
        for size, _ in self._crossings:
            self._spots += [(self._across(size), top - y) for y in range(0, int(AXES), 40)]

    def _label_ends(self) -> None:
        """Names at the ends of their lines, with what is said of them below."""
        texts = [(short_name(name), says) for _, _, name, says in self._ends]
        wanted = [
            Wanted(
                *self._pixels(x, y),
                width=max(len(head) * _LETTER, len(says) * 6.4),
                height=_LINE_HEIGHT * (2 if says else 1),
            )
            for (x, y, _, _), (head, says) in zip(self._ends, texts, strict=True)
        ]
        boxes = self._places(wanted)
        for (x, y, name, _), spot, (head, says), box in zip(
            self._ends, wanted, texts, boxes, strict=True
        ):
            left = box.left < spot.x
            self._lead(name, spot, box)
            for row, text in enumerate(t for t in (head, says) if t):
                label = self.axes.annotate(
                    text,
                    (x, y),
                    xytext=(
                        box.left - spot.x + (box.width if left else 0),
                        box.bottom + box.height - (row + 0.8) * _LINE_HEIGHT - spot.y,
                    ),
                    textcoords="offset points",
                    ha="right" if left else "left",
                    color=colour(name, self.names),
                    fontsize=12 if row == 0 else 10.5,
                    fontweight="bold" if row == 0 else "normal",
                    annotation_clip=False,
                    parse_math=False,
                    bbox={"boxstyle": "square,pad=0.05", "fc": PAPER, "ec": "none", "alpha": 0.8},
                    zorder=2.1,
                )
                self._mark(label, Mark(kind="series", implementation=name))

    def _places(self, wanted: Sequence[Wanted]) -> list[Box]:
        """In a column at the right, in their order; for lines that end earlier, where room is."""
        edge = max((x for x, _ in self._spots), default=0.0) - 8
        column = sorted(
            (i for i, label in enumerate(wanted) if label.x >= edge), key=lambda i: wanted[i].y
        )
        middles = spread(
            [wanted[i].y for i in column],
            max((wanted[i].height for i in column), default=0.0),
            self._room.bottom,
            self._room.bottom + self._room.height,
        )
        found = {
            i: Box(
                wanted[i].x + 9, middle - wanted[i].height / 2, wanted[i].width, wanted[i].height
            )
            for i, middle in zip(column, middles, strict=True)
        }
        rest = [i for i in range(len(wanted)) if i not in found]
        taken = [*self._taken, *found.values()]
        placed = place([wanted[i] for i in rest], self._spots, self._room, taken)
        found |= dict(zip(rest, placed, strict=True))
        return [found[i] for i in range(len(wanted))]

    def _lead(self, name: str, spot: Wanted, box: Box) -> None:
        """A thin line from where a line ends to its label, where that is not beside it."""
        if box.bottom <= spot.y <= box.bottom + box.height:
            return
        near = (
            box.left - 1 if box.left >= spot.x else min(spot.x, box.left + box.width + 1),
            box.bottom if box.bottom > spot.y else box.bottom + box.height,
        )
        x, y = self.axes.transData.inverted().transform([(spot.x, spot.y), near]).T
        (line,) = self.axes.plot(x, y, color=colour(name, self.names), lw=0.8, zorder=2.1)
        line.set_clip_on(False)
        self._mark(line, Mark(kind="series", implementation=name))

    def chart(
        self, name: str, section: Section, filters: Mapping[str, str], description: str
    ) -> Chart:
        """Finish, with labels where there is room for them."""
        self._label_crossings()
        self._label_ends()
        return super().chart(name, section, filters, description)
