"""Dimension weights: unequal, and not adding up to one."""

from collections.abc import Iterator

from supcr_bench.verification.bench import Bench, Check
from supcr_bench.verification.outcome import Trial


def run(bench: Bench) -> Iterator[Trial]:
    """The weighted loss divides by the sum of the weights, whatever that is."""
    bench.require(bench.takes_weights, "takes no dimension weights")
    specs = [
        {"n": n, "dims": dims, "weights": weights, "nan_density": density, "seed": dims}
        for n, dims, density in ((5, 2, 0.0), (9, 3, 0.3), (17, 8, 0.2))
        for weights in ("unequal", "unnormalised")
    ]
    for problem in bench.problems(specs):
        yield bench.compare(problem, upstream=bench.upstream(problem.labels.shape[1]))


CHECK = Check(
    name="weights",
    group="definition",
    why="ignored or unnormalised weights change which label is learnt",
    run=run,
)
