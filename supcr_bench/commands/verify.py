"""``supcr-bench verify``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from supcr_bench.subjects.registry import locate, registered
from supcr_bench.sweep.suite import load_suite
from supcr_bench.values.definition import DEFINITIONS, Definition
from supcr_bench.values.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from supcr_bench.verification.verification import Verification

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
    """A definition by name: shipped, of a suite file, ``auto``, or none at all.

    Raises:
        UsageError: there is no such definition, or the suite file is not valid.
    """
    own = load_suite(suite).definitions if suite is not None else {}
    if name is None or name == AUTO:
        return name
    if name in own:
        return own[name].to_definition(name)
    if name in DEFINITIONS:
        return DEFINITIONS[name]
    raise UnknownNameError("definition", name, [AUTO, *DEFINITIONS, *own])


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

        return 0 if self_test(console, request.json) else 1
    definition = find_definition(request.definition, request.suite)
    subjects = [locate(name) for name in request.implementations or tuple(registered())]
    if not subjects:
        raise UsageError("nothing to verify: name an implementation")
    # torch comes in here, after everything that can be wrong without it.
    from supcr_bench.workers.verification import WorkerVerification

    verifications: list[Verification] = []
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
    if any(v.failures for v in verifications):
        return 1
    return 0 if all(verifications) else 3


def show(verification: "Verification", console: Console) -> None:
    """The table, the verdict, and the diagnosis."""
    from supcr_bench.render.grid import Grid
    from supcr_bench.render.terminal import print_grid
    from supcr_bench.verification.outcome import Verdict
    from supcr_bench.verification.present import HEADERS, finding_lines, row

    rows = [row(o) for o in verification.outcomes]
    bad = [i for i, o in enumerate(verification.outcomes) if o.verdict is Verdict.FAIL]
    idle = [
        i
        for i, o in enumerate(verification.outcomes)
        if o.verdict in (Verdict.NOT_APPLICABLE, Verdict.NOT_RUN)
    ]
    groups = [r[0] for r in rows]
    print_grid(
        console,
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
        ),
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
