"""Makes the executor of a run, and checks devices, implementations and machines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psutil

from supcr_bench.commands.run_work import Work
from supcr_bench.store.run import Run
from supcr_bench.sweep.cluster_executor import ClusterExecutor
from supcr_bench.sweep.executor import Executor
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import PlannedCell, make_budget, under
from supcr_bench.sweep.ray_executor import make_ray_executor
from supcr_bench.values.cell import Budget
from supcr_bench.values.errors import StoreError, SubjectError, UsageError
from supcr_bench.values.implementation import Description
from supcr_bench.values.machine import SAME_MACHINE, machine_of


def make_executor(name: str, work: Work) -> tuple[LocalExecutor | ClusterExecutor, Budget]:
    """The executor of a name, and the budget of an arm; on a cluster, that of its first machine.

    Args:
        name: ``local``, ``ray`` or ``ray:HOST:PORT``.
        work: what it will run.

    Raises:
        UsageError: Ray is not installed, does not answer, or a machine of it cannot take part.
    """
    kind, _, address = name.partition(":")
    if kind == "ray":
        cluster = make_ray_executor(address or None, work.suite, work.subjects, work.labels)
        return cluster, cluster.budget
    budget = make_budget(work.suite, lambda: psutil.virtual_memory().available)
    return LocalExecutor(budget.threads, work.label_spec), budget


def check_devices(plan: Sequence[PlannedCell], executor: Executor) -> None:
    """Raise a UsageError for a device that the executor's machines do not have."""
    for planned in plan:
        if planned.workload.device not in executor.devices:
            raise UsageError(
                f"no device {planned.workload.device!r} {executor.location}; "
                f"available: {', '.join(executor.devices)}; choose with --device"
            )


def check_calls(
    work: Work, executor: Executor, *, require_all: bool
) -> tuple[Work, dict[str, Description], dict[str, str]]:
    """Load and call each implementation once.

    Args:
        work: what to measure.
        executor: whose machines load them.
        require_all: whether an implementation that needs something that is not installed is an
            error, as when the user named it; a suite's own is left out.

    Returns:
        the work with each implementation's call and definition, descriptions by name, and for each
        implementation that is left out the reason.

    Raises:
        SubjectError: one cannot be loaded or called, or none is available.
    """
    descriptions, unavailable, found = {}, {}, {}
    for name, checked in executor.preflight(work.subjects, work.plan[0].workload).items():
        if checked.description and checked.resolution and not checked.finding:
            found[name] = checked.resolution
            held = checked.resolution.definition.name
            descriptions[name] = replace(checked.description, definition=held)
            continue
        finding = checked.finding or "cannot be loaded"
        finding = finding if finding.startswith(name) else f"{name} {finding}"
        if require_all or not checked.unavailable:
            raise SubjectError(finding)
        unavailable[name] = finding
    if not descriptions:
        raise SubjectError("; ".join(unavailable.values()))
    work = replace(
        work,
        subjects=tuple(replace(s, resolution=found.get(s.name)) for s in work.subjects),
        plan=tuple(under(work.plan, {name: own.definition for name, own in found.items()})),
    )
    return work, descriptions, unavailable


def admit_machines(run: Run, executor: Executor) -> None:
    """Raise a StoreError if the run was not measured on this kind of machine.

    A cluster may add machines: results carry the kind of machine that measured them.
    """
    if isinstance(executor, ClusterExecutor):
        return
    if len(run.environments) > 1:
        if set(executor.environments) <= set(run.environments):
            return
        raise StoreError(
            f"the run was measured on {len(run.environments)} kinds of machine, and this one is "
            "none of them; continue it on a cluster, or start a new run"
        )
    then, now = run.environment, executor.environment
    for key in SAME_MACHINE:
        if then.get(key) != now.get(key):
            raise StoreError(
                f"the run was begun with {key} {then.get(key)}, and this machine has "
                f"{now.get(key)}; start a new run"
            )


def with_environments(info: Mapping[str, Any], executor: Executor) -> dict[str, Any]:
    """The environments of a run by kind of machine, with those of an executor added."""
    home = info["environment"]
    known = info.get("environments") or {machine_of(home): home}
    return {**known, **{name: dict(found) for name, found in executor.environments.items()}}
