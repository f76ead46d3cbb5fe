"""The map of recommendations: batch size by dimensions and NaN density, what to use where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supcr_bench.analysis.recommend import most_alike
from supcr_bench.analysis.summary import (
    cost_row,
    fastest_by_size,
    implementations_of,
    known_wrong,
)
from supcr_bench.render.cells import SHORT_STATUS, nan_text
from supcr_bench.render.palette import variable
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.result import Result
from supcr_bench.values.table import Facets
from supcr_bench.values.units import MISSING

MOST_COLUMNS = 8
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class MapCell:
    """One batch size in one column.

    Attributes:
        use: the implementation to use; ``None`` where none can be.
        colour: the CSS variable of its colour.
        words: what to say where there is none to use.
        out: who is wrong there, in words; empty if nobody.
    """

    use: str | None
    colour: str
    words: str
    out: str


@dataclass(frozen=True, slots=True)
class RecommendationMap:
    """Of one device and pass.

    Attributes:
        id: its anchor.
        title: what it shows.
        note: how to read it.
        headers: of the columns.
        rows: batch size, and a cell for each column.
        facets: what it is about.
    """

    id: str
    title: str
    note: str
    headers: tuple[str, ...]
    rows: tuple[tuple[int, tuple[MapCell, ...]], ...]
    facets: Facets


def recommendation_maps(results: Sequence[Result]) -> list[RecommendationMap]:
    """A map for every device and pass, training first."""
    devices = dict.fromkeys(r.case.device for r in results)
    maps = []
    for device in devices:
        for pass_ in reversed(PASSES):
            own = [
                r
                for r in results
                if (r.case.device, r.case.pass_) == (device, pass_) and not r.untimed
            ]
            if own:
                maps.append(_map(own, implementations_of(results), len(devices) > 1))
    return maps


def _map(results: Sequence[Result], names: Sequence[str], several: bool) -> RecommendationMap:
    alike = most_alike(results)
    case = alike[0].case
    wrong = known_wrong(results)
    fastest = fastest_by_size([cost_row(r) for r in alike], wrong)
    out = [n for n in names if (n, case.dtype, case.temperature) in wrong]
    by_case: dict[Case, list[Result]] = {}
    for r in alike:
        by_case.setdefault(r.case, []).append(r)
    columns = _columns(by_case)
    sizes = sorted({c.batch_size for c in by_case if (c.dims, c.nan_density) in columns})
    at = {(c.batch_size, c.dims, c.nan_density): c for c in by_case}
    rows = tuple(
        (
            n,
            tuple(
                _cell(at.get((n, dims, density)), by_case, fastest, names, out)
                for dims, density in columns
            ),
        )
        for n in sizes
    )
    where = f"{case.pass_} on {case.device}" if several else case.pass_
    return RecommendationMap(
        id=f"map-{case.pass_}-{case.device.replace(':', '-').replace('@', '-')}",
        title=f"What to use in {where}",
        note=(
            f"The fastest that is right, as measured, by batch size N; "
            f"{case.label_kind} labels, {case.dtype}, tau={case.temperature:g}, "
            f"d={case.embedding_size}."
        ),
        headers=_headers(by_case, columns),
        rows=rows,
        facets={
            "device": case.device,
            "pass": case.pass_,
            "labels": case.label_kind,
        },
    )


def _headers(
    cases: Mapping[Case, object], columns: Sequence[tuple[int, float | None]]
) -> tuple[str, ...]:
    """What tells the columns apart; all of it where there is one."""
    dims = len({d for d, _ in columns}) > 1
    densities = len({x for _, x in columns}) > 1
    both = dims is densities
    return tuple(
        ", ".join(
            part
            for part, said in (
                (f"D={d}", dims or both),
                (f"{_density(cases, d, x)} NaN", densities or both),
            )
            if said
        )
        for d, x in columns
    )


def _density(cases: Mapping[Case, object], dims: int, density: float | None) -> str:
    return next(nan_text(c) for c in cases if (c.dims, c.nan_density) == (dims, density))


def _columns(cases: Mapping[Case, object]) -> list[tuple[int, float | None]]:
    """Dimensions and densities that were measured at the most sizes, in order."""
    counts: dict[tuple[int, float | None], int] = {}
    for case in cases:
        place = (case.dims, case.nan_density)
        counts[place] = counts.get(place, 0) + 1
    most = sorted(counts, key=lambda place: -counts[place])[:MOST_COLUMNS]
    return sorted(most, key=lambda place: (place[0], -1.0 if place[1] is None else place[1]))


def _cell(
    case: Case | None,
    by_case: Mapping[Case, Sequence[Result]],
    fastest: Mapping[Case, str],
    names: Sequence[str],
    wrong: Sequence[str],
) -> MapCell:
    if case is None:
        return MapCell(None, "", NOT_MEASURED, "")
    here = [r.implementation for r in by_case[case] if r.implementation in wrong]
    out = f"{', '.join(here)} wrong" if here else ""
    use = fastest.get(case)
    if use is not None:
        return MapCell(use, variable(use, names), "", out)
    ended = dict.fromkeys(SHORT_STATUS.get(r.status, MISSING) for r in by_case[case])
    return MapCell(None, "", "none" if here else f"none: {', '.join(ended)}", out)
