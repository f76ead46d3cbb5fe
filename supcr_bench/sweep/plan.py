"""Lays out a suite as cells (one workload, several implementations), in the order to run them."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from supcr_bench.inputs.label_file import LabelFile
from supcr_bench.sweep.suite import Axes, Suite
from supcr_bench.values.axes import WORKLOAD_AXES
from supcr_bench.values.case import ITEM_BYTES, Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.definition import Definition
from supcr_bench.values.errors import InputError, SuiteError
from supcr_bench.values.machine import default_threads
from supcr_bench.values.units import format_bytes, format_count

MOST_CELLS = 100_000
PROCESS_BYTES = 2**27
"""The memory of a process that imports torch, at least."""


def untimed(plan: Sequence[Cell]) -> list[Cell]:
    return [replace(planned, timed=False) for planned in plan]


def only(plan: Sequence[Cell], implementations: Collection[str]) -> list[Cell]:
    cells = [
        replace(planned, arms=tuple(a for a in planned.arms if a.implementation in implementations))
        for planned in plan
    ]
    return [planned for planned in cells if planned.arms]


def over_processes(plan: Sequence[Cell], processes: int) -> list[Cell]:
    """The cells of each process of a run; a further process only times calls."""
    cells = (replace(cell, process=p) for p in range(1, processes + 1) for cell in plan)
    return [cell for cell in cells if cell.timed or not cell.further]


def under(plan: Sequence[Cell], definitions: Mapping[str, Definition]) -> list[Cell]:
    """The cells, with each implementation compared with its definition in the mapping, if any."""

    def arm(given: Arm) -> Arm:
        own = definitions.get(given.implementation, given.definition)
        return replace(given, definition=own)

    return [replace(planned, arms=tuple(map(arm, planned.arms))) for planned in plan]


def with_own_cells(plan: Sequence[Cell], implementations: Collection[str]) -> list[Cell]:
    """The cells, split so that each of these implementations is measured alone."""
    groups = [{a.implementation for c in plan for a in c.arms} - set(implementations)]
    groups += [{name} for name in implementations]
    return [cell for planned in plan for group in groups for cell in only([planned], group)]


def _workloads(axes: Axes, suite: Suite, own: LabelFile | None) -> list[Workload]:
    values = {axis.field: axes.values(axis) or (None,) for axis in WORKLOAD_AXES}
    count = math.prod(map(len, values.values()))
    if count > MOST_CELLS:
        raise SuiteError(
            f"a grid of suite {suite.name} has {format_count(count)} cells, and a run takes at "
            f"most {format_count(MOST_CELLS)}; name fewer values of its axes"
        )
    if own:
        labels = {"dims": (len(own.columns),), "labels": (own.label_kind,)}
        values |= {"nan_density": (None,), **labels}
    # The last axis of a description varies slowest.
    names = list(reversed(values))
    return [
        Workload(**dict(zip(names, chosen, strict=True)), seed=suite.seed)
        for chosen in itertools.product(*(values[name] for name in names))
    ]


def make_plan(
    suite: Suite, implementations: Sequence[str], own: LabelFile | None = None
) -> list[Cell]:
    """Every cell of a suite, once; small batches first, to predict the cost of larger ones."""
    arms: dict[Workload, dict[Arm, None]] = {}
    timed: set[Workload] = set()
    for axes in suite.grids():
        run = [name for name in implementations if name not in (axes.without or ())]
        for workload in _workloads(axes, suite, own) if run else ():
            wanted = arms.setdefault(workload, {})
            wanted.update((Arm(name, p), None) for name in run for p in axes.pass_ or ())
            if axes.timed:
                timed.add(workload)
    if own:
        for workload in arms:
            if workload.batch_size > own.rows:
                raise InputError(
                    f"the labels file has {own.rows} rows, fewer than a batch of "
                    f"{workload.batch_size}; use --batch-size up to {own.rows}"
                )
    if not arms:
        raise SuiteError("nothing to run: no implementation or no workload")
    for workload in arms:
        if workload.ranks > 1 and workload.device != "cpu":
            raise SuiteError(
                f"suite {suite.name} has cells over {workload.ranks} ranks, which run on the CPU "
                f"only: give --set ranks=1, or leave out device {workload.device}"
            )
    order = {s: i for i, s in enumerate(dict.fromkeys(w.series() for w in arms))}
    place = {name: i for i, name in enumerate(implementations)}
    workloads = sorted(arms, key=lambda w: (order[w.series()], w.batch_size))
    return [
        Cell(w, tuple(sorted(arms[w], key=lambda a: place[a.implementation])), timed=w in timed)
        for w in workloads
    ]


def allowances(suite: Suite) -> dict[Workload, dict[str, float]]:
    """The limits that the suite's grids set for the gate, by workload; the last grid decides."""
    found: dict[Workload, dict[str, float]] = {}
    for axes in suite.grids():
        for workload in _workloads(axes, suite, None) if axes.allowed else ():
            found.setdefault(workload, {}).update(axes.allowed)
    return found


def require_room(plan: Sequence[Cell]) -> None:
    """Raise a SuiteError if a cell's inputs and ranks alone need more memory than there is."""
    import psutil  # slow to import

    total = psutil.virtual_memory().total
    for w in (planned.workload for planned in plan):
        needed = w.batch_size * (2 * w.embedding_size + w.dims) * ITEM_BYTES[w.dtype]
        needed += (w.ranks - 1) * PROCESS_BYTES
        if w.device == "cpu" and needed > total:
            raise SuiteError(
                f"the inputs{' and processes' * (w.ranks > 1)} of {w.describe()} alone take "
                f"{format_bytes(needed)}, and this machine has {format_bytes(total)}; use a "
                f"smaller batch_size, embedding_size or dims{', or fewer ranks' * (w.ranks > 1)}"
            )


def make_budget(
    suite: Suite, available_bytes: int | None = None, cpus: int | None = None
) -> Budget:
    """The budget on a machine, by default this one; at most four fifths of its free memory."""
    if available_bytes is None:
        import psutil

        available_bytes = psutil.virtual_memory().available
    most = int(0.8 * available_bytes)
    wanted = suite.budget.memory_limit
    return Budget(
        time_limit_s=suite.budget.time_limit,
        memory_limit_bytes=most if wanted is None else min(wanted, most),
        sampling_s=suite.budget.sampling,
        precision=suite.budget.precision,
        threads=suite.budget.threads or default_threads(cpus),
        processes=suite.budget.processes,
    )
