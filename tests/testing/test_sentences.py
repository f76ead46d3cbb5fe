from typing import Any

from supcr_bench.measure.outcome import describe_error
from supcr_bench.testing.benchmark import excess, failure
from supcr_bench.values.result import Status
from tests.made_results import make_result

COSTS: dict[str, Any] = {
    "dispatched_ops": 163,
    "elements_processed": 1_000_000,
    "peak_bytes": 2_790_812,
}
LIMITS = {"launches": 163, "elements": 1_000_000, "peak_bytes": 2_790_812}


def test_a_measured_result_is_no_failure() -> None:
    assert failure(make_result(), "then what") is None


def test_a_wrong_result_says_what_by_how_much_and_what_next() -> None:
    result = make_result(
        "mine",
        status=Status.WRONG,
        reason="the gradient is off by 0.5 of its largest row",
        value_tolerances=0.5,
        value_error=1e-7,
        gradient_tolerances=7000.0,
        gradient_error=0.5,
        pass_="training",
    )
    assert failure(result, "ask again").splitlines() == [  # type: ignore[union-attr]
        "mine is wrong on N=64 D=1 NaN 0% training: the gradient is off by 0.5 of its largest row",
        "  value: 0.5 times the tolerance, relative error 1.0e-07",
        "  gradient: 7.0e+03 times the tolerance, relative error 0.5",
        "  compared with `torchcell` in float64; ask again",
    ]


def test_what_is_not_a_number_has_no_multiple() -> None:
    result = make_result(status=Status.WRONG, reason="the loss is nan")
    assert "tolerance" not in str(failure(result, "ask again"))


def test_a_loss_without_a_graph_is_told_what_to_return() -> None:
    reason = describe_error(RuntimeError("element 0 of tensors does not require grad"))
    text = failure(make_result(status=Status.FAILED, reason=reason), "ask again")
    assert text is not None
    assert text.startswith("loopy failed on N=64 D=1 NaN 0% forward: RuntimeError: backward of a")
    assert "return a zero that depends on the embeddings" in text


def test_running_out_of_memory_is_said() -> None:
    result = make_result(status=Status.OUT_OF_MEMORY, reason="an allocation of 4 GB failed")
    assert "ran out of memory on" in str(failure(result, "ask again"))


def test_a_figure_equal_to_its_limit_is_within_and_one_more_is_not() -> None:
    result = make_result(**COSTS)
    assert excess(result, {}) is None
    assert excess(result, LIMITS) is None
    for name, value in LIMITS.items():
        text = excess(result, {name: value - 1})
        assert text is not None
        assert f"max_{name}={value - 1:,}" in text


def test_every_limit_that_is_passed_is_listed() -> None:
    text = excess(make_result("mine", **COSTS), {"peak_bytes": 2**20, "launches": 20})
    assert text == (
        "mine is too costly on N=64 D=1 NaN 0% forward: a peak of 2,790,812 bytes (2.79 MB) "
        "exceeds max_peak_bytes=1,048,576; 163 launches exceed max_launches=20"
    )


def test_a_limit_on_a_figure_that_the_device_does_not_tell_cannot_be_held() -> None:
    result = make_result(**(COSTS | {"peak_bytes": None}), memory_method="no peak is kept")
    assert excess(result, {"launches": 200}) is None
    assert "max_peak_bytes cannot be checked: no peak is kept" in str(
        excess(result, {"peak_bytes": 2**30})
    )
