"""Verification as tables: every check of one implementation, and several at a glance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from supcr_bench.render.grid import Grid
from supcr_bench.values.units import MISSING
from supcr_bench.verification.outcome import GROUPS, Verdict
from supcr_bench.verification.present import HEADERS, diagnosis_lines, finding_text, row
from supcr_bench.verification.verification import Verification

if TYPE_CHECKING:
    from supcr_bench.render.sections import Verified

_IDLE = (Verdict.NOT_APPLICABLE, Verdict.NOT_RUN)


def verification_grid(verification: Verification) -> Grid:
    """Every check of one implementation."""
    outcomes = verification.outcomes
    rows = [row(o) for o in outcomes]
    groups = [r[0] for r in rows]
    over = f" over {verification.ranks} ranks" if verification.ranks is not None else ""
    return Grid(
        name="verification",
        title=f"{verification.implementation}{over}, held against {verification.definition}",
        note="x tol.: largest error as a multiple of its bound; up to 1 passes",
        headers=HEADERS,
        rows=tuple(rows),
        left=4,
        sections=frozenset(i for i in range(1, len(groups)) if groups[i] != groups[i - 1]),
        alarming=frozenset((i, 2) for i, o in enumerate(outcomes) if o.verdict is Verdict.FAIL),
        weak=frozenset(
            (i, column)
            for i, o in enumerate(outcomes)
            if o.verdict in _IDLE
            for column in range(len(HEADERS))
        ),
    )


def verified_grid(verifications: Sequence[Verification]) -> Grid:
    """Several implementations: the verdict, and how many checks of each group pass."""
    cells, alarming, strong = [], set(), set()
    for i, found in enumerate(verifications):
        verdict = "right" if found.passed else "not right" if found.failures else "undecided"
        cells.append((found.implementation, verdict, *(_passes(found, g) for g in GROUPS)))
        if found.failures:
            alarming.add((i, 1))
            failed = {o.group for o in found.failures}
            alarming |= {(i, 2 + j) for j, group in enumerate(GROUPS) if group in failed}
        elif found.passed:
            strong.add((i, 1))
    definitions = ", ".join(dict.fromkeys(v.definition for v in verifications))
    return Grid(
        name="verified",
        title=f"Verification by the definition ({definitions})",
        note="checks that pass, of those that apply; robustness decides nothing",
        headers=("implementation", "verdict", *GROUPS),
        rows=tuple(cells),
        left=2,
        alarming=frozenset(alarming),
        strong=frozenset(strong),
    )


def _passes(verification: Verification, group: str) -> str:
    own = [
        o
        for o in verification.outcomes
        if o.group == group and o.verdict is not Verdict.NOT_APPLICABLE
    ]
    passes = sum(o.verdict is Verdict.PASS for o in own)
    return f"{passes} of {len(own)}" if own else MISSING


def verified(verification: Verification) -> "Verified":
    """What the page shows of one implementation."""
    from supcr_bench.render.sections import Verified  # scipy comes with it, and tables need none

    diagnosis = verification.diagnosis
    return Verified(
        implementation=verification.implementation,
        verdict=verification.headline,
        findings=tuple((o.check, finding_text(o)) for o in verification.findings),
        diagnosis=" ".join(diagnosis_lines(diagnosis)) or None if diagnosis else None,
        snippet=diagnosis.snippet if diagnosis else None,
    )
