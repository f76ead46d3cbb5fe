from dataclasses import replace
from itertools import pairwise

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
    assert len(trial.trials[0].samples) < len(trial.trials[1].samples)


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


def test_a_look_is_the_last_only_when_no_process_can_follow():
    slow = FakeSampler(slower={"two": 1.05}, noise=0.02)
    trial = trial_of(slow, budget_s=RULE.first_look + 1)
    assert [(t.look, t.last) for t in trial.trials] == [(1, False), (2, True)]


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


# --- what fits the budget ---


def test_a_case_that_does_not_fit_the_budget_is_left_out_and_said_before_it_is_begun():
    sampler = FakeSampler()
    trial = TimeTrial([sided("one"), sided("two")], RULE, sampler, 60.0, sampler.clock)
    said: list[str] = []
    trial.tell = said.append
    trial.expect([0.1, 30.0])
    assert said == [
        "Not timed: two training N=64 D=1 NaN 0%, since it does not fit the time budget of 60 s; "
        "about --time-budget 460s would be enough."
    ]
    list(trial.run())
    assert sampler.asked[0] == ["one"]
    one, two = trial.changes(["gate"])
    assert one.verdict is GateVerdict.PASS
    assert (two.verdict, two.ratio, two.needs_s) == (GateVerdict.UNDECIDED, None, 451.5)
    assert two.is_noise


def test_a_case_that_turns_out_too_long_in_the_first_process_is_left_out_of_the_others():
    sampler = FakeSampler(spent={"one": 0.5, "two": 20.0}, process_s=1.0)
    trial = TimeTrial([sided("one"), sided("two")], RULE, sampler, 60.0, sampler.clock)
    list(trial.run())
    assert sampler.asked[:2] == [["one", "two"], ["one"]]
    one, two = trial.changes(["gate"])
    assert one.verdict is GateVerdict.PASS
    assert two.reason is not None
    assert two.reason.endswith("--time-budget 330s would be enough")


def test_the_budget_that_would_do_counts_what_a_busy_machine_has_spent():
    sampler = FakeSampler(spent={"one": 1.0, "two": 1.5}, process_s=26.0)
    trial = TimeTrial([sided("one"), sided("two")], RULE, sampler, 60.0, sampler.clock)
    for _ in trial.run():
        sampler.process_s = 1.0  # the machine was busy at first
    left_out = trial.changes(["gate"])[1]
    assert "left out" in str(left_out.reason)
    assert left_out.needs_s == 28.5 + 3.5 + (RULE.first_look - 2) * 3.5


def test_where_the_first_look_does_not_fit_fewer_calls_are_timed_in_a_process():
    sampler = FakeSampler(spent={"one": 1.5, "two": 1.5}, process_s=2.8, follows=True)
    budget_s = 5.0 * RULE.first_look  # 5.8 s a process with all calls, 4.3 s with half of them
    trial = TimeTrial([sided("one"), sided("two")], RULE, sampler, budget_s, sampler.clock)
    list(trial.run())
    assert (trial.processes, rulings(trial)) == (RULE.first_look, [GateVerdict.PASS] * 2)
    assert trial.spent_s <= budget_s


def test_no_fewer_than_half_of_the_calls_are_timed_in_a_process():
    sampler = FakeSampler(spent={"one": 1.5, "two": 1.5}, process_s=2.8, follows=True)
    budget_s = 4.2 * RULE.first_look
    trial = TimeTrial([sided("one"), sided("two")], RULE, sampler, budget_s, sampler.clock)
    spent_s = [trial.spent_s for _ in trial.run()]
    assert trial.processes < RULE.first_look
    assert [b - a for a, b in pairwise(spent_s[:5])] == pytest.approx([4.3] * 4)


def test_a_case_that_fits_with_half_of_the_calls_is_not_left_out():
    sampler = FakeSampler(spent={"one": 3.0, "two": 3.0}, process_s=1.0, follows=True)
    budget_s = 7.0 + 4.2 * (RULE.first_look - 1)  # 7 s a process with all calls, 4 s with half
    trial = TimeTrial([sided("one"), sided("two")], RULE, sampler, budget_s, sampler.clock)
    list(trial.run())
    assert (trial.processes, rulings(trial)) == (RULE.first_look, [GateVerdict.PASS] * 2)


def test_no_case_is_left_out_after_the_last_process():
    sampler = FakeSampler(spent={"one": 0.0, "two": 0.0})
    budget_s = RULE.first_look + 15.0
    trial = TimeTrial([sided("one"), sided("two")], RULE, sampler, budget_s, sampler.clock)
    for _ in trial.run():
        if trial.processes == RULE.first_look - 2:
            sampler.spent = {"one": 6.0, "two": 8.0}  # the machine has become busy
    assert trial.processes == RULE.first_look - 1
    assert all("are too few to decide" in str(c.reason) for c in trial.changes(["gate"]))


def test_an_undecided_time_says_what_would_decide_it_and_too_few_processes_have_no_ratio():
    trial = trial_of(FakeSampler(slower={"two": 1.02}, noise=0.06, process_s=4.0), budget_s=70)
    changes = trial.changes(["gate"])
    undecided = [c for c in changes if c.verdict is GateVerdict.UNDECIDED]
    assert undecided
    assert all(c.needs_s and "would be enough" in str(c.reason) and c.low for c in undecided)
    trial = trial_of(FakeSampler(process_s=7.0), budget_s=20)
    assert [(c.ratio, c.is_noise) for c in trial.changes(["gate"])] == [(None, True)] * 2


def test_work_of_every_tenth_call_is_told_beside_a_median_that_stays():
    trial = trial_of(FakeSampler(means={"two": 2.0}))
    one, two = trial.changes(["gate"])
    assert (one.verdict, two.verdict) == (GateVerdict.PASS, GateVerdict.REGRESSION)
    assert two.ratio == pytest.approx(1.0, abs=0.01)
    assert two.mean_ratio == pytest.approx(2.0, abs=0.02)
    assert "the mean call is slower by at least" in str(two.reason)


def test_a_cell_may_have_a_limit_of_its_own():
    sampler = FakeSampler(slower={"one": 1.2, "two": 1.2})
    own = replace(sided("one"), max_slowdown=0.5)
    trial = TimeTrial([own, sided("two")], RULE, sampler, 100.0, sampler.clock)
    list(trial.run())
    assert [c.verdict for c in trial.changes([])] == [GateVerdict.PASS, GateVerdict.REGRESSION]
