import pytest

from supcr_bench.analysis.time_rule import TimeRule
from supcr_bench.gate.time_trial import TimeTrial
from supcr_bench.values.gate import GateVerdict
from tests.gate.fake_sampler import FakeSampler, sided

RULE = TimeRule(max_slowdown=0.05, cells=2)


def trial_of(sampler: FakeSampler, budget_s: float = 100.0) -> TimeTrial:
    trial = TimeTrial([sided("one"), sided("two")], RULE, sampler, budget_s, sampler.clock)
    trial.events = list(trial.run())  # type: ignore[attr-defined]
    return trial


def rulings(trial: TimeTrial) -> list[GateVerdict]:
    return [t.decision.verdict for t in trial.trials if t.decision]


def test_the_same_code_passes_at_the_first_look():
    trial = trial_of(FakeSampler())
    assert rulings(trial) == [GateVerdict.PASS, GateVerdict.PASS]
    assert trial.processes == RULE.first_look


def test_what_is_slower_by_more_than_is_allowed_is_a_regression_of_its_cell_alone():
    trial = trial_of(FakeSampler(slower={"two": 1.2}))
    assert rulings(trial) == [GateVerdict.PASS, GateVerdict.REGRESSION]


def test_what_is_decided_is_not_timed_any_more():
    sampler = FakeSampler(slower={"two": 1.05}, noise=0.02)
    trial = trial_of(sampler, budget_s=30)
    assert sampler.asked[0] == ["one", "two"]
    assert sampler.asked[-1] == ["two"]
    assert len(trial.trials[0].after) < len(trial.trials[1].after)


def test_a_slowdown_at_the_limit_stays_undecided_to_the_end_of_the_budget():
    trial = trial_of(FakeSampler(slower={"two": 1.05}, noise=0.02), budget_s=30)
    assert rulings(trial) == [GateVerdict.PASS, GateVerdict.UNDECIDED]
    assert trial.processes == 30
    assert trial.spent_s <= 30


def test_the_last_look_counts_all_processes_even_between_two_planned_looks():
    trial = trial_of(FakeSampler(slower={"two": 1.05}, noise=0.02), budget_s=RULE.first_look + 1)
    decision = trial.trials[1].decision
    assert decision is not None
    assert decision.after.samples == RULE.first_look + 1


def test_no_process_is_started_that_would_end_after_the_budget():
    sampler = FakeSampler(slower={"two": 1.05}, noise=0.02, process_s=7.0)
    trial = trial_of(sampler, budget_s=20)
    assert sampler.now == 14.0
    assert [t.decision.reason for t in trial.trials if t.decision] == [
        "2 processes are too few to decide"
    ] * 2


def test_a_noisy_machine_leaves_it_undecided_rather_than_wrong():
    trial = trial_of(FakeSampler(slower={"two": 1.1}, noise=0.3), budget_s=40)
    assert rulings(trial) == [GateVerdict.UNDECIDED, GateVerdict.UNDECIDED]


def test_a_process_that_ends_breaks_the_trial_off_with_its_words():
    trial = trial_of(FakeSampler(fails_at=3))
    assert trial.error == "RuntimeError: boom"
    assert trial.processes == 3
    assert trial.spent_s == 4
    assert [t.decision.reason for t in trial.trials if t.decision] == [
        "3 processes are too few to decide"
    ] * 2


def test_a_side_that_raises_ends_its_cell_alone():
    trial = trial_of(FakeSampler(raises={"two": "after"}))
    assert rulings(trial) == [GateVerdict.PASS]
    raised = trial.trials[1].raised
    assert raised is not None
    assert (raised.raised_by, raised.reason) == ("after", "RuntimeError: boom")


def test_after_every_process_it_says_how_far_it_is():
    trial = trial_of(FakeSampler())
    events = trial.events  # type: ignore[attr-defined]
    assert len(events) == RULE.first_look
    assert events[0] == "1 processes, 2 of 2 cells undecided, 1 of at most 100 s"
    assert events[-1].startswith(f"{RULE.first_look} processes, 0 of 2 cells undecided")


@pytest.mark.parametrize("cells", [1, 6])
def test_more_cells_need_more_processes_for_the_same_certainty(cells):
    rule = TimeRule(max_slowdown=0.05, cells=cells)
    sampler = FakeSampler()
    trial = TimeTrial([sided(f"loss{k}") for k in range(cells)], rule, sampler, 100, sampler.clock)
    list(trial.run())
    assert trial.processes == rule.first_look
