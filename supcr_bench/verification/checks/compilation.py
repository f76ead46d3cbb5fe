"""What claims to work under torch.compile does."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.bench import Bench, Check
from supcr_bench.verification.outcome import Trial

TAG = "compile"


def run(bench: Bench) -> Iterator[Trial]:
    """Only where the implementation carries the tag ``compile``."""
    bench.require(TAG in bench.candidate.tags, "does not claim to work under torch.compile")
    problem = bench.problem(n=9, dims=2)
    module = torch.compile(bench.candidate.build(problem))
    yield bench.compare(problem.changed("compiled"), module=module)


CHECK = Check(
    name="torch.compile",
    group="conduct",
    why="a claim that can be tested",
    run=run,
)
