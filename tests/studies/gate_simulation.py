"""The gate's rule on simulated times whose truth is known: how often it errs, and what it finds.

    python -m tests.studies.gate_simulation [RUNS] [FILE]

Each row is a kind of noise. Times are simulated call by call: rounds of three versions in random
order, in processes of their own, of four cells that are judged together. Three truths are tried:
the same code (a regression is a false alarm), one cell slower by just more than what is allowed (a
pass is an error), and one cell slower by 10 % (which should be found).
"""

import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from supcr_bench.analysis.time_rule import TimeRule, next_look
from supcr_bench.values.gate import GateVerdict

Array = npt.NDArray[np.float64]
CELLS, ROUNDS, VERSIONS = 4, 12, 3
PROCESSES = 34
"""What fits into the time budget of 100 s on a quiet machine, at 3 s a process."""
LIMIT = 0.05
RULE = TimeRule(max_slowdown=LIMIT, cells=CELLS)
BEFORE, AGAIN, AFTER = range(VERSIONS)
CALL_NOISE = 0.02

Noise = Callable[[np.random.Generator, Array], None]
"""Changes the log-times [cell, process, round, version] of identical code in place."""


def _processes(rng: np.random.Generator, log: Array, spread: float) -> None:
    """Each version of each process has a speed of its own, by where its memory lies."""
    log += spread / math.sqrt(2) * rng.standard_normal((*log.shape[:2], 1, VERSIONS))


def steady(rng: np.random.Generator, log: Array) -> None:
    """A ratio spreads by 3 % from process to process."""
    _processes(rng, log, 0.03)


def heavy_tails(rng: np.random.Generator, log: Array) -> None:
    log += 0.012 * rng.standard_t(2, (*log.shape[:2], 1, VERSIONS))
    log += 0.01 * np.abs(rng.standard_t(1.5, log.shape))


def common_drift(rng: np.random.Generator, log: Array) -> None:
    """The machine becomes slower and faster while it measures, by up to a third."""
    _processes(rng, log, 0.02)
    turns = 0.02 * rng.standard_normal((log.shape[1], ROUNDS * VERSIONS)).cumsum(axis=1)
    order = rng.permuted(np.broadcast_to(np.arange(VERSIONS), log.shape), axis=3)
    at = np.arange(ROUNDS)[None, None, :, None] * VERSIONS + order
    log += turns[np.arange(log.shape[1])[None, :, None, None], at]


def shared_noise(rng: np.random.Generator, log: Array) -> None:
    """What a process does to a version, it does in all cells."""
    log += 0.03 / math.sqrt(2) * rng.standard_normal((1, log.shape[1], 1, VERSIONS))


def layout_modes(rng: np.random.Generator, log: Array) -> None:
    """Any version is 30 % slower in 3 of 10 processes."""
    _processes(rng, log, 0.02)
    log += math.log(1.3) * (rng.random((*log.shape[:2], 1, VERSIONS)) < 0.3)


def order_and_layout(rng: np.random.Generator, log: Array) -> None:
    """The first call of a round is 8 % slower; the version loaded first gains 3 %."""
    _processes(rng, log, 0.02)
    order = rng.permuted(np.broadcast_to(np.arange(VERSIONS), log.shape), axis=3)
    log += math.log(1.08) * (order == 0)
    log -= 0.03 * (
        rng.permuted(np.broadcast_to(np.arange(VERSIONS), (*log.shape[:2], 1, 3)), axis=3) == 0
    )


def preempted(rng: np.random.Generator, log: Array) -> None:
    """A load of 4 on 2 cores: one call in eight takes two to four times as long."""
    _processes(rng, log, 0.03)
    log += np.log(rng.uniform(2, 4, log.shape)) * (rng.random(log.shape) < 0.125)


NOISES: dict[str, Noise] = {
    "3 % from process to process": steady,
    "heavy tails": heavy_tails,
    "common drift": common_drift,
    "cells share their noise": shared_noise,
    "modes by layout": layout_modes,
    "order and layout": order_and_layout,
    "calls preempted": preempted,
}


@dataclass(frozen=True)
class Work:
    """What the version after does in the first cell, and whether it may pass or be a regression."""

    change: Noise
    forbidden: GateVerdict


def _mode(rng: np.random.Generator, log: Array, share: float, size: float) -> None:
    log[0, :, :, AFTER] += math.log(size) * (rng.random((log.shape[1], 1)) < share)


def slow_mode(rng: np.random.Generator, log: Array) -> None:
    """3 of 10 processes 30 % slower: 9 % in the mean."""
    _processes(rng, log, 0.02)
    _mode(rng, log, 0.3, 1.3)


def fast_mode(rng: np.random.Generator, log: Array) -> None:
    """6.5 % slower, and 30 % faster in 3 of 10 processes: 4 % faster in the mean."""
    _processes(rng, log, 0.02)
    log[0, :, :, AFTER] += math.log(1.065)
    _mode(rng, log, 0.3, 0.7)


def _periodic(period: int, mean: float) -> Noise:
    def change(rng: np.random.Generator, log: Array) -> None:
        _processes(rng, log, 0.03)
        calls = np.arange(ROUNDS) + rng.integers(0, period, (log.shape[1], 1))
        extra = math.log1p(mean * period)
        log[0, :, :, AFTER] += extra * (calls % period == 0)

    return change


WORK = {
    "3 of 10 processes 30 % slower": Work(slow_mode, GateVerdict.PASS),
    "6.5 % slower, 3 of 10 processes 30 % faster": Work(fast_mode, GateVerdict.REGRESSION),
    "every 10th call 10 calls longer": Work(_periodic(10, 1.0), GateVerdict.PASS),
    "every 10th call 2.5 calls longer": Work(_periodic(10, 0.25), GateVerdict.PASS),
    "every 4th call one call longer": Work(_periodic(4, 0.25), GateVerdict.PASS),
}


def simulate(
    rng: np.random.Generator, noise: Noise, slowdown: float
) -> tuple[list[GateVerdict], int]:
    """The verdict on each cell in one run, and its processes; the first cell is slower."""
    log = CALL_NOISE * rng.standard_normal((CELLS, PROCESSES, ROUNDS, VERSIONS))
    noise(rng, log)
    log[0, :, :, AFTER] += math.log1p(slowdown)
    ratio = np.median(log - log[..., [BEFORE]], axis=2)
    total = np.exp(log).sum(axis=2)
    mean = np.log(total / total[..., [BEFORE]])
    verdicts = [GateVerdict.UNDECIDED] * CELLS
    n, look = RULE.first_look, 1
    while True:
        last = n == PROCESSES
        for cell in [c for c, v in enumerate(verdicts) if v is GateVerdict.UNDECIDED]:
            arms = (x[cell, :n, a].tolist() for x in (ratio, mean) for a in (AFTER, AGAIN))
            after, again, means, mean_again = arms
            judged = RULE.judge(after, again, look, means, mean_again, last=last)
            verdicts[cell] = judged.verdict
        if last or GateVerdict.UNDECIDED not in verdicts:
            return verdicts, n
        n, look = min(next_look(n), PROCESSES), look + 1


def errors(name: str, runs: int) -> tuple[int, int, int, int]:
    """Of so many runs: false alarms, passes at the limit, 10 % found, identical code passed."""
    rng = np.random.default_rng([7, *name.encode()])
    noise, wrong = NOISES[name], Counter[str]()
    for _ in range(runs):
        same, _ = simulate(rng, noise, 0.0)
        wrong["alarm"] += GateVerdict.REGRESSION in same
        wrong["same"] += all(v is GateVerdict.PASS for v in same)
        at_limit, _ = simulate(rng, noise, LIMIT + 1e-4)
        wrong["passed"] += at_limit[0] is GateVerdict.PASS
        wrong["alarm beside"] += GateVerdict.REGRESSION in at_limit[1:]
        wrong["found"] += simulate(rng, noise, 0.10)[0][0] is GateVerdict.REGRESSION
    return wrong["alarm"], wrong["passed"], wrong["found"], wrong["same"]


def forbidden(name: str, runs: int) -> Counter[GateVerdict]:
    """The verdicts on the cell whose work changed."""
    rng = np.random.default_rng([8, *name.encode()])
    return Counter(simulate(rng, WORK[name].change, 0.0)[0][0] for _ in range(runs))


def report(runs: int) -> str:
    lines = [
        "# The gate's rule on simulated times",
        "",
        f"`make gate-simulation` wrote this page: {runs:,} runs a row, {CELLS} cells judged "
        f"together, at most {PROCESSES} processes, {RULE.first_look} at the first look. Allowed: "
        "5 % slower.",
        "",
        "| noise | false alarms | passed at the limit | 10 % slower found | same code passed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in NOISES:
        shares = [f"{100 * count / runs:.1f} %" for count in errors(name, runs)]
        lines.append(f"| {name} | {' | '.join(shares)} |")
    lines += [
        "",
        "The version after does other work in one cell:",
        "",
        "| work | pass | undecided | regression | must not be |",
        "| --- | --- | --- | --- | --- |",
    ]
    kinds = (GateVerdict.PASS, GateVerdict.UNDECIDED, GateVerdict.REGRESSION)
    for name, work in WORK.items():
        found = forbidden(name, runs)
        shares = [f"{100 * found[kind] / runs:.1f} %" for kind in kinds]
        lines.append(f"| {name} | {' | '.join(shares)} | {work.forbidden} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    written = report(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    sys.stdout.write(written)
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(written)
