"""Estimates how long a run takes after its sweep: the verification, and the report."""

import os
import time
import timeit
from collections.abc import Iterable
from contextlib import suppress

from supcr_bench.sweep.forecast import Forecast
from supcr_bench.values.case import Workload
from supcr_bench.values.machine import usable_cpus
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
    """Estimates what follows a sweep: the verification of some subjects (by name), and the report.

    Each subject takes as many calls as the others; how long these take is known from the sweep.
    The report comes last.

    Args:
        at_once: how many subjects are verified at the same time.
        results: the number of results that the report will hold.
    """

    def __init__(
        self, forecast: Forecast, names: Iterable[str], *, at_once: int, results: int
    ) -> None:
        self._forecast, self._names, self._at_once = forecast, tuple(names), at_once
        self._slowness = slowness()
        self._report_s = (REPORT_S + RESULT_S * results) * self._slowness

    def left_s(self, sweep_s: float) -> float:
        """The seconds to the end of the run, of which the sweep takes ``sweep_s``."""
        each_s = [*map(self._verification_s, self._names), 0.0]
        verification_s = max(sum(each_s) / self._at_once, *each_s)
        return sweep_s + (verification_s + self._report_s) * busy()

    def _verification_s(self, name: str) -> float:
        """The CPU seconds that the verification of a subject takes."""
        case_s = CASE_S * self._slowness + self._forecast.usual_s(name, USUAL)
        return min(CASES * case_s, TOTAL_LIMIT_S)


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
