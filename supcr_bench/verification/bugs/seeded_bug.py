"""What is known of an implementation that is wrong on purpose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supcr_bench.verification.outcome import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededBug:
    """One fault, and what a verifier should say of it.

    Attributes:
        name: what is wrong, in a few words with hyphens.
        factory: builds it, with the arguments of the right implementation of its definition.
        group: the group of checks that must catch it; others may as well.
        diagnosis: one of the phrases of
            :data:`supcr_bench.verification.formula.PHRASES`, or ``None`` when no variation of the
            definition explains it.
        definition: the one that it would compute without the fault.
        why: how it comes about, and what it does to those who train with it.
    """

    name: str
    factory: Callable[..., Any]
    group: Group
    diagnosis: str | None
    definition: str = "torchcell"
    why: str
