"""How cost grows with the batch size, as far as a few sizes can tell: local exponents.

Between two sizes the local exponent is log(cost ratio) / log(size ratio). At small sizes fixed
overhead pulls it towards 0; the largest sizes show the law. A choice between laws, with an
overhead term and an interval, needs more than that and is not claimed here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supcr_bench.values.case import Case
from supcr_bench.values.result import Result

TREND_SIZES = 3
"""The growth is read off the largest sizes, this many."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth of one figure of one implementation in one series.

    Attributes:
        implementation: whose.
        case: of the largest size; stands for the series.
        sizes: measured batch sizes, rising.
        costs: seconds or bytes at these.
        exponent: least-squares slope in log-log over the largest ``TREND_SIZES`` sizes; ``None``
            with fewer than two sizes.
        last_exponent: local exponent between the two largest sizes.
    """

    implementation: str
    case: Case
    sizes: tuple[int, ...]
    costs: tuple[float, ...]
    exponent: float | None
    last_exponent: float | None


def slope(sizes: Sequence[int], costs: Sequence[float]) -> float | None:
    """Least-squares slope of log cost against log size; ``None`` with fewer than two sizes."""
    if len(set(sizes)) < 2:
        return None
    x = [math.log(n) for n in sizes]
    y = [math.log(c) for c in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread


def growth_of(results: Sequence[Result], figures: Mapping[tuple[str, Case], float]) -> list[Growth]:
    """Growth in every series that has a figure.

    Args:
        results: in the order to keep.
        figures: positive cost by result key; results without one are left out.
    """
    series: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        if figures.get(result.key):
            key = (result.implementation, result.case.pass_, result.case.series())
            series.setdefault(key, []).append(result)
    found = []
    for members in series.values():
        members.sort(key=lambda r: r.case.batch_size)
        sizes = tuple(r.case.batch_size for r in members)
        costs = tuple(figures[r.key] for r in members)
        found.append(
            Growth(
                implementation=members[0].implementation,
                case=members[-1].case,
                sizes=sizes,
                costs=costs,
                exponent=slope(sizes[-TREND_SIZES:], costs[-TREND_SIZES:]),
                last_exponent=slope(sizes[-2:], costs[-2:]),
            )
        )
    return found
