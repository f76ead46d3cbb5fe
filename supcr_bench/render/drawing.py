"""Draws one chart with matplotlib: a panel for each pass, on one y axis, with a legend beside each.

Marks that would cover each other at the same x are drawn side by side. Lengths are in points.
"""

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from supcr_bench.render.gate_words import plain
from supcr_bench.render.palette import INK, PAPER, QUIET, look
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result, Status, grouped

STYLE = dict(mpl.rc_params_from_file(Path(__file__).with_name("chart.mplstyle"), False, False))
GUIDES = {"N^3": (0.8, 1.2), "N^2 log N": (4.0, 1.2, 0.8, 1.2), "N": (2.5, 1.2)}
"""The dashes of the guide curves, by law."""
HEIGHT = 400.0
_ABOVE, _BELOW = 50.0, 72.0
_LEFT, _PANEL, _LEGEND = 66.0, 340.0, 164.0
_MARKS = 3.0, 5.0
"""Width of a mark: the least, for crowded panels, and the usual one."""
_NAME_LETTERS = 20
_SUPERSCRIPT = str.maketrans("234", "\u00b2\u00b3\u2074", "^")
Place = tuple[float, float]
"""Where a mark stands on the figure, from the lower left."""
BOUNDS = {Status.OUT_OF_MEMORY: "X", Status.TIMED_OUT: "^", Status.SKIPPED: "2"}
"""The marks of results that have only a lower bound."""


def short_name(name: str) -> str:
    """A name that fits into the legend: its end, which tells paths and modules apart."""
    name = plain(name)
    return name if len(name) <= _NAME_LETTERS else "\u2026" + name[1 - _NAME_LETTERS :]


def law_text(law: str) -> str:
    """A law as a legend writes it: ``N² log N``."""
    return law.translate(_SUPERSCRIPT)


class Mark(NamedTuple):
    """A result at its place; ``ends`` are those of the interval of y, if there is one."""

    x: float
    y: float
    ends: tuple[float, float] | None
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One implementation in one panel, by rising x.

    Attributes:
        bounds: results that have only a lower bound.
        note: what the legend adds to the name.
        curve: its growth law, if that is decided; up to ``curve_above``, it takes another path.
        steps: the x of dotted vertical lines, where its level changes.
    """

    points: Sequence[Mark]
    bounds: Sequence[Mark] = ()
    note: str = ""
    curve: Callable[[float], float] | None = None
    curve_above: float = 0.0
    steps: Sequence[float] = ()

    @property
    def marks(self) -> list[Mark]:
        return [*self.points, *self.bounds]

    @property
    def name(self) -> str:
        return self.marks[0].result.implementation

    @property
    def case(self) -> Case:
        """The case of the first mark, which shares its pass and its series with the others."""
        return self.marks[0].result.case

    @property
    def groups(self) -> dict[Status, list[Mark]]:
        return grouped(self.marks, lambda mark: mark.result.status)


class Scale(NamedTuple):
    """The title of an axis, and a function that writes a tick."""

    title: str
    text: Callable[[float], str]
    log: bool = True


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Chart:
    """A chart, which is drawn when its figure is first asked for.

    Attributes:
        name: the name of its files and its anchor on a page, and the beginning of ids in its SVG.
            Elements of implementation number ``i`` have an id that begins ``NAME.i.``.
        labels: all implementations of the run, which decide the colours, each with its label.
        guides: laws to draw through the middle of every panel, each divided by ``over``.
        levels: horizontal lines: the y of each, and its label.
        section: of the page; ``view`` is empty for the first of several charts of one subject.
        filters: the values by which a page filters the chart.
    """

    name: str
    title: str
    lines: Sequence[Line]
    labels: Mapping[str, str]
    x: Scale
    y: Scale
    guides: Sequence[str] = ()
    over: Callable[[float], float] = lambda _: 1.0
    levels: Mapping[float, str] = field(default_factory=dict)
    section: str
    view: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def panels(self) -> dict[Pass, list[Line]]:
        found = grouped(self.lines, lambda line: line.case.pass_)
        return {pass_: found[pass_] for pass_ in PASSES if pass_ in found}

    @property
    def marks(self) -> list[Mark]:
        return [mark for line in self.lines for mark in line.marks]

    @property
    def cases(self) -> dict[str, list[Result]]:
        """Results in the order of the marks, by the id of their group."""
        return {
            self._gid(line, f"m{number}{part}"): [mark.result for mark in own]
            for number, lines in enumerate(self.panels.values())
            for line in lines
            for part, own in enumerate(line.groups.values())
        }

    @cached_property
    @mpl.rc_context(STYLE)
    def figure(self) -> Figure:
        panels = self.panels
        width = _LEFT + len(panels) * (_PANEL + _LEGEND)
        figure = Figure(figsize=(width / 72, HEIGHT / 72), dpi=72, facecolor=PAPER)
        figure.patch.set_gid(f"{self.name}.paper")
        most = max(sum(len(line.marks) for line in lines) for lines in panels.values())
        size = max(_MARKS[0], min(_MARKS[1], 0.9 * _PANEL / most))
        for number, (pass_, lines) in enumerate(panels.items()):
            left, height = _LEFT + number * (_PANEL + _LEGEND), HEIGHT - _ABOVE - _BELOW
            place = (left / width, _BELOW / HEIGHT, _PANEL / width, height / HEIGHT)
            axes = figure.add_axes(place)
            axes.set_title(pass_)
            self._scale(axes)
            if number:
                axes.tick_params(labelleft=False)
            else:
                axes.set_ylabel(self.y.title)
            self._guide(axes)
            taken: list[Place] = []
            for line in lines:
                self._draw(axes, line, number, size, taken)
            self._legend(axes, lines, number)
        self._key(figure, _LEFT / width)
        at = 8 / width, 1 - 8 / HEIGHT
        title = figure.text(*at, plain(self.title), color=INK, va="top")
        title.set(fontsize=12, fontweight="bold", gid=f"{self.name}.title")
        return figure

    @cached_property
    def svg(self) -> str:
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        return self._saved("svg", metadata=nothing).decode()

    def inline_svg(self) -> str:
        """The drawing for a page, where ids are unique and colours follow the page's theme."""
        text = self.svg
        head = f'<svg aria-hidden="true" style="--inches: {self.figure.get_figwidth():.2f}" '
        text = text[text.index("<svg") :].replace("<svg ", head, 1)
        text = re.sub(rf'<g id="(?!{re.escape(self.name)}\.)[^"]*">', "<g>", text)
        # Less than a tenth of a point cannot be seen; the texts between tags keep their numbers.
        return re.sub("<[^>]*>", lambda tag: re.sub(r"(\d\.\d)\d+", r"\1", tag[0]), text)

    @cached_property
    def png(self) -> bytes:
        return self._saved("png", dpi=150)

    def _saved(self, form: str, **options: Any) -> bytes:
        data = io.BytesIO()
        with mpl.rc_context(STYLE | {"svg.hashsalt": self.name}), warnings.catch_warnings():
            # A page's font has characters that matplotlib's lacks.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            self.figure.savefig(data, format=form, **options)
        return data.getvalue()

    def _scale(self, axes: Axes) -> None:
        xs = sorted({mark.x for mark in self.marks})
        ys = sorted({*(mark.y for mark in self.marks), *self.levels})
        aside = 0.08 * (ys[-1] - ys[0]) or 1.0
        y_ends = (ys[0] / 1.8, ys[-1] * 1.8) if self.y.log else (ys[0] - aside, ys[-1] + aside)
        aside = 0.08 * (xs[-1] - xs[0])
        x_ends = (xs[0] / 1.8, xs[-1] * 1.5) if self.x.log else (xs[0] - aside, xs[-1] + aside)
        axes.set_xscale("log" if self.x.log else "linear")
        axes.set_yscale("log" if self.y.log else "linear")
        axes.set(xlim=x_ends, ylim=y_ends)
        axes.set_xlabel(self.x.title)
        axes.patch.set_visible(False)
        steps = (1,) if y_ends[1] > 100 * y_ends[0] else (1, 2, 5)
        axes.yaxis.set_major_locator(LogLocator(subs=steps) if self.y.log else MaxNLocator(6))
        axes.xaxis.set_major_locator(FixedLocator(self._ticks(axes, xs)))
        for axis, scale in ((axes.xaxis, self.x), (axes.yaxis, self.y)):
            axis.set_major_formatter(FuncFormatter(lambda value, _, text=scale.text: text(value)))
            axis.set_minor_locator(NullLocator())

    def _ticks(self, axes: Axes, xs: Sequence[float]) -> list[float]:
        """The values to write along x: from the largest down, those whose texts do not overlap."""
        at = {x: float(axes.transData.transform((x, 1))[0]) for x in xs}
        letters = {x: len(self.x.text(x)) for x in xs}
        kept: list[float] = []
        for x in reversed(xs):
            if all(abs(at[x] - at[o]) >= (letters[x] + letters[o]) * 3.2 + 6 for o in kept):
                kept.append(x)
        return kept[::-1]

    def _guide(self, axes: Axes) -> None:
        (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
        for law in self.guides:
            of, over, middle = LAWS[law].of, self.over, float(np.sqrt(x0 * x1))
            by = float(np.sqrt(y0 * y1)) * over(middle) / of(middle)
            xs = np.geomspace(max(x0, 2.0), x1, 60).tolist()
            (curve,) = axes.plot(xs, [by * of(x) / over(x) for x in xs], color=QUIET, zorder=1.5)
            curve.set(alpha=0.45, lw=2.4, ls=(0, GUIDES[law]), label=f"guide: {law_text(law)}")
        for level, text in self.levels.items():
            axes.axhline(level, color=QUIET, lw=0.9, label=text, zorder=1.4)

    def _gid(self, line: Line, part: str) -> str:
        return f"{self.name}.{list(self.labels).index(line.name)}.{part}"

    def _look(self, line: Line) -> dict[str, Any]:
        colour, _, dashes = look(line.name, self.labels)
        style = (0, dashes) if dashes else "-"
        return {"color": colour, "ls": style, "lw": 1.8 if line.curve else 0.8}

    def _draw(self, axes: Axes, line: Line, number: int, size: float, taken: list[Place]) -> None:
        """Draw the marks, and the law where it is decided, else a thin line from mark to mark."""
        xs, ys = [mark.x for mark in line.points], [mark.y for mark in line.points]
        if line.curve:
            xs = np.geomspace(min(x for x in xs if x > line.curve_above), xs[-1], 30).tolist()
            ys = [line.curve(x) for x in xs]
        (curve,) = axes.plot(xs, ys, **self._look(line), gid=self._gid(line, f"c{number}"))
        curve.set_alpha(None if line.curve else 0.7)
        shade, shape, _ = look(line.name, self.labels)
        for x in line.steps:
            axes.axvline(x, color=shade, ls=":", lw=1.2, zorder=1.9)
        at = [(_beside(axes, mark, size, taken), mark) for mark in line.marks]
        bars = [(x, *mark.ends) for x, mark in at if mark.ends]
        if bars:
            xs, low, high = (list(values) for values in zip(*bars, strict=True))
            area = axes.vlines(xs, low, high, colors=shade, lw=1.1, zorder=2.5)
            area.set_gid(self._gid(line, f"i{number}"))
        forms = grouped(at, lambda placed: placed[1].result.status)
        for part, (status, own) in enumerate(forms.items()):
            form = BOUNDS.get(status, shape) if own[0][1] in line.bounds else shape
            xs, ys = [x for x, _ in own], [mark.y for _, mark in own]
            (drawn,) = axes.plot(xs, ys, ls="", marker=form, zorder=3, clip_on=False)
            fill = PAPER if status is Status.WRONG else shade
            drawn.set(
                ms=size, mew=0.6, mec=shade, mfc=fill, gid=self._gid(line, f"m{number}{part}")
            )

    def _legend(self, axes: Axes, own: Sequence[Line], number: int) -> None:
        """Name the lines from the one that ends highest down, then guides and levels."""
        ordered = sorted(own, key=lambda line: -max((m.x, m.y) for m in line.marks)[1])
        handles = []
        for line in ordered:
            label = "\n".join(map(short_name, self.labels[line.name].split("\n"))) + line.note
            _, shape, _ = look(line.name, self.labels)
            style = {**self._look(line), "marker": shape, "ms": _MARKS[1]}
            handles.append(Line2D([], [], label=label, **style))
        legend = axes.legend(
            handles=[*handles, *axes.get_legend_handles_labels()[0]],
            loc="upper left",
            bbox_to_anchor=(1.02, 1.02),
        )
        for i, line in enumerate(ordered):
            for part, artist in (("t", legend.get_texts()[i]), ("h", legend.legend_handles[i])):
                if artist is not None:
                    artist.set_gid(self._gid(line, f"{part}{number}"))

    def _key(self, figure: Figure, left: float) -> None:
        """Draw, below the panels, the legend of the marks other than measured values."""
        statuses = {mark.result.status for mark in self.marks}
        marks = [(Status.WRONG, "o", "none", "wrong result")]
        marks += [(s, form, QUIET, f"{s.words}: above this") for s, form in BOUNDS.items()]
        style: dict[str, Any] = {"ls": "", "mec": QUIET, "ms": _MARKS[1] + 1}
        handles = [
            Line2D([], [], marker=form, mfc=fill, label=label, **style)
            for status, form, fill, label in marks
            if status in statuses
        ]
        if any(line.curve for line in self.lines):
            label = "bold: the law, where it is decided"
            handles.append(Line2D([], [], color=QUIET, lw=1.8, label=label))
        if handles:
            figure.legend(
                handles=handles,
                loc="lower left",
                bbox_to_anchor=(left, 0.0),
                ncols=len(handles),
                borderaxespad=0.5,
                fontsize=9.5,
                labelcolor=QUIET,
            )


def _beside(axes: Axes, mark: Mark, size: float, taken: list[Place]) -> float:
    """The x of a mark: its own, or the nearest one at which it covers no other mark."""
    at, height = axes.transData.transform((mark.x, mark.y))
    left, right = axes.bbox.x0 + size / 2, axes.bbox.x1
    width = 1.2 * size
    near = [(a, b) for a, b in taken if abs(height - b) < width]
    for step in range(400):
        here = at + width / 4 * ((step + 1) // 2) * (1 if step % 2 else -1)
        if left <= here <= right and all(abs(here - a) >= width for a, _ in near):
            taken.append((here, height))
            return float(axes.transData.inverted().transform((here, height))[0])
    return mark.x
