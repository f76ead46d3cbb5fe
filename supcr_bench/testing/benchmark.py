"""The fixture ``supcr_benchmark``: one case, right and no costlier, timed by pytest-benchmark."""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import torch

from supcr_bench.measure.call_check import broken_call
from supcr_bench.measure.cell import Factory
from supcr_bench.measure.device import get_device
from supcr_bench.measure.one_case import StopwatchCall, check_case
from supcr_bench.render.benchmark_json import extra_info
from supcr_bench.testing.question import Limits, find_implementation, make_case
from supcr_bench.testing.sentences import excess, failure
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.errors import UsageError
from supcr_bench.values.implementation import Implementation
from supcr_bench.values.result import Result, Status

MOST_ROUNDS = 10_000
_INSIDE = (Path(__file__).parent.parent, Path(torch.__file__).parent)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How long pytest-benchmark is to go on.

    Attributes:
        max_time_s: seconds of timed calls.
        min_rounds: calls, however long they take.
        warmup: whether as many calls as ``min_rounds`` come first.
    """

    max_time_s: float
    min_rounds: int
    warmup: bool

    @classmethod
    def of(cls, request: pytest.FixtureRequest) -> "Sampling":
        """As the test's ``benchmark`` mark and the command line say."""
        marker = request.node.get_closest_marker("benchmark")
        options = marker.kwargs if marker else {}

        def option(name: str) -> Any:
            return options.get(name, request.config.getoption(f"benchmark_{name}"))

        return cls(float(option("max_time")), int(option("min_rounds")), bool(option("warmup")))


class SupcrBenchmark:
    """Holds one implementation against the definition on one case, and takes its times.

    Args:
        benchmark: the fixture of pytest-benchmark.
        request: of the test.
    """

    def __init__(self, benchmark: Any, request: pytest.FixtureRequest) -> None:
        self.benchmark = benchmark
        self.sampling = Sampling.of(request)
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
        temperature: float = 0.1,
        dtype: str = "float32",
        device: str = "cpu",
        seed: int = 0,
        definition: str | None = None,
        max_peak_bytes: int | str | None = None,
        max_launches: int | None = None,
        max_elements: int | None = None,
    ) -> Result:
        """Assert that an implementation is right and keeps its limits, and take its times.

        Args:
            implementation: a class or factory that is called as ``(temperature=, weights=, eps=)``
                and gives a module that is called as ``(perturbed, intact, labels)``; or a
                registered name, ``module:attribute`` or ``file.py:attribute``.
            batch_size: N, rows.
            dims: D, label dimensions.
            nan_density: share of labels missing in each dimension.
            labels: ``continuous`` or ``tied``.
            pass_: ``forward``, with its graph kept, or ``training``, forward and backward.
            embedding_size: d, columns of an embedding.
            temperature: tau.
            dtype: of embeddings and labels, by name.
            device: where the tensors live.
            seed: of everything random in them.
            definition: ``torchcell`` or ``paper``; what the implementation declares if ``None``,
                and ``torchcell`` where it declares nothing.
            max_peak_bytes: of live tensors above the inputs, a number or like ``"4MiB"``.
            max_launches: operations.
            max_elements: elements worked on.

        Returns:
            what was measured; ``time_samples_s`` is ``None`` where pytest-benchmark is disabled.

        Raises:
            AssertionError: it is wrong, fails, or passes a limit; says by how much.
            UsageError: the implementation cannot be found, or an argument is not valid.
        """
        __tracebackhide__ = True
        if self._used:
            raise UsageError("one case a test: pytest.mark.parametrize runs several")
        try:
            limits = Limits.read(max_peak_bytes, max_launches, max_elements)
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
            case = make_case(axes, definition=definition or found.definition, seed=seed)
            result = self.check(found, case)
            require_right(result, found, by_name=isinstance(implementation, str))
            require_within(result, limits)
            return self.take_times(result, found.factory)
        except UsageError as error:
            raise error.with_traceback(None) from None  # it tells a test's author all by itself
        finally:
            self.use_up()

    def check(
        self, implementation: Implementation, case: Case, memory_limit_bytes: int | None = None
    ) -> Result:
        """All but the times, which is put beside them in what pytest-benchmark stores.

        Raises:
            UsageError: this machine has no such device.
        """
        name, factory = implementation.name, implementation.factory
        get_device(case.device)
        broken = broken_call(factory, case.workload)
        if broken:
            result = Result(implementation=name, case=case, status=Status.FAILED, reason=broken)
        else:
            result = check_case(name, factory, case, memory_limit_bytes)
        self.benchmark.extra_info.update(extra_info(result))
        self.benchmark.extra_info.update(
            threads=torch.get_num_threads(), torch=str(torch.__version__)
        )
        return result

    def take_times(
        self, result: Result, factory: Factory, memory_limit_bytes: int | None = None
    ) -> Result:
        """The result with the times that pytest-benchmark takes, if it does.

        Gradients and outputs of one call are let go of before the next, outside the time.
        """
        self._used = True
        sampling = self.sampling
        call = StopwatchCall.of(factory, result.case, memory_limit_bytes)
        with call.limited():
            rounds = 1
            if not self.benchmark.disabled:
                rounds = _rounds(call, sampling)
            self.benchmark.pedantic(
                call,
                setup=call.prepare,
                rounds=rounds,
                warmup_rounds=sampling.min_rounds if sampling.warmup else 0,
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


class _NothingToTimeError(Exception):
    """There is a finding in place of times."""


def _raise() -> None:
    raise _NothingToTimeError


def _rounds(call: StopwatchCall, sampling: Sampling) -> int:
    """As many calls as the time allows.

    By the mean of as many as fit into a tenth of it: on a busy machine, calls like the fastest one
    would be too many. The first call, in which a module may still be at its preparations, is none
    of them.
    """
    call.once_s()
    calls, spent_s = 0, 0.0
    while calls == 0 or (spent_s < sampling.max_time_s / 10 and calls < MOST_ROUNDS / 10):
        spent_s += call.once_s()
        calls += 1
    wanted = math.ceil(sampling.max_time_s * calls / max(spent_s, 1e-9))
    return max(min(wanted, MOST_ROUNDS), sampling.min_rounds)


def require_right(result: Result, implementation: Implementation, *, by_name: bool) -> None:
    """Raise an AssertionError for a result that does not agree with the definition.

    Where the implementation itself raised, that is its cause.
    """
    __tracebackhide__ = True
    verify = f"`supcr-bench verify {result.implementation}`"
    if not by_name:
        verify = f"supcr_bench.verify({result.implementation})"
    text = failure(result, f"{verify} finds out what is wrong")
    if text:
        raise AssertionError(text) from _cause(result, implementation.factory)


def require_within(result: Result, limits: Limits) -> None:
    """Raise an AssertionError for a result that costs more than its limits."""
    __tracebackhide__ = True
    text = excess(result, limits)
    if text:
        raise AssertionError(text)


def _cause(result: Result, factory: Factory) -> Exception | None:
    """What an implementation that failed raises in its own lines when it is asked again."""
    if result.status is not Status.FAILED:
        return None
    try:
        StopwatchCall.of(factory, result.case)()
    except Exception as error:  # noqa: BLE001 - whatever an implementation raises
        own = _own_lines(error.__traceback__)
        return error.with_traceback(own) if own else None
    return None


def _own_lines(traceback: TracebackType | None) -> TracebackType | None:
    """From the first line on that is neither this package's nor torch's; ``None`` without one."""
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if not any(file.is_relative_to(folder) for folder in _INSIDE):
            break
        traceback = traceback.tb_next
    return traceback
