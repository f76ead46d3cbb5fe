"""Timing with clocks that follow a script: nothing here waits."""

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from statistics import mean

import pytest

from supcr_bench.analysis.statistics import paired_ratio
from supcr_bench.measure.device import Elapsed
from supcr_bench.measure.timing import (
    COMPANY_S,
    ENOUGH_SAMPLES,
    MOST_SAMPLES,
    PLENTY_SAMPLES,
    Samples,
    fastest_of_each_pass,
    garbage_collection_held,
    sample_arms,
)
from supcr_bench.values.case import PASSES
from supcr_bench.values.cell import FEWEST_SAMPLES, Arm, Budget

A, B, C = (Arm(name, "forward") for name in "abc")
STEADY = Budget(sampling_s=1.0, precision=0.02, time_limit_s=10.0)


Clock = Callable[[], Elapsed]


def clock(*seconds: float) -> Clock:
    """Calls that take these seconds, over and over."""
    times = cycle(seconds)
    return lambda: Elapsed(next(times))


def sample(
    arms: dict[Arm, Clock], budget: Budget = STEADY, seed: object = 0
) -> tuple[dict[Arm, Samples], list[Arm]]:
    """The samples, and the arms in the order in which they were called."""
    called: list[Arm] = []

    def call(arm: Arm, number: int) -> Elapsed:
        called.append(arm)
        return arms[arm]()

    return sample_arms(list(arms), call, budget, seed=seed), called


def again(own: Samples) -> Samples:
    """The samples of the second entry; none if the arm has none."""
    return own.again or Samples()


def rounds(called: Sequence[Arm], arms: int) -> Iterator[tuple[Arm, ...]]:
    """The rounds that follow the first calls.

    Each arm has one turn in them, and one arm a second.
    """
    for start in range(arms, len(called), arms + 1):
        yield tuple(called[start : start + arms + 1])


def test_every_arm_is_called_once_a_round_and_the_fastest_twice() -> None:
    samples, called = sample({A: clock(0.02), B: clock(0.01), C: clock(0.03)})
    assert called[:3] == [A, B, C]
    orders = list(rounds(called, 3))
    assert len(orders) == FEWEST_SAMPLES
    assert all(sorted(a.implementation for a in order) == ["a", "b", "b", "c"] for order in orders)
    assert {len(own.seconds) for own in samples.values()} == {FEWEST_SAMPLES}
    assert [len(again(samples[arm]).seconds) for arm in (A, B, C)] == [0, FEWEST_SAMPLES, 0]


def test_the_order_within_rounds_is_random() -> None:
    noisy = Budget(sampling_s=3.0)
    _, called = sample({arm: clock(0.02, 0.04) for arm in (A, B, C)}, noisy)
    orders = [order for order in rounds(called, 3) if set(order) == {A, B, C}]
    assert len(orders) > 50
    assert len(set(orders)) == 12


def test_the_second_entry_comes_before_the_first_as_often_as_after() -> None:
    """Each call takes a second more than the one before, which tells the order of the turns."""
    seconds = iter(range(1, 10_000))
    noisy = Budget(sampling_s=3e4, time_limit_s=1e9)
    samples, _ = sample({A: lambda: Elapsed(float(next(seconds)))}, noisy)
    own = samples[A]
    assert len(own.seconds) == len(again(own).seconds) > 100
    first = sum(a < b for a, b in zip(own.seconds, again(own).seconds, strict=True))
    assert 0.3 < first / len(own.seconds) < 0.7
    assert sorted([1.0, *own.seconds, *again(own).seconds]) == [
        float(i + 1) for i in range(2 * len(own.seconds) + 1)
    ]


def test_the_second_entry_has_its_own_account() -> None:
    samples, called = sample({A: clock(0.0005)})
    own = samples[A]
    assert own.seconds == again(own).seconds == pytest.approx([0.0005] * FEWEST_SAMPLES)
    assert own.spent_s == pytest.approx(0.0005 * (1 + FEWEST_SAMPLES))
    assert again(own).spent_s == pytest.approx(0.0005 * FEWEST_SAMPLES)
    assert len(called) == 1 + 2 * FEWEST_SAMPLES


def test_each_pass_has_the_fastest_of_those_that_are_live_entered_twice() -> None:
    a, b = Arm("a", "training"), Arm("b", "training")
    assert fastest_of_each_pass({A: 2.0, B: 1.0, a: 3.0, b: 4.0}) == [B, a]
    assert fastest_of_each_pass({A: 1.0, B: 1.0}) == [A]
    assert fastest_of_each_pass({}) == []
    samples, _ = sample({A: failing(1, RuntimeError()), B: clock(0.2), a: clock(0.3)})
    assert again(samples[A]).seconds == []
    assert len(again(samples[B]).seconds) == len(again(samples[a]).seconds) == FEWEST_SAMPLES


def test_what_the_device_tells_is_sampled_beside_the_hosts_time() -> None:
    samples, _ = sample({A: lambda: Elapsed(0.002, 0.001), B: clock(1.0)})
    assert samples[A].seconds == [0.002] * FEWEST_SAMPLES
    assert samples[A].device_seconds == [0.001] * FEWEST_SAMPLES
    assert samples[B].device_seconds == []


def test_the_order_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    def order(seed: object) -> list[Arm]:
        return sample({arm: clock(0.01) for arm in (A, B, C)}, seed=seed)[1]

    assert order("session") == order("session")
    assert order("session") != order("another")


def test_a_known_median_ends_an_arm_by_precision() -> None:
    samples, _ = sample({A: clock(0.1)})
    assert samples[A].stopped_by == "precision"
    assert samples[A].seconds == [0.1] * FEWEST_SAMPLES
    assert samples[A].spent_s == pytest.approx(0.1 * (1 + FEWEST_SAMPLES))
    assert again(samples[A]).spent_s == pytest.approx(0.1 * FEWEST_SAMPLES)


def test_a_noisy_arm_ends_when_its_budget_is_spent() -> None:
    samples, _ = sample({A: clock(0.1, 0.3)})
    assert samples[A].stopped_by == "budget"
    assert samples[A].spent_s >= STEADY.sampling_s
    assert samples[A].spent_s - samples[A].seconds[-1] < STEADY.sampling_s or (
        len(samples[A].seconds) == FEWEST_SAMPLES
    )


def test_the_fewest_samples_are_taken_even_beyond_the_sampling_budget() -> None:
    samples, _ = sample({A: clock(0.5, 1.0)})
    assert len(samples[A].seconds) == FEWEST_SAMPLES
    assert samples[A].spent_s > STEADY.sampling_s


def test_an_arm_that_is_clearly_slower_has_enough_samples_and_alike_arms_go_on() -> None:
    noisy = Budget(sampling_s=10.0)
    clocks = {A: clock(0.02, 0.03), B: clock(0.03, 0.02), C: clock(0.039, 0.036)}
    samples, _ = sample(clocks, noisy)
    assert [len(samples[arm].seconds) for arm in (A, B, C)] == [MOST_SAMPLES] * 2 + [ENOUGH_SAMPLES]
    assert samples[C].stopped_by == "budget"  # it missed the precision, which its row says
    samples, _ = sample({A: clock(0.02, 0.03), C: clock(0.039, 0.036)}, noisy)
    # The second entry of the fastest differs from the first by more than the other arm does.
    assert [len(samples[arm].seconds) for arm in (A, C)] == [PLENTY_SAMPLES, ENOUGH_SAMPLES]
    samples, _ = sample({A: clock(0.02, 0.03)}, noisy)
    assert len(samples[A].seconds) == MOST_SAMPLES


def test_an_arm_far_from_all_others_has_the_fewest_samples() -> None:
    noisy = Budget(sampling_s=100.0)
    clocks = {A: clock(0.02, 0.03), B: clock(0.1, 0.12), C: clock(1.0, 1.2)}
    samples, _ = sample(clocks, noisy)
    assert len(samples[C].seconds) == len(samples[B].seconds) == FEWEST_SAMPLES
    # What is used in the end is known better, where its entries differ by as much as here.
    assert len(samples[A].seconds) == PLENTY_SAMPLES
    assert samples[C].stopped_by == "budget"


def test_the_fastest_is_known_well_enough_early_if_its_lead_is_beyond_the_noise() -> None:
    clocks = {A: clock(0.024, 0.026), B: clock(0.1, 0.12)}
    samples, _ = sample(clocks, Budget(sampling_s=100.0))
    own = samples[A]
    assert len(own.seconds) == len(again(own).seconds) == ENOUGH_SAMPLES
    assert own.stopped_by == "budget"


def test_an_arm_that_another_slow_one_may_overtake_goes_on() -> None:
    noisy = Budget(sampling_s=100.0)
    samples, _ = sample({A: clock(0.02), B: clock(0.1, 0.12), C: clock(0.13, 0.15)}, noisy)
    assert len(samples[A].seconds) == FEWEST_SAMPLES  # precise
    assert len(samples[B].seconds) == len(samples[C].seconds) == ENOUGH_SAMPLES


def test_an_arm_slower_by_far_does_not_go_on_because_its_times_come_in_runs() -> None:
    """Where a machine becomes slower and slower, a ratio has no interval, but is plain."""
    drift = [0.09 + 0.001 * i for i in range(MOST_SAMPLES + 1)]
    samples, _ = sample({A: clock(0.02), B: clock(*drift), C: clock(*drift)}, Budget(sampling_s=99))
    own = samples[B].seconds
    assert paired_ratio(own[:ENOUGH_SAMPLES], [0.02] * ENOUGH_SAMPLES).low is None
    assert len(own) == len(samples[C].seconds) == ENOUGH_SAMPLES


def test_an_arm_beyond_the_time_limit_ends_after_one_sample() -> None:
    samples, _ = sample({A: clock(11.0), B: clock(0.1)})
    assert samples[A].seconds == [11.0]
    assert samples[A].stopped_by == "budget"
    assert len(samples[B].seconds) == FEWEST_SAMPLES


def test_a_long_arm_that_has_left_does_not_come_back_and_its_second_entry_left_with_it() -> None:
    clocks = {A: clock(2 * COMPANY_S), B: clock(2 * COMPANY_S, 5 * COMPANY_S)}
    samples, called = sample(clocks, Budget(sampling_s=5.0))
    assert samples[A].stopped_by == "precision"
    assert samples[B].stopped_by == "budget"
    assert len(samples[B].seconds) > len(samples[A].seconds)
    assert len(again(samples[A]).seconds) == len(samples[A].seconds) == FEWEST_SAMPLES
    assert A not in called[2 + 3 * FEWEST_SAMPLES :]


def test_an_arm_that_goes_on_alone_has_as_many_others_called_between_its_turns() -> None:
    """A call costs less if few others ran since the last one, whatever is done to the caches."""
    since: list[int] = [0]

    def other(own_s: float) -> Clock:
        def call() -> Elapsed:
            since[-1] += 1
            return Elapsed(own_s)

        return call

    def call() -> Elapsed:
        since.append(0)
        return Elapsed(next(times))

    times = cycle((0.010, 0.012))
    samples, _ = sample({A: other(0.0112), B: call, C: other(0.0113)})  # alike, so B goes on
    assert len(samples[A].seconds) == len(samples[C].seconds) == FEWEST_SAMPLES
    assert len(samples[B].seconds) > 3 * FEWEST_SAMPLES
    alone = since[1 + 2 * FEWEST_SAMPLES : -1]  # the fastest has two turns in each round
    assert mean(alone) == pytest.approx(1, abs=0.1)


def test_an_arm_that_has_left_is_called_without_what_comes_before_a_timed_call() -> None:
    clocks, noisy = {A: clock(0.02, 0.03), B: clock(0.05)}, Budget(sampling_s=10.0)
    timed: list[Arm] = []
    untimed: list[Arm] = []

    def call(arm: Arm, number: int) -> Elapsed:
        timed.append(arm)
        return clocks[arm]()

    samples = sample_arms(
        [A, B], call, noisy, seed=0, untimed=lambda arm, number: untimed.append(arm)
    )
    assert timed.count(B) == 1 + len(samples[B].seconds) == 1 + FEWEST_SAMPLES
    assert untimed == [B] * (len(samples[A].seconds) - FEWEST_SAMPLES)


def test_samples_are_never_dropped() -> None:
    script = (0.1, 0.1, 0.1, 9.0, 0.1, 0.2)
    samples, called = sample({A: clock(*script), B: clock(1e-3)})
    calls = called.count(A)
    assert samples[A].spent_s == pytest.approx(sum(script[i % 6] for i in range(calls)))
    assert samples[A].seconds == [script[i % 6] for i in range(1, calls)]
    assert 9.0 in samples[A].seconds


def test_a_round_gives_every_arm_the_same_number_so_the_same_inputs() -> None:
    numbers: list[tuple[Arm, int]] = []

    def call(arm: Arm, number: int) -> Elapsed:
        numbers.append((arm, number))
        return Elapsed({A: 0.01, B: 0.02}[arm])

    sample_arms([A, B], call, STEADY, seed=0)
    for round_ in range(FEWEST_SAMPLES + 1):
        assert {arm for arm, number in numbers if number == 4 * round_} == {A, B}


def test_no_two_calls_of_one_implementation_get_the_same_inputs() -> None:
    numbers: list[int] = []

    def call(arm: Arm, number: int) -> Elapsed:
        numbers.append(number)
        return Elapsed(0.01)

    sample_arms([Arm("a", pass_) for pass_ in PASSES], call, STEADY, seed=0)
    assert len(numbers) == len(set(numbers)) == 2 * (1 + 2 * FEWEST_SAMPLES)


def test_flushing_before_each_call_makes_equal_arms_equal_whoever_ran_before() -> None:
    """One of two equal arms goes on for ten times as many rounds; both cost the same."""
    cached: list[Arm] = []

    def arm(own: Arm, spread: float) -> Clock:
        jitter = cycle((0.0, spread))

        def call() -> Elapsed:
            cold = cached != [own]
            cached[:] = [own]
            return Elapsed(0.010 + 0.003 * cold + next(jitter))

        return call

    arms = {A: arm(A, 0.0), B: arm(B, 0.002)}

    def flushed(arm: Arm, number: int) -> Elapsed:
        cached.clear()
        return arms[arm]()

    samples = sample_arms([A, B], flushed, STEADY, seed=0)
    assert len(samples[B].seconds) > 3 * len(samples[A].seconds)
    assert {round(s, 6) for s in samples[A].seconds} == {0.013}
    assert {round(s, 6) for s in samples[B].seconds} == {0.013, 0.015}


def failing(calls: int, error: Exception) -> Clock:
    """Raises on its last call of so many."""
    left = iter(range(calls - 1))

    def call() -> Elapsed:
        if next(left, None) is None:
            raise error
        return Elapsed(0.1)

    return call


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 5])
def test_an_arm_that_raises_in_either_turn_ends_alone(calls: int) -> None:
    error = RuntimeError("worn out")
    samples, called = sample({A: failing(calls, error), B: clock(0.1)})
    assert samples[A].error is error
    assert error.__traceback__ is None
    assert samples[A].stopped_by is None
    assert called.count(A) == calls
    assert samples[B].error is None
    assert len(samples[B].seconds) == FEWEST_SAMPLES


def test_when_every_arm_raises_sampling_ends() -> None:
    samples, _ = sample({arm: failing(1, RuntimeError()) for arm in (A, B)})
    assert all(own.error is not None and not own.seconds for own in samples.values())


def test_without_arms_there_is_nothing_to_do() -> None:
    assert sample({}) == ({}, [])


def test_garbage_is_not_collected_while_sampling_and_is_again_afterwards() -> None:
    seen: list[bool] = []

    def call() -> Elapsed:
        seen.append(gc.isenabled())
        return Elapsed(0.1)

    assert gc.isenabled()
    sample({A: call})
    assert seen
    assert not any(seen)
    assert gc.isenabled()


def test_collection_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        sample({A: clock(0.1)})
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_collection_is_restored_when_sampling_is_interrupted() -> None:
    def interrupted() -> Elapsed:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample({A: interrupted})
    assert gc.isenabled()


def test_garbage_is_collected_once_before() -> None:
    class Loop:
        def __init__(self) -> None:
            self.itself = self

    before = weakref.ref(Loop())
    assert before() is not None
    with garbage_collection_held():
        assert before() is None
        within = weakref.ref(Loop())
        with garbage_collection_held():
            assert within() is not None
