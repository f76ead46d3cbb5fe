"""``supcr-bench run``: from a request to a stored run and its report."""

import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

import supcr_bench
from supcr_bench.commands.progress import make_progress
from supcr_bench.commands.report import show_and_write
from supcr_bench.commands.run_executor import (
    admit_machines,
    check_calls,
    check_devices,
    check_executor,
    make_executor,
    with_environments,
)
from supcr_bench.commands.run_work import RunRequest, Work, requested_work, stored_work
from supcr_bench.commands.verify import verify_each
from supcr_bench.store.revision import git_revision
from supcr_bench.store.run import RESULTS, RunWriter, find_run, load_run, new_run_id
from supcr_bench.sweep.executor import Executor
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.runner import CellEnded, CellStarted, run_sweep
from supcr_bench.values.cell import Account, Budget
from supcr_bench.values.definition import get_definition
from supcr_bench.values.errors import UsageError
from supcr_bench.values.growth_law import get_law
from supcr_bench.values.implementation import Description
from supcr_bench.values.machine import machine_of
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_clock
from supcr_bench.workers.activity import Activity


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
