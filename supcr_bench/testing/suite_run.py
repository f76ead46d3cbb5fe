"""The state that the tests of one suite share: its budget, and the results so far.

A test runs in pytest's own process, where nothing can end a call that takes too long. So a case
runs only if times at smaller batch sizes predict that it fits. Earlier tests supply those times;
without them, two calls are made at each doubling of the size, below the case's own.
"""

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from supcr_bench.measure.device import available_devices
from supcr_bench.measure.one_case import StopwatchCall
from supcr_bench.measure.outcome import is_out_of_memory, outcome_of
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.process_state import pinned_threads
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.plan import make_budget
from supcr_bench.sweep.suite import Suite
from supcr_bench.testing.benchmark import SupcrBenchmark, find_implementation, require_right
from supcr_bench.values.case import Case
from supcr_bench.values.errors import UnavailableError
from supcr_bench.values.growth_law import GrowthLaw, get_law
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.resolve import resolve_to_measure

SMALLEST = 16
"""Batch size of the first call that predicts times."""


class SuiteRun:
    """Runs the tests of one suite; ``time_limit_s`` caps the time limit that the suite sets."""

    def __init__(self, suite: Suite, folder: Path, time_limit_s: float) -> None:
        self.suite, self._folder = suite, folder
        budget = make_budget(suite)
        self.budget = replace(budget, time_limit_s=min(budget.time_limit_s, time_limit_s))
        self._claims: dict[str, GrowthLaw] = {}
        self._forecast = Forecast(self.budget, self._claims)
        self._subjects: dict[str, Adapter] = {}

    def measure(self, name: str, case: Case, benchmark: SupcrBenchmark) -> None:
        """Assert that a case is right, and time it; skip what does not fit or cannot run here."""
        try:
            if case.ranks > 1:
                _skip(name, case, "several ranks need several processes; use `supcr-bench run`")
            if case.device not in available_devices():
                there = ", ".join(available_devices())
                _skip(name, case, f"no device {case.device!r} here; available: {there}")
            with pinned_threads(self.budget.threads):
                subject = self._subject(name, case.device)
                case = Case.of(case.workload, case.pass_, subject.resolution.definition)
                self._measure(name, subject, case, benchmark)
        except UnavailableError as error:
            _skip(name, case, str(error))
        finally:
            benchmark.use_up()

    def _subject(self, name: str, device: str) -> Adapter:
        if name not in self._subjects:
            found = find_implementation(name, self._folder)
            resolution = resolve_to_measure(found, self.suite.compared_with, device)
            self._subjects[name] = Adapter.of(found, resolution)
            if found.claimed_time:
                self._claims[name] = get_law(found.claimed_time)
        return self._subjects[name]

    def _measure(self, name: str, subject: Adapter, case: Case, benchmark: SupcrBenchmark) -> None:
        definition = subject.resolution.definition.at(case.temperature)
        if reason := subject.resolution.why_not(definition, case):
            _skip(name, case, reason)
        self._skip_what_takes_too_long(name, subject, case)
        limit_bytes = self.budget.memory_limit_bytes
        result = benchmark.check(name, subject, case, limit_bytes)
        if result.status is Status.OUT_OF_MEMORY:
            self._observe(result)
        require_right(result, subject, by_name=True)
        fixture = benchmark.benchmark
        fixture.group = fixture.param = case.id
        fixture.params = case.to_mapping()
        benchmark.max_time_s = min(self.budget.sampling_s, benchmark.max_time_s)
        try:
            result = benchmark.take_times(result, subject, limit_bytes)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            status, reason = outcome_of(error, limit_bytes)
            result = replace(result, status=status, reason=reason)
        self._observe(result)

    def _observe(self, result: Result) -> None:
        self._forecast.observe(result)
        if result.status is Status.OUT_OF_MEMORY:
            _skip(result.implementation, result.case, f"out of memory: {result.reason}")

    def _skip_what_takes_too_long(self, name: str, subject: Adapter, case: Case) -> None:
        """Skip a case by the forecast, which gets two calls at each smaller size that it lacks."""
        while True:
            if prediction := self._forecast.skip(name, case):
                _skip(name, case, prediction[1])
            size = max(SMALLEST, 2 * (self._forecast.largest_size(name, case) or 0))
            if size >= case.batch_size:
                return
            smaller = replace(case, batch_size=size)
            probed = Result(implementation=name, case=smaller, status=Status.MEASURED)
            try:
                call = StopwatchCall(subject, smaller, self.budget.memory_limit_bytes)
                with call.limited():
                    probed = replace(probed, time_samples_s=(call.once_s(), call.once_s()))
            except Exception as error:  # noqa: BLE001 - the case itself will report the error
                if not is_out_of_memory(error):
                    return
                probed = replace(probed, status=Status.OUT_OF_MEMORY)
            self._forecast.observe(probed)


def _skip(implementation: str, case: Case, reason: str) -> NoReturn:
    """Skip, naming the case in the reason, because pytest lists skips without test names."""
    pytest.skip(f"{implementation} {case.describe()} {case.pass_}: {reason}")
