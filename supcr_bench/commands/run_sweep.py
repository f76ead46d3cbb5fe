"""Carries out ``supcr-bench run``: finds machines, measures, stores, verifies and reports."""

import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from supcr_bench.commands.progress import make_progress
from supcr_bench.commands.run_work import Work, new_run, provenance
from supcr_bench.render.cells import definitions_note
from supcr_bench.render.machine import value_text
from supcr_bench.render.terminal import make_console, print_sentence
from supcr_bench.store.run import RunWriter, default_page, load_run, new_run_id
from supcr_bench.subjects.registry import Subject
from supcr_bench.subjects.source_files import changes
from supcr_bench.sweep.cluster_executor import ClusterExecutor
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import make_budget, over_processes, under, with_own_cells
from supcr_bench.sweep.ray_executor import make_ray_executor
from supcr_bench.sweep.runner import Executor, SweepProgress, run_verified
from supcr_bench.values.cell import CACHES, Account, Budget, Cell
from supcr_bench.values.errors import StoreError, SubjectError, UnavailableError, UsageError
from supcr_bench.values.files import require_writable
from supcr_bench.values.growth_law import get_law
from supcr_bench.values.machine import SAME_MACHINE, machine_of
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_clock
from supcr_bench.verification.verification import Verification


def carry_out(
    work: Work,
    executor_name: str,
    root: Path,
    resumed: Path | None,
    *,
    require_all: bool,
    verbose: bool,
) -> int:
    """Measure, verify if the suite requests it, print and report; the exit status.

    A new run's folder is created in ``root``; ``resumed`` is the folder of a run to continue. The
    status is 1 if a result is wrong, an implementation failed, or verification rejected one; 3 if
    nothing was measured, out of time or memory; else 0.
    """
    console = make_console()
    began = time.monotonic()
    folder = resumed or root / new_run_id(work.suite.name)
    require_writable(default_page(folder, folder.name))
    with ExitStack() as held:
        writer = held.enter_context(RunWriter.resume(resumed)) if resumed else None
        executor, budget = make_executor(executor_name, work)
        with closing(executor):
            check_devices(work.plan, executor)
            work = check_calls(work, executor, require_all=require_all)
            descriptions = {s.name: s.description for s in work.subjects if s.description}
            if writer is None:
                info = _run_info(work, budget, executor)
                writer = held.enter_context(RunWriter.create(root, folder.name, info))
            else:
                _continue(writer, work, executor, console)
            held.enter_context(_kept(writer, executor_name))
            for reason in work.unavailable.values():
                print_sentence(console, f"Left out: {reason}", "yellow")
            if marks := definitions_note({n: d.definition for n, d in descriptions.items()}):
                print_sentence(console, marks)
            claims = {
                name: get_law(d.claimed_time) for name, d in descriptions.items() if d.claimed_time
            }
            forecast = Forecast(budget, claims)
            account, spent = sweep(work, executor, forecast, writer, console, began)
        from supcr_bench.commands.report_page import show_and_write  # slow to import
        from supcr_bench.render.answer import refuted

        run = load_run(writer.path)
        spent = f"Took    {spent}" if account.total_s else "Nothing was left to measure."
        if account.total_s and any(r.time_samples_s for r in run.results):
            spent += f"; caches {run.info.get('caches', 'not recorded')}"
        show_and_write(run, console, verbose=verbose, spent=spent)
    if refuted(run.verification) or any(r.status.is_broken for r in run.results):
        return 1
    if not any(r.status.has_figures for r in run.results):
        text = "Nothing was measured within the limits; raise --memory-limit or --time-limit."
        reasons = {r.reason for r in run.results}
        if len(reasons) == 1 and all(r.status is Status.SKIPPED for r in run.results):
            text = f"Nothing was measured: {reasons.pop()}."
        print_sentence(console, text, "yellow")
        return 3
    return 0


@contextmanager
def _kept(writer: RunWriter, executor_name: str) -> Iterator[None]:
    """If the block is interrupted, print which results are stored and how to continue."""
    try:
        yield
    except BaseException:
        how = [] if executor_name == "local" else ["--executor", executor_name]
        command = shlex.join(["supcr-bench", "run", "--resume", str(writer.path), *how])
        text = f"{writer.stored} results are kept in {writer.path}; go on with `{command}`"
        with suppress(OSError):
            print(f"supcr-bench: {text}", file=sys.stderr)
        raise


def _continue(writer: RunWriter, work: Work, executor: Executor, console: Console) -> None:
    """Prepare to go on with a run; raise a StoreError if it would mix results of two programs."""
    environments = with_environments(writer.info, executor)
    before = writer.info.get("files")
    if before is None:
        note = "This run does not record its source files, so a change of them is not noticed."
        print_sentence(console, note, "yellow")
    for subject in work.subjects:
        stored = (before or {}).get(subject.name) or {}
        for change in changes(tuple(stored.items()), subject.files):
            raise StoreError(
                f"{subject.name}: {change} since the run began; {new_run(writer.info)}"
            )
    suite = {**writer.info["suite"], "verify": work.suite.verify}
    writer.update(environments=environments, suite=suite)
    done = len(writer.finished)
    print_sentence(console, f"Continuing {writer.path}: {done} results are already stored")


def _run_info(work: Work, budget: Budget, executor: Executor) -> dict[str, Any]:
    return {
        **provenance(work),
        "files": {subject.name: dict(subject.files) for subject in work.subjects},
        "command": shlex.join(["supcr-bench", *sys.argv[1:]]),
        "budget": asdict(budget),
        "environment": dict(executor.environment),
        "environments": {name: dict(found) for name, found in executor.environments.items()},
        "at_once": executor.max_parallel_cells,
        "caches": CACHES,
    }


def sweep(
    work: Work,
    executor: Executor,
    forecast: Forecast,
    writer: RunWriter,
    console: Console,
    began: float,
) -> tuple[Account, str]:
    """Measure and verify the rest, and store each result at once; the executor is closed.

    Returns where the time went, and the wall time since ``began`` in words.
    """
    account, wall_s = Account(), 0.0
    # Older results do not record the machine; they come from the one that the run names.
    home = machine_of(writer.info["environment"])
    finished = [r if r.machine else replace(r, machine=home) for r in writer.finished]
    unverified = [s.name for s in work.subjects if s.name not in writer.verification]
    verify = dict.fromkeys(unverified if work.suite.verify else ())
    plan = over_processes(work.plan, forecast.budget.processes)
    events = run_verified(
        plan,
        executor,
        work.subjects,
        forecast,
        finished,
        seed=work.suite.seed,
        verify=verify,
    )
    progress = make_progress(console, len(plan))
    try:
        with closing(progress), closing(events):  # on Ctrl-C or an error, end the sweep first
            for event in events:
                match event:
                    case Result():
                        writer.append(event)
                    case SweepProgress() if event.ended == len(plan) and not wall_s:
                        executor.close()
                        wall_s = time.monotonic() - began
                        writer.finish({"wall_s": wall_s, **asdict(account)})
                    case Account():
                        account += event
                    case Verification():
                        writer.store_verification(event)
                progress.show(event)
    except BaseException:
        if not wall_s:
            spent_s = {"wall_s": time.monotonic() - began, **asdict(account)}
            with suppress(StoreError):  # the first error is told
                writer.finish(spent_s, interrupted=True)
        raise
    spent = account.describe(wall_s, executor.max_parallel_cells)
    if verify:
        verification_s = time.monotonic() - began - wall_s
        writer.finish({"verification_s": verification_s})
        if verification_s >= 1:
            spent += f"; verification took {format_clock(verification_s)} more"
    return account, spent


def make_executor(name: str, work: Work) -> tuple[LocalExecutor | ClusterExecutor, Budget]:
    """The executor of that name, and one implementation's budget (on the first machine)."""
    kind, _, address = name.partition(":")
    if kind == "ray":
        cluster = make_ray_executor(address or None, work.suite, work.subjects, work.labels)
        return cluster, cluster.budget
    budget = make_budget(work.suite)
    return LocalExecutor(budget.threads, work.labels), budget


def check_devices(plan: Sequence[Cell], executor: Executor) -> None:
    for planned in plan:
        if planned.workload.device not in executor.devices:
            raise UsageError(
                f"no device {planned.workload.device!r} {executor.location}; "
                f"available: {', '.join(executor.devices)}"
            )


def check_calls(work: Work, executor: Executor, *, require_all: bool) -> Work:
    """The work with each implementation's call and definition, found on the executor's machines.

    If the user named the implementations (``require_all``), a missing dependency is an error; if
    the suite did, the implementation is left out. A SubjectError says that one cannot be loaded or
    called, or that none is available.
    """
    subjects, unavailable = {s.name: s for s in work.subjects}, {}
    for name, found in executor.preflight(work.subjects, work.plan[0].workload.device).items():
        if isinstance(found, Subject):
            subjects[name] = found
        elif require_all or not isinstance(found.error, UnavailableError):
            raise SubjectError(found.reason)
        else:
            unavailable[name] = found.reason
    if len(unavailable) == len(subjects):
        raise SubjectError("; ".join(unavailable.values()))
    called = {name: own.resolution for name, own in subjects.items() if own.resolution}
    plan = under(work.plan, {name: own.definition for name, own in called.items()})
    plan = with_own_cells(plan, [name for name, own in called.items() if own.own_process])
    work = replace(work, subjects=tuple(subjects.values()), plan=tuple(plan))
    return work.without(unavailable)


def with_environments(info: Mapping[str, Any], executor: Executor) -> dict[str, Any]:
    """The environments of a run by kind of machine, with those that a cluster adds.

    Raises a StoreError if it would continue on another kind of machine that is not a cluster.
    """
    home, now = info["environment"], executor.environment
    known = info.get("environments") or {machine_of(home): home}
    here = {name: dict(found) for name, found in executor.environments.items()}
    if isinstance(executor, ClusterExecutor):
        return {**known, **here}
    if len(known) > 1 and not set(here) <= set(known):
        raise StoreError(
            f"the run was measured on {len(known)} kinds of machine, and this one is none of "
            f"them; continue it on a cluster, or {new_run(info)}"
        )
    for key in SAME_MACHINE if len(known) == 1 else ():
        if home.get(key) != now.get(key):
            raise StoreError(
                f"the run was begun with {key.replace('_', ' ')} {value_text(key, home.get(key))}, "
                f"and this machine has {value_text(key, now.get(key))}; {new_run(info)}"
            )
    return {**known, **here}
