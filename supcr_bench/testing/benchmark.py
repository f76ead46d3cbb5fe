"""The fixture ``supcr_benchmark``: one case, right and no costlier, timed by pytest-benchmark."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import torch

from supcr_bench.measure.call_check import broken_call
from supcr_bench.measure.cell import Factory
from supcr_bench.measure.device import get_device
from supcr_bench.measure.one_case import StopwatchCall, check_case
from supcr_bench.render.benchmark_json import extra_info
from supcr_bench.testing.assertions import require_right, require_within
from supcr_bench.testing.question import Limits, find_implementation, make_case
from supcr_bench.testing.sampling import Sampling
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.errors import UsageError
from supcr_bench.values.implementation import Implementation
from supcr_bench.values.result import Result, Status


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
        temperature: float | None = None,
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
            temperature: tau; the default of the definition if ``None``.
            dtype: of embeddings and labels, by name.
            device: where the tensors live.
            seed: of everything random in them.
            definition: ``torchcell`` or ``no-self``; what the implementation declares if ``None``,
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
            found = found.under(case.definition)
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
        if implementation.device_specific:
            result = replace(result, predicted_cuda_peak_bytes=None)
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
                rounds = sampling.rounds(call)
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
