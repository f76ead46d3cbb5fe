"""Temperatures down to 0.005 in float32."""

from collections.abc import Iterator

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial

TEMPERATURES = (1.0, 0.5, 0.2, 0.1, 0.07, 0.05, 0.02, 0.0112, 0.005)


@check("low temperature", "robustness")
def run(context: CheckContext) -> Iterator[Trial]:
    """exp(1/tau) overflows float32 below tau = 1/88.7.

    Contrastive losses are trained at temperatures of 0.05 and below.
    """
    context.require(bool(context.candidate.knobs.temperature), "takes no temperature")
    for tau in TEMPERATURES:
        yield context.compare(context.problem(n=17, d=16, dims=2, temperature=tau))
