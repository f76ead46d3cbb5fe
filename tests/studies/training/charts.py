"""Two charts of the page: what each arm costs, and cost beside angle."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from supcr_bench.render.palette import INK, LINE, PAPER, QUIET, SERIES
from tests.studies.training.arms import RNC_BASE, TORCHCELL_BASE
from tests.studies.training.statistics import ALIKE
from tests.studies.training.summary import ORDERED, Comparison

COLOURS = {TORCHCELL_BASE: SERIES[0], RNC_BASE: SERIES[1]}
MARKERS = {TORCHCELL_BASE: "o", RNC_BASE: "s"}
LABEL_DEGREES, LINE_POINTS, NEAR_ZERO = 30, 10, 0.1
"""How far a label reaches along the axis of degrees, the height of its line, and the cost up to
which arms lie on nearly one line."""
COST_AXIS = "probe error less that of the base, percentage points, with its interval"


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.0, height), facecolor=PAPER, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)
    return figure, axes


def _save(figure: Figure, file: Path) -> None:
    with mpl.rc_context({"svg.hashsalt": file.name, "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})


def draw_costs(found: Sequence[Comparison], file: Path) -> None:
    """A row for each arm: its cost, with the interval. The axis is linear within half a point."""
    figure, axes = _axes(0.8 + 0.27 * len(found))
    for place, one in enumerate(reversed(found)):
        colour, cost = COLOURS[one.base], one.cost
        axes.plot([cost.low, cost.high], [place, place], color=colour, linewidth=2)
        axes.plot([cost.mean], [place], MARKERS[one.base], color=colour, markersize=5)
    axes.axvspan(-ALIKE, ALIKE, color=LINE, alpha=0.6, linewidth=0)
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_xscale("symlog", linthresh=0.5)
    axes.margins(x=0.06)
    ticks = [t for t in (-20, -5, -2, -0.5, 0, 0.5, 2, 5, 20) if _within(t, found)]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(found)), [one.arm for one in reversed(found)])
    axes.set_xlabel(COST_AXIS, color=INK, fontsize=8)
    _save(figure, file)


def _within(tick: float, found: Sequence[Comparison]) -> bool:
    lows, highs = [c.cost.low for c in found], [c.cost.high for c in found]
    return min(lows) <= tick <= max(highs)


def draw_angles(found: Sequence[Comparison], file: Path) -> None:
    """Cost over the angle that ``verify --labels`` measures on embeddings ordered by label."""
    figure, axes = _axes(4.6)
    some = sorted((c for c in found if ORDERED in c.angles), key=lambda c: c.angles[ORDERED])
    taken: list[tuple[float, float]] = []
    for one in some:
        colour, cost, angle = COLOURS[one.base], one.cost, one.angles[ORDERED]
        axes.plot([angle, angle], [cost.low, cost.high], color=colour, linewidth=1)
        axes.plot([angle], [cost.mean], MARKERS[one.base], color=colour, markersize=5)
        # A label that would cover one to its left is written a line higher.
        lift = -10 if -NEAR_ZERO < cost.mean < 0 else 3
        close = [high for at, high in taken if angle - at < LABEL_DEGREES]
        while abs(cost.mean) < NEAR_ZERO and any(abs(lift - high) < LINE_POINTS for high in close):
            lift += LINE_POINTS
        if abs(cost.mean) < NEAR_ZERO:
            taken.append((angle, lift))
        axes.annotate(
            one.fault or one.arm,
            (angle, cost.mean),
            xytext=(6, lift),
            textcoords="offset points",
            fontsize=7,
            color=colour,
        )
    for base, colour in COLOURS.items():
        axes.plot([], [], MARKERS[base], color=colour, label=f"from {base}")
    axes.axhspan(-ALIKE, ALIKE, color=LINE, alpha=0.6, linewidth=0)
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.set_yscale("symlog", linthresh=0.5)
    axes.set_xlim(0, 1.2 * max(c.angles[ORDERED] for c in some))
    ticks = [t for t in (-20, -5, -2, -0.5, 0, 0.5, 2, 5, 20) if _within(t, found)]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_xlabel("degrees by verify --labels, embeddings ordered by label", fontsize=8)
    axes.set_ylabel("cost in probe error, percentage points", fontsize=8)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    _save(figure, file)
