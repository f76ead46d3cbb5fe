"""How far times of the same code differ between runs, on simulated processes of known spread."""

import math
import re
from collections import Counter
from dataclasses import replace
from random import Random
from statistics import median
from typing import Any

import pytest

from supcr_bench.analysis.compare import Comparison, compare_results
from supcr_bench.analysis.run_noise import Noise, excess_variance, process_noise
from supcr_bench.analysis.statistics import faster_in, process_interval, ratio_of
from supcr_bench.analysis.summary import time_interval
from supcr_bench.render.comparison import remarks
from supcr_bench.values.case import PASSES
from supcr_bench.values.cell import MOST_PROCESSES
from supcr_bench.values.metrics import TIME, Direction
from supcr_bench.values.result import Key, Result
from tests.analysis.readings import cases, covers
from tests.made_results import make_result

NAMES = ("one", "two", "three")


def make_run(
    random: Random, sd: float, *, session: float = 0.0, slower: float = 1.0, processes: int = 5
) -> list[Result]:
    """A run of identical code; its true times are 1, but for those of ``one`` if it is ``slower``.

    A process moves each case by ``sd``: half of the variance is shared by an implementation's
    cases. A session moves all cases of an implementation in all processes.
    """
    results = []
    for name in NAMES:
        moved = random.gauss(0, session) + math.log(slower if name == "one" else 1.0)
        shared = [moved + random.gauss(0, sd / math.sqrt(2)) for _ in range(processes)]
        for n in range(2, 7):
            for pass_ in PASSES:
                times = [math.exp(x + random.gauss(0, sd / math.sqrt(2))) for x in shared]
                results.append(over_processes(times, name, n=n, pass_=pass_))
    return results


def over_processes(times: list[float], name: str = "one", **fields: object) -> Result:
    """A result that took these times, each of a process."""
    return make_result(
        name,
        times=times[:1] * 6,
        session="0",
        further_samples_s={str(p): (x,) * 6 for p, x in enumerate(times[1:], start=1)},
        dispatched_ops=10,
        elements_processed=1000,
        **fields,  # type: ignore[arg-type]
    )


def pair(random: Random, sd: float, slower: float = 1.0, **options: float) -> Comparison:
    first = make_run(random, sd, **options)  # type: ignore[arg-type]
    return compare_results(first, make_run(random, sd, slower=slower, **options))  # type: ignore[arg-type]


def test_a_time_is_the_geometric_mean_of_its_processes_medians_with_students_interval() -> None:
    result = over_processes([1.0, math.exp(0.1), math.exp(0.2)])
    found = time_interval(result)
    assert found is not None
    assert (TIME.get(result), found.estimate) == pytest.approx((math.exp(0.1), math.exp(0.1)))
    half = 4.302653 * 0.1 / math.sqrt(3)  # of two degrees of freedom
    assert found.low == pytest.approx(math.exp(0.1 - half))
    assert found.high == pytest.approx(math.exp(0.1 + half))
    assert found.samples == 3


def test_intervals_of_several_processes_cover_the_truth() -> None:
    random = Random(1)
    drawn = [[math.exp(random.gauss(0, 0.03)) for _ in range(5)] for _ in range(1000)]
    assert 0.93 <= sum(covers(process_interval(own), 1.0) is True for own in drawn) / 1000 <= 0.97


def test_times_are_paired_within_the_processes_that_both_share() -> None:
    one, other = over_processes([2.0, 8.0, 6.0]), over_processes([1.0, 4.0, 3.0])
    found = ratio_of(one, other)
    assert found is not None
    assert (found.low, found.high, found.samples) == pytest.approx((2.0, 2.0, 3))
    alone = make_result(times=[3.0] * 6, session="2")
    shared = ratio_of(alone, other)
    assert shared is not None
    assert (shared.estimate, shared.samples) == (1.0, 6)
    assert ratio_of(make_result(times=[3.0] * 6, session="other"), other) is None


def test_what_is_far_faster_in_each_of_two_processes_is_faster() -> None:
    fast, slow = over_processes([1.0, 1.0]), over_processes([50.0, 10.0], "two")
    ratio = ratio_of(slow, fast)
    assert ratio is not None
    assert ratio.low is not None
    assert ratio.low < 1  # two draws tell no spread
    faster = faster_in([fast, slow])
    assert (faster(fast, slow), faster(slow, fast)) == (True, False)
    close = over_processes([1.5, 50.0], "two")
    assert not faster_in([fast, close])(fast, close)


@pytest.mark.parametrize(("sd", "session"), [(0.01, 0.05), (0.025, 0.02), (0.05, 0.0)])
def test_identical_code_over_several_processes_is_seldom_a_finding(
    sd: float, session: float
) -> None:
    random = Random(f"{sd} {session}")
    found = [pair(random, sd, session=session) for _ in range(40)]
    assert sum(comparison.finding for comparison in found) <= 0.05 * len(found)
    judged = sum(cases(comparison, Direction.SLOWER) for comparison in found)
    assert judged <= 0.08 * sum(len(comparison.rows) for comparison in found)


def test_five_processes_tell_that_most_rows_are_the_same_and_one_does_not() -> None:
    random = Random(2)
    found = [pair(random, 0.025) for _ in range(10)]
    rows = sum(len(comparison.rows) for comparison in found)
    assert sum(cases(comparison, Direction.SAME) for comparison in found) > 0.5 * rows
    assert found[0].processes == 5
    one = pair(random, 0.025, processes=1)
    assert (cases(one, Direction.SAME), one.processes) == (0, 1)


def test_a_slowdown_of_a_fifth_is_found_over_five_processes() -> None:
    random = Random(3)
    for _ in range(10):
        assert pair(random, 0.025, slower=1.2).slower() == ["one"]


def test_what_hides_that_a_time_is_the_same_is_said() -> None:
    def reasons(comparison: Comparison) -> set[str]:
        undecided = [r.time for r in comparison.rows if r.time and r.time.low is not None]
        return {str(c.reason) for c in undecided if c.direction is Direction.UNDECIDED}

    for options, words in (
        ({"sd": 0.03, "processes": 1}, "one process is one sample; `--processes"),
        ({"sd": 0.05}, "the processes of each run differ; `--processes 20` would decide most"),
        ({"sd": 0.01, "session": 0.2}, "the machine changed between the runs"),
    ):
        found = reasons(pair(Random(4), **options))
        assert found
        assert all(words in reason for reason in found)


def pairs_of(spreads: list[float]) -> dict[Key, tuple[Result, Result]]:
    """Pairs of results whose processes have these standard deviations."""
    random = Random(5)

    def drawn(i: int, sd: float) -> Result:
        times = [math.exp(random.gauss(0, sd)) for _ in range(5)]
        return over_processes(times, NAMES[i % 3], n=i + 2)

    made = [(drawn(i, sd), drawn(i, sd)) for i, sd in enumerate(spreads)]
    return {one.key: (one, other) for one, other in made}


def test_cases_alike_share_one_spread_and_others_keep_their_own() -> None:
    alike = pairs_of([0.02] * 60)
    for own in process_noise(alike, dict.fromkeys(alike, 0.0), 0.05).values():
        assert own.freedom > 40  # 8 are its own
        assert own.variance == pytest.approx(0.02**2 * 2 / 5, rel=0.4)
    unlike = pairs_of([0.001] * 30 + [0.1] * 30)
    for (_, case), own in process_noise(unlike, dict.fromkeys(unlike, 0.0), 0.05).items():
        sd = 0.001 if case.batch_size < 32 else 0.1
        assert own.freedom < 10
        assert 0.1 * sd**2 * 2 / 5 <= own.variance <= 4 * sd**2 * 2 / 5


def test_without_enough_unchanged_results_of_others_there_is_no_noise() -> None:
    few = pairs_of([0.02] * 27)  # 18 of the others
    assert process_noise(few, dict.fromkeys(few, 0.0), 0.05) == {}


def test_the_excess_is_what_unchanged_results_differ_beyond_their_noise() -> None:

    def apart(by: float) -> list[Noise]:
        return [Noise(1e-4, 1e9, log_ratio=x) for x in (by, -by)]

    assert excess_variance(apart(0.01)) == pytest.approx(0.0, abs=1e-9)
    assert excess_variance(apart(0.02)) == pytest.approx(3e-4)
    wide, wider = Noise(1e-4, 10.0), Noise(1e-4, 10.0, excess=3e-4, excess_freedom=2)
    assert wide.half_width(0.95) == pytest.approx(2.228139 * 0.01)
    # Satterthwaite's degrees of freedom: 16 / (1 / 10 + 9 / 2) = 3.48.
    assert wider.half_width(0.95) == pytest.approx(2.948 * 0.02, rel=0.01)


def at_speeds(
    random: Random,
    drift: float,
    slower: float = 1.0,
    *,
    names: tuple[str, ...] = (*NAMES, "four"),
    moved: float | None = None,
    noise: float = 0.02,
    processes: int = 20,
    cases: int = 4,
    own_work: bool = False,
) -> list[Result]:
    """A run on a machine whose speed moves between processes by ``drift``, and from run to run.

    The times of the implementations follow it by 0.8 to 1.2; the first is ``slower``. ``own_work``
    of the harness follows it too.
    """
    moved = random.gauss(0, 0.1) if moved is None else moved
    speeds = [moved + random.gauss(0, drift) for _ in range(processes)]
    work = {str(p): math.exp(speed + random.gauss(0, noise)) for p, speed in enumerate(speeds)}
    return [
        over_processes(
            [
                slower ** (name == "one") * math.exp(follows * speed + random.gauss(0, noise))
                for speed in speeds
            ],
            name,
            n=n,
            pass_=pass_,
            other_work_s=work if own_work else None,
        )
        for name, follows in zip(names, (1.0, 0.8, 1.2, 1.0), strict=False)
        for n in range(2, 2 + cases)
        for pass_ in PASSES
    ]


def told_at_speeds(slower: float, drift: float = 0.05) -> Counter[tuple[bool, str]]:
    """How often a time of the first implementation, and one of another, is said to be what."""
    random = Random(6)
    found: Counter[tuple[bool, str]] = Counter()
    for _ in range(25):
        comparison = compare_results(at_speeds(random, drift), at_speeds(random, drift, slower))
        times = [(r.implementation == "one", r.time) for r in comparison.rows if r.time]
        found.update((is_first, str(time.direction)) for is_first, time in times)
        found[True, "finding"] += comparison.finding
    return found


def test_a_machine_that_changes_its_speed_hides_neither_the_same_nor_a_slowdown() -> None:
    same = told_at_speeds(1.0)
    assert sum(n for (_, way), n in same.items() if way == "same") > 0.5 * same.total()
    assert sum(n for (_, way), n in same.items() if way == "slower") <= 0.05 * same.total()
    assert same[True, "finding"] == 0
    slower = told_at_speeds(1.3)
    assert slower[True, "finding"] >= 20
    assert slower[True, "slower"] > 0.95 * 25 * 8
    assert slower[False, "faster"] + slower[False, "slower"] <= 0.05 * 25 * 24


def test_the_harness_own_work_tells_the_speed_beside_two_other_implementations() -> None:
    def sames(*, own_work: bool) -> int:
        random = Random(8)
        options: dict[str, Any] = {"names": NAMES, "cases": 5, "own_work": own_work}
        made = [at_speeds(random, 0.05, **options) for _ in range(10)]
        found = [compare_results(a, b) for a, b in zip(made[::2], made[1::2], strict=True)]
        return sum(cases(comparison, Direction.SAME) for comparison in found)

    rows = 5 * 3 * 10
    assert sames(own_work=False) < 0.3 * rows
    assert sames(own_work=True) > 0.7 * rows


def test_a_speed_that_is_known_with_noise_is_still_taken_out_in_full() -> None:
    """Fitted slopes are 0.75 here, so a move of 0.5 would leave more than 0.1."""
    random = Random(9)
    left = []
    for _ in range(8):
        first, second = (at_speeds(random, 0.05, moved=m, noise=0.06) for m in (0.0, 0.5))
        pairs = {a.key: (a, b) for a, b in zip(first, second, strict=True)}
        found = process_noise(pairs, dict.fromkeys(pairs, 0.0), 0.05)
        left += [own.log_ratio for key, own in found.items() if key[0] in ("one", "four")]
    assert abs(sum(left) / len(left)) < 0.03


@pytest.mark.parametrize("noise", [0.02, 0.04])
def test_as_many_processes_as_are_said_to_be_enough_tell_most_times_the_same(noise: float) -> None:
    random = Random(10)

    def found(processes: int) -> list[Comparison]:
        def one() -> list[Result]:
            return at_speeds(random, 0.05, noise=noise, processes=processes)

        return [compare_results(one(), one()) for _ in range(12)]

    pattern = re.compile(r"--processes (\d+)` would decide most")
    few = [str(r.time.reason) for c in found(6) for r in c.rows if r.time]
    enough = median(int(match[1]) for reason in few if (match := pattern.search(reason)))
    told = [cases(c, Direction.SAME) / len(c.rows) for c in found(int(enough))]
    assert 0.5 < sum(told) / len(told) < 0.97


@pytest.mark.parametrize(("processes", "noise"), [(30, 0.05), (6, 0.4)])
def test_no_number_of_processes_is_named_that_runs_have_or_that_no_run_may_have(
    processes: int, noise: float
) -> None:
    random = Random(11)
    options: dict[str, Any] = {"noise": noise, "processes": processes}
    made = [at_speeds(random, 0.05, **options) for _ in range(8)]
    found = [compare_results(a, b) for a, b in zip(made[::2], made[1::2], strict=True)]
    reasons = [str(r.time.reason) for c in found for r in c.rows if r.time and r.time.reason]
    assert any("the processes of each run differ" in reason for reason in reasons)
    named = [int(n) for reason in reasons for n in re.findall(r"--processes (\d+)", reason)]
    assert all(processes < n <= MOST_PROCESSES for n in named)


def test_what_slows_all_alike_is_left_out_and_said_unless_the_software_differs() -> None:
    first, second = at_speeds(Random(7), 0.05), at_speeds(Random(7), 0.05)
    second = [
        replace(
            r,
            time_samples_s=tuple(1.3 * x for x in r.time_samples_s or ()),
            further_samples_s={
                s: tuple(1.3 * x for x in own) for s, own in (r.further_samples_s or {}).items()
            },
        )
        for r in second
    ]
    found = compare_results(first, second)
    assert cases(found, Direction.SLOWER) == 0
    (said,) = (s.facts["slower"] for s in remarks(found) if s.kind == "at_one_speed")
    assert said == pytest.approx(1.3, abs=0.05)
    found = compare_results(first, second, {"torch": ("2.6", "2.7")})
    assert "at_one_speed" not in {s.kind for s in remarks(found)}
    assert all(r.time and r.time.ratio == pytest.approx(1.3) for r in found.rows)
    assert cases(found, Direction.SAME) == 0


@pytest.mark.parametrize("drift", [0.0, 0.05])
def test_a_change_beyond_the_margin_is_seldom_the_same(drift: float) -> None:
    for ratio in (1.051, 0.949):
        assert told_at_speeds(ratio, drift)[True, "same"] <= 0.05 * 25 * 8
