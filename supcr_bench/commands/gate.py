"""``supcr-bench gate``."""

import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from supcr_bench.analysis.changes import BROKEN
from supcr_bench.commands.gate_against import gate_against
from supcr_bench.commands.gate_baseline import gate_baseline, make_baseline
from supcr_bench.commands.gate_work import GateRequest, GateWork, make_work
from supcr_bench.gate.baseline import Baseline, write_baseline
from supcr_bench.values.gate import GateOutcome


def gate(request: GateRequest) -> int:
    """Gate, print, and write what was asked for.

    Returns:
        exit status: 0 for a pass, 1 for a regression, 3 for undecided.

    Raises:
        UsageError: the request cannot be carried out.
    """
    began = time.monotonic()
    console = Console(highlight=False)
    work = make_work(request)
    if request.record is not None:
        baseline = make_baseline(work, console)
        write_baseline(baseline, request.record)
        _say_recorded(baseline, request.record, console)
        return 0
    if request.against is not None:
        outcome = gate_against(work, request.against, console)
    else:
        outcome = gate_baseline(work, console)
    outcome = replace(
        outcome,
        command=shlex.join(["supcr-bench", *sys.argv[1:]]),
        spent_s=time.monotonic() - began,
    )
    _present(outcome, work, console)
    return outcome.exit_status(work.undecided)


def _say_recorded(baseline: Baseline, path: Path, console: Console) -> None:
    """What the file holds, and what in it is not right."""
    cases = baseline.recorded.cases
    console.print(
        Text(f"Recorded {len(cases)} results of suite {baseline.suite} in {path}."), soft_wrap=True
    )
    wrong = [key for key, found in cases.items() if found.status in BROKEN]
    if wrong:
        names = ", ".join(dict.fromkeys(name for name, _ in wrong))
        console.print(
            Text(f"{len(wrong)} of them are not right, and count as they are: {names}.", "yellow"),
            soft_wrap=True,
        )


def _present(outcome: GateOutcome, work: GateWork, console: Console) -> None:
    """On the terminal, and in every file that was asked for."""
    # What is heavy to import is not needed before this, and not for what cannot be carried out.
    from supcr_bench.render.gate_grids import gate_blocks
    from supcr_bench.render.gate_json import gate_json
    from supcr_bench.render.gate_junit import gate_junit
    from supcr_bench.render.gate_markdown import gate_markdown
    from supcr_bench.render.terminal import print_blocks

    request = work.request
    print_blocks(console, gate_blocks(outcome))
    if request.json is not None:
        request.json.write_text(gate_json(outcome, work.undecided))
    if request.junit is not None:
        request.junit.write_bytes(gate_junit(outcome, work.undecided))
    if request.summary is not None:
        # The other steps of a job write into the same summary; any other file is the gate's own.
        of_the_job = os.environ.get("GITHUB_STEP_SUMMARY") == str(request.summary)
        with request.summary.open("a" if of_the_job else "w", encoding="utf-8") as file:
            file.write(gate_markdown(outcome))
