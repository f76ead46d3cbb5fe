"""The fixture ``supcr_benchmark``: checks a loss and its costs on one case, and times it."""

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import torch

from supcr_bench.measure.device import get_device
from supcr_bench.measure.one_case import StopwatchCall, check_case
from supcr_bench.render.benchmark_json import extra_info
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.testing.assertions import require_right, require_within
from supcr_bench.testing.question import find_implementation, make_workload, read_limits
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.definition import Definition
from supcr_bench.values.errors import UsageError
from supcr_bench.values.implementation import Implementation
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.resolve import resolve_to_measure

MOST_ROUNDS = 10_000


class SupcrBenchmark:
    """Compares one implementation with its definition of the loss on one case, and times it.

    Options of pytest-benchmark apply; the test's mark ``benchmark`` overrides the command line.

    Attributes:
        max_time_s: seconds to spend on timed calls.
        min_rounds: least number of timed calls, however long they take.
        warmup: whether ``min_rounds`` untimed calls come first.
    """

    def __init__(self, benchmark: Any, request: pytest.FixtureRequest) -> None:
        self.benchmark = benchmark
        marker = request.node.get_closest_marker("benchmark")
        options = marker.kwargs if marker else {}

        def option(name: str) -> Any:
            return options.get(name, request.config.getoption(f"benchmark_{name}"))

        self.max_time_s = float(option("max_time"))
        self.min_rounds = int(option("min_rounds"))
        self.warmup = bool(option("warmup"))
        self._folder = request.path.parent
        self._used = False

    def __call__(
        self,
        implementation: object,
        *,
        batch_size: int = 64,
        dims: int = 1,
        nan_density: float = 0.0,
        labels: str = "continuous",
        pass_: Pass = "training",
        embedding_size: int = 64,
        temperature: float | None = None,
        dtype: str = "float32",
        device: str = "cpu",
        seed: int = 0,
        definition: str | Definition | None = None,
        max_peak_bytes: int | str | None = None,
        max_launches: int | None = None,
        max_elements: int | None = None,
    ) -> Result:
        """Assert that an implementation is right and keeps its limits, and time it.

        Args:
            implementation: a class, a plain function, a module or a ``functools.partial``, with any
                call of the family; or a registered name, ``module:attribute`` or
                ``file.py:attribute``.
            batch_size: N, number of rows.
            dims: D, number of label dimensions.
            nan_density: share of labels missing in each dimension.
            labels: ``continuous`` or ``tied``.
            pass_: ``forward``, which builds the graph, or ``training``, forward and backward.
            embedding_size: d, number of embedding columns.
            temperature: tau; if ``None``, the definition's default.
            dtype: the dtype of embeddings and labels, by name.
            device: where the tensors live.
            seed: random seed for the tensors.
            definition: ``torchcell``, ``no-self``, ``rank-n-contrast`` or one of your own. If
                ``None``, the one that the implementation declares, or else the one that gives its
                numbers.
            max_peak_bytes: limit on live tensor bytes above the inputs, a number or like
                ``"4MiB"``.
            max_launches: limit on the number of dispatched operations.
            max_elements: limit on the number of elements that operations process.

        Returns:
            the measured result; ``time_samples_s`` is ``None`` where pytest-benchmark is disabled.

        Raises:
            AssertionError: it is wrong, fails, or exceeds a limit; says by how much.
            UsageError: the implementation cannot be found, or an argument is not valid.
        """
        __tracebackhide__ = True
        if self._used:
            raise UsageError("one case per test; use pytest.mark.parametrize for several")
        try:
            limits = read_limits(max_peak_bytes, max_launches, max_elements)
            found = find_implementation(implementation, self._folder)
            axes = {
                "batch_size": batch_size,
                "dims": dims,
                "nan_density": nan_density,
                "labels": labels,
                "pass": pass_,
                "embedding_size": embedding_size,
                "temperature": temperature,
                "dtype": dtype,
                "device": device,
            }
            workload, pass_ = make_workload(axes, seed=seed)
            get_device(workload.device)
            resolution = resolve_to_measure(found, definition, workload.device)
            subject = Adapter.of(found, resolution)
            case = Case.of(workload, pass_, resolution.definition)
            result = self.check(found, subject, case)
            if result.status is Status.SKIPPED:
                raise UsageError(f"{found.name} {result.reason}")
            require_right(result, subject, by_name=isinstance(implementation, str))
            require_within(result, limits)
            return self.take_times(result, subject)
        except UsageError as error:
            raise error.with_traceback(None) from None  # users need no traceback
        finally:
            self.use_up()

    def check(
        self,
        implementation: Implementation,
        subject: Adapter,
        case: Case,
        memory_limit_bytes: int | None = None,
    ) -> Result:
        """Measure all but the times, and add it to the data that pytest-benchmark stores."""
        result = check_case(implementation.name, subject, case, memory_limit_bytes)
        if implementation.device_specific:
            result = replace(result, predicted_cuda_peak_bytes=None)
        self.benchmark.extra_info.update(extra_info(result))
        self.benchmark.extra_info.update(
            threads=torch.get_num_threads(), torch=str(torch.__version__)
        )
        return result

    def take_times(
        self, result: Result, subject: Adapter, memory_limit_bytes: int | None = None
    ) -> Result:
        """Return the result with times added by pytest-benchmark, unless that is disabled."""
        self._used = True
        call = StopwatchCall(subject, result.case, memory_limit_bytes)
        with call.limited():
            disabled = self.benchmark.disabled
            rounds = 1 if disabled else plan_rounds(call, self.max_time_s, self.min_rounds)
            self.benchmark.pedantic(
                call,
                setup=call.prepare,
                rounds=rounds,
                warmup_rounds=self.min_rounds if self.warmup else 0,
            )
        taken = self.benchmark.stats
        if taken is None:
            return result
        return replace(result, time_samples_s=tuple(taken.stats.data), repetitions=1)

    def use_up(self) -> None:
        """Keep pytest-benchmark from warning that a test that failed first took no times."""
        if not self._used:
            self._used = True
            with suppress(_NothingToTimeError):
                self.benchmark.pedantic(_raise)


def plan_rounds(call: StopwatchCall, max_time_s: float, min_rounds: int) -> int:
    """The number of calls that fit into the time, by the mean of the calls in a tenth of it."""
    call.once_s()
    calls, spent_s = 0, 0.0
    while calls == 0 or (spent_s < max_time_s / 10 and calls < MOST_ROUNDS / 10):
        spent_s += call.once_s()
        calls += 1
    wanted = math.ceil(max_time_s * calls / max(spent_s, 1e-9))
    return max(min(wanted, MOST_ROUNDS), min_rounds)


class _NothingToTimeError(Exception):
    """The check of the case failed, so it is not timed."""


def _raise() -> None:
    raise _NothingToTimeError
