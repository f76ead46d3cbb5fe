"""Embeddings at the edge: equal, opposite, collapsed, very long and very short."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("edge embeddings", "definition")
def run(context: CheckContext) -> Iterator[Trial]:
    """Early and collapsed training look like this.

    Embeddings collapse and explode in training; the loss must not add to it.
    """
    base = context.problem(n=9, d=8, dims=1)
    first, second = base.first, base.second
    cosine = context.definition.similarity == "cosine"
    if cosine:
        same = first[:1].expand_as(first).clone()
        yield context.compare(base.changed("identical embeddings", first=same, second=same.clone()))
        signs = torch.where(torch.arange(9) % 2 == 0, 1.0, -1.0).unsqueeze(1)
        opposite = (first[:1] * signs).to(first)
        yield context.compare(
            base.changed("antipodal embeddings", first=opposite, second=-opposite)
        )
        for exponent in (-20, 20):
            scale = 2.0**exponent
            yield context.compare(
                base.changed(
                    f"norms of about 2^{exponent}", first=first * scale, second=second * scale
                )
            )
    near = first[:1] + first * 2.0**-7
    yield context.compare(base.changed("collapsed embeddings", first=near, second=near.flip(0)))
