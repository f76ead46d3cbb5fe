"""How many calls pytest-benchmark is to time: planned here, since it takes a number."""

import math
from dataclasses import dataclass
from typing import Any

import pytest

from supcr_bench.measure.one_case import StopwatchCall

MOST_ROUNDS = 10_000


@dataclass(frozen=True, slots=True)
class Sampling:
    """How long pytest-benchmark is to go on.

    Attributes:
        max_time_s: seconds of timed calls.
        min_rounds: calls, however long they take.
        warmup: whether as many calls as ``min_rounds`` come first.
    """

    max_time_s: float
    min_rounds: int
    warmup: bool

    @classmethod
    def of(cls, request: pytest.FixtureRequest) -> "Sampling":
        """The limits of the test's ``benchmark`` mark and the command line."""
        marker = request.node.get_closest_marker("benchmark")
        options = marker.kwargs if marker else {}

        def option(name: str) -> Any:
            return options.get(name, request.config.getoption(f"benchmark_{name}"))

        return cls(float(option("max_time")), int(option("min_rounds")), bool(option("warmup")))

    def rounds(self, call: StopwatchCall) -> int:
        """The number of calls that fit into the time.

        It follows from the mean of the calls in a tenth of that time: on a busy machine, the
        fastest call would predict too many. The first call, which may include one-time work, is
        not counted.
        """
        call.once_s()
        calls, spent_s = 0, 0.0
        while calls == 0 or (spent_s < self.max_time_s / 10 and calls < MOST_ROUNDS / 10):
            spent_s += call.once_s()
            calls += 1
        wanted = math.ceil(self.max_time_s * calls / max(spent_s, 1e-9))
        return max(min(wanted, MOST_ROUNDS), self.min_rounds)
