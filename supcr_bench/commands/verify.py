"""``supcr-bench verify``."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from supcr_bench.subjects.registry import Subject, locate, registered
from supcr_bench.sweep.suite import load_suite
from supcr_bench.values.definition import Definition, get_definition
from supcr_bench.values.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from supcr_bench.verification.verification import Verification

AUTO = "auto"
MADE_FOR_RANKS = "ranks"
"""The tag of an implementation whose batch lies on several ranks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """What was typed."""

    implementations: tuple[str, ...]
    definition: str | None
    suite: str | None
    strict: bool
    self_test: bool
    ranks: int | None
    seed: int
    json: Path | None


def find_definition(name: str | None, suite: str | None) -> Definition | str | None:
    """A definition by name: shipped, of a suite file, ``auto``, or none at all.

    Raises:
        UsageError: there is no such definition, or the suite file is not valid.
    """
    own = load_suite(suite).definitions if suite is not None else {}
    if name is None or name == AUTO:
        return name
    try:
        return get_definition(name, {n: given.to_definition(n) for n, given in own.items()})
    except UnknownNameError as error:
        raise UnknownNameError("definition", name, [AUTO, *error.known]) from None


def verify_implementations(request: VerifyRequest) -> int:
    """Verify, print, and write the JSON file.

    Returns:
        exit status: 0 if all are right, 1 if one is not, 3 if one is undecided.
    """
    console = Console(highlight=False)
    if request.json and not request.json.parent.is_dir():
        raise UsageError(f"--json: no folder {str(request.json.parent)!r}")
    if request.self_test:
        if request.implementations or request.definition or request.suite or request.strict:
            raise UsageError("--self-test takes no implementation, definition, suite or --strict")
        from supcr_bench.commands.self_test import self_test

        return 0 if self_test(console, request.json, request.ranks, request.seed) else 1
    definition = find_definition(request.definition, request.suite)
    names = request.implementations or tuple(registered())
    if request.ranks is not None and not request.implementations:
        names = made_for_ranks()
    subjects = [locate(name) for name in names]
    if not subjects:
        raise UsageError("nothing to verify: name an implementation")
    verifications: list[Verification] = []
    for found in verify_each(
        subjects,
        definition,
        strict=request.strict,
        seed=request.seed,
        console=console,
        ranks=request.ranks,
    ):
        verifications.append(found)
        show(found, console)
    if request.json:
        values = [v.to_mapping() for v in verifications]
        request.json.write_text(json.dumps(values, indent=2) + "\n")
    if any(v.failures for v in verifications):
        return 1
    return 0 if all(verifications) else 3


def made_for_ranks() -> tuple[str, ...]:
    """Registered implementations that say that they are for a batch on several ranks."""
    from supcr_bench.subjects.registry import list_all

    found = [listing.implementation for listing in list_all()]
    return tuple(i.name for i in found if i is not None and MADE_FOR_RANKS in i.tags)


def verify_each(
    subjects: Iterable[Subject],
    definition: Definition | str | None,
    *,
    strict: bool,
    seed: int,
    console: Console,
    ranks: int | None = None,
) -> Iterator["Verification"]:
    """Verify each implementation in a worker of its own, and show which check is on.

    With ``ranks``, in so many workers that hold a batch together.
    """
    from supcr_bench.workers.rank_verification import RankVerification
    from supcr_bench.workers.verification import WorkerVerification

    for subject in subjects:
        session: RankVerification | WorkerVerification
        if ranks is None:
            session = WorkerVerification(subject, definition, strict=strict, seed=seed)
        else:
            session = RankVerification(subject, definition, ranks=ranks, strict=strict, seed=seed)
        with console.status(f"{subject.name}: starting") as status:
            for outcome in session.run():
                status.update(Text(f"{subject.name}: {outcome.group}, {outcome.check}"))
        yield session.result()


def show(verification: "Verification", console: Console) -> None:
    """The table, the verdict, and the diagnosis."""
    from supcr_bench.render.terminal import print_table
    from supcr_bench.render.verification_tables import checks_table
    from supcr_bench.verification.outcome import Verdict
    from supcr_bench.verification.present import finding_lines

    print_table(console, checks_table(verification))
    for outcome, line in zip(
        [o for o in verification.outcomes if o.verdict is not Verdict.PASS],
        finding_lines(verification.outcomes),
        strict=True,
    ):
        style = "red" if outcome in verification.failures else "dim"
        style = "yellow" if outcome in verification.findings and style == "dim" else style
        console.print(Text(line, style=style), soft_wrap=True)
    console.print()
    for line in verification.notes:
        console.print(Text(line), soft_wrap=True)
    if verification.diagnosis and verification.diagnosis.snippet:
        console.print(Text("\n" + verification.diagnosis.snippet + "\n"), soft_wrap=True)


def show_verified(verifications: Sequence["Verification"], console: Console) -> None:
    """Several at a glance, and of those that are not right what is wrong."""
    from supcr_bench.render.terminal import print_table
    from supcr_bench.render.verification_tables import verified_table
    from supcr_bench.verification.present import diagnosis_lines, finding_lines

    print_table(console, verified_table(verifications))
    for found in verifications:
        console.print(Text(found.headline), soft_wrap=True)
        if found.failures:
            for line in finding_lines(found.failures):
                console.print(Text(f"  {line}", style="red"), soft_wrap=True)
            for line in diagnosis_lines(found.diagnosis) if found.diagnosis else ():
                console.print(Text(f"  {line}"), soft_wrap=True)
    console.print()
