"""The main tables of a run, as data: agreement, pairs, time, memory, outcomes.

Each is a list of flat frozen rows, so that the terminal, the CSV files and the report show the same
figures. Figures are in seconds and bytes; missing is ``None``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from supcr_bench.analysis.statistics import median_interval
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.result import Result, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRow:
    """How far one implementation is from the definition, at worst.

    Attributes:
        labels: label kind of the cases.
        cases: results with an answer.
        agree: of these, how many are within the tolerance in value and gradient.
        value_error, gradient_error: largest relative errors.
        value_tolerances, gradient_tolerances: largest multiples of the tolerance.
    """

    implementation: str
    definition: str
    labels: str
    cases: int
    agree: int
    value_error: float | None
    value_tolerances: float | None
    gradient_error: float | None
    gradient_tolerances: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """The largest relative difference between two implementations on the same tensors."""

    one: str
    other: str
    cases: int
    value_difference: float | None
    gradient_difference: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """Time and memory of one implementation on one case.

    Attributes:
        time_s: median seconds per call.
        time_low_s, time_high_s: its 95 % interval; ``None`` with fewer than six samples.
    """

    implementation: str
    case: Case
    status: Status
    time_s: float | None
    time_low_s: float | None
    time_high_s: float | None
    samples: int
    peak_bytes: int | None
    dispatch_peak_bytes: int | None
    predicted_cuda_peak_bytes: int | None
    dispatched_ops: int | None
    elements_processed: int | None


def _largest(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return max(known) if known else None


def implementations_of(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(r.implementation for r in results))


def agreement_rows(results: Sequence[Result]) -> list[AgreementRow]:
    groups: dict[tuple[str, str], list[Result]] = {}
    for name in implementations_of(results):
        for r in results:
            if r.implementation == name and r.status.has_figures:
                groups.setdefault((name, r.case.label_kind), []).append(r)
    return [
        AgreementRow(
            implementation=name,
            definition=members[0].case.definition,
            labels=labels,
            cases=len(members),
            agree=sum(r.status is Status.MEASURED for r in members),
            value_error=_largest([r.value_error for r in members]),
            value_tolerances=_largest([r.value_tolerances for r in members]),
            gradient_error=_largest([r.gradient_error for r in members]),
            gradient_tolerances=_largest([r.gradient_tolerances for r in members]),
        )
        for (name, labels), members in groups.items()
    ]


def pair_rows(results: Sequence[Result]) -> list[PairRow]:
    names = implementations_of(results)
    rows = []
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            met = [
                r
                for r in results
                if r.implementation == one and other in (r.value_difference or {})
            ]
            if met:
                rows.append(
                    PairRow(
                        one=one,
                        other=other,
                        cases=len(met),
                        value_difference=_largest(
                            [(r.value_difference or {}).get(other) for r in met]
                        ),
                        gradient_difference=_largest(
                            [(r.gradient_difference or {}).get(other) for r in met]
                        ),
                    )
                )
    return rows


def cost_row(result: Result) -> CostRow:
    interval = median_interval(result.time_samples_s) if result.time_samples_s else None
    return CostRow(
        implementation=result.implementation,
        case=result.case,
        status=result.status,
        time_s=interval.estimate if interval else None,
        time_low_s=interval.low if interval else None,
        time_high_s=interval.high if interval else None,
        samples=interval.samples if interval else 0,
        peak_bytes=result.peak_bytes,
        dispatch_peak_bytes=result.dispatch_peak_bytes,
        predicted_cuda_peak_bytes=result.predicted_cuda_peak_bytes,
        dispatched_ops=result.dispatched_ops,
        elements_processed=result.elements_processed,
    )


def cost_rows(results: Sequence[Result], pass_: Pass) -> list[CostRow]:
    rows = [cost_row(r) for r in results if r.case.pass_ == pass_]
    order = {s: i for i, s in enumerate(dict.fromkeys(r.case.series() for r in rows))}
    return sorted(rows, key=lambda r: (order[r.case.series()], r.case.batch_size))


def unusual(results: Sequence[Result]) -> list[Result]:
    return [r for r in results if r.status is not Status.MEASURED]


Wrong = frozenset[tuple[str, str, float]]
"""Implementations that are wrong somewhere, with the dtype and the temperature where they are."""


def known_wrong(results: Iterable[Result]) -> Wrong:
    """Implementations that are wrong at a dtype and temperature, at any size and labels."""
    return frozenset(
        (r.implementation, r.case.dtype, r.case.temperature)
        for r in results
        if r.status is Status.WRONG
    )


def fastest_by_size(rows: Iterable[CostRow], wrong: Wrong) -> dict[Case, str]:
    """The implementation with the smallest median among those that are right, for each case.

    Cases are named without the definition, which may be another for each implementation.

    Args:
        rows: rows of any cases.
        wrong: who is wrong in the run; what is wrong on ties is not right without them.
    """
    best: dict[Case, CostRow] = {}
    for row in rows:
        if row.status is not Status.MEASURED or row.time_s is None:
            continue
        if (row.implementation, row.case.dtype, row.case.temperature) in wrong:
            continue
        held = best.get(row.case.shared)
        if held is None or held.time_s is None or row.time_s < held.time_s:
            best[row.case.shared] = row
    return {case: row.implementation for case, row in best.items()}
