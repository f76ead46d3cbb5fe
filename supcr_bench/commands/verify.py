"""``supcr-bench verify``."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from supcr_bench.render.grids import Grid
from supcr_bench.render.terminal import rich_table
from supcr_bench.subjects.registry import locate, registered
from supcr_bench.values.definition import Definition, get_definition
from supcr_bench.values.errors import UsageError
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.present import HEADERS, finding_lines, row
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.verification import WorkerVerification

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """What was typed."""

    implementations: tuple[str, ...]
    definition: str | None
    suite: str | None
    strict: bool
    self_test: bool
    seed: int
    json: Path | None


def find_definition(name: str | None, suite: str | None) -> Definition | str | None:
    """A definition by name: shipped, of a suite file, ``auto``, or none at all."""
    if name is None or name == AUTO:
        return name
    if suite is not None:
        from supcr_bench.sweep.suite import load_suite

        own = load_suite(suite).definitions
        if name in own:
            return own[name].to_definition(name)
    return get_definition(name)


def verify_implementations(request: VerifyRequest) -> bool:
    """Verify, print, and write the JSON file.

    Returns:
        whether all are right.
    """
    console = Console(highlight=False)
    if request.self_test:
        from supcr_bench.commands.self_test import self_test

        return self_test(console, request.json)
    definition = find_definition(request.definition, request.suite)
    subjects = [locate(name) for name in request.implementations or tuple(registered())]
    if not subjects:
        raise UsageError("nothing to verify: name an implementation")
    verifications = []
    for subject in subjects:
        session = WorkerVerification(subject, definition, strict=request.strict, seed=request.seed)
        with console.status(f"{subject.name}: starting") as status:
            for outcome in session.run():
                status.update(Text(f"{subject.name}: {outcome.group}, {outcome.check}"))
        verifications.append(session.result())
        show(verifications[-1], console)
    if request.json:
        values = [v.to_mapping() for v in verifications]
        request.json.write_text(json.dumps(values, indent=2) + "\n")
    return all(verifications)


def show(verification: Verification, console: Console) -> None:
    """The table, the verdict, and the diagnosis."""
    rows = [row(o) for o in verification.outcomes]
    bad = [i for i, o in enumerate(verification.outcomes) if o.verdict is Verdict.FAIL]
    idle = [i for i, o in enumerate(verification.outcomes) if o.verdict is Verdict.NOT_APPLICABLE]
    groups = [r[0] for r in rows]
    console.print(
        rich_table(
            Grid(
                name="verification",
                title=f"{verification.implementation}, held against {verification.definition}",
                note="x tol.: largest error as a multiple of its bound; up to 1 passes",
                headers=HEADERS,
                rows=tuple(rows),
                left=4,
                sections=frozenset(i for i in range(1, len(groups)) if groups[i] != groups[i - 1]),
                alarming=frozenset((i, 2) for i in bad),
                weak=frozenset((i, c) for i in idle for c in range(len(HEADERS))),
            )
        )
    )
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
