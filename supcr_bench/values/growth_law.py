"""Growth laws by name, such as N^2: implementations claim them, and measured figures are fitted.

To add a law, insert it into :data:`LAWS`, which is sorted from the slowest to the fastest.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from supcr_bench.values.errors import UnknownNameError


class Holds(StrEnum):
    """The verdict on a claim."""

    YES = "holds"
    CONDITION = "holds with a condition"
    NO = "does not hold"
    UNDECIDED = "not decided"


@dataclass(frozen=True, slots=True, eq=False)
class GrowthLaw:
    """A law f(N), given by ``of``, that a cost may follow up to a constant factor."""

    name: str
    of: Callable[[float], float]

    @property
    def degree(self) -> int:
        """The power of N, apart from a logarithm."""
        return round(math.log(self.ratio(1e9, 1e12), 1e3))

    def ratio(self, n: float, to: float) -> float:
        return self.of(to) / self.of(n)


CONSTANT = GrowthLaw("constant", lambda n: 1.0)  # noqa: ARG005
LAWS = {
    law.name: law
    for law in (
        CONSTANT,
        GrowthLaw("N", lambda n: n),
        GrowthLaw("N log N", lambda n: n * math.log(n)),
        GrowthLaw("N^2", lambda n: n**2),
        GrowthLaw("N^2 log N", lambda n: n**2 * math.log(n)),
        GrowthLaw("N^3", lambda n: n**3),
        GrowthLaw("N^4", lambda n: n**4),
    )
}


def get_law(name: str) -> GrowthLaw:
    try:
        return LAWS[name]
    except KeyError:
        raise UnknownNameError("growth law", name, LAWS) from None


def grows_faster(one: str, other: str) -> bool:
    order = list(LAWS)
    return order.index(get_law(one).name) > order.index(get_law(other).name)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthVerdict:
    """The growth law of a metric; if it is undecided, the laws that the data allow, and why.

    If the code takes another path from a size on, ``law_before`` is the law up to there; ``law``
    and the exponent, the power of N, are those from ``changes_at`` on.
    """

    law: str | None
    evidence: str
    candidates: tuple[str, ...] = ()
    exponent: float | None = None
    exponent_low: float | None = None
    exponent_high: float | None = None
    law_before: str | None = None
    changes_at: int | None = None
    needs_size: int | None = None
    curve: Callable[[float], float] | None = None
    band: Callable[[float], tuple[float, float]] | None = None

    @property
    def course(self) -> str | None:
        """The law, or the laws in turn: ``N^2, N^0.8 from N=128 on``; ``None`` if undecided."""
        if not self.law_before:
            return self.law
        power = None if self.exponent is None else f"N^{self.exponent:.1f}"
        return f"{self.law_before}, {self.law or power or 'other'} from N={self.changes_at} on"

    @property
    def said(self) -> str:
        """How the metric grows, such as ``grows as N^2`` or ``grows as N^1.9 [1.7, 2.4]``."""
        if self.course or self.exponent is None:
            return f"grows as {self.course}" if self.course else "follows no law that is decided"
        low, high = self.exponent_low, self.exponent_high
        return f"grows as N^{self.exponent:.2f} [{low:.2f}, {high:.2f}]"


def what_would_tell(size: int | None) -> str:
    return f"needs N up to about {size}" if size else "no feasible size would decide"
