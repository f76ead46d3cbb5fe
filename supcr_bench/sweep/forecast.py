"""Predicts time and peak memory of the next size from the sizes before it.

The forecast of time is rough and only decides whether a case is worth starting; growth laws are
fitted after the sweep. Peak bytes have no noise, so their growth law predicts them from sizes up to
a quarter of the next, and the prediction is stored beside the measured peak.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from copy import copy, deepcopy

from supcr_bench.values.case import Case, Pass, Workload
from supcr_bench.values.cell import FEWEST_CALLS, FEWEST_SAMPLES, UNTIMED_CALLS, Budget
from supcr_bench.values.growth_law import GrowthLaw
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_duration_s

AHEAD = 4
"""The peak at a size is predicted from sizes that are at least this many times smaller."""
WIDE = 3
"""A growth is measured between sizes that differ at least by this factor."""
APART = 2
"""The least factor between the sizes whose times tell whether the next size is worth starting: what
noise does to the growth between nearer sizes, the next size multiplies."""
STEEPEST = 4.0
"""The largest exponent by which a case is skipped. No known loss takes more than N^3 operations:
what grows much faster is noise."""
SHARE_POWER = 0.7
"""How fast growth moves from the measured to the claimed; stored runs on CPU and GPU tell it."""
ONE_SIZE_SHARE = 0.3
"""With one size measured, the expected exponent of growth is this share of the claimed one."""
PAIR_S = 6e-7
"""Seconds of the reference for each pair of rows in a label dimension, until one was measured."""

_Series = tuple[str, str, str | None, tuple[object, ...]]
"""A series: implementation, pass, kind of machine, and a case without its batch size."""
_Arm = tuple[str, str]
_Values = dict[int, float]
"""Values by size: batch size, or rows with a label."""
_Curves = defaultdict[_Arm, defaultdict[_Series, _Values]]


class Forecast:
    """Predicts from the results so far whether a case fits the budget.

    The growth law that an implementation claims is used while only one size has been measured.
    """

    def __init__(self, budget: Budget, claims: Mapping[str, GrowthLaw] | None = None) -> None:
        self.budget = budget
        self.claims = claims or {}
        self._assumed: set[_Series] = set()
        """Series of which times were assumed."""
        self._points: dict[_Series, _Values] = {}
        """Seconds of a call by batch size."""
        self._curves: _Curves = defaultdict(lambda: defaultdict(dict))
        """Seconds of a call for each label dimension, by labelled rows."""
        self._peaks: _Curves = defaultdict(lambda: defaultdict(dict))
        """Peak bytes by labelled rows."""
        self._ends: dict[_Series, Result] = {}
        self._measured: dict[_Series, list[Result]] = {}
        self._took: dict[tuple[_Arm, bool, bool], dict[int, tuple[float, float, int]]] = {}
        """Of timed and of other cells, in the first and in further processes: total seconds,
        seconds per call, and samples, by batch size."""
        self._pair_s = 0, PAIR_S
        """The largest batch whose reference was computed, and the seconds that it took for each
        pair of rows and label dimension."""

    @staticmethod
    def _series(implementation: str, case: Case, machine: str | None) -> _Series:
        return implementation, case.pass_, machine, case.series()

    def observe(self, result: Result) -> None:
        series = self._series(result.implementation, result.case, result.machine)
        if result.peak_bytes:
            self._measured.setdefault(series, []).append(result)
            self._peaks[series[:2]][series][_rows(result.case)] = result.peak_bytes
        if result.time_samples_s:
            # The fastest sample, so that a busy machine does not make later sizes look too slow.
            self._add_time(series, result.case, min(result.time_samples_s))
        elif result.status in (Status.OUT_OF_MEMORY, Status.TIMED_OUT):
            before = self._ends.get(series)
            if before is None or result.case.batch_size < before.case.batch_size:
                self._ends[series] = result

    def took(
        self, result: Result, seconds: float, *, timed: bool = True, further: bool = False
    ) -> None:
        """Learn how many seconds of a cell an arm took: its samples, and the work beside them."""
        arm, samples = (result.implementation, result.case.pass_), result.time_samples_s or ()
        figures = seconds, min(samples, default=0.0), len(samples)
        self._took.setdefault((arm, timed, further), {})[result.case.batch_size] = figures

    def reference_took(self, workload: Workload, seconds: float) -> None:
        """Learn how many seconds of a cell its inputs and references took."""
        rows = _rows(workload)
        self._pair_s = max(self._pair_s, (rows, seconds / (rows**2 * workload.dims)))

    def reference_s(self, workload: Workload) -> float:
        """The seconds that the inputs and references of a cell will take."""
        return self._pair_s[1] * _rows(workload) ** 2 * workload.dims

    def _add_time(self, series: _Series, case: Case, call_s: float) -> None:
        self._points.setdefault(series, {})[case.batch_size] = call_s
        self._curves[series[:2]][series][_rows(case)] = call_s / case.dims

    def ahead(self) -> "Forecast":
        """A copy that can assume times, case after case of a plan."""
        found = copy(self)
        found._points, found._curves = deepcopy((self._points, self._curves))
        found._assumed = set()
        return found

    def assume(
        self, implementation: str, case: Case, *, timed: bool = True, machine: str | None = None
    ) -> None:
        """Take the expected time of a call as measured, unless the case would be skipped."""
        call_s = self._usual_call_s(implementation, case, machine)
        if call_s and not self.skip(implementation, case, timed=timed, machine=machine):
            series = self._series(implementation, case, machine)
            self._add_time(series, case, call_s)
            self._assumed.add(series)

    def call_s(
        self, implementation: str, case: Case, machine: str | None = None
    ) -> tuple[float, str] | None:
        """The predicted seconds of a call, and how they were predicted; ``None`` without times."""
        points = self._points.get(self._series(implementation, case, machine))
        if not points:
            return None
        n = case.batch_size
        sizes = sorted(points)
        last = sizes[-1]
        if len(sizes) == 1:
            law = self.claims.get(implementation)
            if law is None or last == n:
                return points[last], f"as at N={last}"
            return points[last] * law.ratio(last, n), f"{law.name} as claimed, from N={last}"
        before = max((size for size in sizes if APART * size <= last), default=sizes[0])
        exponent = min(max(_exponent(points, before, last), 0.0), STEEPEST)
        predicted = points[last] * (n / last) ** exponent
        return predicted, f"N^{exponent:.1f} from N={before} and {last}"

    def largest_size(self, implementation: str, case: Case) -> int | None:
        return max(self._points.get(self._series(implementation, case, None), ()), default=None)

    def peak(
        self, implementation: str, case: Case, machine: str | None = None
    ) -> dict[str, float | int]:
        """The peak predicted from sizes up to a quarter of this one, as fields of a result.

        There is no prediction if the same prediction would be wrong at one of the sizes in between.
        """
        measured = self._measured.get(self._series(implementation, case, machine), ())
        below = [r for r in measured if r.case.batch_size < case.batch_size]
        known = [r for r in below if AHEAD * r.case.batch_size <= case.batch_size]
        if not known:
            return {}
        # Importing scipy takes a third of a second, so it waits until it is needed.
        from supcr_bench.analysis.frontier import byte_fit
        from supcr_bench.analysis.growth import size_of

        known.sort(key=lambda r: r.case.batch_size)
        fit = byte_fit(known)
        if fit is None:
            return {}
        for r in below:
            low, high = fit.bounds(size_of(r.case))
            if r not in known and not low <= (r.peak_bytes or 0) <= high:
                return {}
        size = size_of(case)
        low, high = fit.bounds(size)
        return {
            "predicted_peak_bytes": fit.predict(size),
            "predicted_peak_low_bytes": low,
            "predicted_peak_high_bytes": high,
            "predicted_peak_from": known[-1].case.batch_size,
        }

    def skip(
        self, implementation: str, case: Case, *, timed: bool = True, machine: str | None = None
    ) -> tuple[float | None, str] | None:
        """The reason to skip a case that would not fit the budget; ``None`` if it may fit.

        Only times of this kind of machine count, and a case that is ``timed`` needs more calls.

        Returns:
            the predicted seconds of a call, or ``None`` if a smaller size did not finish; and a
            sentence with the reason.
        """
        end = self._ends.get(self._series(implementation, case, machine))
        if end is not None and end.case.batch_size < case.batch_size:
            what = "out of memory" if end.status is Status.OUT_OF_MEMORY else "timed out"
            return (None, f"{what} at N={end.case.batch_size} already")
        known = self.call_s(implementation, case, machine)
        if known is None:
            return None
        seconds, how = known
        calls, limit_s = FEWEST_CALLS if timed else UNTIMED_CALLS, self.budget.time_limit_s
        if seconds * calls <= limit_s:
            return None
        return seconds, (
            f"about {format_duration_s(seconds)} a call predicted ({how}); {calls} calls would "
            f"exceed the limit of {format_duration_s(limit_s)}"
        )

    def expected_s(
        self,
        implementation: str,
        case: Case,
        *,
        timed: bool = True,
        machine: str | None = None,
        further: bool = False,
    ) -> float:
        """The seconds that a case will take: its samples, and the calls and the work beside them.

        The number of samples, and the time spent beside them, are those of the nearest size of the
        same implementation and pass, in any series; a longer call has fewer samples. If no call of
        them was timed yet, the total is that of the nearest size. A case takes no time if its peak
        would exceed the memory limit. In ``further`` processes, it takes as long as in the first
        until it was timed in one of them.

        Whether a case is skipped is known for the next size of its series. For those after it, let
        a copy (:meth:`ahead`) assume the sizes before. Where the calls would then exceed the time
        limit, a case counts by the chance that they do not: the more they exceed it, the less.
        """
        series = self._series(implementation, case, machine)
        slowest_s, calls = 0.0, FEWEST_CALLS if timed else UNTIMED_CALLS
        if prediction := self.skip(implementation, case, timed=timed, machine=machine):
            if series not in self._assumed or prediction[0] is None:
                return 0.0
            slowest_s = calls * prediction[0]
        peaks, limit_bytes = self._peaks.get(series[:2]), self.budget.memory_limit_bytes
        if limit_bytes and peaks and _continued(_farthest(peaks), _rows(case)) > limit_bytes:
            return 0.0
        call_s = self._usual_call_s(implementation, case, machine)
        calls_s = calls * (call_s or 0.0)
        over = max(calls_s, slowest_s) / self.budget.time_limit_s if series in self._points else 0.0
        chance = 1.0 if over <= 1 else 0.5 / over**2
        took = self._took.get((series[:2], timed, further))
        took = took or self._took.get((series[:2], timed, False))
        if not took:
            return chance * (0.05 + (max(self.budget.sampling_s, calls_s) if timed else calls_s))
        near = min(took, key=lambda n: abs(math.log(n / case.batch_size)))
        near_s, near_call_s, samples = took[near]
        if call_s is None or not timed:
            return near_s
        beside_s = near_s - samples * near_call_s + UNTIMED_CALLS * (call_s - near_call_s)
        fitting = max(self.budget.sampling_s / call_s, FEWEST_SAMPLES)
        return chance * (min(samples or fitting, fitting) * call_s + max(beside_s, 0.0))

    def usual_s(self, implementation: str, workload: Workload) -> float:
        """The likely seconds of a training call, or of a forward if no training was timed."""
        passes: tuple[Pass, ...] = ("training", "forward")
        calls = (self._usual_call_s(implementation, Case.of(workload, p), None) for p in passes)
        return next(filter(None, calls), 0.0)

    def _usual_call_s(self, implementation: str, case: Case, machine: str | None) -> float | None:
        """The likely seconds of a call; :meth:`call_s` gives an upper bound, to fit a budget.

        A label dimension takes as long for its labelled rows as in the series of the same
        implementation and pass that has most rows; what the own series took scales this.
        """
        series, rows = self._series(implementation, case, machine), _rows(case)
        curves, law = self._curves.get(series[:2]), self.claims.get(implementation)
        if not curves:
            return None
        own, farthest = curves.get(series), _farthest(curves)
        dimension_s = _continued(farthest, rows, law)
        if own and own is not farthest:
            scale = own[max(own)] / _continued(farthest, max(own), law)
            dimension_s = own.get(rows, dimension_s * scale)
        return case.dims * dimension_s


def _rows(workload: Workload) -> int:
    return max(workload.labelled_rows, 2)  # laws with a logarithm have no ratio to one row


def _farthest(values: Mapping[_Series, _Values]) -> _Values:
    return max(values.values(), key=max)


def _continued(values: _Values, size: int, law: GrowthLaw | None = None) -> float:
    """The value at a size: a power law between two sizes, and beyond the largest.

    Of a time a + b N^p whose measured exponent is e, the second term has the share e/p, which grows
    further on. So if p is the exponent of the ``law``, the exponent beyond is e, and of what is
    left to p the power ``SHARE_POWER`` of e/p: a call that is all overhead remains as long, and one
    that follows its law does so further on. Smaller sizes than the smallest are as that, or by the
    law if there is no other.
    """
    sizes = sorted(values)
    above, last = bisect_left(sizes, size), sizes[-1]
    if 0 < above < len(sizes):
        low, high = sizes[above - 1], sizes[above]
        return values[low] * math.pow(size / low, _exponent(values, low, high))
    if size == last or (above == 0 and len(sizes) > 1):
        return values[sizes[above]]
    claimed = math.log(law.ratio(last, size)) / math.log(size / last) if law else 0.0
    power = claimed * (ONE_SIZE_SHARE if size > last else 1.0)
    if len(sizes) > 1:
        first = max((n for n in sizes if WIDE * n <= last), default=sizes[0])
        power = max(_exponent(values, first, last), 0.0)
        if 0 < power < claimed:
            power += (claimed - power) * math.pow(power / claimed, SHARE_POWER)
    return values[last] * math.pow(size / last, power)


def _exponent(values: _Values, n: int, other: int) -> float:
    return math.log(values[other] / values[n]) / math.log(other / n)
