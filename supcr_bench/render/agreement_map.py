"""The heat map of agreement: errors as multiples of the tolerance, by implementation and case."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from supcr_bench.analysis.summary import implementations_of
from supcr_bench.render.cells import SHORT_STATUS
from supcr_bench.render.grid import facets_of, varied_columns
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, Status
from supcr_bench.values.table import Facets
from supcr_bench.values.units import MISSING, format_error

MOST_ROWS = 60
"""More cases than a person looks over: the worst are shown."""
_SHADES = ((0.1, "h0"), (0.5, "h1"), (1.0, "h2"))


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One figure of one implementation on one case."""

    text: str
    shade: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One case.

    Attributes:
        words: that tell it apart.
        cells: value and gradient of each implementation.
        facets: what it is about.
    """

    words: tuple[str, ...]
    cells: tuple[HeatCell, ...]
    facets: Facets


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Rows of cases, two columns an implementation."""

    title: str
    note: str
    headers: tuple[tuple[str, str | None], ...]
    """Each with the implementation that its column is of, if it is of one."""
    rows: tuple[HeatRow, ...]


def agreement_map(results: Sequence[Result]) -> HeatMap | None:
    """Value and gradient error of every case that any implementation answered in training.

    Forward's value is that of training, so forward is shown only where training was not run.
    """
    names = implementations_of(results)
    answered = [r for r in results if r.status.has_figures]
    passes = {r.case.pass_ for r in answered}
    pass_ = "training" if "training" in passes else "forward"
    by_case: dict[Case, dict[str, Result]] = {}
    for r in results:
        if r.case.pass_ == pass_:
            by_case.setdefault(r.case, {})[r.implementation] = r
    cases = [c for c, own in by_case.items() if any(r.status.has_figures for r in own.values())]
    if not cases:
        return None
    worst = sorted(cases, key=lambda c: -_worst(by_case[c].values()))[:MOST_ROWS]
    shown = [case for case in cases if case in set(worst)]
    axes = varied_columns(shown)
    note = (
        "Largest relative error of the value (v) and the gradient (g), as a multiple of what "
        "rounding explains: up to 1 agrees. The darker, the nearer to 1; wrong stands out."
    )
    if len(shown) < len(cases):
        note += f" The {len(shown)} worst of {len(cases)} cases."
    return HeatMap(
        title=f"Agreement by case, {pass_}",
        note=note,
        headers=(
            *((header, None) for header, _ in axes),
            ("N", None),
            *((f"{name} {part}", name) for name in names for part in ("v", "g")),
        ),
        rows=tuple(
            HeatRow(
                words=(*(value(case) for _, value in axes), str(case.batch_size)),
                cells=tuple(cell for name in names for cell in _cells(by_case[case].get(name))),
                facets=facets_of(case),
            )
            for case in shown
        ),
    )


def _worst(results: Iterable[Result]) -> float:
    """The largest multiple of the tolerance; what is no number is worse than any."""
    return max(
        (
            math.inf
            if r.status is Status.WRONG
            else max(r.value_tolerances or 0.0, r.gradient_tolerances or 0.0)
            for r in results
        ),
        default=0.0,
    )


def _cells(result: Result | None) -> tuple[HeatCell, HeatCell]:
    if result is None or not result.status.has_figures:
        text = SHORT_STATUS.get(result.status, MISSING) if result else MISSING
        return HeatCell(text, "bare"), HeatCell("", "bare")
    return (
        _cell(result.value_tolerances, result),
        _cell(result.gradient_tolerances, result),
    )


def _cell(tolerances: float | None, result: Result) -> HeatCell:
    wrong = result.status is Status.WRONG
    if tolerances is None:
        return HeatCell("broken" if wrong else MISSING, "h3" if wrong else "bare")
    shade = next((s for limit, s in _SHADES if tolerances <= limit), "h3")
    return HeatCell(format_error(tolerances), shade)
