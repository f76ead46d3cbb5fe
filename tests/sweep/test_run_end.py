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
from supcr_bench.verification.session import TOTAL_LIMIT_S
from supcr_bench.workers.messages import Failed
from tests.examples import implementation
from tests.one_machine import OneMachine

ROOT = Path(__file__).parents[2]
CPUS = 2


@pytest.fixture(autouse=True)
def _idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_end, "busy", lambda: 1.0)
    monkeypatch.setattr(run_end, "slowness", lambda: 1.0)


def rest_s(stored: Mapping[str, Any], *, verify: bool) -> float:
    """The seconds that verification takes on all cores once the sweep has ended, and the report."""
    cores_s = [0.0] * CPUS
    for own in stored["checks"].values() if verify else ():
        cores_s.sort()
        cores_s[0] += sum(s for _, s in own)
    return max(cores_s) + float(stored["report_s"])


class Replayed(OneMachine):
    """Runs stored cells again; only its clock passes."""

    def __init__(self, cells: Sequence[Mapping[str, Any]]) -> None:
        self.cells = {Workload(**stored["workload"]): stored for stored in cells}
        self.plan = [
            Cell(workload, tuple(Arm(name, pass_) for name, pass_, *_ in stored["arms"]))
            for workload, stored in self.cells.items()
        ]
        self.now_s = 0.0

    def preflight(self, subjects: Sequence[Subject], device: str) -> Mapping[str, Subject | Failed]:
        return {}

    def close(self) -> None: ...

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        stored, results = self.cells[cell.workload], list[Event]()
        ends_s = self.now_s + stored["took_s"]
        for name, pass_, status, seen_s, calls_s, fastest_s, samples, peak_bytes in stored["arms"]:
            arm = Arm(name, pass_)
            if arm not in cell.arms or status == Status.SKIPPED:
                continue
            self.now_s += seen_s
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
        self.now_s = ends_s


def told(stored: Mapping[str, Any], *, verify: bool) -> list[tuple[str, float, float, float]]:
    """At each cell, and once the sweep has ended: the share of the run, seconds left and told."""
    suite = load_suite(stored["suite"])
    executor = Replayed(stored["cells"])
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
    verified = stored["checks"] if verify else {}
    end, moments = RunEnd(forecast, verified, at_once=CPUS, results=results), []
    for event in run_sweep(executor.plan, executor, (), forecast):
        if isinstance(event, SweepProgress) and event.started:
            moment = event.started.workload.describe(), executor.now_s, end.left_s(event.left_s)
            moments.append(moment)
    moments.append(("end of the sweep", executor.now_s, end.left_s(0.0)))
    ends_s = executor.now_s + rest_s(stored, verify=verify)
    return [(what, now_s / ends_s, ends_s - now_s, told_s) for what, now_s, told_s in moments]


@pytest.mark.parametrize("suite", ["quick", "default"])
@pytest.mark.parametrize("machine", ["amd", "intel"])
@pytest.mark.parametrize("verify", [True, False])
def test_the_time_left_of_a_whole_run_is_right_to_half_after_a_fifth_of_it(
    suite: str, machine: str, verify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = json.loads((ROOT / f"tests/golden/seconds-{suite}-{machine}.json").read_text())
    monkeypatch.setattr(run_end, "slowness", lambda: stored["slowness"])
    later = [m for m in told(stored, verify=verify) if m[1] >= 0.2]
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


def made(known: Forecast, **options: Any) -> RunEnd:
    return RunEnd(known, ["a", "b"], **{"at_once": 2, "results": 0, **options})


def test_without_verification_the_report_follows_the_sweep() -> None:
    end = RunEnd(forecast(), [], at_once=2, results=100)
    assert end.left_s(7.0) == pytest.approx(7.0 + REPORT_S + 100 * RESULT_S)


def test_where_python_is_slower_the_report_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_end, "slowness", lambda: 2.0)
    end = RunEnd(forecast(), [], at_once=2, results=100)
    assert end.left_s(7.0) == pytest.approx(7.0 + 2 * (REPORT_S + 100 * RESULT_S))


def test_on_a_busy_machine_what_follows_the_sweep_takes_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_end, "busy", lambda: 3.0)
    end = RunEnd(forecast(), [], at_once=2, results=0)
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


def test_a_loss_too_slow_to_verify_takes_no_longer_than_the_limit() -> None:
    end = made(forecast(a=1.0, b=1.0), at_once=1)
    assert end.left_s(0.0) == pytest.approx(REPORT_S + 2 * TOTAL_LIMIT_S)


@pytest.mark.parametrize("stored", ["results/reference", "results/gpu", "tests/golden/quick"])
def test_a_verification_has_that_many_cases(stored: str) -> None:
    verification = load_run(ROOT / stored).verification
    assert verification
    for found in verification.values():
        assert sum(o.cases + o.left_out for o in found.outcomes) == pytest.approx(CASES, rel=0.05)
