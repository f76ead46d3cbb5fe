"""Verification as tables: every check of one implementation, and several at a glance."""

from collections.abc import Sequence

from supcr_bench.values.table import Cell, Row, Table, Tone, numbers, row, words
from supcr_bench.values.units import MISSING
from supcr_bench.verification.outcome import GROUPS, Outcome, Verdict
from supcr_bench.verification.present import HEADERS
from supcr_bench.verification.present import row as texts
from supcr_bench.verification.verification import Verification

_IDLE = (Verdict.NOT_APPLICABLE, Verdict.NOT_RUN)


def checks_table(verification: Verification) -> Table:
    """Every check of one implementation."""
    over = f" over {verification.ranks} ranks" if verification.ranks is not None else ""
    return Table(
        name="verification",
        title=f"{verification.implementation}{over}, by the definition {verification.definition}",
        note="x tol.: largest error as a multiple of its bound; up to 1 passes",
        columns=(*words(*HEADERS[:-1]), *numbers(HEADERS[-1])),
        rows=tuple(
            Row(
                tuple(Cell(text, _tone(outcome, text)) for text in texts(outcome)),
                group=outcome.group,
            )
            for outcome in verification.outcomes
        ),
        keys=2,
    )


def _tone(outcome: Outcome, text: str) -> Tone:
    if outcome.verdict in _IDLE:
        return "quiet"
    return "bad" if outcome.verdict is Verdict.FAIL and text == outcome.verdict else ""


def verified_table(verifications: Sequence[Verification]) -> Table:
    """Several implementations: the verdict, and how many checks of each group pass."""
    definitions = ", ".join(dict.fromkeys(v.definition for v in verifications))
    return Table(
        name="verified",
        title=f"Verification by the definition ({definitions})",
        note="checks that pass, of those that apply; robustness decides nothing",
        columns=words("implementation", "verdict", *GROUPS),
        rows=tuple(
            row(found.implementation, _verdict(found), *(_passes(found, g) for g in GROUPS))
            for found in verifications
        ),
        keys=2,
    )


def _verdict(found: Verification) -> Cell:
    if found.failures:
        return Cell("not right", "bad")
    return Cell("right", "good") if found.passed else Cell("undecided")


def _passes(found: Verification, group: str) -> Cell:
    own = [
        o for o in found.outcomes if o.group == group and o.verdict is not Verdict.NOT_APPLICABLE
    ]
    passes = sum(o.verdict is Verdict.PASS for o in own)
    tone: Tone = "bad" if group in {o.group for o in found.failures} else ""
    return Cell(f"{passes} of {len(own)}" if own else MISSING, tone)
