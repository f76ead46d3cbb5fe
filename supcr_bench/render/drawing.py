"""Draws one chart with matplotlib: a panel for each pass, on one y axis, with a legend beside each.

Marks that would cover each other at the same x are drawn side by side. Lengths are in points.
"""

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from supcr_bench.render.palette import INK, LINE, PAPER, QUIET, colour, dashes, marker
from supcr_bench.values.case import Pass
from supcr_bench.values.grouping import grouped
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result, Status

GUIDES = {"N^3": (0.8, 1.2), "N^2 log N": (4.0, 1.2, 0.8, 1.2), "N": (2.5, 1.2)}
"""The dashes of the guide curves, by law."""
HEIGHT = 400.0
_ABOVE, _BELOW = 50.0, 72.0
_LEFT, _PANEL, _LEGEND = 66.0, 340.0, 164.0
_MARKS = 3.0, 5.0
"""Width of a mark: the least, for crowded panels, and the usual one."""
_NAME_LETTERS = 20
_SUPERSCRIPT = str.maketrans("234", "\u00b2\u00b3\u2074", "^")


BOUNDS = {Status.OUT_OF_MEMORY: "X", Status.TIMED_OUT: "^", Status.SKIPPED: "2"}
"""The marks of results that have only a lower bound."""


def plain(text: str) -> str:
    """The text with a replacement for each character that XML does not allow."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


def short_name(name: str) -> str:
    """A name that fits into the legend: its end, which tells paths and modules apart."""
    name = plain(name)
    return name if len(name) <= _NAME_LETTERS else "\u2026" + name[1 - _NAME_LETTERS :]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A finished chart.

    Attributes:
        name: the name of its files and its anchor on a page, and the beginning of ids in its SVG.
            Elements of implementation number ``i`` have an id that begins ``NAME.i.``.
        section: of the page; ``view`` is empty for the first of several drawings of one subject.
        filters: the values by which a page filters the chart.
        cases: results in the order of the marks, by the id of their group.
    """

    name: str
    title: str
    section: str
    view: str = ""
    filters: Mapping[str, str]
    figure: Figure = field(repr=False, compare=False)
    cases: Mapping[str, Sequence[Result]] = field(repr=False)

    @cached_property
    def svg(self) -> str:
        """The drawing for a file: dark on white."""
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with mpl.rc_context({"svg.hashsalt": self.name, "svg.fonttype": "none"}), _quiet():
            self.figure.savefig(text, format="svg", metadata=nothing)
        return text.getvalue()

    def inline_svg(self) -> str:
        """The drawing for a page, where ids are unique and colours follow the page's theme."""
        text = self.svg
        text = text[text.index("<svg") :].replace("<svg ", '<svg aria-hidden="true" ', 1)
        text = re.sub(rf'<g id="(?!{re.escape(self.name)}\.)[^"]*">', "<g>", text)
        # Less than a tenth of a point cannot be seen; the texts between tags keep their numbers.
        return re.sub("<[^>]*>", lambda tag: re.sub(r"(\d\.\d)\d+", r"\1", tag[0]), text)

    def png(self) -> bytes:
        data = io.BytesIO()
        with _quiet():
            self.figure.savefig(data, format="png", dpi=150)
        return data.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings on characters that matplotlib's font lacks but a page's font has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


class Mark(NamedTuple):
    """A result at its place; ``ends`` are those of the interval of y, if there is one."""

    x: float
    y: float
    ends: tuple[float, float] | None
    result: Result


@dataclass(slots=True)
class Line:
    """One implementation in one panel, by rising x.

    Attributes:
        bounds: results that have only a lower bound.
        note: what the legend adds to the name.
        curve: its growth law, if that is decided.
    """

    name: str
    points: Sequence[Mark]
    bounds: Sequence[Mark] = ()
    note: str = ""
    curve: Callable[[float], float] | None = None

    @property
    def marks(self) -> list[Mark]:
        return [*self.points, *self.bounds]

    @property
    def end(self) -> float:
        """The y of the last mark, by which the legend is ordered."""
        return max((mark.x, mark.y) for mark in self.marks)[1]


def law_text(law: str) -> str:
    """A law as a legend writes it: ``N² log N``."""
    return law.translate(_SUPERSCRIPT)


class Drawing:
    """A chart in the making.

    Args:
        name: begins every id.
        panels: the lines of each pass.
        names: all implementations of the run, which decide the colours.
        labels: what the legend calls them.
    """

    def __init__(
        self,
        name: str,
        panels: Mapping[Pass, Sequence[Line]],
        names: Sequence[str],
        labels: Mapping[str, str],
    ) -> None:
        self.name, self.panels, self.names, self.labels = name, panels, names, labels
        self.cases: dict[str, Sequence[Result]] = {}
        width = _LEFT + len(panels) * (_PANEL + _LEGEND)
        self.figure = Figure(figsize=(width / 72, HEIGHT / 72), dpi=72, facecolor=PAPER)
        self.figure.patch.set_gid(f"{name}.paper")
        height = (HEIGHT - _ABOVE - _BELOW) / HEIGHT
        self.axes: list[Axes] = [
            self.figure.add_axes(
                (
                    (_LEFT + i * (_PANEL + _LEGEND)) / width,
                    _BELOW / HEIGHT,
                    _PANEL / width,
                    height,
                )
            )
            for i in range(len(panels))
        ]
        self._extras: list[list[Line2D]] = [[] for _ in panels]
        most = max(sum(len(line.marks) for line in own) for own in panels.values())
        self.mark = max(_MARKS[0], min(_MARKS[1], 0.9 * _PANEL / most))

    @property
    def marks(self) -> list[Mark]:
        return [mark for own in self.panels.values() for line in own for mark in line.marks]

    def scales(
        self,
        x: tuple[str, Callable[[float], str]],
        y: tuple[str, Callable[[float], str]],
        *,
        log_x: bool = True,
        log_y: bool = True,
        also: Sequence[float] = (),
    ) -> None:
        """Set the scales; ``x`` and ``y`` hold an axis's title and a function that writes a tick.

        The y axis reaches the values in ``also`` too.
        """
        xs = sorted({mark.x for mark in self.marks})
        ys = sorted({*(mark.y for mark in self.marks), *also})
        aside = 0.08 * (ys[-1] - ys[0]) or 1.0
        y_ends = (ys[0] / 1.8, ys[-1] * 1.8) if log_y else (ys[0] - aside, ys[-1] + aside)
        aside = 0.08 * (xs[-1] - xs[0])
        x_ends = (xs[0] / 1.8, xs[-1] * 1.5) if log_x else (xs[0] - aside, xs[-1] + aside)
        for pass_, axes in zip(self.panels, self.axes, strict=True):
            axes.set_xscale("log" if log_x else "linear")
            axes.set_yscale("log" if log_y else "linear")
            axes.set(xlim=x_ends, ylim=y_ends)
            axes.set_title(f"{pass_}", loc="left", fontsize=11, color=INK, pad=6)
            axes.set_xlabel(x[0], fontsize=10.5, color=INK)
            axes.patch.set_visible(False)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[:].set_color(QUIET)
            axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=10, length=3)
            axes.grid(visible=True, which="major", color=LINE, lw=0.6)
            axes.set_axisbelow(True)
            span = y_ends[1] / y_ends[0] if log_y else 0.0
            along = LogLocator(subs=(1,) if span > 100 else (1, 2, 5)) if log_y else MaxNLocator(6)
            axes.yaxis.set_major_locator(along)
            axes.xaxis.set_major_locator(FixedLocator(self._ticks(xs, x[1])))
            for axis, text in ((axes.xaxis, x[1]), (axes.yaxis, y[1])):
                axis.set_major_formatter(FuncFormatter(lambda value, _, text=text: text(value)))
                axis.set_minor_locator(NullLocator())
        self.axes[0].set_ylabel(y[0], fontsize=10.5, color=INK)
        for axes in self.axes[1:]:
            axes.tick_params(labelleft=False)

    def _ticks(self, xs: Sequence[float], text: Callable[[float], str]) -> list[float]:
        """The values to write along x: from the largest down, those whose texts do not overlap."""
        at = {x: float(self.axes[0].transData.transform((x, 1))[0]) for x in xs}
        kept: list[float] = []
        for x in reversed(xs):
            room = [(len(text(x)) + len(text(other))) * 3.2 + 6 for other in kept]
            if all(abs(at[x] - at[o]) >= r for o, r in zip(kept, room, strict=True)):
                kept.append(x)
        return kept[::-1]

    def guides(self, laws: Sequence[str], over: Callable[[float], float]) -> None:
        """Draw each law, divided by ``over``, through the middle of every panel."""
        (x0, x1), (y0, y1) = self.axes[0].get_xlim(), self.axes[0].get_ylim()
        middle, level = float(np.sqrt(x0 * x1)), float(np.sqrt(y0 * y1))
        xs = np.geomspace(max(x0, 2.0), x1, 60).tolist()
        for law in laws:
            of = LAWS[law].of
            by = level * over(middle) / of(middle)
            look: dict[str, Any] = {
                "color": QUIET,
                "alpha": 0.45,
                "lw": 2.4,
                "ls": (0, GUIDES[law]),
            }
            for axes, extras in zip(self.axes, self._extras, strict=True):
                (drawn,) = axes.plot(xs, [by * of(x) / over(x) for x in xs], **look, zorder=1.5)
                drawn.set_label(f"guide: {law_text(law)}")
                extras.append(drawn)

    def levels(self, levels: Mapping[float, str]) -> None:
        """Draw the levels that are in view as horizontal lines, which the legend names."""
        low, high = self.axes[0].get_ylim()
        for level, text in levels.items():
            if low < level < high:
                for axes, extras in zip(self.axes, self._extras, strict=True):
                    line = axes.axhline(level, color=QUIET, lw=0.9, label=text, zorder=1.4)
                    extras.append(line)

    def chart(self, **values: Any) -> Chart:
        """Draw the lines and the legends; ``values`` are those of :class:`Chart`."""
        for number, (own, axes) in enumerate(zip(self.panels.values(), self.axes, strict=True)):
            taken: list[tuple[float, float]] = []
            for line in own:
                self._curve(axes, line, number)
            for line in own:
                self._draw(axes, line, number, taken)
            self._legend(axes, own, number)
        self._key()
        at = 8 / (72 * self.figure.get_figwidth()), 1 - 8 / HEIGHT
        title = self.figure.text(*at, plain(values["title"]), color=INK, va="top", parse_math=False)
        title.set(fontsize=12, fontweight="bold", gid=f"{self.name}.title")
        return Chart(name=self.name, figure=self.figure, cases=self.cases, **values)

    def _gid(self, name: str, part: str) -> str:
        return f"{self.name}.{self.names.index(name)}.{part}"

    def _look(self, name: str) -> dict[str, Any]:
        pattern = dashes(name, self.names)
        return {"color": colour(name, self.names), "ls": (0, pattern) if pattern else "-"}

    def _curve(self, axes: Axes, line: Line, number: int) -> None:
        """The curve of the law where it is decided, else a thin line from mark to mark."""
        xs, ys = [mark.x for mark in line.points], [mark.y for mark in line.points]
        look: dict[str, Any] = {"lw": 0.8, "alpha": 0.7}
        if line.curve:
            xs = np.geomspace(xs[0], xs[-1], 30).tolist()
            ys, look = [line.curve(x) for x in xs], {"lw": 1.8}
        axes.plot(xs, ys, **self._look(line.name), **look, gid=self._gid(line.name, f"c{number}"))

    def _draw(self, axes: Axes, line: Line, number: int, taken: list[tuple[float, float]]) -> None:
        shade, shape = colour(line.name, self.names), marker(line.name, self.names)
        at = [(self._beside(axes, mark, taken), mark) for mark in line.marks]
        bars = [(x, *mark.ends) for x, mark in at if mark.ends]
        if bars:
            xs, low, high = (list(values) for values in zip(*bars, strict=True))
            area = axes.vlines(xs, low, high, colors=shade, lw=1.1, zorder=2.5)
            area.set_gid(self._gid(line.name, f"i{number}"))
        forms = grouped(at, lambda placed: placed[1].result.status)
        for part, (status, own) in enumerate(forms.items()):
            form = BOUNDS.get(status, shape) if own[0][1] in line.bounds else shape
            gid = self._gid(line.name, f"m{number}{part}")
            xs, ys = [x for x, _ in own], [mark.y for _, mark in own]
            (drawn,) = axes.plot(xs, ys, ls="", marker=form, gid=gid, zorder=3, clip_on=False)
            drawn.set(
                ms=self.mark, mew=0.6, mec=shade, mfc=PAPER if status is Status.WRONG else shade
            )
            self.cases[gid] = [mark.result for _, mark in own]

    def _beside(self, axes: Axes, mark: Mark, taken: list[tuple[float, float]]) -> float:
        """The x of a mark: its own, or the nearest one at which it covers no other mark."""
        at, height = axes.transData.transform((mark.x, mark.y))
        left, right = axes.bbox.x0 + self.mark / 2, axes.bbox.x1
        width = 1.2 * self.mark
        near = [(a, b) for a, b in taken if abs(height - b) < width]
        for step in range(400):
            here = at + width / 4 * ((step + 1) // 2) * (1 if step % 2 else -1)
            if left <= here <= right and all(abs(here - a) >= width for a, _ in near):
                taken.append((here, height))
                return float(axes.transData.inverted().transform((here, height))[0])
        return mark.x

    def _legend(self, axes: Axes, own: Sequence[Line], number: int) -> None:
        ordered = sorted(own, key=lambda line: -line.end)
        handles = []
        for line in ordered:
            look = self._look(line.name) | {"lw": 1.8 if line.curve else 0.8}
            label = "\n".join(map(short_name, self.labels[line.name].split("\n"))) + line.note
            form = marker(line.name, self.names)
            handles.append(Line2D([], [], marker=form, ms=_MARKS[1], label=label, **look))
        legend = axes.legend(
            handles=[*handles, *self._extras[number]],
            loc="upper left",
            bbox_to_anchor=(1.02, 1.02),
            frameon=False,
            fontsize=10,
            labelcolor=INK,
            handlelength=2.6,
            handletextpad=0.5,
            borderaxespad=0,
            labelspacing=0.45,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        for i, line in enumerate(ordered):
            for part, artist in (("t", legend.get_texts()[i]), ("h", legend.legend_handles[i])):
                if artist is not None:
                    artist.set_gid(self._gid(line.name, f"{part}{number}"))

    def _key(self) -> None:
        """Draw, below the panels, the legend of the marks other than measured values."""
        lines = [line for own in self.panels.values() for line in own]
        statuses = {mark.result.status for mark in self.marks}
        look: dict[str, Any] = {"ls": "", "mec": QUIET, "ms": _MARKS[1] + 1}
        handles = [
            Line2D([], [], marker="o", mfc="none", label="wrong result", **look)
            for _ in range(Status.WRONG in statuses)
        ]
        handles += [
            Line2D([], [], marker=form, mfc=QUIET, label=f"{status.words}: above this", **look)
            for status, form in BOUNDS.items()
            if status in statuses
        ]
        handles += [
            Line2D([], [], color=QUIET, lw=1.8, label="bold: the law, where it is decided")
            for _ in range(any(line.curve for line in lines))
        ]
        if handles:
            self.figure.legend(
                handles=handles,
                loc="lower left",
                bbox_to_anchor=(_LEFT / (72 * self.figure.get_figwidth()), 0.0),
                ncols=len(handles),
                frameon=False,
                fontsize=9.5,
                labelcolor=QUIET,
                handletextpad=0.4,
                columnspacing=1.4,
            )
