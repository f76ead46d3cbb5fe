"""The noise of a run, from made-up samples and from clocks that follow a script."""

import gc
import math
from collections.abc import Callable, Iterator
from random import Random

import pytest

from supcr_bench.analysis.statistics import noise_floor, paired_ratio, ratio_half_width
from supcr_bench.measure.device import Elapsed
from supcr_bench.measure.timing import sample_arms
from supcr_bench.values.cell import Arm, Budget
from supcr_bench.values.result import Result
from tests.analysis.readings import covers
from tests.made_results import make_result


def test_the_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians() -> None:
    """Every round takes twice as long as the one before, which both arms share."""
    one = [3.0 * 2**r for r in range(7)]
    other = [1.0 * 2**r for r in range(7)]
    found = paired_ratio(one, other)
    assert (found.estimate, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))
    assert found.samples == 7


def test_the_interval_is_made_of_order_statistics_of_the_rounds_ratios() -> None:
    ratios = [0.9, 1.3, 1.0, 1.1, 0.8, 1.2, 1.4, 0.7, 1.05]
    found = paired_ratio(ratios, [1.0] * 9)
    assert found.estimate == pytest.approx(1.05)
    assert (found.low, found.high) == pytest.approx((0.8, 1.3))
    assert ratio_half_width(found) == pytest.approx(1.05 / 0.8 - 1)
    assert covers(found, 1) is True


def test_the_other_way_round_everything_is_inverted() -> None:
    random = Random(3)
    one, other = ([random.uniform(1, 2) for _ in range(20)] for _ in range(2))
    there, back = paired_ratio(one, other), paired_ratio(other, one)
    assert back.estimate == pytest.approx(1 / there.estimate)
    assert there.low is not None
    assert back.high == pytest.approx(1 / there.low)
    assert ratio_half_width(back) == pytest.approx(ratio_half_width(there))


def test_five_pairs_give_no_interval_and_six_do() -> None:
    five, six = (paired_ratio([2.0] * n, [1.0] * n) for n in (5, 6))
    assert (five.low, five.high, ratio_half_width(five), covers(five, 1)) == (
        None,
        None,
        None,
        None,
    )
    assert five.estimate == pytest.approx(2.0)
    assert (ratio_half_width(six), covers(six, 1)) == (0.0, False)


def test_rounds_of_one_arm_alone_are_left_out() -> None:
    assert paired_ratio([1.0] * 6 + [9.0] * 4, [1.0] * 6).samples == 6


@pytest.mark.parametrize(("one", "other"), [([], []), ([1.0], []), ([0.0], [1.0]), ([1.0], [0.0])])
def test_without_pairs_or_without_time_there_is_no_ratio(
    one: list[float], other: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"no samples|math domain|positive"):
        paired_ratio(one, other)


def a_a(ratio: float, rounds: int = 6, spread: float = 1.0, **fields: object) -> Result:
    """An A/A arm whose rounds differ by this ratio, half of them more and half less by a spread."""
    again = [ratio * spread, ratio / spread] * (rounds // 2)
    return make_result(times=[1.0] * rounds, aa_samples_s=tuple(again), **fields)  # type: ignore[arg-type]


def test_only_an_a_a_arm_has_a_ratio_to_itself() -> None:
    found = noise_floor([make_result(times=[1.0] * 6), a_a(1.1), make_result()])
    assert found is not None
    assert found.spread == pytest.approx(0.1)
    assert found.cells == 1


def test_without_an_a_a_arm_there_is_no_noise_floor() -> None:
    assert noise_floor([]) is None
    assert noise_floor([make_result(times=[1.0] * 6), make_result()]) is None


def test_the_floor_is_that_of_all_a_a_arms_among_the_results() -> None:
    ratios = [1 + 0.001 * i for i in range(-50, 51)]
    results = [make_result(times=[1.0] * 6)] + [a_a(r) for r in ratios]
    found = noise_floor(results)
    assert found is not None
    assert found.cells == 101
    assert found.spread == pytest.approx(0.049)  # five of a hundred are further off


def test_a_few_cells_that_happen_to_be_near_one_do_not_make_the_floor_low() -> None:
    found = noise_floor([a_a(1.001, spread=1.1), a_a(1.0, spread=1.2), a_a(0.999, spread=1.3)])
    assert found is not None
    assert found.spread == pytest.approx(0.2)


def test_with_few_cells_the_floor_is_no_lower_than_the_worst_of_them() -> None:
    found = noise_floor([a_a(1.0), a_a(1.0), a_a(0.8)])
    assert found is not None
    assert found.spread == pytest.approx(0.25)


def test_a_single_cell_of_few_pairs_still_has_a_floor() -> None:
    found = noise_floor([a_a(1.25, rounds=4)])
    assert found is not None
    assert found.cells == 1
    assert found.spread == pytest.approx(0.25)


def test_any_part_of_the_results_has_a_floor_of_its_own() -> None:
    results = [a_a(1.1, pass_="forward"), a_a(1.3, pass_="training")]
    found = noise_floor(r for r in results if r.case.pass_ == "training")
    assert found is not None
    assert found.cells == 1
    assert found.spread == pytest.approx(0.3)


def busy_machine(seed: int) -> Callable[[float], Elapsed]:
    """A clock of a shared machine, given the seconds that a call takes on an idle one.

    Its drift is slow against a round, so that a round's calls share it, and takes it to half again
    as long; on top of it each call is held up by a little as a rule and by a lot now and then.
    """
    random = Random(seed)
    phase = random.uniform(0, 2 * math.pi)
    now_s = 0.0

    def call(idle_s: float) -> Elapsed:
        nonlocal now_s
        drift = 1.25 + 0.25 * math.sin(phase + now_s / 5)
        held_up = 1 + 0.03 * random.lognormvariate(0, 1)
        elapsed_s = idle_s * drift * held_up
        now_s += elapsed_s
        return Elapsed(elapsed_s)

    return call


ONE, OTHER = Arm("one", "forward"), Arm("other", "forward")


def cell_on_a_busy_machine(seed: int, slower: float = 1.5) -> list[Result]:
    """A cell of two arms, timed by the real sampler."""
    clock, idle_s = busy_machine(seed), {ONE: 0.010, OTHER: 0.010 * slower}
    budget = Budget(sampling_s=0.6, precision=0.001)
    samples = sample_arms([ONE, OTHER], lambda arm, _: clock(idle_s[arm]), budget, seed=seed)
    return [
        make_result(
            arm.implementation,
            times=own.seconds,
            aa_samples_s=tuple(own.again.seconds) if own.again else None,
        )
        for arm, own in samples.items()
    ]


@pytest.fixture
def little_garbage() -> Iterator[None]:
    """Sampling begins with a collection, which need not go through all of torch each time."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("little_garbage")
def test_intervals_of_identical_code_cover_one_on_a_busy_machine() -> None:
    results = [result for seed in range(100) for result in cell_on_a_busy_machine(seed)]
    found = noise_floor(results)
    assert found is not None
    ratios = [
        paired_ratio(r.aa_samples_s, r.time_samples_s or ()) for r in results if r.aa_samples_s
    ]
    assert len(ratios) == found.cells == 100
    assert sum(covers(ratio, 1) is True for ratio in ratios) >= 93
    assert 0 < found.spread < 0.05


@pytest.mark.usefixtures("little_garbage")
def test_arms_that_do_differ_are_told_apart_above_the_floor() -> None:
    cells = [cell_on_a_busy_machine(seed, slower=1.1) for seed in range(20)]
    found = noise_floor([result for cell in cells for result in cell])
    assert found is not None
    assert found.spread < 0.1
    for one, other in cells:
        assert one.time_samples_s is not None
        assert other.time_samples_s is not None
        ratio = paired_ratio(other.time_samples_s, one.time_samples_s)
        assert covers(ratio, 1) is False
        assert ratio.estimate == pytest.approx(1.1, rel=found.spread)
