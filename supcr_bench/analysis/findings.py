"""Everything derived from a run's results, computed once for all renderers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supcr_bench.analysis.claims import ClaimRow, claim_rows
from supcr_bench.analysis.crossover import Crossover, crossovers
from supcr_bench.analysis.frontier import FrontierRow, frontier, predicted_peaks
from supcr_bench.analysis.growth import Claims, Growth, growth_of
from supcr_bench.analysis.statistics import NoiseFloor, noise_floor
from supcr_bench.values.machine import by_machine
from supcr_bench.values.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that is derived from a run; devices include the machine where kinds of it differ."""

    results: Sequence[Result]
    growth: Sequence[Growth]
    crossovers: Sequence[Crossover]
    frontier: Sequence[FrontierRow]
    predictions: Sequence[Result]
    noise: NoiseFloor | None
    claims: Sequence[ClaimRow]


def find(results: Sequence[Result], claims: Mapping[str, Claims]) -> Findings:
    """Compute all findings from one run's results and the claimed growth laws."""
    results = by_machine(results)
    growth = growth_of(results, claims)
    return Findings(
        results=results,
        growth=growth,
        crossovers=crossovers(results),
        frontier=frontier(results),
        predictions=predicted_peaks(results),
        noise=noise_floor(results),
        claims=claim_rows(results, growth),
    )
