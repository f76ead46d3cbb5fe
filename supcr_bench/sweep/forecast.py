"""Predicts time and peak memory of the next size from the sizes before it.

The forecast of time is rough and only decides whether a case is worth starting; growth laws are
fitted after the sweep. Peak bytes have no noise, so their growth law predicts them from sizes up to
a quarter of the next, and the prediction is stored beside the measured peak.
"""

import math
from collections.abc import Mapping
from copy import copy
from statistics import fmean

from supcr_bench.values.case import Case
from supcr_bench.values.cell import FEWEST_CALLS, FEWEST_SAMPLES, UNTIMED_CALLS, Budget
from supcr_bench.values.growth_law import GrowthLaw
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_duration_s

AHEAD = 4
"""The peak at a size is predicted from sizes that are at least this many times smaller."""

CLAIMED_SHARE = 0.3
"""The share of the claimed exponent in the expected growth of a call's time."""

_Series = tuple[str, str, str | None, tuple[object, ...]]
"""A series: implementation, pass, kind of machine, and a case without its batch size."""
_Times = dict[int, float]
"""Seconds of a call by batch size."""


class Forecast:
    """Predicts from the results so far whether a case fits the budget.

    The growth law that an implementation claims is used while only one size has been measured.
    """

    def __init__(self, budget: Budget, claims: Mapping[str, GrowthLaw] | None = None) -> None:
        self.budget = budget
        self.claims = claims or {}
        self._points: dict[_Series, _Times] = {}
        self._of_arm: dict[tuple[str, str], list[_Times]] = {}
        """The same times of all series of an implementation and pass."""
        self._ends: dict[_Series, Result] = {}
        self._measured: dict[_Series, list[Result]] = {}
        self._spent: dict[tuple[str, str], dict[int, tuple[float, float, int]]] = {}
        """For each implementation and pass, by size: total seconds, seconds per call, samples."""

    @staticmethod
    def _series(implementation: str, case: Case, machine: str | None) -> _Series:
        return implementation, case.pass_, machine, case.series()

    def observe(self, result: Result) -> None:
        series = self._series(result.implementation, result.case, result.machine)
        if result.spent_s is not None:
            samples = result.time_samples_s or ()
            figures = result.spent_s, min(samples, default=0.0), len(samples)
            spent = self._spent.setdefault((result.implementation, result.case.pass_), {})
            spent[result.case.batch_size] = figures
        if result.peak_bytes:
            self._measured.setdefault(series, []).append(result)
        if result.time_samples_s:
            # The fastest sample, so that a busy machine does not make later sizes look too slow.
            self._add(series, result.case.batch_size, min(result.time_samples_s))
        elif result.status in (Status.OUT_OF_MEMORY, Status.TIMED_OUT):
            before = self._ends.get(series)
            if before is None or result.case.batch_size < before.case.batch_size:
                self._ends[series] = result

    def _add(self, series: _Series, n: int, call_s: float) -> None:
        if series not in self._points:
            self._points[series] = {}
            self._of_arm.setdefault(series[:2], []).append(self._points[series])
        self._points[series][n] = call_s

    def ahead(self) -> "Forecast":
        """A copy that can assume times, case after case of a plan."""
        found = copy(self)
        found._points, found._of_arm = {}, {}
        for series, times in self._points.items():
            for n, call_s in times.items():
                found._add(series, n, call_s)
        return found

    def assume(
        self, implementation: str, case: Case, *, timed: bool = True, machine: str | None = None
    ) -> None:
        """Take the expected time of a call as measured, unless the case would be skipped."""
        call_s = self._usual_call_s(implementation, case, machine)
        if call_s and not self.skip(implementation, case, timed=timed, machine=machine):
            self._add(self._series(implementation, case, machine), case.batch_size, call_s)

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
        before = sizes[-2]
        exponent = max(0.0, math.log(points[last] / points[before]) / math.log(last / before))
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
        self, implementation: str, case: Case, *, timed: bool = True, machine: str | None = None
    ) -> float:
        """The seconds that a case will take: its samples, and the calls and the work beside them.

        The number of samples, and the time spent beside them, are those of the nearest size of the
        same implementation and pass, in any series; a longer call has fewer samples. If no call of
        them was timed yet, the total is that of the nearest size.

        Whether a case is skipped is known for the next size of its series. For those after it, let
        a copy (:meth:`ahead`) assume the sizes before.
        """
        if self.skip(implementation, case, timed=timed, machine=machine):
            return 0.0
        call_s = self._usual_call_s(implementation, case, machine)
        spent = self._spent.get((implementation, case.pass_)) if timed else None
        if not spent:
            calls_s = (FEWEST_CALLS if timed else UNTIMED_CALLS) * (call_s or 0.0)
            return 0.05 + (max(self.budget.sampling_s, calls_s) if timed else calls_s)
        near = min(spent, key=lambda n: abs(math.log(n / case.batch_size)))
        near_s, near_call_s, samples = spent[near]
        if call_s is None:
            return near_s
        beside_s = near_s - samples * near_call_s + UNTIMED_CALLS * (call_s - near_call_s)
        fitting = max(self.budget.sampling_s / call_s, FEWEST_SAMPLES)
        return min(samples or fitting, fitting) * call_s + max(beside_s, 0.0)

    def _usual_call_s(
        self, implementation: str, case: Case, machine: str | None = None
    ) -> float | None:
        """The likely seconds of a call; :meth:`call_s` gives an upper bound, to fit a budget.

        A call grows as in the series of the same implementation and pass that have both sizes, and
        takes as long as in the longest of them while its own has no size.

        Where no series has both, the growth lies between the measured and the claimed one. At
        small sizes a call is mostly overhead, and grows more slowly than later; the claimed law
        overstates this growth. With N^a as measured and N^b as claimed, it is N^(0.7 a + 0.3 b). In
        stored runs of the suites `default` and `gpu` (on an H100), shares from 0.25 to 0.35 tell
        the time left to half after a fifth of the run, and 0.2 and 0.4 do not.
        """
        arm, n = self._of_arm.get((implementation, case.pass_), []), case.batch_size
        own = self._points.get(self._series(implementation, case, machine))
        points = own or max(arm, key=len, default={})
        if n in points or not points:
            return points.get(n)
        *before, last = sorted(points)[-3:]
        ratios = [math.log(other[n] / other[last]) for other in arm if {n, last} <= other.keys()]
        if ratios:
            return points[last] * math.exp(fmean(ratios))
        first = before[0] if before else last
        change = math.log(points[last] / points[first])
        measured = (n / last) ** max(change / math.log(last / first) if before else 0.0, 0.0)
        law = self.claims.get(implementation)
        claimed = max(law.ratio(last, n) if law else measured, measured)
        grown: float = measured ** (1 - CLAIMED_SHARE) * claimed**CLAIMED_SHARE
        return points[last] * grown
