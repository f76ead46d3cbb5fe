"""The time left of whole runs: sweep, verification and report, with a clock that no machine moves.

``tests/golden/seconds-SUITE-MACHINE.json`` hold what each part of a run of a suite took, in CPU
seconds, in which no other process counts, and how slow Python is on that machine. Each arm is a
list: implementation, pass, status, seconds that it was seen to take, seconds of its calls, its
fastest call in seconds, its samples, and its peak in bytes. Each check is a list: cases and
seconds; the last one is what follows the checks.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supcr_bench.store.run import load_run
from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep import run_end
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.run_end import CASE_S, CASES, REPORT_S, RESULT_S, USUAL, RunEnd
from supcr_bench.sweep.runner import Event, SweepProgress, run_sweep
from supcr_bench.sweep.suite import load_suite
from supcr_bench.values.case import Case, Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell, Took
from supcr_bench.values.growth_law import get_law
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import Outcome, Verdict
from supcr_bench.verification.session import TOTAL_LIMIT_S
from supcr_bench.workers.messages import Failed
from tests.examples import implementation
from tests.one_machine import OneMachine

ROOT = Path(__file__).parents[2]
BESIDE = 0.25
"""The share of a sweep in which nothing is timed, so that verification goes on."""
CPUS = 2


@pytest.fixture(autouse=True)
def _idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_end, "busy", lambda: 1.0)
    monkeypatch.setattr(run_end, "slowness", lambda: 1.0)


def outcome(cases: int) -> Outcome:
    return Outcome(check="ties", group="definition", verdict=Verdict.PASS, cases=cases)


class Verifying:
    """The verification of a run: checks, one after the other, each with its cases and seconds."""

    def __init__(self, checks: Mapping[str, Sequence[tuple[int, float]]]) -> None:
        self.left = {name: list(own) for name, own in checks.items()}
        self.spent_s = dict.fromkeys(checks, 0.0)
        self.end: RunEnd | None = None
        self._ahead_s = 0.0

    def go_on(self, seconds: float) -> None:
        assert self.end is not None
        self._ahead_s += seconds
        while self.left:
            name, checks = next(iter(self.left.items()))
            if checks[0][1] > self._ahead_s:
                return
            cases, took_s = checks.pop(0)
            self._ahead_s -= took_s
            self.spent_s[name] += took_s
            self.end.checked(name, outcome(cases), self.spent_s[name])
            if not checks:
                self.end.verified(name)
                del self.left[name]

    def rest_s(self, report_s: float) -> float:
        """The seconds that it takes on all cores once the sweep has ended, and then the report."""
        cores_s = [0.0] * CPUS
        for own in self.left.values():
            cores_s.sort()
            cores_s[0] += sum(s for _, s in own)
        return max(cores_s) + report_s


class Replayed(OneMachine):
    """Runs stored cells again; only its clock passes."""

    def __init__(self, cells: Sequence[Mapping[str, Any]], verifying: Verifying) -> None:
        self.cells = {Workload(**stored["workload"]): stored for stored in cells}
        self.plan = [
            Cell(workload, tuple(Arm(name, pass_) for name, pass_, *_ in stored["arms"]))
            for workload, stored in self.cells.items()
        ]
        self.now_s, self._verifying = 0.0, verifying

    def preflight(self, subjects: Sequence[Subject], device: str) -> Mapping[str, Subject | Failed]:
        return {}

    def close(self) -> None: ...

    def _pass(self, seconds: float) -> None:
        self.now_s += seconds
        self._verifying.go_on(BESIDE * seconds)

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        stored, results = self.cells[cell.workload], list[Event]()
        ends_s = self.now_s + stored["took_s"]
        for name, pass_, status, seen_s, calls_s, fastest_s, samples, peak_bytes in stored["arms"]:
            arm = Arm(name, pass_)
            if arm not in cell.arms or status == Status.SKIPPED:
                continue
            self._pass(seen_s)
            result = cell.result(
                arm,
                budget,
                Status(status),
                spent_s=calls_s,
                time_samples_s=(fastest_s,) * samples or None,
                peak_bytes=peak_bytes,
                reference="fast" if cell.workload.batch_size > 128 else "direct",
            )
            results += [result, Took(arm, seen_s)]
        yield from results
        yield Account(reference_s=stored["reference_s"])
        self._pass(ends_s - self.now_s)


def told(
    stored: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, *, verify: bool
) -> list[tuple[str, float, float, float]]:
    """At each cell, and once the sweep has ended: the share of the run, seconds left and told."""
    suite = load_suite(stored["suite"])
    verifying = Verifying(stored["checks"] if verify else {})
    executor = Replayed(stored["cells"], verifying)
    clock = SimpleNamespace(monotonic=lambda: executor.now_s)
    monkeypatch.setattr(run_end, "time", clock)
    limits = suite.budget
    budget = Budget(
        time_limit_s=limits.time_limit,
        sampling_s=limits.sampling,
        memory_limit_bytes=limits.memory_limit,
    )
    names = {arm.implementation for cell in executor.plan for arm in cell.arms}
    laws = {n: get_law(str(implementation(n).description.claimed_time)) for n in names}
    forecast = Forecast(budget, laws)
    results = sum(len(cell.arms) for cell in executor.plan)
    end = RunEnd(forecast, list(verifying.left), beside=True, at_once=CPUS, results=results)
    verifying.end, moments = end, []
    for event in run_sweep(executor.plan, executor, (), forecast):
        if isinstance(event, SweepProgress) and event.started:
            moment = event.started.workload.describe(), executor.now_s, end.left_s(event.left_s)
            moments.append(moment)
    moments.append(("end of the sweep", executor.now_s, end.left_s(0.0)))
    ends_s = executor.now_s + verifying.rest_s(stored["report_s"])
    return [(what, now_s / ends_s, ends_s - now_s, told_s) for what, now_s, told_s in moments]


@pytest.mark.parametrize("suite", ["quick", "default"])
@pytest.mark.parametrize("machine", ["amd", "intel"])
@pytest.mark.parametrize("verify", [True, False])
def test_the_time_left_of_a_whole_run_is_right_to_half_after_a_fifth_of_it(
    suite: str, machine: str, verify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = json.loads((ROOT / f"tests/golden/seconds-{suite}-{machine}.json").read_text())
    monkeypatch.setattr(run_end, "slowness", lambda: stored["slowness"])
    later = [m for m in told(stored, monkeypatch, verify=verify) if m[1] >= 0.2]
    assert len(later) >= 7
    for what, _, left_s, told_s in later:
        assert 1 / 1.5 <= told_s / left_s <= 1.5, what


def forecast(**call_s: float) -> Forecast:
    """What is known once a call of each implementation was timed on the usual workload."""
    found = Forecast(Budget())
    for name, seconds in call_s.items():
        timed = Result(
            implementation=name,
            case=Case.of(USUAL, "training"),
            status=Status.MEASURED,
            time_samples_s=(seconds,),
        )
        found.observe(timed)
    return found


def made(known: Forecast, *, beside: bool = False, **options: Any) -> RunEnd:
    return RunEnd(known, ["a", "b"], beside=beside, **{"at_once": 2, "results": 0, **options})


def test_without_verification_the_report_follows_the_sweep() -> None:
    end = RunEnd(forecast(), [], beside=True, at_once=2, results=100)
    assert end.left_s(7.0) == pytest.approx(7.0 + REPORT_S + 100 * RESULT_S)


def test_where_python_is_slower_the_report_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_end, "slowness", lambda: 2.0)
    end = RunEnd(forecast(), [], beside=True, at_once=2, results=100)
    assert end.left_s(7.0) == pytest.approx(7.0 + 2 * (REPORT_S + 100 * RESULT_S))


def test_on_a_busy_machine_what_follows_the_sweep_takes_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_end, "busy", lambda: 3.0)
    end = RunEnd(forecast(), [], beside=True, at_once=2, results=0)
    assert end.left_s(7.0) == pytest.approx(7.0 + 3 * REPORT_S)


def test_verification_takes_all_cores_and_as_long_as_the_longest_one_and_then_the_report() -> None:
    a_s, b_s, long_s = (CASES * (CASE_S + s) for s in (0.01, 0.02, 0.05))
    known = forecast(a=0.01, b=0.02)
    assert made(known, at_once=1).left_s(0.0) == pytest.approx(a_s + b_s + REPORT_S)
    assert made(known).left_s(0.0) == pytest.approx(b_s + REPORT_S)
    even = forecast(a=0.01, b=0.01)
    assert made(even).left_s(0.0) == pytest.approx(a_s + REPORT_S)
    assert made(forecast(a=0.01, b=0.05)).left_s(0.0) == pytest.approx(long_s + REPORT_S)
    report_s = REPORT_S + 1000 * RESULT_S
    assert made(known, results=1000).left_s(0.0) == pytest.approx(b_s + report_s)


def test_what_was_verified_is_not_left_and_what_checks_took_counts_by_their_share() -> None:
    end = made(forecast(a=0.01, b=0.02), at_once=1)
    a_s, b_s = (CASES * (CASE_S + s) for s in (0.01, 0.02))
    end.checked("b", outcome(CASES // 5), 3 * b_s / 5)  # three times as slow
    left_s = 0.8 * (0.8 * b_s + 0.2 * 3 * b_s)
    assert end.left_s(0.0) == pytest.approx(REPORT_S + a_s + left_s)
    end.checked("a", outcome(CASES // 2), a_s)
    end.verified("a")  # some of its checks do not apply
    assert end.left_s(0.0) == pytest.approx(REPORT_S + left_s)


def test_verification_goes_on_beside_the_sweep_at_the_pace_so_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(run_end, "time", SimpleNamespace(monotonic=lambda: now[0]))
    apart, beside = (made(forecast(a=0.01, b=0.01), beside=b, at_once=1) for b in (False, True))
    now[0] = 10.0
    for end in (apart, beside):
        end.checked("a", outcome(0), 1.0)  # a tenth of the time
    whole_s = 1.0 + 2 * CASES * (CASE_S + 0.01)
    assert apart.left_s(20.0) == pytest.approx(20.0 + REPORT_S + whole_s)
    assert beside.left_s(20.0) == pytest.approx(20.0 + REPORT_S + whole_s - 2.0)
    assert beside.left_s(1000.0) == pytest.approx(1000.0 + REPORT_S)


def test_a_loss_too_slow_to_verify_takes_no_longer_than_the_limit() -> None:
    end = made(forecast(a=1.0, b=1.0), at_once=1)
    assert end.left_s(0.0) == pytest.approx(REPORT_S + 2 * TOTAL_LIMIT_S)


@pytest.mark.parametrize("stored", ["results/reference", "results/gpu", "tests/golden/quick"])
def test_a_verification_has_that_many_cases(stored: str) -> None:
    verification = load_run(ROOT / stored).verification
    assert verification
    for found in verification.values():
        assert sum(o.cases + o.left_out for o in found.outcomes) == pytest.approx(CASES, rel=0.05)
