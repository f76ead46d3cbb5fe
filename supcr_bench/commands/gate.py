"""``supcr-bench gate``: its options and its output."""

import os
import shlex
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from supcr_bench.commands import options as opt
from supcr_bench.values.errors import UsageError
from supcr_bench.values.files import write_file
from supcr_bench.values.gate import MAX_MEMORY_GROWTH, MAX_SLOWDOWN, TIME_BUDGET_S
from supcr_bench.values.units import parse_duration_s, plural

DEFAULT_SUITE = "ci"
OR_OF_GRID = ", or what the suite's grid allows"
BASELINES = Path("results/baselines")


def gate(
    suite: str = typer.Argument(
        DEFAULT_SUITE,
        metavar="SUITE",
        help="Suite to run: the name of one, or the path of a .toml file.",
        autocompletion=opt.COMPLETE_SUITE,
    ),
    against: str | None = opt.option(
        "REVISION", "Compare the work tree with a git revision, and time both versions."
    ),
    baseline: str | None = opt.option(
        "RUN",
        "Compare agreement and cost with a recorded file or any other run; time is not compared.",
        show_default="results/baselines/SUITE.json",
        autocompletion=opt.COMPLETE_RUN,
    ),
    record: Path | None = opt.output_file(
        "--record", "Write a baseline to FILE instead of comparing."
    ),
    init: bool = opt.flag(
        "--init", "Find the losses of this repository, write suite, workflow and baseline."
    ),
    implementation: list[str] | None = opt.IMPLEMENTATIONS,
    definition: str | None = opt.DEFINITION,
    device: str | None = opt.DEVICES,
    set_: list[str] | None = opt.AXIS_VALUES,
    max_slowdown: float | None = opt.share(
        "--max-slowdown",
        "Share by which an implementation may become slower on a case.",
        MAX_SLOWDOWN,
        OR_OF_GRID,
    ),
    max_memory_growth: float | None = opt.share(
        "--max-memory-growth",
        "Share by which the peak memory may grow.",
        MAX_MEMORY_GROWTH,
        OR_OF_GRID,
    ),
    time_budget: float = opt.quantity(
        "--time-budget",
        parse_duration_s,
        "TIME",
        "How long the timing of both versions may take.",
        default=TIME_BUDGET_S,
        show_default=f"{TIME_BUDGET_S:g}s",
    ),
    undecided: Any = opt.choice(
        "--undecided",
        ("pass", "fail"),
        "How to end if noise leaves the gate undecided: pass or fail, instead of status 3.",
    ),
    accepted: Path | None = opt.option(
        "FILE",
        "Read accepted changes from FILE: case, figure, from, to, reason, expires.",
        show_default="supcr-accepted.toml",
    ),
    accept: str | None = opt.option(
        "REASON", "Accept the costs that rose: add entries with this reason to the file."
    ),
    summary: Path | None = opt.output_file(
        "--summary", "Write a Markdown summary to FILE, for a CI job."
    ),
    comment: str | None = opt.option(
        "FILE|github", "Write the comment for a pull request to FILE, or post it with 'github'."
    ),
    informational: bool = opt.flag("--informational", "Exit with 0 even if something got worse."),
    junit: Path | None = opt.output_file("--junit", "Write all results as JUnit XML to FILE."),
    json: Path | None = opt.JSON_FILE,
) -> None:
    """Check that no implementation got worse: agreement, cost, time.

    Exits with 0 if everything passed, with 1 if something got worse, with 3 if that is undecided.
    A gate that could measure nothing never passes.
    """
    began = time.monotonic()
    environment = dict(os.environ)
    os.environ.pop("GITHUB_TOKEN", None)  # the code that is judged does not get it
    if init:
        from supcr_bench.commands.gate_init import SUITE, set_up
        from supcr_bench.render.terminal import make_console

        set_up(make_console())
        suite, record = str(SUITE), BASELINES / f"{SUITE.stem}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
    ways = {"--against": against, "--baseline": baseline, "--record": record}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; give one of them")
    if record is not None and any((summary, junit, json)):
        raise UsageError("--record writes the baseline alone; leave out --summary, --junit, --json")

    axes = opt.set_axes({"device": device}, set_)

    from supcr_bench.commands.run_work import make_work
    from supcr_bench.gate import accepted as costs
    from supcr_bench.sweep.plan import allowances, require_room
    from supcr_bench.sweep.suite import load_suite, read_axes

    accepted_file = accepted or costs.USUAL_FILE
    opt.require_place(accepted_file if accept is not None else None, "--accepted")
    opt.require_place(Path(comment) if comment not in (None, "github") else None, "--comment")
    entries = costs.read_accepted(accepted_file) if accepted or accepted_file.is_file() else []
    loaded = load_suite(suite).with_axes(read_axes(axes)).with_definition(definition)
    work = make_work(loaded, implementation or loaded.implementations)
    require_room(work.plan)

    from supcr_bench.gate.baseline import load_baseline
    from supcr_bench.gate.terms import Terms

    options = ["--definition", definition] if definition is not None else []
    gate_options = [part for axis in set_ or () for part in ("--set", axis)]
    if device is not None:
        gate_options += ["--device", device]
    if max_slowdown is not None:
        gate_options += ["--max-slowdown", f"{100 * max_slowdown:g}%"]
    if time_budget != TIME_BUDGET_S:
        gate_options += ["--time-budget", f"{time_budget:g}s"]
    shares = {"max_slowdown": max_slowdown, "max_memory_growth": max_memory_growth}
    terms = Terms(
        suite=suite,
        implementations=tuple(subject.name for subject in work.subjects),
        baseline=against is None,
        named=bool(implementation),
        given={name: share for name, share in shares.items() if share is not None},
        allowed=allowances(loaded),
        time_budget_s=time_budget,
        options=tuple(options),
        gate_options=tuple(gate_options),
    )
    name, recorded = "", None
    if against is None and record is None:
        usual = BASELINES / f"{loaded.name}.json"
        if baseline is None and not usual.is_file():
            raise UsageError(
                "nothing to compare with: give --against REVISION or --baseline RUN; "
                f"`supcr-bench gate {suite} --record {usual}` records a baseline"
            )
        name = baseline or str(usual)
        recorded = load_baseline(name)

    from supcr_bench.commands.gate_session import GateSession
    from supcr_bench.render.terminal import make_console, print_sentence

    console = make_console()
    with closing(GateSession(console, work, terms)) as session:
        if against is not None:
            outcome = session.against_revision(against)
        elif recorded is not None:
            outcome = session.against_baseline(recorded, name)
        else:
            assert record is not None
            session.record(record)
            return
    today = datetime.now(UTC).date()
    if accept is not None:
        count = costs.write_accepted(accepted_file, outcome.changes, accept, today)
        said = f"{accepted_file} accepts {plural(count, 'more change')}; commit it."
        print_sentence(console, said)
        entries = costs.read_accepted(accepted_file) if count else entries
    changes, notes = costs.apply_accepted(outcome.changes, entries, today)
    outcome = replace(
        outcome,
        changes=tuple(changes),
        notes=(*outcome.notes, *notes),
        command=shlex.join(["supcr-bench", *sys.argv[1:]]),
        spent_s=time.monotonic() - began,
    )
    # These are slow to import, and an invalid request does not need them.
    from supcr_bench.commands.pull_request import tell_pull_request
    from supcr_bench.render.gate_files import gate_json, gate_junit
    from supcr_bench.render.gate_tables import gate_blocks, gate_markdown
    from supcr_bench.render.terminal import print_blocks

    print_blocks(console, gate_blocks(outcome))
    if json is not None:
        write_file(json, gate_json(outcome, undecided))
    if junit is not None:
        write_file(junit, gate_junit(outcome, undecided))
    if summary is not None:
        # Other steps of a CI job append to the job summary too; any other file is overwritten.
        of_the_job = os.environ.get("GITHUB_STEP_SUMMARY") == str(summary)
        earlier = summary.read_text("utf-8") if of_the_job and summary.exists() else ""
        write_file(summary, earlier + gate_markdown(outcome))
    tell_pull_request(outcome, comment, work.subjects, console, environment)
    status = outcome.exit_status(undecided)
    raise typer.Exit(0 if informational and status in (1, 3) else status)
