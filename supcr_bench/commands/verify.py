"""``supcr-bench verify`` and ``demo``: prove a loss right, or say what is wrong with it."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from supcr_bench.commands.options import (
    COMPLETE_IMPLEMENTATION,
    DEFINITION,
    JSON_FILE,
    flag,
    option,
    output_file,
    quantity,
    say_notes,
)
from supcr_bench.values.axes import get_axis
from supcr_bench.values.cell import MOST_PROCESSES
from supcr_bench.values.definition import AUTO, Definition, get_definition
from supcr_bench.values.errors import UsageError
from supcr_bench.values.files import write_file, write_json
from supcr_bench.verification.impact import ImpactQuestion, find_question

if TYPE_CHECKING:
    from rich.console import Console

    from supcr_bench.subjects.registry import Subject
    from supcr_bench.verification.verification import Verification

DEMO_LOSS = "supcr_bench.verification.bugs.demo_loss:MyLoss"
DEMO_MISTAKE = "strict inequality"
"""The cause that the diagnosis must name."""


def verify(
    implementation: list[str] | None = typer.Argument(
        None,
        metavar="IMPL",
        help="Implementations to verify: registered names, module:attribute or "
        "file.py:attribute. Without any, all registered ones.",
        autocompletion=COMPLETE_IMPLEMENTATION,
    ),
    definition: str | None = DEFINITION,
    suite: Path | None = option("FILE", "Take definitions of your own from this suite file."),
    device: str = quantity(
        "--device",
        get_axis("device").read,
        "NAME",
        "Device where module and inputs live, such as cpu, cuda or mps.",
        default="cpu",
    ),
    strict: bool = flag("--strict", "Treat robustness findings as failures."),
    self_test: bool = flag("--self-test", "Verify the verifier with seeded bugs."),
    ranks: int | None = option(
        "W",
        "Verify over W local processes that share a batch. Without IMPL, verifies all "
        "implementations that are made for several processes.",
        min=2,
        max=MOST_PROCESSES,
        show_default=False,
    ),
    labels: str | None = option(
        "FILE[:COLUMN,...]",
        "Measure on these labels how far each departure turns the gradient.",
        show_default=False,
    ),
    batch_size: int | None = option(
        "N", "Rows of a batch for --labels.", min=2, show_default="256, or all rows"
    ),
    temperature: float | None = option(
        "T", "Temperature for --labels alone, not for the checks.", show_default="its own"
    ),
    seed: int = option("N", "Random seed for the generated inputs.", default=0, min=0),
    verbose: bool = flag("--verbose", "Show all checks as a table, and every finding."),
    json_file: Path | None = JSON_FILE,
    wrapper: Path | None = output_file(
        "--wrapper", "Write a wrapper for what cannot be called as it is to FILE, a new one."
    ),
    also: list[str] | None = option(
        "IMPL",
        "The same as IMPL.",
        "--implementation",
        "-i",
        hidden=True,
        autocompletion=COMPLETE_IMPLEMENTATION,
    ),
) -> None:
    """Prove an implementation right, or say what is wrong with it.

    With --labels, it says how far each departure turns the gradient on batches of your labels, and
    so whether a model that was trained with the loss should be trained again.

    With --ranks, W processes share a batch; value and gradient under DistributedDataParallel must
    equal those of one process with the whole batch.

    Exits with 0 if it is right, 1 if it is not, 2 if it cannot be called, and 3 if it took too long
    to decide that. With several, the status is 1 if any is not right, else 2 if any cannot be
    called.
    """
    implementation = [*(implementation or ()), *(also or ())]
    if wrapper and wrapper.is_file():
        raise UsageError(f"--wrapper {wrapper}: that file exists; name a new one")
    if self_test:
        if implementation or definition or suite or strict or labels or device != "cpu":
            raise UsageError(
                "--self-test verifies seeded bugs: leave out implementations, --definition, "
                "--suite, --labels, --device and --strict"
            )
        from supcr_bench.commands.self_test import run_seeded_bugs

        raise typer.Exit(0 if run_seeded_bugs(json_file, ranks, seed) else 1)
    find: Callable[[str], Definition] = get_definition
    if suite is not None:
        from supcr_bench.sweep.suite import load_suite

        find = load_suite(str(suite)).get_definition
    wanted = definition if definition in (None, AUTO) else find(definition)
    question = find_question(labels, batch_size, temperature, say_notes)
    if labels and ranks is not None:
        raise UsageError("--labels measures one process: leave out --ranks")
    if ranks is not None and device != "cpu":
        raise UsageError(f"--ranks verifies on the CPU: leave out --device {device}")
    if device != "cpu":
        from supcr_bench.measure.device import get_device

        get_device(device)

    from supcr_bench.subjects.registry import locate, registered, select

    names = implementation or (registered() if ranks is None else select(["tag:ranks"]))
    subjects = [replace(locate(name), definition=wanted) for name in names]

    from supcr_bench.render.terminal import make_console, print_sentence, print_table
    from supcr_bench.render.verified import print_verification
    from supcr_bench.verification.verification import exit_status, verified_table

    console = make_console()
    verifications: list[Verification] = []
    each = verify_each(
        subjects,
        strict=strict,
        seed=seed,
        console=console,
        ranks=ranks,
        device=device,
        question=question,
    )
    with closing(each):  # here, where an error on a closed pipe is caught
        for found in each:
            verifications.append(found)
            print_verification(console, found, verbose=verbose, several=len(subjects) > 1)
            console.print()
    if len(subjects) > 1:
        print_table(console, verified_table(verifications))
    if json_file:
        write_json(json_file, [v.to_mapping() for v in verifications])
    wrappers = [v.program for v in verifications if v.uncallable and v.program]
    if wrapper and wrappers:
        write_file(wrapper, "\n\n".join(wrappers))
        print_sentence(console, f"Wrapper written to {wrapper}.")
    elif wrapper:
        print_sentence(console, f"{wrapper} not written: there is nothing to wrap.")
    raise typer.Exit(exit_status(verifications))


def verify_each(
    subjects: "Iterable[Subject]",
    *,
    strict: bool,
    seed: int,
    console: "Console",
    ranks: int | None = None,
    device: str = "cpu",
    question: ImpactQuestion | None = None,
) -> Generator["Verification", None, None]:
    """Verify each implementation in a worker, and show which check runs.

    Implementations that are not registered get a worker of their own. With ``ranks``, each runs in
    that many workers, which share a batch.
    """
    from rich.text import Text

    from supcr_bench.verification.session import Session
    from supcr_bench.workers.verification import IdleWorkers, WorkerVerification

    with console.status(Text("Verification")) as status, closing(IdleWorkers()) as idle:
        for subject in subjects:
            session: Session
            if ranks is None:
                session = WorkerVerification(
                    subject, strict=strict, seed=seed, device=device, idle=idle
                )
            else:
                from supcr_bench.workers.rank_verification import RankVerification  # imports torch

                session = RankVerification(subject, ranks=ranks, strict=strict, seed=seed)
            session.question = question
            for outcome in session.run():
                status.update(Text(f"{subject.name}: {outcome.group}, {outcome.check}"))
            yield session.result()


def demo() -> None:
    """Verify a wrong loss that ships with supcr-bench, and show the diagnosis (about 10 s).

    Exits with 0 if the mistake is found and named, else with 1.
    """
    from rich.text import Text

    from supcr_bench.render.terminal import make_console
    from supcr_bench.render.verified import print_verification
    from supcr_bench.subjects.registry import file_of, locate

    subject = locate(DEMO_LOSS)
    console = make_console()
    console.print(Text(f"A loss with one mistake:\n{file_of(subject)}\n"), soft_wrap=True)
    console.print(Text(f"$ supcr-bench verify {DEMO_LOSS}", "bold"), soft_wrap=True)
    console.print()
    (found,) = verify_each([subject], strict=False, seed=0, console=console)
    print_verification(console, found)
    console.print()
    console.print("Now yours: supcr-bench verify path/to/my_loss.py:MyLoss", soft_wrap=True)
    named = any(DEMO_MISTAKE in cause for cause in found.causes)
    raise typer.Exit(0 if found.verdict == "not right" and named else 1)
