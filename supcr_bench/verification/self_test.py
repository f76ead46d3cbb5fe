"""The verifier verified: every seeded bug must be caught, and named where it has a name."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import Definition, get_definition
from supcr_bench.values.errors import UnavailableError
from supcr_bench.verification.bugs.catalogue import BUGS, RIGHT
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.run_checks import all_checks
from supcr_bench.verification.verification import Verification
from supcr_bench.verification.verifier import Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestRow:
    """How the verifier did on one seeded bug.

    Attributes:
        bug: its name.
        group: which kind of check must catch it.
        caught_by: checks of that kind that failed; empty where it was missed.
        nameable: what it is, if a variation of the definition is it.
        diagnosed: what the verifier said it is.
        left_out: cases that a slow machine left out: a bug that was missed then proves nothing.
    """

    bug: str
    group: str
    caught_by: tuple[str, ...]
    nameable: str | None
    diagnosed: tuple[str, ...]
    left_out: int

    @property
    def caught(self) -> bool:
        """Whether a check of the right kind failed."""
        return bool(self.caught_by)

    @property
    def named(self) -> bool | None:
        """Whether the diagnosis is right; ``None`` where the bug has no name."""
        return None if self.nameable is None else self.nameable in self.diagnosed


def verify_bug(bug: SeededBug, seed: int = 0) -> tuple[SelfTestRow, Verification]:
    """Verify one seeded bug in this process."""
    definition = get_definition(bug.definition)
    verifier = Verifier.for_definition(bug.name, bug.factory, definition, seed)
    outcomes = tuple(verifier.run(check) for check in all_checks())
    diagnosis = verifier.diagnose(outcomes)
    verification = Verification(
        implementation=bug.name,
        definition=definition.name,
        recognised=None,
        strict=bug.caught_by == "robustness",
        seed=seed,
        outcomes=outcomes,
        diagnosis=diagnosis,
    )
    failed = [o for o in outcomes if o.verdict is Verdict.FAIL]
    return (
        SelfTestRow(
            bug=bug.name,
            group=bug.caught_by,
            caught_by=tuple(o.check for o in failed if o.group == bug.caught_by),
            nameable=bug.named,
            diagnosed=diagnosis.causes if diagnosis else (),
            left_out=sum(o.left_out for o in outcomes),
        ),
        verification,
    )


def run_self_test(seed: int = 0) -> Iterator[SelfTestRow]:
    """Every seeded bug."""
    for bug in BUGS:
        yield verify_bug(bug, seed)[0]


NOT_ROBUST = ("broadcast", "rowsort")
"""Of the note's: right by the definition, so that only robustness may be found wanting."""
ROBUST = ("batched", "scan", "tiled")
"""Beyond the note: right in every check, by each definition that they compute."""


def false_alarms(seed: int) -> list[str]:
    """What the verifier finds wrong with implementations that are right, for one seed."""
    subjects: list[tuple[str, Callable[..., Any], Definition, bool]]
    subjects = [(f.__name__, f, get_definition(f.DEFINITION), False) for f in RIGHT]
    for name in ROBUST:
        with suppress(UnavailableError):
            found = load(locate(name))
            for said in found.definitions or (found.definition,):
                factory = found.under(said).factory
                subjects.append((name, factory, get_definition(said), False))
    for name in NOT_ROBUST:
        found = load(locate(name))
        subjects.append((name, found.factory, get_definition(found.definition), True))
    alarms = []
    for name, factory, definition, excused in subjects:
        verifier = Verifier.for_definition(name, factory, definition, seed)
        for check in all_checks():
            if excused and check.group == "robustness":
                continue
            outcome = verifier.run(check)
            if outcome.verdict is Verdict.FAIL:
                alarms.append(f"{name}, {check.name}: {outcome.finding} ({outcome.case})")
    return alarms
