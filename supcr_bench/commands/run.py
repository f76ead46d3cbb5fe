"""``supcr-bench run``: reads its options and starts the run."""

import re
from dataclasses import replace
from pathlib import Path

import typer

from supcr_bench.commands import options as opt
from supcr_bench.values.axes import AXES
from supcr_bench.values.errors import UsageError

DEFAULT_SUITE = "default"


def run(
    suite: str | None = typer.Argument(
        None,
        metavar="SUITE",
        help="Suite to run: the name of one, or the path of a .toml file.",
        autocompletion=opt.COMPLETE_SUITE,
        show_default=f"suite {DEFAULT_SUITE}",
    ),
    implementation: list[str] | None = opt.IMPLEMENTATIONS,
    definition: str | None = opt.DEFINITION,
    batch_size: str | None = opt.option("N,N,...", "Numbers of rows in a batch."),
    nan_density: str | None = opt.option("X,X,...", "Shares of labels missing, 0 to 1."),
    dims: str | None = opt.option("D,D,...", "Numbers of label dimensions."),
    device: str | None = opt.DEVICES,
    ranks: str | None = opt.option(
        "W,W,...", "Numbers of local processes that share the rows of a batch."
    ),
    pass_: str | None = opt.option(
        "PASS,...", "What to measure: forward, training (forward and backward).", "--pass"
    ),
    mode: str | None = opt.option(
        "MODE,...", "How to run each implementation: eager, compile (under torch.compile)."
    ),
    set_: list[str] | None = opt.AXIS_VALUES,
    labels: str | None = opt.option(
        "FILE[:COLUMN,...]", "Use the labels of a text, Parquet, NumPy, torch or Excel file."
    ),
    seed: int | None = opt.option("N", "Random seed for the generated inputs.", min=0),
    time_limit: str | None = opt.option("TIME", "Longest time for one call, such as 10s."),
    memory_limit: str | None = opt.option(
        "SIZE", "Largest memory of the measuring process, such as 8GiB."
    ),
    processes: str | None = opt.option(
        "K", "Time calls in K fresh processes, as times differ between processes."
    ),
    out: Path | None = opt.option("DIR", "Put the run's folder into DIR in place of results/."),
    resume: str | None = opt.option(
        "RUN",
        "Continue a run: its id, the path of its folder, or latest.",
        autocompletion=opt.COMPLETE_RUN,
    ),
    verify: bool | None = typer.Option(
        None,
        "--verify/--no-verify",
        help="Verify each implementation, too.",
        show_default="as the suite says",
    ),
    executor: str = opt.option(
        "NAME",
        "Where to measure: local, ray (started on this machine) or ray:HOST:PORT (a cluster).",
        default="local",
    ),
    verbose: bool = opt.flag("--verbose", "Print all tables before the answer."),
) -> None:
    """Measure whether implementations are right, and what they cost.

    Exits with 0; with 1 if a result is wrong, an implementation failed, or verification finds one
    not right; with 3 if nothing could be measured within the limits.
    """
    own = {"batch_size": batch_size, "nan_density": nan_density, "dims": dims}
    axes = opt.set_axes({**own, "device": device, "ranks": ranks, "pass": pass_}, set_)
    limits = {"time_limit": time_limit, "memory_limit": memory_limit, "processes": processes}
    budgets = {name: text for name, text in limits.items() if text is not None}
    if suite == "":
        raise UsageError("SUITE is empty: name a suite, or leave it out")
    if labels == "":
        raise UsageError("--labels needs a file, as in FILE or FILE:COLUMN,COLUMN")
    for name in (axis.name for axis in AXES if axis.from_labels and labels):
        if name in axes:
            raise UsageError(
                f"--labels and {name} {axes[name]}: the labels file decides {name}; leave one out"
            )
    if not re.fullmatch("local|ray(:.+)?", executor):
        raise UsageError(f"unknown executor {executor!r}; choose local, ray or ray:HOST:PORT")

    from supcr_bench.commands.run_work import in_modes, make_work, new_run, stored_work, suite_file
    from supcr_bench.sweep.suite import load_suite, read_axes, read_budgets

    folder = stored = None
    if resume is not None:
        from supcr_bench.store.run import RESULTS, find_run

        folder = find_run(resume, out or RESULTS)
        if folder.is_file():
            raise UsageError(f"{folder} is one file; --resume needs the folder of a run")
        info = opt.read_run(str(folder)).info
        work = stored = stored_work(info)
    options = (suite, implementation, definition, labels, axes, budgets, mode)
    if any(options) or seed is not None or stored is None:
        # What is not given is that of the resumed run, unless a suite says otherwise.
        name, before = suite or DEFAULT_SUITE, None if suite else stored
        base = before.suite if before else load_suite(name)
        wanted = base.with_axes(read_axes(axes)).with_definition(definition)
        budget = read_budgets(budgets, wanted.budget)
        seed = wanted.seed if seed is None else seed
        wanted = wanted.model_copy(update={"budget": budget, "seed": seed})
        if before:
            labels = labels or (before.labels.spec if before.labels else None)
            implementation = implementation or [subject.name for subject in before.subjects]
        names = in_modes(implementation or wanted.implementations, mode)
        work = make_work(wanted, names, labels, None if before else suite_file(name))
    if stored is not None:
        if work is not stored and (differences := work.differences(stored)):
            raise UsageError(
                f"{folder} was begun with other options ({', '.join(differences)}); --resume takes "
                f"them from the run, so leave them out, or {new_run(info)}"
            )
        work = stored
    opt.say_notes(work.labels.notes if work.labels else ())
    if verify is not None:
        work = replace(work, suite=work.suite.model_copy(update={"verify": verify}))

    if executor == "local":
        from supcr_bench.sweep.plan import require_room

        require_room(work.plan)
    from supcr_bench.commands.run_sweep import carry_out
    from supcr_bench.store.run import RESULTS

    root = out or RESULTS
    named = bool(implementation or folder)
    raise typer.Exit(carry_out(work, executor, root, folder, require_all=named, verbose=verbose))
