"""The sheet that every chart is drawn on: one axes in a fixed place, its ticks, title and key.

Everything is drawn in the colours of a light page, which is what a file keeps; for a page the theme
puts its variables in their place. Units are those of the drawing, 600 wide.
"""

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from supcr_bench.render.charts.chart import Chart, Section, no_glyph_warnings
from supcr_bench.render.charts.placing import Box
from supcr_bench.render.charts.theme import INK, LINE, PAPER, QUIET, Mark, plain, themed

WIDTH, AXES = 600.0, 300.0
"""Of the drawing, and the height of its axes."""
_ABOVE, _BELOW, _KEY_ROW, _FOOT = 40.0, 42.0, 17.0, 5.0
_TITLE_ROW, _TITLE_LETTERS, _SUBTITLE_LETTERS = 16.0, 74, 104
_LEFT, _RIGHT = 62.0, 134.0
_KEY_COLUMNS = 3


class Sheet:
    """A chart's figure while it is drawn.

    Args:
        title: what is seen.
        subtitle: what is drawn.
        key_entries: how many the key will have, which its room follows from.
    """

    def __init__(self, title: str, subtitle: str, key_entries: int) -> None:
        self.title, self.subtitle = plain(title), plain(subtitle)
        key = _KEY_ROW * -(-key_entries // _KEY_COLUMNS)
        self._heads = [
            (line, 12.0, "bold", INK) for line in textwrap.wrap(self.title, _TITLE_LETTERS)
        ]
        self._heads += [
            (line, 9.5, "normal", QUIET) for line in textwrap.wrap(self.subtitle, _SUBTITLE_LETTERS)
        ]
        self.head = _TITLE_ROW * (len(self._heads) + 0.75)
        self.height = self.head + _ABOVE + AXES + _BELOW + key + _FOOT
        self.figure = Figure(figsize=(WIDTH / 72, self.height / 72), dpi=72, facecolor=PAPER)
        bottom = _FOOT + key + _BELOW
        self.axes = self.figure.add_axes(
            (
                _LEFT / WIDTH,
                bottom / self.height,
                (WIDTH - _LEFT - _RIGHT) / WIDTH,
                AXES / self.height,
            )
        )
        self.axes.patch.set_visible(False)
        self.axes.spines[["top", "right"]].set_visible(False)
        for spine in self.axes.spines.values():
            spine.set_color(QUIET)
        self.axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=11, length=3)
        self.axes.grid(visible=True, which="major", color=LINE, lw=0.6)
        self.axes.set_axisbelow(True)
        self._room = Box(_LEFT, bottom, WIDTH - _LEFT, AXES)
        self._marks: dict[str, Mark] = {}
        self._mark(self.figure.patch, Mark(kind="head"))

    def _mark(self, artist: Artist, mark: Mark) -> None:
        gid = f"mark-{len(self._marks) + 1}"
        artist.set_gid(gid)
        self._marks[gid] = mark

    def scales(
        self, x: tuple[float, float], y: tuple[float, float], *, log_x: bool, log_y: bool
    ) -> None:
        """The ranges, before anything is drawn."""
        self.axes.set_xscale("log" if log_x else "linear")
        self.axes.set_yscale("log" if log_y else "linear")
        self.axes.set_xlim(*x)
        self.axes.set_ylim(*y)

    def _pixels(self, x: float, y: float) -> tuple[float, float]:
        found = self.axes.transData.transform((x, y))
        return float(found[0]), float(found[1])

    def _across(self, x: float) -> float:
        return self._pixels(x, self.axes.get_ylim()[0])[0]

    def ticks(
        self,
        x: Sequence[float],
        y: Sequence[float],
        x_text: Callable[[float], str],
        y_text: Callable[[float], str],
    ) -> None:
        """Ticks at these figures; along x only as many as have room, the last before the others."""
        shown: list[tuple[float, float, float]] = []
        for value in reversed(x):
            at, half = self._across(value), (len(x_text(value)) * 6.8 + 6) / 2
            if all(abs(at - other) >= half + room for _, other, room in shown):
                shown.append((value, at, half))
        self.axes.set_xticks([v for v, _, _ in shown], [x_text(v) for v, _, _ in shown])
        self.axes.set_yticks(y, [y_text(v) for v in y])
        self.axes.xaxis.set_minor_locator(NullLocator())
        self.axes.yaxis.set_minor_locator(NullLocator())

    def axis_titles(self, x: str, y: str) -> None:
        """What the axes measure; that of y stands above it, to be read without tilting."""
        self.axes.set_xlabel(x, fontsize=11, color=INK, labelpad=3)
        self.axes.annotate(
            y,
            (0, 1),
            xycoords="axes fraction",
            xytext=(10 - _LEFT, 24),
            textcoords="offset points",
            fontsize=11,
            color=INK,
            annotation_clip=False,
        )

    def key(self, entries: Sequence[Line2D | Patch]) -> None:
        """What shapes mean; colours need none, they are named where they are."""
        if entries:
            self.figure.legend(
                handles=list(entries),
                loc="lower left",
                bbox_to_anchor=(8 / WIDTH, 0),
                ncols=_KEY_COLUMNS,
                frameon=False,
                fontsize=10.5,
                labelcolor=QUIET,
                handlelength=1.8,
                handletextpad=0.5,
                columnspacing=1.2,
                borderaxespad=0.1,
                labelspacing=0.3,
            )

    def _head(self) -> None:
        """Title and subtitle, for a file; on a page they are the page's."""
        for row, (text, size, weight, shade) in enumerate(self._heads, start=1):
            drawn = self.figure.text(
                10 / WIDTH,
                1 - (row + 0.2) * _TITLE_ROW / self.height,
                text,
                fontsize=size,
                fontweight=weight,
                color=shade,
                parse_math=False,
            )
            self._mark(drawn, Mark(kind="head"))

    def chart(
        self, name: str, section: Section, filters: Mapping[str, str], description: str
    ) -> Chart:
        """Finish."""
        self._head()
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        # Text stays text, and ids and dates do not change from one drawing to the next.
        plainly = mpl.rc_context({"svg.hashsalt": "supcr-bench", "svg.fonttype": "none"})
        with plainly, no_glyph_warnings():
            self.figure.savefig(text, format="svg", metadata=nothing)
        drawn = text.getvalue()
        view = (0, self.head, WIDTH, self.height - self.head)
        return Chart(
            name=name,
            title=self.title,
            subtitle=self.subtitle,
            section=section,
            filters=filters,
            svg=themed(drawn, name, self.title, self._marks, view),
            description=plain(description),
            standalone_svg=drawn,
            figure=self.figure,
        )
