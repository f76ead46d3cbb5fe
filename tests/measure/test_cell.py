from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from supcr_bench.measure import cell as cell_module
from supcr_bench.measure.cell import CellRun
from supcr_bench.measure.device import Cpu, Elapsed, Meter
from supcr_bench.reference.reference import DIRECT_UP_TO, Reference, compute_reference
from supcr_bench.subjects.adapter import Adapter, BoundLoss
from supcr_bench.subjects.calls import NotALossError
from supcr_bench.values.case import Case, Pass, Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.definition import NO_SELF, TORCHCELL, get_definition
from supcr_bench.values.implementation import Resolution
from supcr_bench.values.result import Result, Status
from tests.examples import NOTE_NAMES, implementation
from tests.measure.fake_meter import FakeMeter
from tests.measure.fakes import around, no_way_back, raising, run_cell

WORKLOAD = Workload(batch_size=10, dims=2, nan_density=0.2)
NOTE = {name: implementation(name).factory for name in NOTE_NAMES}
RIGHT = {"right": implementation("broadcast").factory}
ADAPTED = {"right": Adapter.usual(RIGHT["right"])}
DOUBLE = around(lambda loss, parts: (2 * loss, parts))


def test_a_right_implementation_is_measured() -> None:
    for arm, result in run_cell(NOTE, WORKLOAD).items():
        assert result.status is Status.MEASURED
        assert result.reason is None
        assert result.case == Case.of(WORKLOAD, arm.pass_)
        assert result.session == "session"
        assert result.reference == "direct"
        assert result.loss == pytest.approx(result.reference_loss, rel=1e-6)
        assert result.value_tolerances is not None
        assert result.value_tolerances < 1
        training = arm.pass_ == "training"
        assert (result.gradient_error is not None) is training
        assert (result.gradient_tolerances is not None) is training


@pytest.mark.parametrize("timed", [True, False])
def test_an_untimed_cell_takes_everything_but_the_time(timed: bool) -> None:
    announced: list[tuple[str, Arm | None]] = []
    meter = FakeMeter(bytes={"right": law(8, 2)})
    factories = {**RIGHT, "double": DOUBLE}
    found = run_cell(factories, WORKLOAD, meter=meter, announced=announced, timed=timed)
    assert ("time" in {stage for stage, _ in announced}) is timed
    for arm, result in found.items():
        wrong = arm.implementation == "double"
        assert result.status is (Status.WRONG if wrong else Status.MEASURED)
        assert result.untimed is not timed
        assert (result.time_stopped_by is not None) is timed
        assert result.dispatched_ops == 1
        assert result.peak_bytes is not None
        assert result.value_tolerances is not None


def test_a_further_process_times_the_calls_and_takes_nothing_else() -> None:
    announced: list[tuple[str, Arm | None]] = []
    for result in run_cell(RIGHT, WORKLOAD, announced=announced, process=2).values():
        assert result.status is Status.MEASURED
        assert result.time_samples_s
        assert (result.peak_bytes, result.dispatched_ops, result.value_error) == (None, None, None)
    assert {stage for stage, _ in announced} == {"inputs", "agreement", "time"}


def test_a_wrong_value_is_wrong_with_a_finding_and_still_has_its_figures() -> None:
    for result in run_cell({"double": DOUBLE}, WORKLOAD).values():
        assert result.status is Status.WRONG
        assert result.reason is not None
        assert result.reason.startswith("the loss is ")
        assert result.loss == pytest.approx(2 * (result.reference_loss or 0), rel=1e-6)
        assert result.value_error == pytest.approx(1.0, rel=1e-5)
        assert result.time_samples_s
        assert result.peak_bytes is not None


def test_a_right_value_with_a_wrong_gradient_is_wrong_in_training_alone() -> None:
    def doubled_gradient(loss: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * loss - loss.detach(), parts

    results = run_cell({"one": around(doubled_gradient)}, WORKLOAD)
    assert results[Arm("one", "forward")].status is Status.MEASURED
    training = results[Arm("one", "training")]
    assert training.status is Status.WRONG
    assert training.reason == "the first view's gradient is 2 times what torchcell gives"
    assert training.gradient_error == pytest.approx(1.0, rel=1e-5)


def test_a_loss_that_is_not_a_number_is_wrong_and_stored_as_missing() -> None:
    results = run_cell({"nan": around(lambda loss, parts: (loss * torch.nan, parts))}, WORKLOAD)
    for result in results.values():
        assert result.status is Status.WRONG
        assert result.loss is None
        assert result.value_error is None
        assert result.reference_loss is not None


def test_the_harness_own_work_before_the_calls_of_a_cell_is_timed_in_each_process() -> None:
    results = run_cell({**RIGHT, "double": DOUBLE}, WORKLOAD).values()
    (other_work_s,) = {tuple((r.other_work_s or {}).items()) for r in results}
    ((session, seconds),) = other_work_s
    assert {r.session or "" for r in results} == {session}
    assert seconds > 0
    first, *_ = results
    further = replace(first, session="two", other_work_s={"two": 3.0}).as_further()
    both = first.with_further(further)
    assert both.process_other_work_s == (seconds, 3.0)
    older = first.with_further(replace(further, other_work_s=None))
    assert older.process_other_work_s == (seconds, None)


def test_one_that_raises_fails_alone_with_its_reason() -> None:
    results = run_cell({"bad": raising(IndexError("index 8")), **RIGHT}, WORKLOAD)
    forward, training = (results[Arm("bad", p)] for p in ("forward", "training"))
    assert forward.status is training.status is Status.FAILED
    assert forward.reason == "IndexError: index 8"
    assert training.reason == "in forward: IndexError: index 8"
    assert forward.time_samples_s is None
    assert forward.peak_bytes is None
    assert results[Arm("right", "training")].status is Status.MEASURED


def test_one_that_cannot_be_built_fails_alone() -> None:
    def factory(**options: Any) -> Any:
        raise ValueError("needs a batch of 512")

    results = run_cell({"bad": factory, **RIGHT}, WORKLOAD)
    assert results[Arm("bad", "forward")].reason == "ValueError: needs a batch of 512"
    assert results[Arm("right", "forward")].status is Status.MEASURED


def test_running_out_of_memory_is_an_outcome_of_its_own() -> None:
    results = run_cell({"huge": raising(MemoryError())}, WORKLOAD)
    assert {r.status for r in results.values()} == {Status.OUT_OF_MEMORY}


def test_one_that_returns_something_else_fails_with_what_it_returned() -> None:
    results = run_cell({"odd": around(lambda loss, parts: parts)}, WORKLOAD)
    reason = results[Arm("odd", "forward")].reason
    assert reason == "returned a loss of shape (2,), not a scalar"


def test_one_that_returns_the_loss_alone_is_measured_by_the_total() -> None:
    results = run_cell({"alone": around(lambda loss, parts: loss), **RIGHT}, WORKLOAD)
    assert {result.status for result in results.values()} == {Status.MEASURED}
    alone, right = (results[Arm(name, "training")] for name in ("alone", "right"))
    assert alone.loss == right.loss
    assert alone.gradient_error == right.gradient_error
    assert alone.value_difference == {"right": 0.0}


def test_one_that_raises_in_backward_fails_in_training_alone() -> None:
    results = run_cell({"one": around(no_way_back), **RIGHT}, WORKLOAD)
    forward, training = (results[Arm("one", p)] for p in ("forward", "training"))
    assert forward.status is Status.MEASURED
    assert forward.time_samples_s
    assert training.status is Status.FAILED
    assert training.reason == "RuntimeError: no way back"
    assert results[Arm("right", "training")].status is Status.MEASURED


def test_training_alone_blames_forward_where_forward_raises() -> None:
    results = run_cell({"bad": raising(KeyError("k"))}, WORKLOAD, passes=("training",))
    assert results[Arm("bad", "training")].reason == "in forward: KeyError: 'k'"


def test_every_label_missing_can_be_called_and_not_trained_on() -> None:
    results = run_cell(NOTE, Workload(batch_size=6, nan_density=1.0))
    for arm, result in results.items():
        if arm.pass_ == "forward":
            assert result.status is Status.MEASURED
            assert result.loss == result.reference_loss == 0.0
        else:
            assert result.status is Status.FAILED
            assert "a loss without a graph" in str(result.reason)


def test_differences_to_each_other_implementation_of_the_same_pass_are_present() -> None:
    results = run_cell({**NOTE, "double": DOUBLE, "bad": raising(ValueError())}, WORKLOAD)
    for arm, result in results.items():
        if arm.implementation == "bad":
            assert result.value_difference is None
            continue
        others = {*NOTE, "double"} - {arm.implementation}
        assert result.value_difference is not None
        assert set(result.value_difference) == others
        for other, difference in result.value_difference.items():
            assert difference is not None
            doubled = "double" in (arm.implementation, other)
            assert difference == pytest.approx(0.5 if doubled else 0.0, abs=1e-5)
        if arm.pass_ == "training":
            assert result.gradient_difference is not None
            assert set(result.gradient_difference) == others
        else:
            assert result.gradient_difference is None


def law(factor: float, power: float) -> Callable[[Arm, Workload], float]:
    """More in training than in forward."""
    return lambda arm, w: factor * w.batch_size**power * (3.0 if arm.pass_ == "training" else 1.0)


@pytest.mark.parametrize("n", [8, 16])
def test_figures_follow_the_law_of_the_fake_meter(n: int) -> None:
    meter = FakeMeter(
        seconds={"loopy": law(1e-4, 3), "broadcast": law(1e-3, 1)},
        bytes={"loopy": law(100, 2), "broadcast": law(8, 3)},
    )
    for arm, result in run_cell(NOTE, Workload(batch_size=n), meter=meter).items():
        factor = 3.0 if arm.pass_ == "training" else 1.0
        seconds = {"loopy": 1e-4 * n**3, "broadcast": 1e-3 * n}.get(arm.implementation)
        peak = {"loopy": 100 * n**2, "broadcast": 8 * n**3}.get(arm.implementation)
        expected = 1e-6 if seconds is None else seconds * factor
        assert result.time_samples_s == pytest.approx([expected] * 6)
        assert result.time_stopped_by == "precision"
        assert result.peak_bytes == (0 if peak is None else factor * peak)
        assert result.dispatch_peak_bytes == result.peak_bytes
        assert result.memory_method == "fake meter"


def test_the_fastest_of_each_pass_is_the_a_a_arm_of_its_cell() -> None:
    meter = FakeMeter(seconds={"loopy": law(1e-2, 1), "broadcast": law(1e-3, 1)}, noise=0.1)
    results = run_cell({name: NOTE[name] for name in ("loopy", "broadcast")}, WORKLOAD, meter=meter)
    for arm, result in results.items():
        assert result.time_samples_s is not None
        if arm.implementation == "loopy":
            assert result.aa_samples_s is None
            continue
        assert result.aa_samples_s is not None
        assert len(result.aa_samples_s) == len(result.time_samples_s)
        assert result.aa_samples_s != result.time_samples_s


def test_time_on_the_device_is_kept_beside_the_hosts_where_the_device_tells() -> None:
    meter = FakeMeter(seconds={"right": law(1e-3, 1)}, device_seconds={"right": law(1e-4, 1)})
    for result in run_cell({**RIGHT, "double": DOUBLE}, WORKLOAD, meter=meter).values():
        assert result.time_samples_s is not None
        if result.implementation == "double":
            assert result.device_samples_s is None
        else:
            assert result.device_samples_s == pytest.approx([s / 10 for s in result.time_samples_s])


def test_noise_of_the_fake_meter_is_seeded_and_spreads_the_samples() -> None:
    def samples(seed: int) -> tuple[float, ...] | None:
        meter = FakeMeter(seconds={"right": law(1e-2, 1)}, noise=0.1, seed=seed)
        results = run_cell(RIGHT, WORKLOAD, meter=meter)
        return results[Arm("right", "forward")].time_samples_s

    assert samples(1) == samples(1) != samples(2)
    assert len(set(samples(1) or ())) > 1


def test_limits_in_force_are_noted_in_every_row() -> None:
    budget = Budget(time_limit_s=3.0, memory_limit_bytes=2**40)
    results = run_cell({"bad": raising(ValueError()), **RIGHT}, WORKLOAD, budget=budget)
    for result in results.values():
        assert result.time_limit_s == 3.0
        assert result.memory_limit_bytes == 2**40
    assert all(r.spent_s for r in results.values() if r.status is Status.MEASURED)


class Failing(FakeMeter):
    """Fails when it takes one figure of one arm."""

    def __init__(self, stage: str, error: Exception) -> None:
        super().__init__()
        self.stage, self.error = stage, error

    def fail(self, stage: str, arm: Arm) -> None:
        if (stage, arm) == (self.stage, Arm("bad", "training")):
            raise self.error

    def time(self, arm: Arm, call: Callable[[], object]) -> Elapsed:
        self.fail("time", arm)
        return Elapsed(1e-3)

    def peak_memory(self, arm: Arm, call: Callable[[], object]) -> Any:
        self.fail("memory", arm)
        return Meter(Cpu()).peak_memory(arm, lambda: None)


@pytest.mark.parametrize("stage", ["memory", "time"])
def test_an_arm_that_breaks_down_later_ends_alone(stage: str) -> None:
    factories = {"bad": implementation("broadcast").factory, **RIGHT}
    meter = Failing(stage, RuntimeError("can't allocate memory"))
    results = run_cell(factories, WORKLOAD, meter=meter)
    assert results.pop(Arm("bad", "training")).status is Status.OUT_OF_MEMORY
    assert {r.status for r in results.values()} == {Status.MEASURED}


def test_every_stage_and_arm_is_announced_before_it_runs() -> None:
    announced: list[tuple[str, Arm | None]] = []
    run_cell(RIGHT, WORKLOAD, announced=announced)
    forward, training = Arm("right", "forward"), Arm("right", "training")
    assert announced[:10] == [
        ("inputs", None),
        ("agreement", forward),
        ("agreement", training),
        ("reference", None),
        ("memory", forward),
        ("work", forward),
        ("work", forward),  # once more, for Python instructions
        ("memory", training),
        ("work", training),
        ("work", training),
    ]
    assert set(announced[10:-1]) == {("time", forward), ("time", training)}
    assert announced[-1] == ("floor", None)


def test_the_a_a_arm_is_on_the_cells_account_and_not_on_its_implementations() -> None:
    cell = Cell(WORKLOAD, (Arm("right", "forward"),), "session")
    meter = FakeMeter(seconds={"right": lambda arm, w: 1e3})
    budget = Budget(time_limit_s=1e5, sampling_s=1e5)
    run = CellRun(
        cell=cell,
        subjects=ADAPTED,
        device=Cpu(),
        meter=meter,
        budget=budget,
    )
    (result,) = run.results()
    assert result.time_samples_s == result.aa_samples_s == (1e3,) * 6
    assert result.spent_s == pytest.approx(7e3, rel=0.1)
    assert run.account.calls_s == pytest.approx(13e3, rel=0.1)


def test_the_account_says_where_the_time_went() -> None:
    cell = Cell(WORKLOAD, (Arm("right", "forward"),), "session")
    run = CellRun(
        cell=cell,
        subjects=ADAPTED,
        device=Cpu(),
        meter=FakeMeter(),
        budget=Budget(),
    )
    list(run.results())
    account = run.account
    assert account.inputs_s > 0
    assert account.reference_s > 0
    assert account.calls_s > 0


def with_labels(table: npt.NDArray[np.float64], cell: Cell) -> Result:
    """The only result of a cell with the labels of a file."""
    run = CellRun(
        cell=cell, subjects=ADAPTED, device=Cpu(), meter=FakeMeter(), budget=Budget(), table=table
    )
    (result,) = run.results()
    return result


def test_labels_of_a_file_reach_the_implementation_and_the_reference() -> None:
    table = np.round(np.linspace(-3, 3, 40)).reshape(20, 2)
    workload = Workload(batch_size=12, dims=2, nan_density=None, labels="file:x")
    cell = Cell(workload, (Arm("right", "forward"),), "session")
    result = with_labels(table, cell)
    assert result.status is Status.MEASURED
    assert result.case.labels == "file:x"


def test_missing_labels_of_a_file_skip_a_definition_that_does_not_support_them() -> None:
    workload = Workload(batch_size=12, nan_density=None, labels="file:x")
    table = np.linspace(-3, 3, 20).reshape(20, 1)
    table[::4] = np.nan
    cell = Cell(workload, (Arm("right", "forward", get_definition("rank-n-contrast")),), "session")
    result = with_labels(table, cell)
    assert result.status is Status.SKIPPED
    assert result.reason == "rank-n-contrast does not say what a missing label means"


def test_large_batches_are_held_against_the_fast_reference() -> None:
    workload = Workload(batch_size=DIRECT_UP_TO + 1, embedding_size=4)
    (result,) = run_cell(
        {"right": implementation("rowsort").factory}, workload, passes=("forward",)
    ).values()
    assert result.reference == "fast"
    assert result.status is Status.MEASURED


def test_where_the_two_references_disagree_no_verdict_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken_fast(*arguments: Any, method: Any = None, **options: Any) -> Reference:
        found = compute_reference(*arguments, method=method, **options)
        if method == "fast":
            found.per_dimension.mul_(1.001)
        return found

    monkeypatch.setattr(cell_module, "compute_reference", broken_fast)
    monkeypatch.setattr(cell_module, "_COMPARED", set())
    workload = Workload(batch_size=DIRECT_UP_TO + 1, embedding_size=4)
    results = run_cell(
        {"one": around(lambda loss, parts: (loss, parts))}, workload, passes=("forward",)
    )
    (result,) = results.values()
    assert result.status is Status.FAILED
    assert "no reference to compare with: UnusableReferenceError" in str(result.reason)


def test_with_the_real_meter_every_figure_is_there() -> None:
    """Whatever the durations are, they are positive and as many as promised."""
    budget = Budget(sampling_s=0.005, precision=0.5)
    results = run_cell(RIGHT, WORKLOAD, meter=Meter(Cpu()), budget=budget)
    for result in results.values():
        assert result.status is Status.MEASURED
        assert result.time_samples_s is not None
        assert len(result.time_samples_s) >= 6
        assert all(seconds > 0 for seconds in result.time_samples_s)
        assert result.repetitions is None
        assert result.peak_bytes is not None
        assert result.peak_bytes > 0
        assert result.dispatch_peak_bytes == pytest.approx(result.peak_bytes, rel=0.05)
        assert result.predicted_cuda_peak_bytes is not None
        assert result.predicted_cuda_peak_bytes > result.peak_bytes
        assert result.device_samples_s is None
    forward, training = (results[Arm("right", p)].peak_bytes for p in ("forward", "training"))
    assert forward is not None
    assert training is not None
    assert training >= forward


COUNTED = (
    *("peak_bytes", "dispatched_ops", "elements_processed", "python_instructions"),
    *("dispatch_peak_bytes", "predicted_cuda_peak_bytes"),
)


def test_the_first_part_of_a_trainings_call_counts_what_a_forward_alone_does() -> None:
    names = ("loopy", "broadcast", "rowsort", "batched", "scan", "tiled")
    factories = {name: implementation(name).factory for name in names}

    few = replace(WORKLOAD, batch_size=6)  # Python is counted slowly

    def counted(passes: tuple[Pass, ...]) -> dict[Arm, list[object]]:
        found = run_cell(factories, few, passes=passes, meter=Meter(Cpu()), timed=False)
        return {arm: [getattr(r, name) for name in COUNTED] for arm, r in found.items()}

    counted(("training",))  # the first calls of a process execute more Python
    both = counted(("training", "forward"))
    assert not any(None in figures for figures in both.values())
    assert both == counted(("forward",)) | counted(("training",))


@pytest.mark.parametrize("failing", [2, 3, 4])
def test_a_training_is_recorded_as_a_whole_where_its_forward_part_has_failed(failing: int) -> None:
    calls = []

    def fails_once(loss: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(1)
        if len(calls) == failing:
            raise ValueError("once")
        return loss, parts

    factories = {"one": around(fails_once), **RIGHT}
    found = run_cell(factories, WORKLOAD, meter=Meter(Cpu()), timed=False)
    assert found[Arm("one", "forward")].reason == "ValueError: once"
    one, right = (found[Arm(name, "training")] for name in ("one", "right"))
    assert one.status is right.status is Status.MEASURED
    assert (one.peak_bytes, one.dispatched_ops) == (right.peak_bytes, right.dispatched_ops)


def test_a_forward_keeps_its_counts_where_a_later_backward_fails() -> None:
    calls = []

    class FailsLater(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Any:
            calls.append(1)
            if len(calls) > 1:
                raise RuntimeError("later")
            return gradients[0]

    def change(loss: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        return FailsLater.apply(loss), parts  # type: ignore[no-untyped-call]

    factories = {"one": around(change)}
    found = run_cell(factories, WORKLOAD, meter=Meter(Cpu()), timed=False)
    assert found[Arm("one", "training")].reason == "RuntimeError: later"
    forward = found[Arm("one", "forward")]
    assert forward.status is Status.MEASURED
    assert all(getattr(forward, name) for name in COUNTED)


def test_an_undisturbed_result_can_be_stored() -> None:
    for result in run_cell({**NOTE, "double": DOUBLE}, WORKLOAD).values():
        assert Result.from_mapping(result.to_mapping()) == result


def test_one_that_changes_its_inputs_fails_and_is_not_blamed_on_the_others() -> None:
    class Fills:
        def __init__(self, **options: Any) -> None:
            self.right = RIGHT["right"](**options)

        def __call__(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
            answer = self.right(perturbed, intact, labels)
            labels[torch.isnan(labels)] = 0.0
            return answer

    for arm, result in run_cell({"fills": Fills, **RIGHT}, WORKLOAD).items():
        if arm.implementation == "fills":
            assert result.status is Status.FAILED
            assert "changed its inputs: labels" in str(result.reason)
        else:
            assert result.status is Status.MEASURED


def test_a_definition_that_is_not_finite_is_held_against_nobody() -> None:
    workload = Workload(batch_size=4, temperature=1e-310, dtype="float64")
    for result in run_cell(RIGHT, workload).values():
        assert result.status is Status.FAILED
        assert "torchcell itself is not finite here" in str(result.reason)


def test_each_arm_is_held_against_its_definition_and_differs_from_those_of_the_same_alone() -> None:
    arms = tuple(
        Arm(name, "forward", definition)
        for name, definition in (("one", TORCHCELL), ("other", TORCHCELL), ("apart", NO_SELF))
    )
    workload = replace(WORKLOAD, labels="tied", nan_density=0.0)
    factory = implementation("scan")
    subjects = {
        arm.implementation: Adapter.of(factory, Resolution(definition=arm.definition))
        for arm in arms
    }
    run = CellRun(
        cell=Cell(workload, arms, "session", timed=False),
        subjects=subjects,
        device=Cpu(),
        meter=FakeMeter(),
        budget=Budget(),
    )
    found = {result.implementation: result for result in run.results()}
    assert {r.status for r in found.values()} == {Status.MEASURED}
    assert found["apart"].case.definition == "no-self"
    assert found["one"].reference_loss == found["other"].reference_loss
    assert found["one"].reference_loss != found["apart"].reference_loss
    assert found["one"].value_difference == {"other": 0.0}
    assert found["apart"].value_difference == {}
    assert found["one"].no_self_error
    assert found["apart"].no_self_error is None


def test_an_output_that_is_no_loss_when_read_again_fails_in_both_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def backward(self: BoundLoss, output: object) -> None:
        raise NotALossError("returned a Once without a loss tensor")

    monkeypatch.setattr(BoundLoss, "backward", backward)
    for result in run_cell(RIGHT, WORKLOAD).values():
        assert result.status is Status.FAILED
        assert "returned a Once" in str(result.reason)
