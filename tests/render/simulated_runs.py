"""Runs whose costs follow known laws, with all that can happen in a run, each from a seed."""

from dataclasses import replace
from typing import Any

import numpy as np

from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES, Case, Pass, Workload
from supcr_bench.values.definition import DEFINITIONS, TORCHCELL
from supcr_bench.values.growth_law import get_law
from supcr_bench.values.result import Result, Status
from tests.analysis.simulated_sweeps import cell_samples
from tests.made_runs import make_run
from tests.made_verifications import LATE, NOT_ROBUST, OFF, make_verification

NOTE = ("loopy", "broadcast", "rowsort")
OTHERS = ("scan", "tiled", "mine.py:Loss", "rnc.py:Other")
SIZES = ((16, 64), (16, 32, 64, 128), (8, 16, 24, 32, 48, 64), (16, 32, 64, 128, 256, 512))
LAWS = ("N^2", "N^2 log N", "N^3", "N^4")
ENDS = (Status.WRONG, Status.FAILED, Status.OUT_OF_MEMORY, Status.TIMED_OUT, Status.SKIPPED)


def simulated_run(seed: int) -> Run:
    """A run of a few implementations, with a mishap or two in most."""
    random = np.random.default_rng([17, seed])

    def some(pool: tuple[Any, ...], most: int) -> list[Any]:
        count = int(random.integers(1, min(most, len(pool)) + 1))
        return [pool[i] for i in sorted(random.permutation(len(pool))[:count])]

    names = some((*NOTE, *OTHERS), 4)
    devices = ["cpu", "cuda"] if random.random() < 0.15 else ["cpu"]
    workloads: list[dict[str, Any]] = some(
        ({"dims": 1}, {"dims": 2, "nan_density": 0.25}, {"labels": "tied"}), 2
    )
    if random.random() < 0.2:
        workloads = [{"nan_density": x} for x in (0.0, 0.5, 0.9)]
    sizes = SIZES[int(random.choice(len(SIZES), p=[0.5, 0.3, 0.1, 0.1]))]
    counted = random.random() < 0.3
    passes = some(PASSES, 2)
    several = random.random() < 0.25
    definitions = {
        name: str(random.choice(list(DEFINITIONS))) if several else TORCHCELL.name for name in names
    }
    costs = {(name, p): _cost(random) for name in names for p in PASSES}
    if len(names) > 1 and random.random() < 0.4:  # two that tie
        costs |= {(names[1], p): costs[names[0], p] for p in PASSES}
    noisy = random.random() < 0.1
    processes = 3 if random.random() < 0.15 else 1
    machines = ["quick1", "slow22"] if random.random() < 0.05 else [None]
    ends = _mishaps(random, names, sizes)
    results = [
        result
        for device in devices
        for at, place in enumerate(workloads)
        for n in sizes
        for pass_ in passes
        for result in _cell(
            random,
            [(name, DEFINITIONS[definitions[name]]) for name in names],
            Workload(batch_size=n, device=device, **place),
            pass_,
            costs,
            ends,
            noisy=noisy,
            counted=counted,
            processes=processes,
            machine=machines[at % len(machines)],
        )
    ]
    checked = [
        make_verification(name, *[[], [], [NOT_ROBUST], [OFF], [LATE]][int(random.integers(5))])
        for name in names
        if random.random() < 0.3
    ]
    left_out = {"needy": "needy needs a package"} if random.random() < 0.1 else {}
    laws = {f"{name} {pass_}": law for (name, pass_), (law, *_) in costs.items()}
    return make_run(results, f"simulated-{seed}", checked, unavailable=left_out, laws=laws)


def _cost(random: np.random.Generator) -> tuple[str, float, float]:
    """A law, the seconds of a call at N=16, and the seconds that no size changes."""
    at_16 = float(10 ** random.uniform(-5, -3))
    return str(random.choice(LAWS)), at_16, at_16 * float(random.choice([0, 1, 30]))


def _mishaps(
    random: np.random.Generator, names: list[str], sizes: tuple[int, ...]
) -> dict[str, tuple[Status, int, int, bool]]:
    """How some implementations end, from a size to a size, and whether on tied labels alone."""
    found = {}
    for name in names:
        if random.random() < 0.25:
            status, first = ENDS[int(random.integers(len(ENDS)))], int(random.choice(sizes))
            last = first if random.random() < 0.2 else sizes[-1]
            found[name] = status, first, last, bool(random.random() < 0.2)
    return found


def _cell(
    random: np.random.Generator,
    arms: list[tuple[str, Any]],
    workload: Workload,
    pass_: Pass,
    costs: dict[tuple[str, Pass], tuple[str, float, float]],
    ends: dict[str, tuple[Status, int, int, bool]],
    *,
    noisy: bool,
    counted: bool,
    processes: int,
    machine: str | None,
) -> list[Result]:
    n = workload.batch_size
    seconds = []
    for name, _ in arms:
        law_name, at_16, overhead = costs[name, pass_]
        seconds.append(overhead + at_16 * get_law(law_name).ratio(16, n) * workload.dims)
    least = seconds.index(min(seconds))
    rounds = int(random.integers(3, 20))
    samples = cell_samples(random, [*seconds, seconds[least]], rounds)
    if noisy:
        samples[-1] = tuple(s * float(random.lognormal(0, 1.5)) for s in samples[-1])
    moved = [[s * float(random.lognormal(0, 0.03)) for s in seconds] for _ in range(processes - 1)]
    further = [cell_samples(random, own, rounds) for own in moved]
    found, session = [], workload.describe()
    for index, (name, definition) in enumerate(arms):
        status, start, last, tied = ends.get(name, (Status.MEASURED, 0, 0, False))
        if not start <= n <= last or (tied and workload.labels != "tied"):
            status = Status.MEASURED
        law = get_law(costs[name, pass_][0])
        peak = round(40 * law.of(n) * workload.dims)
        figures: dict[str, Any] = {}
        if status.has_figures:
            figures = {
                "time_samples_s": samples[index],
                "aa_samples_s": samples[-1] if index == least else None,
                "further_samples_s": {
                    f"{session}, {k}": own[index] for k, own in enumerate(further)
                }
                or None,
                "floor_s": min(seconds) / 2 if counted else None,
                "value_tolerances": 7.0 if status is Status.WRONG else 0.5,
                "value_difference": dict.fromkeys([other for other, _ in arms], 1e-7),
            }
        if status.has_figures and counted:
            figures |= {
                "peak_bytes": peak,
                "dispatch_peak_bytes": round(peak * float(random.uniform(0.9, 1.0))),
                "elements_processed": round(1000 * law.of(n)),
                "dispatched_ops": 100,
                "predicted_peak_bytes": peak * float(random.lognormal(0, 0.1)) if n > 60 else None,
                "predicted_peak_from": 16,
            }
            if predicted := figures["predicted_peak_bytes"]:
                figures["predicted_peak_low_bytes"] = 0.9 * predicted
                figures["predicted_peak_high_bytes"] = 1.1 * predicted
        reason = None if status is Status.MEASURED else f"it was {status.words}"
        result = Result(
            implementation=name,
            case=Case.of(workload, pass_, definition),
            status=status,
            reason=reason,
            session=session,
            machine=machine,
            time_limit_s=20.0,
            memory_limit_bytes=2**30,
            **figures,
        )
        found.append(result)
    if random.random() < 0.02:
        found[0] = replace(found[0], process_changes=("changes the number of threads",))
    return found
