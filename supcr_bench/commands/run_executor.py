"""What runs the cells of a run, and whether it can: devices, implementations, machines."""

from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from supcr_bench.commands.run_work import LOCAL, Work
from supcr_bench.store.run import Run
from supcr_bench.sweep.cluster_executor import ClusterExecutor
from supcr_bench.sweep.executor import Executor
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import PlannedCell, make_budget
from supcr_bench.sweep.ray_executor import make_ray_executor, require_ray
from supcr_bench.values.cell import Budget
from supcr_bench.values.errors import StoreError, SubjectError, UsageError
from supcr_bench.values.implementation import Description
from supcr_bench.values.machine import SAME_MACHINE, machine_of

RAY = "ray"


def check_executor(name: str) -> None:
    """Raise a UsageError for an executor that there is not, or that is not installed."""
    kind, colon, address = name.partition(":")
    if kind == RAY and (address or not colon):
        require_ray()
    elif name != LOCAL:
        raise UsageError(
            f"--executor {name!r} is none; known: {LOCAL} (this machine), {RAY} (a Ray that is "
            f"started here) and {RAY}:HOST:PORT (a cluster)"
        )


def make_executor(name: str, work: Work) -> tuple[LocalExecutor | ClusterExecutor, Budget]:
    """What runs the cells, and the budget of an arm; on a cluster, of its first machine.

    Raises:
        UsageError: there is no such cluster, or a machine of it cannot take part.
    """
    kind, _, address = name.partition(":")
    if kind == RAY:
        cluster = make_ray_executor(address or None, work.suite, work.subjects, work.labels)
        return cluster, cluster.budget
    budget = make_budget(work.suite, lambda: psutil.virtual_memory().available)
    return LocalExecutor(budget.threads, work.label_spec), budget


def check_devices(plan: Sequence[PlannedCell], executor: Executor) -> None:
    """Raise a UsageError for a device that is not there."""
    for planned in plan:
        if planned.workload.device not in executor.devices:
            raise UsageError(
                f"no device {planned.workload.device!r} {executor.place}; "
                f"available: {', '.join(executor.devices)}"
            )


def check_calls(
    work: Work, executor: Executor, *, named: bool
) -> tuple[dict[str, Description], dict[str, str]]:
    """What the implementations say of themselves, and why others are unavailable.

    Args:
        work: what to measure.
        executor: where.
        named: whether a person asked for these implementations, and not the suite alone: then each
            of them has to be there.

    Raises:
        SubjectError: one cannot be loaded or called, or none is available.
    """
    descriptions, unavailable = {}, {}
    for name, checked in executor.check(work.subjects, work.plan[0].workload).items():
        if checked.description is not None and not checked.finding:
            descriptions[name] = checked.description
            continue
        finding = checked.finding or "cannot be loaded"
        finding = finding if finding.startswith(name) else f"{name} {finding}"
        if named or not checked.unavailable:
            raise SubjectError(finding)
        unavailable[name] = finding
    if not descriptions:
        raise SubjectError("; ".join(unavailable.values()))
    return descriptions, unavailable


def admit_machines(run: Run, executor: Executor) -> None:
    """Raise a StoreError where a run would get figures of another machine by mistake.

    On a cluster that is no mistake: what each machine measured is kept apart.
    """
    if isinstance(executor, ClusterExecutor):
        return
    if len(run.environments) > 1:
        if set(executor.environments) <= set(run.environments):
            return
        raise StoreError(
            f"the run was measured on {len(run.environments)} kinds of machine, and this one is "
            "none of them; go on with it on a cluster, or start a new run"
        )
    then, now = run.environment, executor.environment
    for key in SAME_MACHINE:
        if then.get(key) != now.get(key):
            raise StoreError(
                f"the run was begun with {key} {then.get(key)}, now it is {now.get(key)}; "
                "start a new run"
            )


def with_environments(info: Mapping[str, Any], executor: Executor) -> dict[str, Any]:
    """The environments that a run has, and those of the machines that go on with it."""
    home = info["environment"]
    known = info.get("environments") or {machine_of(home): home}
    return {**known, **{name: dict(found) for name, found in executor.environments.items()}}
