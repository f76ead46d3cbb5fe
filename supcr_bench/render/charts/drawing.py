"""Draws one chart with matplotlib. Lengths are in points; the drawing is 600 wide.

Each matplotlib artist that shows data gets an id, and an HTML tag. On a page, this tag replaces the
opening tag of the SVG group with that id.
"""

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullLocator,
)
from matplotlib.transforms import Affine2D

from supcr_bench.render.charts.svg import (
    HEAD,
    for_file,
    for_page,
    no_glyph_warnings,
    plain,
    written_svg,
)
from supcr_bench.render.palette import INK, LINE, PAPER, QUIET, colour, dashes, marker

_WIDTH, _AXES_HEIGHT = 600.0, 300.0
_LEFT, _RIGHT = 62.0, 160.0
"""Margins beside the axes: for tick labels on the left, for the legend on the right."""
_AXES_WIDTH = _WIDTH - _LEFT - _RIGHT
_BELOW, _FOOT = 42.0, 5.0
_TITLE_ROW, _CROSSING_ROW, _LEGEND_ROW, _KEY_ROW = 16.0, 13.0, 14.0, 17.0
_TITLE_LETTERS, _SUBTITLE_LETTERS, _NAME_LETTERS = 74, 104, 16
_KEY_COLUMNS = 3
_LEGEND: dict[str, Any] = {
    "frameon": False,
    "handletextpad": 0.5,
    "borderaxespad": 0.1,
    "labelspacing": 0.4,
}
_CROSSING_ROOM = 50.0
"""Width of the label of a crossover."""
ARROW = Path(
    [(0, 0), (0, 0.55), (-0.45, 0.55), (0, 1.25), (0.45, 0.55), (0, 0.55), (0, 0)],
    [Path.MOVETO, *[Path.LINETO] * 5, Path.CLOSEPOLY],
)
"""An arrow that starts at a lower bound and points towards larger values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A finished chart.

    Attributes:
        name: the name of its files and its anchor, and the prefix of every id in its drawing.
        subtitle: the figure, forward or training, and what the cases have in common.
        filters: the values by which a page filters the chart, without the axis along which it runs.
        svg: the drawing for a page: no background and no title, colours by CSS variables. Points
            are ``g.point``, lines, bands and labels ``.series``, both with ``data-implementation``;
            crossovers are ``g.crossing`` with ``data-one`` and ``data-other``.
        description: a text alternative, in a few sentences.
        standalone_svg: the drawing for a file: with its title, dark on white.
    """

    name: str
    title: str
    subtitle: str
    section: str
    filters: Mapping[str, str]
    svg: str
    description: str
    standalone_svg: str
    figure: Figure = field(repr=False, compare=False)

    def png(self) -> bytes:
        """The drawing of ``standalone_svg`` as PNG, about 1250 pixels wide."""
        data = io.BytesIO()
        with no_glyph_warnings():
            self.figure.savefig(data, format="png", dpi=150)
        return data.getvalue()


def short_name(name: str) -> str:
    """A name that fits into the legend: its end, which tells paths and modules apart."""
    name = plain(name)
    return name if len(name) <= _NAME_LETTERS else "\u2026" + name[1 - _NAME_LETTERS :]


WRONG = ", wrong result"


def definitions_text(definitions: Mapping[str, str]) -> str:
    """The definition of the implementations, or a pointer to the legend if they differ."""
    names = set(definitions.values())
    return f"definition {names.pop()}" if len(names) == 1 else "definitions as in the legend"


def marker_entry(text: str, shape: str | Path = "o", *, hollow: bool = False) -> Line2D:
    fill, size = "none" if hollow else QUIET, 6.5
    if shape is ARROW:  # moved down to the middle of its text
        shape, size = ARROW.transformed(Affine2D().translate(0, -0.6)), 13
    return Line2D([], [], ls="", marker=shape, ms=size, mec=QUIET, mfc=fill, label=text)


class Drawing:
    """The axes of a chart with lines, points and legends; ``names`` gives each line its colour."""

    def __init__(
        self,
        names: Sequence[str],
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        log_x: bool = True,
        log_y: bool = True,
    ) -> None:
        self.names = names
        self.figure = Figure(figsize=(_WIDTH / 72, _AXES_HEIGHT / 72), dpi=72, facecolor=PAPER)
        self.figure.patch.set_gid(f"{HEAD}-0")
        self.axes = self.figure.add_axes((_LEFT / _WIDTH, 0, _AXES_WIDTH / _WIDTH, 1))
        scales = ("log" if log else "linear" for log in (log_x, log_y))
        self.axes.set(**dict(zip(("xscale", "yscale"), scales, strict=True)), xlim=x, ylim=y)
        self.axes.patch.set_visible(False)
        self.axes.spines[["top", "right"]].set_visible(False)
        self.axes.spines[:].set_color(QUIET)
        self.axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=11, length=3)
        self.axes.grid(visible=True, which="major", color=LINE, lw=0.6)
        self.axes.set_axisbelow(True)
        self._tags: dict[str, str] = {}
        self._entries: list[tuple[float, str, list[str]]] = []
        self._reached: set[str] = set()
        self._crossings: list[tuple[float, str]] = []

    def _tag(self, artist: Artist, tag: str) -> None:
        gid = f"mark-{len(self._tags) + 1}"
        artist.set_gid(gid)
        self._tags[gid] = tag

    def _across(self, x: float) -> float:
        return float(self.axes.transData.transform((x, self.axes.get_ylim()[0]))[0])

    def ticks(
        self, x: Sequence[float], x_text: Callable[[float], str], y_text: Callable[[float], str]
    ) -> None:
        """Set ticks at these x, without those that would touch a larger one, and ticks along y."""
        shown: dict[float, tuple[float, float]] = {}
        for value in reversed(x):
            at, half = self._across(value), (len(x_text(value)) * 6.8 + 6) / 2
            if all(abs(at - other) >= half + room for other, room in shown.values()):
                shown[value] = at, half
        low, high = self.axes.get_ylim()
        along_y: Locator = MaxNLocator(6)
        if self.axes.get_yscale() == "log":
            along_y = LogLocator(subs=(1,) if high > 1000 * low else (1, 2, 5))
        axis: Axis
        for axis, locator, text in (
            (self.axes.xaxis, FixedLocator(list(shown)), x_text),
            (self.axes.yaxis, along_y, y_text),
        ):
            axis.set_major_locator(locator)
            axis.set_major_formatter(FuncFormatter(lambda value, _, text=text: text(value)))
            axis.set_minor_locator(NullLocator())

    def line(
        self, name: str, xs: Sequence[float], ys: Sequence[float], *, faint: bool = False
    ) -> None:
        (drawn,) = self.axes.plot(xs, ys, **self._look(name), zorder=2.2)
        drawn.set(linewidth=1.2 if faint else 1.8, alpha=0.7 if faint else 1)
        self._tag(drawn, _series(name))

    def _look(self, name: str) -> dict[str, Any]:
        pattern = dashes(name, self.names)
        return {"color": colour(name, self.names), "ls": (0, pattern) if pattern else "-"}

    def band(
        self, name: str, xs: Sequence[float], bounds: Sequence[tuple[float, float]], *, faint: bool
    ) -> None:
        """Shade between the lowest and the highest value that the data allow."""
        low, high = zip(*bounds, strict=True)
        look: dict[str, Any] = {"color": colour(name, self.names), "lw": 0, "zorder": 1.8}
        area = self.axes.fill_between(xs, low, high, alpha=0.15 if faint else 0.25, **look)
        self._tag(area, _series(name))

    def intervals(self, name: str, bars: Sequence[tuple[float, float, float]]) -> None:
        """Draw vertical bars: the x, the low and the high of each."""
        if bars:
            shade = colour(name, self.names)
            xs, low, high = zip(*bars, strict=True)
            drawn = self.axes.vlines(xs, low, high, colors=shade, lw=1.3, zorder=2.5)
            self._tag(drawn, _series(name))

    def point(
        self,
        name: str,
        x: float,
        y: float,
        text: str,
        *,
        hollow: bool = False,
        shape: str | Path | None = None,
    ) -> None:
        """Draw a point; ``text`` says its figures in words, for screen readers.

        Points of wrong results and skipped cases are ``hollow``; a lower bound has a ``shape``
        other than the implementation's marker.
        """
        shade = colour(name, self.names)
        size = 17 if shape is ARROW else 7.5 if shape else 6
        (drawn,) = self.axes.plot([x], [y], ls="", clip_on=False, zorder=3, mew=1.2, ms=size)
        drawn.set(marker=shape or marker(name, self.names), mec=shade)
        drawn.set(mfc=PAPER if hollow else shade)
        # The Tab key goes to the first point of each implementation, and arrow keys from there.
        index = -1 if name in self._reached else 0
        self._reached.add(name)
        said = escape(plain(text))
        self._tag(
            drawn,
            f'<g class="point" data-implementation="{escape(plain(name))}" tabindex="{index}" '
            f'role="img" aria-label="{said}"><title>{said}</title>',
        )

    def level(self, y: float, text: str, order: int) -> None:
        """Draw a horizontal line with a label, whose place depends on the line's ``order``."""
        self.axes.axhline(y, color=QUIET, lw=0.8, ls=(0, (5, 3)), zorder=1.5)
        self.axes.annotate(
            text,
            (0, y),
            xycoords=("axes fraction", "data"),
            xytext=(6 + 62 * (order % 3), 0),
            textcoords="offset points",
            color=QUIET,
            fontsize=10,
            va="center",
            bbox={"boxstyle": "square,pad=0.15", "fc": PAPER, "ec": "none"},
            zorder=1.6,
        )

    def crossing(
        self, pair: tuple[str, str], at: float, interval: tuple[float, float], text: str
    ) -> None:
        """Mark the batch size at which the faster of two implementations changes."""
        one, other = (escape(plain(name)) for name in pair)
        tag = f'<g class="crossing" data-one="{one}" data-other="{other}">'
        titled = f"{tag}<title>{escape(plain(text))}</title>"
        shade = self.axes.axvspan(*interval, color=INK, alpha=0.12, lw=0, zorder=1.4)
        self._tag(shade, titled)
        self._tag(self.axes.axvline(at, color=INK, lw=1, zorder=1.7), titled)
        self._crossings.append((at, tag))

    def entry(self, name: str, end: float, text: str, definitions: Mapping[str, str]) -> None:
        """Add an implementation to the legend, which is sorted by ``end``, its last y.

        Below the name stand the ``text`` and, if there are several definitions, its own.
        """
        own = definitions[name] if len(set(definitions.values())) > 1 else ""
        self._entries.append((end, name, list(filter(None, (text, own)))))

    def _label_crossings(self) -> int:
        """Write each crossover's size above the axes, in a higher row if its neighbour is near."""
        ends: list[float] = []  # right end of each row of labels so far
        for size, tag in sorted(self._crossings):
            at = self._across(size)
            row = next((i for i, end in enumerate(ends) if end < at), len(ends))
            ends[row : row + 1] = [at + _CROSSING_ROOM]
            label = self.axes.annotate(
                f"N={size:.0f}",
                (size, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 4 + _CROSSING_ROW * row),
                textcoords="offset points",
                ha="center",
                fontsize=11,
                fontweight="bold",
                color=INK,
            )
            self._tag(label, tag)
        return len(ends)

    def _legend(self) -> None:
        entries = sorted(self._entries, key=lambda entry: -entry[0])
        handles = [
            Line2D([], [], marker=marker(name, self.names), ms=6, lw=1.8, **self._look(name))
            for _, name, _ in entries
        ]
        legend = self.axes.legend(
            handles,
            [""] * len(handles),
            loc="upper left",
            bbox_to_anchor=(1.03, 1),
            **_LEGEND,
            fontsize=11,
            labelcolor=INK,
            handlelength=2.2,
        )
        drawn = zip(entries, legend.get_texts(), legend.legend_handles, strict=True)
        for (_, name, texts), label, handle in drawn:
            label.set(text="\n".join([short_name(name), *texts]), parse_math=False)
            for artist in filter(None, (label, handle)):
                self._tag(artist, _series(name))

    def chart(
        self,
        name: str,
        title: str,
        subtitle: str,
        description: str,
        section: str,
        filters: Mapping[str, str],
        axis_titles: tuple[str, str],
        key: Sequence[Line2D | Patch] = (),
    ) -> Chart:
        """Add legends and titles, and write the SVG; arguments are those of :class:`Chart`.

        ``axis_titles`` say what x and y are, and ``key`` explains markers and shades.
        """
        title, subtitle = plain(title), plain(subtitle)
        heads = [(text, 12.0, "bold", INK) for text in textwrap.wrap(title, _TITLE_LETTERS)]
        heads += [
            (text, 9.5, "normal", QUIET) for text in textwrap.wrap(subtitle, _SUBTITLE_LETTERS)
        ]
        above = _CROSSING_ROW * self._label_crossings()
        rows = sum(1.6 + len(texts) for _, _, texts in self._entries)
        axes_height = max(_AXES_HEIGHT, _LEGEND_ROW * rows)
        below = _FOOT + _KEY_ROW * -(-len(key) // _KEY_COLUMNS) + _BELOW
        head_height = _TITLE_ROW * (len(heads) + 0.75)
        height = head_height + 28 + above + axes_height + below
        self.figure.set_size_inches(_WIDTH / 72, height / 72)
        self.axes.set_position(
            (_LEFT / _WIDTH, below / height, _AXES_WIDTH / _WIDTH, axes_height / height)
        )
        self.axes.set_xlabel(axis_titles[0], fontsize=11, color=INK, labelpad=3)
        at = (10 - _LEFT) / _AXES_WIDTH
        self.axes.set_title(axis_titles[1], loc="left", x=at, pad=9 + above, fontsize=11, color=INK)
        self._legend()
        self.figure.legend(
            handles=list(key),
            loc="lower left",
            bbox_to_anchor=(8 / _WIDTH, 0),
            ncols=_KEY_COLUMNS,
            **_LEGEND,
            fontsize=10.5,
            labelcolor=QUIET,
            handlelength=1.8,
            columnspacing=1.2,
        )
        for row, (text, size, weight, shade) in enumerate(heads, start=1):
            y = 1 - (row + 0.2) * _TITLE_ROW / height
            written = self.figure.text(10 / _WIDTH, y, text, color=shade, parse_math=False)
            written.set(fontsize=size, fontweight=weight, gid=f"{HEAD}-{row}")
        drawn = written_svg(self.figure)
        view = f"0 {head_height:g} {_WIDTH:g} {height - head_height:g}"
        return Chart(
            name=name,
            title=title,
            subtitle=subtitle,
            section=section,
            filters=filters,
            svg=for_page(drawn, name, title, view, self._tags),
            description=plain(description),
            standalone_svg=for_file(drawn),
            figure=self.figure,
        )


def _series(name: str) -> str:
    return f'<g class="series" data-implementation="{escape(plain(name))}">'
