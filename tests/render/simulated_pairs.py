"""Pairs of runs whose truth is known: what changed, and what a session did, each from a seed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.result import Result, Status
from tests.made_runs import ENVIRONMENT, make_run

NAMES = ("loopy", "broadcast", "rowsort", "scan", "mine.py:Loss")
SIZES = (8, 12, 16, 24, 32, 48, 64, 96)
COUNTED = ("dispatched_ops", "elements_processed", "peak_bytes", "python_instructions")
CHANGES: tuple[Mapping[str, float], ...] = (
    {"dispatched_ops": 1.1},
    {"dispatched_ops": 1.1, "elements_processed": 0.9},
    {"elements_processed": 0.5},
    {"peak_bytes": 1.008},
    {"peak_bytes": 1.2},
    {"python_instructions": 1.04},
    {"python_instructions": 1.3},
    {"dispatched_ops": 1.5, "peak_bytes": 2.0, "python_instructions": 0.5},
)
ENDS = (Status.WRONG, Status.FAILED, Status.OUT_OF_MEMORY, Status.TIMED_OUT, Status.SKIPPED)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two runs, the margin of their comparison, and how much slower each implementation became."""

    first: Run
    second: Run
    margin: float
    slower: Mapping[str, float]


def simulated_pair(
    seed: int, processes: tuple[int, int] = (1, 1), between: float = 0.02, *, quiet: bool = False
) -> Pair:
    """Two runs of so many processes each, which differ by ``between``; if quiet, by that alone."""
    random = np.random.default_rng([18, seed])

    def pick(*pool: Any) -> Any:
        return pool[int(random.integers(len(pool)))]

    names = NAMES[: int(random.integers(1, len(NAMES) + 1))]
    sizes = SIZES[: int(random.integers(2, len(SIZES) + 1))]
    slower = {name: pick(1.0, 1.0, 1.0, 1.0, 0.6, 1.3, 2.0) for name in names}
    changes = {name: pick(*CHANGES) if random.random() < 0.25 else {} for name in names}
    of_session = {name: float(np.exp(random.normal(0, pick(0.0, 0.02, 0.1)))) for name in names}
    spread, moved = pick(0.0, 0.01, 0.05, 0.3), pick(0.0, 0.01, 0.04)
    if quiet:
        names, sizes, changes = NAMES, SIZES[:4], {name: {} for name in NAMES}
        slower = of_session = dict.fromkeys(names, 1.0)
        spread, moved = 0.01, 0.0
    machines = _machines(random)
    runs = []
    for is_second in (False, True):
        results = []
        for name in names:
            for n in sizes:
                for pass_ in PASSES:
                    seconds = 1e-6 * n**2 * float(np.exp(random.normal(0, moved)))
                    factors: Mapping[str, float] = {}
                    if is_second:
                        seconds *= slower[name] * of_session[name]
                        factors = changes[name]
                    fields = _fields(random, n, factors)
                    samples = seconds * np.exp(random.normal(0, spread, pick(8, 8, 8, 13, 5)))
                    times: dict[str, Any] = {}
                    if fields["status"].has_figures and random.random() < 0.97:
                        times["time_samples_s"] = tuple(map(float, samples))
                        if (count := processes[is_second]) > 1:
                            drawn = np.exp(random.normal(0, between, count - 1))
                            times["further_samples_s"] = {
                                f"process {k}": tuple(map(float, samples * by))
                                for k, by in enumerate(drawn, start=2)
                            }
                    machine = pick(*machines[is_second])
                    if random.random() < 0.97:
                        own = {"implementation": name, "case": _case(n, pass_), **fields}
                        results.append(Result(machine=machine, **own, **times))
        if random.random() < 0.1:
            end = Status.SKIPPED
            results = [
                Result(implementation=r.implementation, case=r.case, status=end) for r in results
            ]
        runs.append(_run(random, results, machines[is_second], is_second=is_second))
    if random.random() < 0.03:
        runs[1] = replace(runs[0], info=runs[1].info)
    return Pair(runs[0], runs[1], margin=pick(0.05, 0.05, 0.1, 0.4), slower=slower)


def _machines(random: np.random.Generator) -> tuple[list[str], list[str]]:
    """The machines of each run's results."""
    kinds: list[tuple[list[str], list[str]]] = [
        (["here"], ["here"]),
        (["here"], ["there"]),
        (["here", "there"], ["here"]),
        (["there"], ["there", "there", "here"]),
    ]
    return kinds[int(random.choice(4, p=[0.82, 0.06, 0.06, 0.06]))]


def _run(
    random: np.random.Generator, results: list[Result], machines: list[str], *, is_second: bool
) -> Run:
    own = {"python": "3.12.1", "torch": "2.6.0"}
    if is_second and random.random() < 0.2:
        own = [{**own, "torch": "2.7.0"}, {**own, "python": "3.12.9"}][int(random.integers(2))]
    environments = {
        name: {**ENVIRONMENT, **own, "cpu": f"a CPU {name}"} for name in ("here", "there")
    }
    home = environments[machines[0] if random.random() < 0.9 else "there"]
    run_id = "second" if is_second else "first"
    return make_run(results, run_id, environment=home, environments=environments)


@cache
def _case(batch_size: int, pass_: Pass) -> Case:
    return Case(batch_size=batch_size, pass_=pass_)


def _fields(random: np.random.Generator, n: int, factors: Mapping[str, float]) -> dict[str, Any]:
    """The status of a result, its counts and its limits."""
    status = Status.MEASURED
    if random.random() < 0.03:
        status = ENDS[int(random.integers(len(ENDS)))]
    counts: dict[str, Any] = {}
    if status.has_figures:
        whole = dict(zip(COUNTED, (10 * n, 1000 * n**2, 8000 * n**2, 50 * n), strict=True))
        counts = {k: round(v * factors.get(k, 1.0)) for k, v in whole.items()}
        if random.random() < 0.1:
            counts.pop(COUNTED[int(random.integers(4))])
    limit = 2**30 if random.random() < 0.8 else 2**29
    return {
        "status": status,
        "reason": None if status is Status.MEASURED else f"it was {status.words}",
        "time_limit_s": 1e-6 * n**2 * (2.0, 20.0)[int(random.integers(2))],
        "memory_limit_bytes": limit,
        **counts,
    }
