from dataclasses import replace
from typing import Any

import pytest
from torch import Tensor

from supcr_bench.measure.one_case import StopwatchCall, check_case
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.errors import UsageError
from supcr_bench.values.result import Status
from tests.examples import implementation
from tests.measure.fakes import around, no_way_back, raising

CASE = Case(batch_size=10, dims=2, nan_density=0.2, pass_="training")
RIGHT = Adapter.usual(implementation("broadcast").factory)


@pytest.mark.parametrize("pass_", PASSES)
def test_a_right_implementation_has_every_figure_but_its_times(pass_: Pass) -> None:
    result = check_case("right", RIGHT, replace(CASE, pass_=pass_))
    assert result.status is Status.MEASURED
    assert result.implementation == "right"
    assert result.case == replace(CASE, pass_=pass_)
    assert result.value_tolerances is not None
    assert result.value_tolerances < 1
    assert (result.gradient_tolerances is not None) is (pass_ == "training")
    assert result.peak_bytes
    assert result.dispatched_ops
    assert result.elements_processed
    for name in ("time_samples_s", "aa_samples_s", "repetitions", "session", "spent_s"):
        assert getattr(result, name) is None


def test_a_wrong_value_is_wrong_and_what_raises_failed() -> None:
    double = around(lambda loss, parts: (2 * loss, parts))
    assert check_case("double", Adapter.usual(double), CASE).status is Status.WRONG
    failed = check_case("bad", Adapter.usual(raising(IndexError("index 8"))), CASE)
    assert (failed.status, failed.reason) == (Status.FAILED, "in forward: IndexError: index 8")
    assert (
        check_case("bad", Adapter.usual(around(no_way_back)), CASE).reason
        == "RuntimeError: no way back"
    )


def test_a_device_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no device 'warp'"):
        check_case("right", RIGHT, replace(CASE, device="warp"))


class Watching:
    """Notes what it finds in its inputs; answers with what its graph keeps."""

    found: list[Tensor | None]

    def __init__(self, **options: Any) -> None:
        type(self).found = []

    def __call__(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.found.append(perturbed.grad)
        return (perturbed * intact).sum(), labels.new_zeros(labels.shape[1])


def test_gradients_are_cleared_before_a_call_and_there_after_it() -> None:
    call = StopwatchCall(Adapter.usual(Watching), CASE)
    with call.limited():
        for _ in range(3):
            call.prepare()
            call()
        assert Watching.found == [None] * 3
        call()
        assert Watching.found[3] is not None


def test_a_stopwatch_call_can_tell_its_seconds() -> None:
    call = StopwatchCall(Adapter.usual(Watching), CASE)
    with call.limited():
        assert call.once_s() > 0
    assert len(Watching.found) == 1
