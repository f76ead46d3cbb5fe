"""Timing with clocks that follow a script: nothing here waits."""

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

import pytest

from supcr_bench.measure.timing import (
    FEWEST_SAMPLES,
    MOST_REPETITIONS,
    Samples,
    garbage_collection_held,
    sample_arms,
)
from supcr_bench.values.cell import Arm, Budget

A, B, C = (Arm(name, "forward") for name in "abc")
STEADY = Budget(shortest_sample_s=0.002, sampling_s=1.0, precision=0.02, time_limit_s=10.0)


def clock(*seconds: float) -> Callable[[], float]:
    """Calls that take these seconds, over and over."""
    times = cycle(seconds)
    return lambda: next(times)


def sample(
    arms: dict[Arm, Callable[[], float]], budget: Budget = STEADY, seed: object = 0
) -> tuple[dict[Arm, Samples], list[Arm]]:
    """The samples, and the arms in the order in which they were called."""
    called: list[Arm] = []
    return sample_arms(arms, budget, seed=seed, between=called.append), called


def rounds(called: Sequence[Arm], arms: int) -> Iterator[tuple[Arm, ...]]:
    """The rounds that follow the calibrating calls, where each sample is one call."""
    for start in range(arms, len(called), arms):
        yield tuple(called[start : start + arms])


def test_every_arm_is_called_once_a_round() -> None:
    samples, called = sample({arm: clock(0.01) for arm in (A, B, C)})
    assert called[:3] == [A, B, C]
    orders = list(rounds(called, 3))
    assert len(orders) == FEWEST_SAMPLES
    assert all(set(order) == {A, B, C} for order in orders)
    assert {len(own.seconds) for own in samples.values()} == {FEWEST_SAMPLES}


def test_the_order_within_rounds_is_random() -> None:
    noisy = Budget(sampling_s=3.0)
    _, called = sample({arm: clock(0.01, 0.03) for arm in (A, B, C)}, noisy)
    orders = list(rounds(called, 3))
    assert len(orders) > 100
    assert len(set(orders)) == 6


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


def test_an_arm_beyond_the_time_limit_ends_after_one_sample() -> None:
    samples, _ = sample({A: clock(11.0), B: clock(0.1)})
    assert samples[A].seconds == [11.0]
    assert samples[A].stopped_by == "budget"
    assert len(samples[B].seconds) == FEWEST_SAMPLES


def test_an_arm_that_has_left_does_not_come_back() -> None:
    samples, called = sample({A: clock(0.1), B: clock(0.02, 0.06)})
    assert samples[A].stopped_by == "precision"
    assert samples[B].stopped_by == "budget"
    assert len(samples[B].seconds) > len(samples[A].seconds)
    assert A not in called[2 * (FEWEST_SAMPLES + 1) :]


def test_samples_are_never_dropped() -> None:
    script = (0.1, 0.1, 0.1, 9.0, 0.1, 0.2)
    samples, called = sample({A: clock(*script)})
    assert samples[A].spent_s == pytest.approx(sum(script[i % 6] for i in range(len(called))))
    assert samples[A].seconds == [script[i % 6] for i in range(1, len(called))]
    assert 9.0 in samples[A].seconds


@pytest.mark.parametrize(
    ("seconds", "repetitions"),
    [(0.5, 1), (0.002, 1), (0.0015, 2), (0.0005, 4), (1e-7, MOST_REPETITIONS)],
)
def test_short_calls_are_repeated_until_a_sample_is_long_enough(
    seconds: float, repetitions: int
) -> None:
    samples, called = sample({A: clock(seconds)})
    assert samples[A].repetitions == repetitions
    assert len(called) == 1 + repetitions * len(samples[A].seconds)


def test_a_sample_is_the_mean_of_its_calls() -> None:
    samples, _ = sample({A: clock(0.001, 0.001, 0.003)}, Budget(shortest_sample_s=0.003))
    assert samples[A].repetitions == 3
    assert samples[A].seconds[0] == pytest.approx(0.005 / 3)


def failing(calls: int, error: Exception) -> Callable[[], float]:
    """Raises on its last call of so many."""
    left = iter(range(calls - 1))

    def call() -> float:
        if next(left, None) is None:
            raise error
        return 0.1

    return call


@pytest.mark.parametrize("calls", [1, 2, 4])
def test_an_arm_that_raises_ends_alone(calls: int) -> None:
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


def test_what_happens_between_comes_before_every_call() -> None:
    log: list[str] = []

    def arm(name: str) -> Callable[[], float]:
        def call() -> float:
            log.append(name)
            return 0.0005

        return call

    def between(arm: Arm) -> None:
        log.append(f"before {arm.implementation}")

    sample_arms({A: arm("a"), B: arm("b")}, STEADY, seed=0, between=between)
    assert len(log) == 2 * 2 * (1 + 4 * FEWEST_SAMPLES)
    assert log[0::2] == [f"before {name}" for name in log[1::2]]


def test_garbage_is_not_collected_while_sampling_and_is_again_afterwards() -> None:
    seen: list[bool] = []

    def call() -> float:
        seen.append(gc.isenabled())
        return 0.1

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
    def interrupted() -> float:
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
        assert within() is not None
