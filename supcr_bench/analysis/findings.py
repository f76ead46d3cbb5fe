"""Everything derived from a run's results, computed once for all renderers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from supcr_bench.analysis.claims import ClaimRow, claim_rows
from supcr_bench.analysis.crossover import Crossover, crossovers
from supcr_bench.analysis.frontier import FrontierRow, frontier, predicted_peaks
from supcr_bench.analysis.growth import Claims, Growth, growth_of
from supcr_bench.analysis.statistics import NoiseFloor, noise_floor
from supcr_bench.analysis.summary import Wrong, known_wrong
from supcr_bench.values.machine import by_machine
from supcr_bench.values.result import Result, grouped


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that is derived from a run; devices are named with their machine if several share one.

    Attributes:
        wrong: the implementations that are never recommended.
        noise: of each device on which calls were timed; ``None`` where none was timed twice.
    """

    results: Sequence[Result]
    wrong: Wrong
    growth: Sequence[Growth]
    crossovers: Sequence[Crossover]
    frontier: Sequence[FrontierRow]
    predictions: Sequence[Result]
    noise: Mapping[str, NoiseFloor | None]
    claims: Sequence[ClaimRow]


def find(
    results: Sequence[Result], claims: Mapping[str, Claims], refuted: Collection[str] = ()
) -> Findings:
    """What follows from results, of implementations of which verification ``refuted`` some."""
    results = by_machine(results)
    growth, wrong = growth_of(results, claims), known_wrong(results, refuted)
    timed = grouped((r for r in results if r.time_samples_s), lambda r: r.case.device)
    return Findings(
        results=results,
        wrong=wrong,
        growth=growth,
        crossovers=crossovers(results),
        frontier=frontier(results),
        predictions=predicted_peaks(results),
        noise={device: noise_floor(own) for device, own in timed.items()},
        claims=claim_rows(results, growth, wrong),
    )
