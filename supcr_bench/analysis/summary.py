"""Computes what several tables of a run show: agreement, time of a call, fastest by size."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from supcr_bench.analysis.statistics import Interval, median_interval, process_interval
from supcr_bench.values.axes import AXES, PASSES, Axis
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.metrics import TIME, Metric
from supcr_bench.values.result import Result, Status, grouped, stored_name

if TYPE_CHECKING:
    import pandas as pd

ERRORS = ("value_error", "value_tolerances", "gradient_error", "gradient_tolerances")
DERIVED = ("time_s", "time_low_s", "time_high_s")


def _largest(values: Iterable[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)


def implementations_of(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(r.implementation for r in results))


def agreement_rows(results: Sequence[Result]) -> list[Mapping[str, Any]]:
    """The largest errors of each implementation, by kind of labels, and how many cases agree."""
    known = [r for r in results if r.status.has_figures]
    return [
        {
            "implementation": name,
            "definition": members[0].case.definition,
            "labels": labels,
            "cases": len(members),
            "agree": sum(r.status is Status.MEASURED for r in members),
            **{error: _largest([getattr(r, error) for r in members]) for error in ERRORS},
        }
        for name, own in grouped(known, lambda r: r.implementation).items()
        for labels, members in grouped(own, lambda r: r.case.label_kind).items()
    ]


def time_interval(result: Result) -> Interval | None:
    """The seconds of a call with their 95 % interval; ``None`` if it was not timed."""
    if len(medians := result.process_medians_s) > 1:
        return process_interval(medians)
    return median_interval(result.time_samples_s) if result.time_samples_s else None


def by_series(results: Sequence[Result], pass_: Pass) -> list[Result]:
    """Results of one pass, grouped by all but the batch size, each group by rising batch size."""
    own = grouped((r for r in results if r.case.pass_ == pass_), lambda r: r.case.series())
    return [r for same in own.values() for r in sorted(same, key=lambda r: r.case.batch_size)]


Setting = tuple[str, str, float]
"""An implementation, a dtype and a temperature."""
Wrong = frozenset[Setting]
"""Wrong implementations, each with the dtype and the temperature at which it is wrong."""


def setting_of(result: Result) -> Setting:
    return result.implementation, result.case.dtype, result.case.temperature


def known_wrong(results: Iterable[Result], refuted: Collection[str] = ()) -> Wrong:
    """Each implementation that is wrong at a dtype and temperature, at any size and labels.

    Implementations that verification ``refuted`` count as wrong at every dtype and temperature.
    """
    wrong = (r for r in results if r.status is Status.WRONG or r.implementation in refuted)
    return frozenset(map(setting_of, wrong))


def fastest_by_size(
    results: Sequence[Result], wrong: Wrong, faster: Callable[[Result, Result], bool]
) -> dict[Case, tuple[str, ...]]:
    """For each case, the correct implementations that no other one is faster than, by rising time.

    If there are several, they tie: noise hides which of them is the fastest. Keys leave out the
    definition (which loss of the family), as implementations may compute different ones. An
    implementation that is ``wrong`` on ties is never among the fastest.
    """
    right = [r for r in results if r.status is Status.MEASURED and r.time_samples_s]
    right = [r for r in right if setting_of(r) not in wrong]
    found = {}
    for case, own in grouped(right, lambda r: r.case.shared).items():
        own.sort(key=lambda r: TIME.get(r) or 0.0)
        ahead = [r for r in own if not any(faster(other, r) for other in own)] or own
        found[case] = tuple(r.implementation for r in ahead)
    return found


COMPARED = tuple(axis for axis in AXES if axis.compared)
"""The axes along which reports compare results."""


class Effect(NamedTuple):
    """A result, and that at the first measured value of an axis (the base), all else equal."""

    result: Result
    base: Result

    def ratio(self, metric: Metric) -> float | None:
        own, base = metric.get(self.result), metric.get(self.base)
        return own / base if own is not None and base else None


def axis_effects(results: Sequence[Result], axis: Axis) -> list[list[Effect]]:
    """For each group of results that differ only in that axis, the effect of each value.

    A group has figures at two values or more; they are sorted by implementation, pass and size.
    """
    # A labels file fixes some axes, so their values cannot be compared.
    own = [r for r in results if not axis.from_labels or r.case.nan_density is not None]
    if len({axis.of(r.case) for r in own}) < 2:
        return []
    others = attrgetter(*(f.name for f in fields(Case) if f.compare and f.name != axis.field))
    groups = grouped(own, lambda r: (r.implementation, others(r.case))).values()
    names = implementations_of(own)

    def order(members: Sequence[Result]) -> tuple[int, int, int]:
        name, case = members[0].key
        return names.index(name), PASSES.index(case.pass_), case.batch_size

    compared = [m for m in groups if sum(r.status.has_figures for r in m) >= 2]
    return [
        [Effect(r, next(b for b in members if b.status.has_figures)) for r in members]
        for members in sorted(compared, key=order)
    ]


def columns() -> list[str]:
    names: list[str] = []
    for f in fields(Result):
        names += map(stored_name, (c.name for c in fields(Case)) if f.name == "case" else (f.name,))
    return names + list(DERIVED)


def result_row(result: Result) -> dict[str, Any]:
    """The values of :func:`columns`, without ``DERIVED`` for a result that was not timed."""
    row = result.to_mapping()
    row["status"] = str(result.status)
    if result.further_samples_s is not None:
        row["further_samples_s"] = list(result.further_samples_s.values())
    if interval := time_interval(result):
        row |= zip(DERIVED, (interval.estimate, interval.low, interval.high), strict=True)
    return row


def results_frame(results: Sequence[Result]) -> "pd.DataFrame":
    import pandas as pd  # slow to import

    frame = pd.DataFrame(list(map(result_row, results)), columns=columns())
    optional = (float | None, int | None)
    numeric = [stored_name(f.name) for f in (*fields(Case), *fields(Result)) if f.type in optional]
    frame[[*numeric, *DERIVED]] = frame[[*numeric, *DERIVED]].astype(float)
    return frame
