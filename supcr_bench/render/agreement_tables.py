"""The heat map of agreement: errors as multiples of the tolerance, by implementation and case."""

import math
from collections.abc import Iterable, Sequence

from supcr_bench.analysis.summary import implementations_of
from supcr_bench.render.cells import SHORT_STATUS, arm_names, case_columns, facets_of
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, Status
from supcr_bench.values.table import Cell, Column, Table, Tone, numbers, row
from supcr_bench.values.units import MISSING, format_error

MOST_ROWS = 60
"""More cases than a person looks over: the worst are shown."""
_HEAT: tuple[tuple[float, Tone], ...] = ((0.1, "heat0"), (0.5, "heat1"), (1.0, "heat2"))


def agreement_heat(results: Sequence[Result]) -> Table:
    """Value and gradient error of every case that any implementation answered in training.

    Forward's value is that of training, so forward is shown only where training was not run.
    """
    names = implementations_of(results)
    passes = {r.case.pass_ for r in results if r.status.has_figures}
    pass_ = "training" if "training" in passes else "forward"
    by_case: dict[Case, dict[str, Result]] = {}
    for r in results:
        if r.case.pass_ == pass_:
            by_case.setdefault(r.case.shared, {})[r.implementation] = r
    cases = [c for c, own in by_case.items() if any(r.status.has_figures for r in own.values())]
    worst = set(sorted(cases, key=lambda c: -_worst(by_case[c].values()))[:MOST_ROWS])
    shown = [case for case in cases if case in worst]
    headers, texts = case_columns(shown)
    heads = [
        Column(f"{head} {part}", implementation=name)
        for name, head in arm_names(results, "{definition}\n{name}").items()
        for part in "vg"
    ]
    note = (
        "Largest relative error of the value (v) and the gradient (g), as a multiple of what "
        "rounding explains: up to 1 agrees. The stronger the colour, the nearer to 1; wrong "
        "stands out"
    )
    if len(shown) < len(cases):
        note += f". The {len(shown)} worst of {len(cases)} cases"
    return Table(
        name="agreement-by-case",
        title=f"Agreement by case, {pass_}",
        note=note,
        columns=(*numbers(*headers, "N"), *heads),
        rows=tuple(
            row(
                *texts(case),
                str(case.batch_size),
                *(cell for name in names for cell in _cells(by_case[case].get(name))),
                facets=facets_of(case),
            )
            for case in shown
        ),
        keys=len(headers) + 1,
        detail=True,
        style="heat",
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


def _cells(result: Result | None) -> tuple[Cell, Cell]:
    """Value and gradient."""
    if result is None or not result.status.has_figures:
        text = SHORT_STATUS.get(result.status, MISSING) if result else MISSING
        return Cell(text, "quiet"), Cell("", "quiet")
    wrong = result.status is Status.WRONG
    return _cell(result.value_tolerances, wrong), _cell(result.gradient_tolerances, wrong)


def _cell(tolerances: float | None, wrong: bool) -> Cell:
    if tolerances is None:
        return Cell("broken", "heat3") if wrong else Cell(MISSING, "quiet")
    return Cell(
        format_error(tolerances),
        next((tone for limit, tone in _HEAT if tolerances <= limit), "heat3"),
    )
