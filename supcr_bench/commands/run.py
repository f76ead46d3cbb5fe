"""``supcr-bench run``: from a request to a stored run and its report."""

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.text import Text

import supcr_bench
from supcr_bench.commands.progress import make_progress
from supcr_bench.commands.report import show_and_write
from supcr_bench.commands.verify import verify_each
from supcr_bench.inputs.label_file import LabelFile, read_label_file
from supcr_bench.store.revision import git_revision
from supcr_bench.store.run import RESULTS, Run, RunWriter, find_run, load_run, new_run_id
from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.sweep.cluster_executor import ClusterExecutor
from supcr_bench.sweep.executor import Executor
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import OwnLabels, PlannedCell, make_budget, make_plan, only
from supcr_bench.sweep.ray_executor import make_ray_executor, require_ray
from supcr_bench.sweep.runner import CellEnded, CellStarted, run_sweep
from supcr_bench.sweep.suite import Suite, load_suite, read_axes, read_budgets
from supcr_bench.values.cell import Account, Budget
from supcr_bench.values.definition import get_definition
from supcr_bench.values.errors import StoreError, SubjectError, UsageError
from supcr_bench.values.growth_law import get_law
from supcr_bench.values.implementation import Description
from supcr_bench.values.machine import SAME_MACHINE, machine_of
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_clock
from supcr_bench.workers.activity import Activity

DEFAULT_SUITE = "default"
LOCAL = "local"
RAY = "ray"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What was typed."""

    suite: str | None = None
    implementations: tuple[str, ...] = ()
    axes: Mapping[str, str]
    budgets: Mapping[str, str]
    labels: str | None = None
    seed: int | None = None
    out: Path | None = None
    resume: str | None = None
    verify: bool | None = None
    executor: str = LOCAL

    @property
    def names_work(self) -> bool:
        """Whether anything was said of what to measure."""
        return bool(
            self.suite
            or self.implementations
            or self.axes
            or self.budgets
            or self.labels is not None
            or self.seed is not None
        )


@dataclass(frozen=True, slots=True)
class Work:
    """A request that has been checked as far as that goes without torch.

    Attributes:
        suite: with the axes and budgets of the command line.
        subjects: to measure.
        labels: of a person's own, if any.
        plan: the cells.
        unavailable: implementations that the suite names and that cannot be measured here, and why.
    """

    suite: Suite
    subjects: tuple[Subject, ...]
    labels: LabelFile | None
    plan: tuple[PlannedCell, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)

    def without(self, unavailable: Mapping[str, str]) -> "Work":
        """The same without these implementations, where anything is left."""
        names = [s.name for s in self.subjects if s.name not in unavailable]
        if not unavailable or not names:
            return self
        subjects = tuple(s for s in self.subjects if s.name in names)
        plan = tuple(only(self.plan, names))
        return replace(self, subjects=subjects, plan=plan, unavailable=unavailable)

    def verifying(self, wanted: bool | None) -> "Work":
        """The same, with verification as it is wanted; ``None`` leaves it as it is."""
        if wanted is None:
            return self
        return replace(self, suite=self.suite.model_copy(update={"verify": wanted}))

    def to_mapping(self) -> dict[str, Any]:
        """For ``run.json``; :func:`work_from_mapping` reads it."""
        return {
            "suite": self.suite.model_dump(mode="json", by_alias=True, exclude_none=True),
            "subjects": [s.name for s in self.subjects],
            "labels": asdict(self.labels) if self.labels else None,
            "unavailable": dict(self.unavailable),
        }

    def measures_as(self, other: "Work") -> bool:
        """Whether the results would be the same; verification may be another."""
        own = self.without(other.unavailable)
        return own.verifying(False).to_mapping() == other.verifying(False).to_mapping()

    @property
    def label_spec(self) -> str | None:
        """The labels file and columns, as the command line takes them."""
        return f"{self.labels.path}:{','.join(self.labels.columns)}" if self.labels else None


def make_work(suite: Suite, names: Sequence[str], labels: str | None) -> Work:
    """Locate, read and lay out; torch is not needed for it.

    Raises:
        UsageError: anything that can be known to be wrong by now.
    """
    subjects = tuple(locate(name) for name in dict.fromkeys(names))
    file, own = None, None
    if labels:
        file, table = read_label_file(labels)
        own = OwnLabels(file.label_kind, table.shape[1], len(table))
    plan = make_plan(suite, [s.name for s in subjects], own)
    return Work(suite, subjects, file, tuple(plan))


def requested_work(request: RunRequest) -> Work:
    """The work that a request names.

    Raises:
        UsageError: it cannot be carried out.
    """
    if request.labels is not None:
        if not request.labels:
            raise UsageError("--labels needs a file, as in FILE or FILE:COLUMN,COLUMN")
        for axis in ("nan_density", "dims"):
            if axis in request.axes:
                option = axis.replace("_", "-")
                raise UsageError(f"--labels brings its own, so --{option} has no meaning beside it")
    suite = load_suite(request.suite or DEFAULT_SUITE)
    suite = suite.with_axes(read_axes(request.axes))
    changes: dict[str, Any] = {"budget": read_budgets(request.budgets, suite.budget)}
    if request.seed is not None:
        changes["seed"] = request.seed
    suite = suite.model_copy(update=changes)
    work = make_work(suite, request.implementations or suite.implementations, request.labels)
    return work.verifying(request.verify)


def stored_work(info: Mapping[str, Any]) -> Work:
    """The work of a run that is gone on with.

    Raises:
        UsageError: its labels file has changed, or an implementation is gone.
    """
    suite = Suite.model_validate(info["suite"])
    labels = info["labels"]
    spec = f"{labels['path']}:{','.join(labels['columns'])}" if labels else None
    work = make_work(suite, info["subjects"], spec)
    if labels and work.labels and work.labels.digest != labels["digest"]:
        raise StoreError(f"{labels['path']} has changed since the run began; start a new run")
    return replace(work, unavailable=info.get("unavailable") or {})


def run_suite(request: RunRequest) -> bool:
    """Carry out a request, print what was found, and write it down.

    Returns:
        whether there is a finding: a result that is wrong, an implementation that failed, or one
        that verification finds not right. What ran out of time or memory is a measurement like
        another.
    """
    console = Console(highlight=False)
    began = time.monotonic()
    check_executor(request.executor)
    root = request.out or RESULTS
    resumed = find_run(request.resume, root) if request.resume else None
    if resumed:
        if resumed.is_file():
            raise UsageError(f"{resumed} is a report: name the run's folder to go on with it")
        work = stored_work(load_run(resumed).require_complete().info)
        if request.names_work and not requested_work(request).measures_as(work):
            raise UsageError(
                f"{resumed} was begun with other options; --resume takes them from the run"
            )
        work = work.verifying(request.verify)
    else:
        work = requested_work(request)
    executor, budget = make_executor(request.executor, work)
    with closing(executor):
        check_devices(work.plan, executor)
        descriptions, unavailable = check_calls(
            work, executor, named=bool(request.implementations or resumed)
        )
        if not resumed:
            work = work.without(unavailable)
        for reason in work.unavailable.values():
            console.print(Text(f"Left out: {reason}", style="yellow"), soft_wrap=True)
        if resumed:
            admit_machines(load_run(resumed), executor)
            writer = RunWriter.resume(resumed)
            writer.update(environments=with_environments(writer.info, executor))
            if request.verify is not None:
                writer.update(**work.to_mapping())
            console.print(
                Text(f"Going on with {resumed}: {len(writer.finished)} results are there already")
            )
        else:
            writer = RunWriter.create(
                root,
                new_run_id(work.suite.name),
                run_info(work, budget, executor, descriptions),
            )
        with writer:
            claims = {
                name: get_law(d.claimed_time) for name, d in descriptions.items() if d.claimed_time
            }
            account = sweep(work, executor, budget, Forecast(claims), writer, console)
            wall_s = time.monotonic() - began
            writer.finish({"wall_s": wall_s, **asdict(account)})
    verification_s = verify_work(work, writer, console) if work.suite.verify else 0.0
    run = load_run(writer.path)
    show_and_write(run, console)
    finding = any(r.status in (Status.WRONG, Status.FAILED) for r in run.results)
    finding |= any(found.failures for found in (run.verification or {}).values())
    if not account.total_s:
        console.print(Text("Nothing was left to measure."))
        return finding
    measuring = min(account.total_s / wall_s, 1.0)
    if executor.at_once > 1:
        spent = (
            f"{format_clock(account.total_s)} of measured calls, reference and inputs in it, up to "
            f"{executor.at_once} cells at once"
        )
    else:
        spent = (
            f"of which {measuring:.0%} in measured calls, reference and inputs "
            f"({1 - measuring:.0%} overhead)"
        )
    if verification_s:
        spent += f"; verification {format_clock(verification_s)} more"
    console.print(Text(f"Wall time {format_clock(wall_s)}, {spent}"), soft_wrap=True)
    return finding


def verify_work(work: Work, writer: RunWriter, console: Console) -> float:
    """Verify what has not been, by the run's definition; store each as soon as it is known.

    Returns:
        the seconds that it took.
    """
    left = [s for s in work.subjects if s.name not in writer.verification]
    if not left:
        return 0.0
    began = time.monotonic()
    definition = get_definition(work.suite.definition)
    for found in verify_each(left, definition, strict=False, seed=work.suite.seed, console=console):
        writer.store_verification(found)
    seconds = time.monotonic() - began
    writer.finish({"verification_s": seconds})
    return seconds


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


def run_info(
    work: Work,
    budget: Budget,
    executor: Executor,
    descriptions: Mapping[str, Description],
) -> dict[str, Any]:
    """What ``run.json`` holds beside the id and the times."""
    return {
        **work.to_mapping(),
        "implementations": {name: asdict(d) for name, d in descriptions.items()},
        "version": supcr_bench.__version__,
        "command": shlex.join(["supcr-bench", *sys.argv[1:]]),
        "seed": work.suite.seed,
        "budget": asdict(budget),
        "revision": git_revision(Path(supcr_bench.__file__).parent),
        "environment": dict(executor.environment),
        "environments": {name: dict(found) for name, found in executor.environments.items()},
        "at_once": executor.at_once,
    }


def with_environments(info: Mapping[str, Any], executor: Executor) -> dict[str, Any]:
    """The environments that a run has, and those of the machines that go on with it."""
    home = info["environment"]
    known = info.get("environments") or {machine_of(home): home}
    return {**known, **{name: dict(found) for name, found in executor.environments.items()}}


def sweep(
    work: Work,
    executor: Executor,
    budget: Budget,
    forecast: Forecast,
    writer: RunWriter,
    console: Console,
) -> Account:
    """Run the plan, store each result, show what happens."""
    account = Account()
    # What was measured before the machine was recorded was measured on the run's own.
    home = machine_of(writer.info["environment"])
    finished = [r if r.machine else replace(r, machine=home) for r in writer.finished]
    events = run_sweep(work.plan, executor, work.subjects, budget, forecast, finished)
    progress = make_progress(console, len(work.plan))
    try:
        with closing(events):  # so that an interrupted sweep has stopped before this returns
            for event in events:
                match event:
                    case Result():
                        writer.append(event)
                        progress.found(event)
                    case CellStarted():
                        progress.started(event)
                    case CellEnded():
                        progress.ended(event)
                    case Activity():
                        progress.busy(event)
                    case Account():
                        account += event
    finally:
        progress.close()
    return account
