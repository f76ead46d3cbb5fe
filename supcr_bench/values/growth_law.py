"""Growth laws by name: what an implementation claims, and what guides are drawn with."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from supcr_bench.values.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class GrowthLaw:
    """A law f(N) that cost may follow, up to a constant.

    Attributes:
        name: as written in tables, for example ``N^2 log N``.
        of: f itself, for N >= 2.
    """

    name: str
    of: Callable[[float], float]

    def ratio(self, n: float, to: float) -> float:
        """How much more cost ``to`` rows take than ``n``."""
        return self.of(to) / self.of(n)


LAWS = {
    law.name: law
    for law in (
        GrowthLaw("N", lambda n: n),
        GrowthLaw("N log N", lambda n: n * math.log(n)),
        GrowthLaw("N^2", lambda n: n**2),
        GrowthLaw("N^2 log N", lambda n: n**2 * math.log(n)),
        GrowthLaw("N^3", lambda n: n**3),
        GrowthLaw("N^4", lambda n: n**4),
    )
}


def get_law(name: str) -> GrowthLaw:
    """The growth law of that name.

    Raises:
        UnknownNameError: there is none.
    """
    try:
        return LAWS[name]
    except KeyError:
        raise UnknownNameError("growth law", name, LAWS) from None
