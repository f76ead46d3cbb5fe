"""The recommended implementation by batch size, dimensions and NaN density, as tables."""

from collections import Counter
from collections.abc import Mapping, Sequence

from supcr_bench.analysis.recommend import most_alike
from supcr_bench.analysis.summary import (
    fastest_by_size,
    implementations_of,
    known_wrong,
)
from supcr_bench.render.cells import arm_names, ended_text, noted
from supcr_bench.render.palette import variable
from supcr_bench.values.axes import get_axis
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.result import Result
from supcr_bench.values.table import Cell, Table, numbers, row, words

MOST_COLUMNS = 8
_DIMS, _NAN = get_axis("dims"), get_axis("nan_density")


def recommendation_tables(results: Sequence[Result]) -> list[Table]:
    devices = dict.fromkeys(r.case.device for r in results)
    timed = [r for r in results if not r.untimed]
    groups = [
        [r for r in timed if (r.case.device, r.case.pass_) == (device, pass_)]
        for device in devices
        for pass_ in reversed(PASSES)
    ]
    names = implementations_of(results)
    return [_table(own, names, len(devices) > 1) for own in groups if own]


def _table(results: Sequence[Result], names: Sequence[str], several: bool) -> Table:
    alike = most_alike(results)
    first = alike[0].case
    wrong = known_wrong(results)
    fastest = fastest_by_size(alike, wrong)
    by_case: dict[Case, list[Result]] = {}
    for r in alike:
        by_case.setdefault(r.case.shared, []).append(r)
    columns = _columns(by_case)
    arms = arm_names(results)
    at = {(c.batch_size, c.dims, c.nan_density): c for c in by_case}

    def cell(case: Case | None) -> Cell:
        if case is None:
            return Cell("not measured", "quiet")
        here = [
            r.implementation
            for r in by_case[case]
            if (r.implementation, r.case.dtype, r.case.temperature) in wrong
        ]
        out = f" ({', '.join(here)} wrong)" if here else ""
        if case in fastest:
            return Cell(arms[fastest[case]] + out, "", variable(fastest[case], names))
        ended = dict.fromkeys(ended_text(r.status) for r in by_case[case])
        return Cell(f"none{out}" if here else f"none: {', '.join(ended)}", "bad")

    temperatures = {r.case.temperature for r in alike}
    tau = f"tau={first.temperature:g}" if len(temperatures) == 1 else "each at its own tau"
    where = f"{first.pass_} on {first.device}" if several else first.pass_
    return Table(
        name=f"map-{first.pass_}-{first.device.replace(':', '-').replace('@', '-')}",
        title=f"What to use in {where}",
        note=noted(
            f"The fastest that is right, as measured, by batch size N; {first.label_kind} labels, "
            f"{first.dtype}, {tau}, d={first.embedding_size}",
            results,
        ),
        columns=(
            *numbers("N"),
            *words(*(f"{_DIMS.phrase(dims)}, {_NAN.phrase(nan)}" for dims, nan in columns)),
        ),
        rows=tuple(
            row(
                str(n),
                *(cell(at.get((n, *column))) for column in columns),
                facets={"device": first.device, "pass": first.pass_, "labels": first.label_kind},
            )
            for n in sorted({c.batch_size for c in by_case if (c.dims, c.nan_density) in columns})
        ),
        style="map",
    )


def _columns(cases: Mapping[Case, object]) -> list[tuple[int, float | None]]:
    """Dimensions and densities that were measured at the most sizes, in order."""
    counts = Counter((case.dims, case.nan_density) for case in cases)
    most = [place for place, _ in counts.most_common(MOST_COLUMNS)]
    return sorted(most, key=lambda place: (place[0], -1.0 if place[1] is None else place[1]))
