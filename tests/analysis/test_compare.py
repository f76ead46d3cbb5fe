"""Two runs laid side by side: what is found, and what is left undecided."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from supcr_bench.analysis.compare import Comparison, ComparisonRow, compare_results
from supcr_bench.analysis.run_noise import FEWEST_UNCHANGED, drift_bound
from supcr_bench.values.case import PASSES
from supcr_bench.values.machine import MACHINE, environment_differences
from supcr_bench.values.metrics import Direction
from supcr_bench.values.result import Result, Status
from tests.analysis.readings import cases
from tests.made_results import make_result

SIZES = (16, 32, 64, 128, 256, 512, 1024)
NAMES = ("loopy", "broadcast", "rowsort")
COUNTS: dict[str, Any] = {"dispatched_ops": 10, "elements_processed": 1000, "peak_bytes": 10_000}


def steady(
    times: Callable[[str, int], Sequence[float]] = lambda name, n: [1.0] * 8, **fields: Any
) -> list[Result]:
    """A run of three implementations with the same counts everywhere."""
    return [
        make_result(name, n=n, pass_=pass_, times=times(name, n), **{**COUNTS, **fields})
        for n in SIZES
        for name in NAMES
        for pass_ in PASSES
    ]


def pair(first: Result, second: Result, **options: Any) -> ComparisonRow:
    """What becomes of one result, beside enough steady ones of other implementations."""
    found = compare_results([first, *steady()], [second, *steady()], **options)
    return next(r for r in found.rows if r.implementation == first.implementation)


def mine(times: Sequence[float] = (1.0,) * 8, **fields: Any) -> Result:
    return make_result("mine", times=times, **{**COUNTS, **fields})


# --- time ---


def test_a_ratio_is_second_over_first_and_its_interval_holds_both_medians_intervals() -> None:
    row = pair(mine([1.0, 1.1] * 4), mine([2.0, 2.2] * 4))
    assert row.time is not None
    assert row.time.ratio == pytest.approx(2.0)
    assert row.time.low == pytest.approx(2 / 1.1)
    assert row.time.high == pytest.approx(2.2)
    assert row.time.direction is Direction.SLOWER
    assert row.finding is None  # of one case, it may be chance


@pytest.mark.parametrize(
    ("ratio", "margin", "verdict"),
    [
        (1.0, 0.05, Direction.SAME),
        (1.04, 0.05, Direction.SAME),
        (0.96, 0.05, Direction.SAME),
        (1.06, 0.05, Direction.SLOWER),
        (0.94, 0.05, Direction.FASTER),
        (1.06, 0.10, Direction.SAME),
    ],
)
def test_the_same_is_within_the_margin(ratio: float, margin: float, verdict: Direction) -> None:
    row = pair(mine(), mine([ratio] * 8), margin=margin)
    assert row.time is not None
    assert row.time.direction is verdict


def test_the_drift_of_unchanged_results_widens_the_interval_on_both_sides() -> None:
    # Every unchanged result moved by 1.3, so a change of 1.3 may be drift and one of 2 is not.
    for ratio, verdict in ((1.25, Direction.UNDECIDED), (2.0, Direction.SLOWER)):
        found = compare_results(
            [mine(), *steady()], [mine([ratio] * 8), *steady(lambda name, n: [1.3] * 8)]
        )
        (row,) = (r for r in found.rows if r.implementation == "mine")
        assert row.time is not None
        assert row.time.low == pytest.approx(ratio / 1.3)
        assert row.time.high == pytest.approx(ratio * 1.3)
        assert row.time.direction is verdict


def test_results_whose_counts_changed_or_are_unknown_are_no_yardstick() -> None:
    for second in ({"dispatched_ops": 11}, {"elements_processed": None}):
        found = compare_results([mine(), *steady()], [mine(), *steady(**second)])
        (row,) = (r for r in found.rows if r.implementation == "mine")
        assert found.drift["mine"][1] == 0
        assert row.time is not None
        assert row.time.direction is Direction.UNDECIDED
        assert "fewer than 19 unchanged results" in str(row.time.reason)


def test_an_implementations_own_results_are_no_yardstick_for_it() -> None:
    alone = [r for r in steady() if r.implementation == "loopy"]
    assert compare_results(alone, alone).drift["loopy"][1] == 0
    assert compare_results(steady(), steady()).drift["loopy"][1] == 2 * 2 * len(SIZES)


@pytest.mark.parametrize(
    ("n", "rank"), [(19, 19), (20, 20), (38, 38), (39, 38), (40, 39), (59, 57), (99, 95)]
)
def test_the_drift_is_a_prediction_bound(n: int, rank: int) -> None:
    """Of n + 1 draws alike, at most one in twenty lies above the bound of the others."""
    bound, _ = drift_bound([(-1) ** i * float(i) for i in range(1, n + 1)])
    assert bound == rank == math.ceil(0.95 * (n + 1))
    assert (n + 1 - rank) / (n + 1) <= 0.05


def test_too_few_yardsticks_bound_nothing() -> None:
    assert drift_bound([0.1] * (FEWEST_UNCHANGED - 1))[0] is None
    assert drift_bound([])[1] == 0


def test_too_few_samples_decide_nothing() -> None:
    row = pair(mine([1.0] * 5), mine([9.0] * 8))
    assert row.time is not None
    assert row.time.ratio == 9.0
    assert row.time.direction is Direction.UNDECIDED
    assert row.time.reason == "fewer than 6 samples"


def test_another_machine_decides_nothing_and_other_software_does() -> None:
    for key, verdict in (("cpu", Direction.UNDECIDED), ("torch", Direction.SLOWER)):
        row = pair(mine(), mine([3.0] * 8), differences={key: ("a", "b")})
        assert row.time is not None
        assert row.time.ratio == 3.0
        assert row.time.direction is verdict
        assert (row.time.reason == "other machine") is (key == "cpu")


def test_differences_of_the_environment_are_listed_machine_first() -> None:
    first = {"cpu": "a", "threads": 1, "torch": "2.6", "os": "x", "memory_bytes": 1}
    second = {"cpu": "a", "threads": 2, "torch": "2.7", "os": "x", "memory_bytes": 2}
    found = environment_differences(first, second)
    assert found == {"threads": (1, 2), "torch": ("2.6", "2.7")}
    assert [key in MACHINE for key in found] == [True, False]
    assert environment_differences(first, first) == {}


# --- simulated sessions ---


def drifted(random: Random, shared_by: str, cells: int = 10, slower: str = "") -> list[Result]:
    """A session: each median drifts by a right-skewed factor, log sd 0.13, samples by less.

    Args:
        random: of drift and samples.
        shared_by: what has one drift: the arms of a ``cell``, the passes of an ``implementation``
            within a cell, or nothing but a ``result`` itself.
        cells: how many.
        slower: an implementation that takes three times as long.
    """
    results = []
    for n in range(2, 2 + cells):
        drift: dict[object, float] = {}
        for name in NAMES:
            for pass_ in PASSES:
                key = {"cell": 0, "implementation": name, "result": (name, pass_)}[shared_by]
                own = drift.setdefault(key, 0.13 * (random.expovariate(1) - 1))
                scale = 3.0 if name == slower else 1.0
                times = [scale * math.exp(own + 0.03 * random.expovariate(1)) for _ in range(12)]
                results.append(make_result(name, n=n, pass_=pass_, times=times, **COUNTS))
    return results


@pytest.mark.parametrize("shared_by", ["cell", "implementation", "result"])
def test_identical_code_is_seldom_called_faster_or_slower(shared_by: str) -> None:
    random = Random(1)
    sessions = 40
    confident = rows = findings = 0
    moved = []
    for _ in range(sessions):
        found = compare_results(drifted(random, shared_by), drifted(random, shared_by))
        rows += len(found.rows)
        confident += cases(found, Direction.FASTER) + cases(found, Direction.SLOWER)
        findings += found.finding
        moved += [r.time.ratio for r in found.rows if r.time]
    moved.sort()
    # Separate blocks of identical code were measured to differ by 0.78 to 1.44, 5th to 95th
    # percentile; here both sides drift alike, so that the one is about the other's inverse.
    assert moved[len(moved) // 20] == pytest.approx(0.77, abs=0.07)
    assert moved[-len(moved) // 20] == pytest.approx(1.35, abs=0.1)
    assert confident <= 0.05 * rows
    assert findings <= 0.05 * sessions


@pytest.mark.parametrize("shared_by", ["cell", "implementation", "result"])
def test_a_threefold_slowdown_with_the_same_counts_is_found(shared_by: str) -> None:
    random = Random(2)
    found = compare_results(drifted(random, shared_by), drifted(random, shared_by, slower="loopy"))
    assert found.slower() == ["loopy"]
    assert found.finding
    assert cases(found, Direction.SLOWER, "loopy") == 20
    # What the others are held against now holds the slow one: nothing is said of them.
    assert cases(found, Direction.SLOWER) == 20
    assert cases(found, Direction.FASTER) == 0
    back = compare_results(drifted(random, shared_by, slower="loopy"), drifted(random, shared_by))
    assert cases(back, Direction.FASTER, "loopy") == 20
    assert not back.finding


@pytest.mark.parametrize(("slower", "finding"), [(1, False), (4, False), (5, True), (14, True)])
def test_so_many_slower_cases_as_chance_hardly_gives_are_a_finding(
    slower: int, finding: bool
) -> None:
    own = [i for i, r in enumerate(steady()) if r.implementation == "loopy"]
    later = steady()
    for i in own[:slower]:
        later[i] = replace(later[i], time_samples_s=(3.0,) * 8)
    found = compare_results(steady(), later)
    assert cases(found, Direction.SLOWER) == slower
    assert found.finding is finding


def moved_together(random: Random, sd: float, noise: float = 0.01) -> list[Result]:
    """A session that moves all cases of an implementation alike."""
    results = []
    for name in NAMES:
        own = random.gauss(0, sd)
        for n in range(2, 12):
            for pass_ in PASSES:
                times = [math.exp(own + noise * random.gauss(0, 1)) for _ in range(12)]
                results.append(make_result(name, n=n, pass_=pass_, times=times, **COUNTS))
    return results


@pytest.mark.parametrize("sd", [0.0, 0.02, 0.05, 0.07])
def test_a_session_that_moves_all_cases_of_an_implementation_is_no_finding(sd: float) -> None:
    """A ratio of two sessions spreads by 1.4 times as much: 3 to 10 %."""
    random = Random(f"session {sd}")
    sessions = 60
    findings = sum(
        compare_results(moved_together(random, sd), moved_together(random, sd)).finding
        for _ in range(sessions)
    )
    assert findings <= 0.05 * sessions


def test_on_a_quiet_machine_most_identical_rows_are_the_same() -> None:
    random = Random(3)
    found = compare_results(moved_together(random, 0.002), moved_together(random, 0.002))
    assert cases(found, Direction.SAME) > 0.9 * len(found.rows)


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        (0.0, "one process is one sample; `--processes 20` gives more"),
        (0.4, "the machine was too busy: the middle half of equal calls spread by 4"),
    ],
)
def test_a_machine_is_said_to_be_too_busy_where_the_calls_of_a_process_spread(
    spread: float, words: str
) -> None:
    random = Random(4)
    first, second = (
        [replace(r, time_samples_s=spread_out(r, spread)) for r in drifted(random, "cell")]
        for _ in range(2)
    )
    found = compare_results(first, second)
    undecided = [r.time for r in found.rows if r.time and r.time.direction is Direction.UNDECIDED]
    assert undecided
    assert all(words in str(change.reason) for change in undecided)


def spread_out(result: Result, spread: float) -> tuple[float, ...]:
    """The samples of a result, of which every other one takes longer."""
    return tuple(x * (1 + spread * (i % 2)) for i, x in enumerate(result.time_samples_s or ()))


# --- costs without noise ---


@pytest.mark.parametrize(
    ("second", "work", "memory", "finding"),
    [
        ({}, Direction.SAME, Direction.SAME, None),
        ({"dispatched_ops": 11}, Direction.MORE, Direction.SAME, "costs more work"),
        ({"elements_processed": 1001}, Direction.MORE, Direction.SAME, "costs more work"),
        ({"elements_processed": 999}, Direction.LESS, Direction.SAME, None),
        ({"dispatched_ops": 1, "elements_processed": 2000}, Direction.MIXED, Direction.SAME, None),
        ({"peak_bytes": 10_100}, Direction.SAME, Direction.SAME, None),
        ({"peak_bytes": 10_101}, Direction.SAME, Direction.MORE, "costs more memory"),
        ({"peak_bytes": 5_000}, Direction.SAME, Direction.LESS, None),
        (
            {"dispatched_ops": 11, "peak_bytes": 20_000},
            Direction.MORE,
            Direction.MORE,
            "costs more work and memory",
        ),
    ],
)
def test_counts_are_compared_exactly_and_bytes_nearly(
    second: dict[str, Any], work: Direction, memory: Direction, finding: str | None
) -> None:
    row = pair(mine(), mine(**second))
    assert row.memory is not None
    assert (row.work, row.memory.direction, row.finding) == (work, memory, finding)


def test_a_count_that_one_run_lacks_is_not_compared() -> None:
    row = pair(mine(), mine(dispatched_ops=None, elements_processed=None, peak_bytes=None))
    assert row.work is None
    assert row.changes.keys() == {"time"}
    row = pair(mine(peak_bytes=0), mine(peak_bytes=8))
    assert row.memory is not None
    assert row.memory.ratio is None
    assert row.memory.direction is Direction.MORE


# --- how a case ended ---


def ended(status: Status, reason: str = "so", **fields: Any) -> Result:
    return make_result("mine", status=status, reason=reason, **fields)


@pytest.mark.parametrize(
    ("first", "second", "finding"),
    [
        (mine(), mine(status=Status.WRONG, reason="off"), "became wrong: off"),
        (mine(), ended(Status.FAILED), "became failed: so"),
        (ended(Status.SKIPPED), ended(Status.FAILED), "became failed: so"),
        (ended(Status.WRONG), ended(Status.FAILED), None),
        (mine(), ended(Status.SKIPPED), None),
        (ended(Status.WRONG), mine(), None),
        (mine(), ended(Status.OUT_OF_MEMORY), "ran out of memory: so"),
        (
            mine(memory_limit_bytes=100),
            ended(Status.OUT_OF_MEMORY, memory_limit_bytes=100),
            "ran out of memory: so",
        ),
        (mine(memory_limit_bytes=100), ended(Status.OUT_OF_MEMORY, memory_limit_bytes=50), None),
        (mine(), ended(Status.OUT_OF_MEMORY, memory_limit_bytes=50), None),
        (mine(), ended(Status.TIMED_OUT, time_limit_s=5.0), "timed out: so"),
        (mine(), ended(Status.TIMED_OUT, time_limit_s=0.9), None),
        (mine(), ended(Status.TIMED_OUT), None),
    ],
)
def test_a_worse_end_is_a_finding_where_the_limits_do_not_explain_it(
    first: Result, second: Result, finding: str | None
) -> None:
    row = pair(first, second)
    assert (row.first, row.second, row.finding) == (first.status, second.status, finding)
    assert (
        finding
        or first.status is second.status
        or row.note
        == (
            "the memory limit was lower: so"
            if second.status is Status.OUT_OF_MEMORY
            else second.reason
        )
    )


def test_what_only_one_run_has_is_a_row() -> None:
    found = compare_results(
        [make_result("one"), make_result("both")], [make_result("both"), make_result("other")]
    )
    assert [(r.implementation, r.first, r.second) for r in found.rows] == [
        ("one", Status.MEASURED, None),
        ("both", Status.MEASURED, Status.MEASURED),
        ("other", None, Status.MEASURED),
    ]
    assert [r.implementation for r in found.joined] == ["both"]
    assert not found.finding


def test_another_seed_or_definition_is_another_case() -> None:
    for case in ({"seed": 1}, {"definition": "no-self"}):
        found = compare_results([make_result()], [make_result(case=case)])
        assert not found.joined
        assert len(found.rows) == 2


def test_nothing_is_compared_where_no_figure_meets_another_and_every_end_is_the_same() -> None:
    skipped = make_result(status=Status.SKIPPED)

    def compare(second: Result) -> Comparison:
        return compare_results([skipped], [second])

    assert compare(skipped).nothing_compared
    assert not compare(make_result(times=[1.0])).nothing_compared
    assert not compare_results([make_result(**COUNTS)], [make_result(**COUNTS)]).nothing_compared
