"""The command line. Options are declared here; what they do is one file per command beside this.

Nothing heavy is imported at the top: ``--help`` and most usage errors answer without torch.
"""

import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from supcr_bench.values.errors import SupcrBenchError

app = typer.Typer(
    name="supcr-bench",
    help="Is an implementation of the SupCR loss right, what does it cost, did it get worse?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from supcr_bench import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """What every command takes."""
    del debug, version  # main() and the callback have acted on them


@app.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="As JSON, for machines.")] = False,
) -> None:
    """List implementations and suites; what cannot be imported is listed with the reason."""
    from supcr_bench.commands.list_subjects import list_subjects

    list_subjects(as_json=json)


@app.command()
def run(
    suite: Annotated[
        str | None, typer.Argument(help="A suite by name, or a .toml file.", show_default="default")
    ] = None,
    implementation: Annotated[
        list[str] | None,
        typer.Option(
            "--implementation",
            "-i",
            metavar="IMPL",
            help="A name, module:attribute or file.py:attribute; may be repeated.",
        ),
    ] = None,
    batch_size: Annotated[str | None, typer.Option(metavar="N,N,...", help="Rows.")] = None,
    nan_density: Annotated[
        str | None, typer.Option(metavar="X,X,...", help="Share of labels missing, 0 to 1.")
    ] = None,
    dims: Annotated[str | None, typer.Option(metavar="D,D,...", help="Label dimensions.")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="cpu, cuda, cuda:1, mps, xpu.")
    ] = None,
    ranks: Annotated[
        str | None,
        typer.Option(metavar="W,W,...", help="Local processes that share out the batch."),
    ] = None,
    pass_: Annotated[
        str | None, typer.Option("--pass", metavar="PASS,...", help="forward, training.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="FILE[:COLUMN,...]", help="Labels of your own: CSV, Parquet or NPZ."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random.")] = None,
    time_limit: Annotated[
        str | None, typer.Option(metavar="TIME", help="Per implementation and case, such as 10s.")
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Of the measuring process, such as 8GiB.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the run's folder goes, in place of results/."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a run: its id, its path, or latest."),
    ] = None,
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            help="Verify each implementation at the end.",
            show_default="as the suite says",
        ),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="local, ray (started here) or ray:HOST:PORT (a cluster)."
        ),
    ] = "local",
) -> None:
    """Measure implementations: who is right, how long, how much memory, how each grows.

    Exits with 0, or with 1 if a result is wrong, an implementation failed, or verification finds
    one not right.
    """
    from supcr_bench.commands.run import run_suite
    from supcr_bench.commands.run_work import RunRequest

    axes = {
        "batch_size": batch_size,
        "nan_density": nan_density,
        "dims": dims,
        "device": device,
        "ranks": ranks,
        "pass": pass_,
    }
    budgets = {"time_limit": time_limit, "memory_limit": memory_limit}
    finding = run_suite(
        RunRequest(
            suite=suite,
            implementations=tuple(implementation or ()),
            axes={name: text for name, text in axes.items() if text is not None},
            budgets={name: text for name, text in budgets.items() if text is not None},
            labels=labels,
            seed=seed,
            out=out,
            resume=resume,
            verify=verify,
            executor=executor,
        )
    )
    raise typer.Exit(1 if finding else 0)


@app.command()
def verify(
    implementation: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMPL]...",
            help="Names, module:attribute or file.py:attribute; all registered ones if none.",
        ),
    ] = None,
    definition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="torchcell, no-self, rank-n-contrast, one of --suite, or auto to find out.",
        ),
    ] = None,
    suite: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A suite file with definitions of your own.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Findings on robustness fail.")] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Verify the verifier with seeded bugs.")
    ] = False,
    ranks: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="W",
            help="Verify it over W local ranks instead; without IMPL, all that are made for it.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random cases.")] = 0,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Everything found, for machines.")
    ] = None,
) -> None:
    """Prove an implementation right, or say what is wrong with it.

    With --ranks, W processes hold a batch together, and value and gradient under
    DistributedDataParallel must be those of one process with the whole batch.

    Exits with 0, with 1 if one is not right, or with 3 if the time was up before that was known.
    """
    from supcr_bench.commands.verify import VerifyRequest, verify_implementations

    status = verify_implementations(
        VerifyRequest(
            implementations=tuple(implementation or ()),
            definition=definition,
            suite=None if suite is None else str(suite),
            strict=strict,
            self_test=self_test,
            ranks=ranks,
            seed=seed,
            json=json,
        )
    )
    raise typer.Exit(status)


@app.command()
def report(
    run: Annotated[
        str, typer.Argument(help="A run: its id, its path, the path of its report, or latest.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="In place of reports/<run id>/index.html."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Write how it compares with this one, from before."),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The findings in short, for a pull request or a job."),
    ] = None,
) -> None:
    """Print a run's tables again and write its report, plots and CSV files.

    With --against, print and write the comparison of the two instead; `compare` is the command that
    exits with a finding.
    """
    if against is not None:
        from supcr_bench.commands.against import write_comparison

        write_comparison(run, against, out, markdown)
    else:
        from supcr_bench.commands.report import report_run

        report_run(run, out, markdown)


@app.command()
def recommend(
    batch_size: Annotated[int, typer.Option(min=2, metavar="N", help="Rows.")],
    dims: Annotated[int, typer.Option(min=1, metavar="D", help="Label dimensions.")] = 1,
    nan_density: Annotated[
        float, typer.Option(min=0, max=1, metavar="X", help="Share of labels missing.")
    ] = 0.0,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda, cuda:1, ...")] = "cpu",
    pass_: Annotated[
        str, typer.Option("--pass", metavar="PASS", help="forward or training.")
    ] = "training",
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What it has to fit in, such as 4GiB.")
    ] = None,
    run: Annotated[
        str, typer.Option("--from", metavar="RUN", help="A run: its id, its path, or latest.")
    ] = "latest",
) -> None:
    """Say which implementation to use: the fastest that is right and fits, and why.

    Exits with 0, or with 3 if the run does not tell.
    """
    from supcr_bench.commands.recommend import RecommendRequest, recommend_from_run

    status = recommend_from_run(
        RecommendRequest(
            batch_size=batch_size,
            dims=dims,
            nan_density=nan_density,
            device=device,
            pass_=pass_,
            memory=memory,
            run=run,
        )
    )
    raise typer.Exit(status)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="Before: an id, a path, or latest.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="After: an id, a path, or latest.")],
    margin: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="Times this close count as the same.", show_default="5%"
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Everything found, for machines.")
    ] = None,
) -> None:
    """Lay two runs side by side: time, counted work, memory, and how each case ended.

    Two runs are two sessions, and a machine drifts between them. So a time is faster, slower or the
    same only where the samples and the drift that unchanged results show leave no doubt.

    Exits with 0, also where time is undecided; with 1 if a result became wrong, failed, ran out of
    memory or time, or costs more work or memory, or if an implementation is slower in more cases
    than chance explains; with 3 if nothing could be compared.
    """
    from supcr_bench.commands.compare import CompareRequest, compare_runs

    status = compare_runs(CompareRequest(first=first, second=second, margin=margin, json=json))
    raise typer.Exit(status)


@app.command()
def gate(
    suite: Annotated[
        str | None, typer.Argument(help="A suite by name, or a .toml file.", show_default="ci")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="Hold the work tree against a commit; times both."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Hold agreement and cost against recorded ones; does not time.",
            show_default="results/baselines/SUITE.json",
        ),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a baseline file instead of gating.")
    ] = None,
    implementation: Annotated[
        list[str] | None,
        typer.Option(
            "--implementation",
            "-i",
            metavar="IMPL",
            help="A name, module:attribute or file.py:attribute; may be repeated.",
        ),
    ] = None,
    max_slowdown: Annotated[
        str, typer.Option(metavar="SHARE", help="How much slower a cell may become.")
    ] = "5%",
    max_memory_growth: Annotated[
        str, typer.Option(metavar="SHARE", help="How much the peak of memory may grow.")
    ] = "1%",
    time_budget: Annotated[
        str, typer.Option(metavar="TIME", help="Of timing both versions, at most.")
    ] = "100s",
    undecided: Annotated[
        str | None,
        typer.Option(
            metavar="pass|fail", help="What an undecided gate counts as, in place of status 3."
        ),
    ] = None,
    summary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Markdown, for the summary of a job.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="JUnit XML.")] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Everything found, for machines.")
    ] = None,
) -> None:
    """Say whether an implementation got worse: agreement, cost and time, each by its own rule.

    Exits with 0 if everything passed, with 1 if something got worse, with 3 if that is undecided.
    A gate that could measure nothing never passes.
    """
    from supcr_bench.commands.gate import gate as run_gate
    from supcr_bench.commands.gate_work import GateRequest

    status = run_gate(
        GateRequest(
            suite=suite,
            implementations=tuple(implementation or ()),
            against=against,
            baseline=baseline,
            record=record,
            max_slowdown=max_slowdown,
            max_memory_growth=max_memory_growth,
            time_budget=time_budget,
            undecided=undecided,
            summary=summary,
            junit=junit,
            json=json,
        )
    )
    raise typer.Exit(status)


@app.command()
def export(
    run: Annotated[
        str, typer.Argument(help="A run: its id, its path, the path of its report, or latest.")
    ],
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="pytest-benchmark, csv or parquet.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="In place of standard output.")
    ] = None,
) -> None:
    """Write a run's results for other tools.

    pytest-benchmark: a file that `pytest-benchmark compare` and what eats its files read, with the
    samples. csv and parquet: one row a result, with all its fields and the median time.
    """
    from supcr_bench.commands.export import ExportRequest, export_run

    export_run(ExportRequest(run=run, format=format_, out=out))


def _fail(error: Exception, status: int) -> NoReturn:
    text = " ".join(str(error).split())
    print(f"supcr-bench: error: {text}", file=sys.stderr)
    sys.exit(status)


def main() -> None:
    """Run the command line and exit with its status."""
    debug = "--debug" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        app(arguments, prog_name="supcr-bench")
    except SupcrBenchError as error:
        if debug:
            raise
        _fail(error, error.exit_status)
    except OSError as error:  # a file that cannot be read or written
        if debug:
            raise
        _fail(error, 2)
    except Exception:  # noqa: BLE001
        # Not 1, which means a finding: nothing was found.
        traceback.print_exc()
        print("supcr-bench: this is a mistake of supcr-bench itself", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("supcr-bench: interrupted", file=sys.stderr)
        sys.exit(130)
