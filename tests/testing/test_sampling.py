from typing import Any

import pytest

from supcr_bench.testing.benchmark import MOST_ROUNDS, SupcrBenchmark, plan_rounds


class Calls:
    """Stands in for a call: each takes the next of these seconds, the last for ever."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.made = 0

    def once_s(self) -> float:
        self.made += 1
        return self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]


def rounds(calls: Any, max_time_s: float = 1.0, min_rounds: int = 5) -> int:
    return plan_rounds(calls, max_time_s, min_rounds)


def test_as_many_rounds_are_planned_as_fit_into_the_time() -> None:
    assert rounds(Calls(0.0625)) == 16
    assert rounds(Calls(0.0625), max_time_s=0.5) == 8


def test_there_are_never_fewer_than_asked_for_nor_endlessly_many() -> None:
    slow = Calls(3.0)
    assert rounds(slow) == 5
    assert slow.made == 2
    assert rounds(Calls(1e-7)) == MOST_ROUNDS


def test_the_first_call_which_may_compile_is_left_out() -> None:
    assert rounds(Calls(60.0, 0.0625)) == 16


def test_one_fast_call_among_slow_ones_does_not_make_the_plan() -> None:
    assert rounds(Calls(0.01, 0.01, 0.05)) == 28  # 3 calls take 0.11 s


@pytest.fixture
def marked(request: pytest.FixtureRequest) -> SupcrBenchmark:
    return SupcrBenchmark(None, request)


@pytest.mark.benchmark(max_time=0.25, warmup=True)
def test_the_mark_goes_before_the_command_line(
    marked: SupcrBenchmark, pytestconfig: pytest.Config
) -> None:
    least = pytestconfig.getoption("benchmark_min_rounds")
    assert (marked.max_time_s, marked.min_rounds, marked.warmup) == (0.25, least, True)
