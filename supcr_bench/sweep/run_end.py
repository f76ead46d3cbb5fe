"""Estimates how long a run takes after its sweep: the rest of the verification, and the report."""

import os
import time
import timeit
from collections.abc import Iterable
from contextlib import suppress

from supcr_bench.sweep.forecast import Forecast
from supcr_bench.values.case import Workload
from supcr_bench.values.machine import usable_cpus
from supcr_bench.verification.outcome import Outcome
from supcr_bench.verification.session import TOTAL_LIMIT_S

CASES = 175
"""The cases of a verification that leaves nothing out."""
USUAL = Workload(batch_size=12, dims=2)
"""A case's call takes about as long as training on this workload."""
LOOP = "for i in range(100_000): total += i * i"
LOOP_S = 0.0038
"""CPU seconds of this loop on the machine where those of cases and of the report were measured."""
CASE_S = 0.005
"""CPU seconds of a case beside the call: inputs, reference and comparison."""
REPORT_S = 2.0
"""CPU seconds to import what draws charts and writes pages, and for what all runs have."""
RESULT_S = 0.008
"""CPU seconds that each result adds to the report: tables, charts and page."""


class RunEnd:
    """Follows the verification of some subjects (by name), and estimates the rest of the run.

    Each subject takes as many calls as the others; how long these take is known from the sweep.
    What is left after the sweep is what is not verified beside it at the pace so far, and then the
    report.

    Args:
        beside: whether subjects are verified while the sweep runs.
        at_once: how many subjects are verified at the same time after it.
        results: the number of results that the report will hold.
    """

    def __init__(
        self, forecast: Forecast, names: Iterable[str], *, beside: bool, at_once: int, results: int
    ) -> None:
        self._forecast = forecast
        self._slowness = slowness()
        self._report_s = (REPORT_S + RESULT_S * results) * self._slowness
        self._beside, self._at_once = beside, at_once
        self._cases = dict.fromkeys(names, 0)
        self._spent_s = dict.fromkeys(self._cases, 0.0)
        self._verified: set[str] = set()
        self._began_s = time.monotonic()

    def checked(self, name: str, outcome: Outcome, spent_s: float) -> None:
        """A check of a subject ended, whose verification has taken so many CPU seconds."""
        self._cases[name] += outcome.cases
        self._spent_s[name] = spent_s

    def verified(self, name: str) -> None:
        self._verified.add(name)

    def left_s(self, sweep_s: float) -> float:
        """The seconds to the end of the run, of which the sweep takes ``sweep_s``."""
        left_s = self._verification_s()
        rest_s = sum(left_s)
        if self._beside:
            passed_s = max(time.monotonic() - self._began_s, 1.0)
            rest_s = max(rest_s - sweep_s * sum(self._spent_s.values()) / passed_s, 0.0)
        longest_s = min(rest_s, max(left_s, default=0.0))
        return sweep_s + (max(rest_s / self._at_once, longest_s) + self._report_s) * busy()

    def _verification_s(self) -> list[float]:
        """The CPU seconds that each subject has left.

        They come from the forecast, and, the more of its cases were made, from what these took.
        """
        found = []
        for name, cases in self._cases.items():
            case_s = CASE_S * self._slowness + self._forecast.usual_s(name, USUAL)
            usual_s = min(CASES * case_s, TOTAL_LIMIT_S)
            left = 0.0 if name in self._verified else max(1 - cases / CASES, 0.0)
            found.append(left * (left * usual_s + self._spent_s[name]))
        return found


def slowness() -> float:
    """How many times as long Python takes here as on the machine of ``LOOP_S``."""
    loops_s = timeit.repeat(LOOP, "total = 0", timer=time.process_time, repeat=5, number=1)
    return min(loops_s) / LOOP_S


def busy() -> float:
    """How many times as long as on an idle machine a process takes, by the load of a minute."""
    load = 0.0
    with suppress(AttributeError, OSError):  # not known there
        load = os.getloadavg()[0]
    return max(load / usable_cpus(), 1.0)
