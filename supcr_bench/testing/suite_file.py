"""A suite file as a collection of tests: one for each implementation and case."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from supcr_bench.sweep.plan import make_plan
from supcr_bench.sweep.suite import load_suite
from supcr_bench.testing import TIME_LIMIT
from supcr_bench.values.case import Case
from supcr_bench.values.errors import UsageError
from supcr_bench.values.units import parse_duration_s

if TYPE_CHECKING:
    from supcr_bench.testing.benchmark import SupcrBenchmark
    from supcr_bench.testing.suite_run import SuiteRun


class SuiteFile(pytest.File):
    """A suite file, whose tests are collected without importing torch."""

    @cached_property
    def run(self) -> "SuiteRun":
        from supcr_bench.testing.suite_run import SuiteRun

        return SuiteRun(self._suite, self.path.parent, self._limit_s)

    def collect(self) -> Iterator["SuiteTest"]:
        """Yield tests with rising batch sizes: smaller cases predict the time of larger ones."""
        try:
            self._limit_s = parse_duration_s(self.config.getoption(TIME_LIMIT))
            self._suite = load_suite(str(self.path))
            plan = make_plan(self._suite, self._suite.implementations)
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        except ValueError as error:
            raise self.CollectError(f"{TIME_LIMIT}: {error}") from None
        for planned in plan:
            for arm in planned.arms:
                name, case = arm.implementation, planned.case(arm)

                def test(
                    supcr_benchmark: "SupcrBenchmark", name: str = name, case: Case = case
                ) -> None:
                    self.run.measure(name, case, supcr_benchmark)

                yield SuiteTest.from_parent(self, name=f"{name}[{case.id}]", callobj=test)


class SuiteTest(pytest.Function):
    """The test of one implementation on one case."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        """Show the failure without the traceback inside this package."""
        if isinstance(excinfo.value, AssertionError | UsageError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Return the suite's file and the test's name, because pytest changes dots in names."""
        return Path(self.path), None, f"{self.path.stem}: {self.name}"
