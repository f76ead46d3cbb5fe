"""All seeded bugs, which the verifier must catch and name, and the correct implementations."""

from dataclasses import dataclass

from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.bugs import across_ranks, right
from supcr_bench.verification.bugs.one_process import BUGS as BUGS
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.verification import Verification

RANK_BUGS: tuple[SeededBug, ...] = across_ranks.BUGS
"""Bugs that only several ranks (processes that share a batch) show, one fault each."""
RIGHT: tuple[type[right.RankedContrast], ...] = (
    right.RightSupCR,
    right.RightNoSelf,
    right.RightRankNContrast,
)
"""Correct implementations, one for each shipped definition, which must pass verification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestRow:
    """How the verifier did on one seeded bug.

    Attributes:
        group: the group of checks that must catch it.
        caught_by: checks of that group that failed; empty if the bug was missed.
        nameable: the cause, if it is a variation of the definition.
        diagnosed: the causes that the verifier named.
        left_out: number of cases skipped on a slow machine, where a missed bug proves nothing.
    """

    bug: str
    group: str
    caught_by: tuple[str, ...]
    nameable: str | None
    diagnosed: tuple[str, ...]
    left_out: int

    @classmethod
    def of(cls, bug: SeededBug, found: Verification) -> "SelfTestRow":
        return cls(
            bug=bug.name,
            group=bug.caught_by,
            caught_by=tuple(o.check for o in found.findings if o.group == bug.caught_by),
            nameable=bug.named,
            diagnosed=found.diagnosis.causes if found.diagnosis else (),
            left_out=sum(o.left_out for o in found.outcomes),
        )

    @property
    def caught(self) -> bool:
        return bool(self.caught_by)

    @property
    def named(self) -> bool | None:
        """Whether the diagnosis is right; ``None`` if the bug has no name."""
        return None if self.nameable is None else self.nameable in "; ".join(self.diagnosed)


def as_implementation(factory: type[right.RankedContrast], name: str) -> Implementation:
    """Wrap a class of ``bugs/`` with the definition that it is meant to compute."""
    return Implementation(
        name=name, title=name, source="seeded", definition=factory.DEFINITION, factory=factory
    )


def bug_session(bug: SeededBug, seed: int = 0) -> LocalSession:
    strict = bug.caught_by == "robustness"
    return LocalSession(as_implementation(bug.factory, bug.name), strict=strict, seed=seed)
