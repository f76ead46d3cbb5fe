"""``make cross-check``: the times of this harness beside those of two established tools.

The same calls, on the same tensors, in one process, are timed by the harness, by
``torch.utils.benchmark.Timer`` and by pytest-benchmark, in blocks: each block times one call with
one tool, and within a round every call meets every tool once, in random order. So the machine's
drift falls on all tools alike, and round r of one tool is the pair of round r of another. It takes
some minutes, and is no part of the test suite, whose files are called ``test_*``.

A call clears the gradients and lets go of its graph itself. In a run of the harness both lie
outside the timed region; the other tools know no outside.
"""

import functools
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median

import pytest
import torch
from torch.utils import benchmark as torch_benchmark

from supcr_bench.analysis.statistics import interval_rank
from supcr_bench.measure.device import Cpu, Meter
from supcr_bench.measure.timing import sample_arms
from supcr_bench.values.case import PASSES, Pass, Workload
from supcr_bench.values.cell import FEWEST_SAMPLES, Arm, Budget
from supcr_bench.values.units import format_duration_s
from tests.batches import clear_gradients, make_leaves
from tests.examples import build

HARNESS, TORCH, PYTEST = TOOLS = ("supcr-bench", "torch Timer", "pytest-benchmark")
SIZES = (32, 128, 256)
ROUNDS = 20
BLOCK_S = 0.1
ALLOWANCE = 0.02
"""A ratio this close to 1 is bookkeeping: the harness reads its clock around every call, the others
around a loop of short ones. Two tools differ where the interval leaves 1 out and this does too."""

Call = Callable[[], None]
Timed = tuple[str, Pass, int]
"""Implementation, pass and batch size."""
CALLS: tuple[Timed, ...] = tuple(
    (name, pass_, n) for n in SIZES for name in ("broadcast", "rowsort") for pass_ in PASSES
)
CONFIDENCE = 1 - 0.05 / (2 * len(CALLS))
"""Of each interval of a ratio, so that all of them hold at once with 95 %."""
found: dict[tuple[Timed, str], list[float]] = {}
"""Median seconds of each block."""


def schedule() -> Iterator[tuple[int, Timed, str]]:
    """Every round, with each call under each tool once, in random order."""
    shuffle = random.Random(0).shuffle
    for r in range(ROUNDS):
        blocks = [(r, timed, tool) for timed in CALLS for tool in TOOLS]
        shuffle(blocks)
        yield from blocks


@functools.cache
def make_call(timed: Timed) -> Call:
    """The call that all tools time, warmed up."""
    name, pass_, n = timed
    batch = make_leaves(Workload(batch_size=n))
    module = build(name, 0.1, batch.weights)

    def call() -> None:
        clear_gradients(batch)
        loss, _ = module(batch.first, batch.second, batch.labels)
        if pass_ == "training":
            loss.backward()

    for _ in range(3):
        call()
    return call


def by_harness(timed: Timed) -> float:
    name, pass_, _ = timed
    arm, meter = Arm(name, pass_), Meter(Cpu())
    call = make_call(timed)
    samples = sample_arms(
        [arm],
        lambda arm, number: meter.time(arm, call),
        Budget(sampling_s=BLOCK_S, precision=1e-9),
        seed=0,
    )
    return median(samples[arm].seconds)


def by_torch(timed: Timed) -> float:
    timer = torch_benchmark.Timer(
        "call()",
        globals={"call": make_call(timed)},
        num_threads=torch.get_num_threads(),  # its default is 1, whatever is set
    )
    return float(timer.blocked_autorange(min_run_time=BLOCK_S).median)


def by_pytest(timed: Timed, request: pytest.FixtureRequest) -> float:
    fixture = request.getfixturevalue("benchmark")
    fixture(make_call(timed))
    return float(fixture.stats.stats.median)


@pytest.mark.benchmark(
    min_rounds=FEWEST_SAMPLES,
    max_time=BLOCK_S,
    min_time=0.0,
    timer=time.perf_counter,
    disable_gc=True,
    warmup=False,
)
@pytest.mark.parametrize(("round_", "timed", "tool"), list(schedule()))
def test_one_block(round_: int, timed: Timed, tool: str, request: pytest.FixtureRequest) -> None:
    if tool == PYTEST:
        seconds = by_pytest(timed, request)
    else:
        seconds = by_harness(timed) if tool == HARNESS else by_torch(timed)
    found.setdefault((timed, tool), []).append(seconds)
    assert len(found[timed, tool]) == round_ + 1


def interval(values: list[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Median, and order statistics that cover it."""
    ordered = sorted(values)
    rank = interval_rank(len(ordered), (1 - confidence) / 2)
    assert rank, "too few rounds for that confidence"
    return median(ordered), ordered[rank - 1], ordered[-rank]


def test_the_tools_agree(capsys: pytest.CaptureFixture[str]) -> None:
    lines, apart = [], []
    for timed in CALLS:
        name, pass_, n = timed
        lines.append(f"\n{name} {pass_}, N={n}")
        ours = found[timed, HARNESS]
        for tool in TOOLS:
            theirs = found[timed, tool]
            middle, low, high = interval(theirs)
            figures = [format_duration_s(s) for s in (middle, low, high)]
            line = f"  {tool:16} {figures[0]:>8} [{figures[1]}, {figures[2]}]"
            if tool != HARNESS:
                logs = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
                ratio, least, most = (math.exp(x) for x in interval(logs, CONFIDENCE))
                verdict = "agrees"
                if not least <= 1 <= most:
                    near = abs(ratio - 1) <= ALLOWANCE
                    verdict = f"agrees within {ALLOWANCE:.0%}" if near else "DIFFERS"
                line += f", ours over it {ratio:.3f} [{least:.3f}, {most:.3f}]: {verdict}"
                if verdict == "DIFFERS":
                    apart.append(f"{name} {pass_} N={n} {tool}")
            lines.append(line)
    lines.append(
        f"\nMedians over {ROUNDS} blocks with 95 % intervals; ratios paired by round, with "
        f"intervals that hold all at once with 95 % ({CONFIDENCE:.2%} each).\n"
    )
    with capsys.disabled():
        sys.stdout.write("\n".join(lines))
    assert not apart
