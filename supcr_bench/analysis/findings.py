"""Everything derived from a run's results, computed once for all renderers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supcr_bench.analysis.claims import ClaimRow, claim_rows
from supcr_bench.analysis.crossover import Crossover, crossovers
from supcr_bench.analysis.frontier import FrontierRow, PeakPrediction, frontier, peak_predictions
from supcr_bench.analysis.growth import Claims, Growth, growth_of
from supcr_bench.analysis.machines import by_machine
from supcr_bench.analysis.noise import NoiseFloor, noise_floor
from supcr_bench.values.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The derived figures of a run.

    Attributes:
        results: in the order in which they were found; their devices are named with the machine
            where there are several kinds of it.
        noise: ``None`` without an A/A arm.
        claims: empty where none of the note's implementations is in the run.
    """

    results: Sequence[Result]
    growth: Sequence[Growth]
    crossovers: Sequence[Crossover]
    frontier: Sequence[FrontierRow]
    predictions: Sequence[PeakPrediction]
    noise: NoiseFloor | None
    claims: Sequence[ClaimRow]


def find(results: Sequence[Result], claims: Mapping[str, Claims]) -> Findings:
    """Derive everything.

    Args:
        results: the results of one run. Those of unlike machines are kept apart.
        claims: the growth laws that each implementation claims.
    """
    results = by_machine(results)
    growth = growth_of(results, claims)
    return Findings(
        results=results,
        growth=growth,
        crossovers=crossovers(results),
        frontier=frontier(results),
        predictions=peak_predictions(results),
        noise=noise_floor(results),
        claims=claim_rows(results, growth),
    )
