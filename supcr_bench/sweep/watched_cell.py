"""Learns from the events of a cell how long each of its arms takes."""

import time
from collections import defaultdict

from supcr_bench.sweep.forecast import Forecast
from supcr_bench.values.cell import Account, Arm, Cell
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.messages import Activity


class WatchedCell:
    """Divides the time of a cell, while it runs, among inputs, references and arms."""

    def __init__(self) -> None:
        self._began_s = self._seen_s = time.monotonic()
        self._arms_s: dict[Arm, float] = defaultdict(float)
        self._results: list[Result] = []
        self._reference_s = 0.0

    def see(self, event: object) -> None:
        before, self._seen_s = self._seen_s, time.monotonic()
        match event:
            case Activity(arm=Arm() as arm):
                self._arms_s[arm] += self._seen_s - before
            case Result():
                self._results.append(event)
            case Account():
                self._reference_s += event.inputs_s + event.reference_s

    def teach(self, forecast: Forecast, planned: Cell) -> None:
        """Let a forecast learn what each arm took, and inputs and references.

        The time of the cell is divided by the time for which each arm was seen, which is coarse for
        a fast one, or at least that of its timed calls.
        """
        ran = [r for r in self._results if r.status is not Status.SKIPPED]
        if not ran:
            return
        arms_s = [self._arms_s[Arm(r.implementation, r.case.pass_)] for r in ran]
        shares = [max(seen_s, r.spent_s or 0.0) for seen_s, r in zip(arms_s, ran, strict=True)]
        shares = shares if any(shares) else [1.0] * len(ran)
        per_share = max(self._seen_s - self._began_s - self._reference_s, 0.0) / sum(shares)
        for result, share in zip(ran, shares, strict=True):
            how = {"timed": planned.timed, "further": planned.further}
            forecast.took(result, share * per_share, **how)
        # The direct reference of small batches tells nothing of the fast one, and takes no time.
        if any(r.reference == "fast" for r in ran):
            forecast.reference_took(planned.workload, self._reference_s)
