"""The checks of a loss over several ranks (processes that share a batch); each says why.

Some are checks of one process, which ask all ranks here; the others are of ranks alone.
"""

from collections.abc import Iterator

import torch

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.trial import Trial, outright
from supcr_bench.verification.check import check
from supcr_bench.verification.checks import conduct, definition, relations, robustness
from supcr_bench.verification.ranks.context import RankContext, RanksRaisedError


def plain(context: RankContext) -> Iterator[Batch]:
    """Batches with labels on every rank, which are split evenly; the diagnosis uses them too."""
    yield context.evenly(seed=1)
    yield context.evenly(seed=2, labels="tied")
    yield context.evenly(seed=3, dims=2, weights="unnormalised")
    yield context.evenly(seed=4, dims=2, nan_density=0.2)
    yield context.evenly(seed=5, dtype="float64")


@check("step under DDP", "definition")
def step(context: RankContext) -> Iterator[Trial]:
    """A rank that uses only its own rows trains against few candidates, and still learns.

    The result of all_gather has no gradient, and sums and means over ranks are easily confused.
    """
    for problem in plain(context):
        yield context.compare(problem, rows=context.even)


@check("ragged ranks", "definition")
def ragged(context: RankContext) -> Iterator[Trial]:
    """The last batch is rarely a multiple of the ranks, and all_gather wants equal shapes."""
    others = context.ranks - 1
    few = ([1, *range(4, 4 + others)], [5, *[2] * others], [*[6] * others, 0], [1] * context.ranks)
    for seed, rows in enumerate(few):
        problem = context.problem(n=sum(rows), seed=10 + seed, labels="tied")
        yield context.compare(problem, rows=tuple(rows))


def _without_labels(context: RankContext, name: str, *ranks: int) -> Trial:
    context.require_missing_labels()
    problem = context.evenly(dims=2, seed=20 + sum(ranks))
    labels = problem.labels.clone()
    labels.view(context.ranks, 5, -1)[list(ranks)] = torch.nan
    return context.compare(problem.changed(name, labels=labels), rows=context.even)


@check("rank without labels", "definition")
def unlabelled_rank(context: RankContext) -> Iterator[Trial]:
    """With sparse labels a rank may have none; if it returns early, the others wait for ever."""
    for rank in (0, context.ranks - 1):
        yield _without_labels(context, f"no label on rank {rank}", rank)


@check("no label at all", "definition")
def no_label(context: RankContext) -> Iterator[Trial]:
    """A batch without a pair must give 0 with a graph on every rank, or DDP waits for ever."""
    yield _without_labels(context, "no label on any rank", *range(context.ranks))


@check("no grad", "conduct")
def no_grad(context: RankContext) -> Iterator[Trial]:
    """Validation computes no gradients, and there too all ranks must make matching collectives."""
    problem = context.evenly(seed=40).changed("under torch.no_grad")
    yield context.compare(problem, rows=context.even, training=False)


@check("ranks that do not fit", "robustness")
def misfit(context: RankContext) -> Iterator[Trial]:
    """Embeddings of another width on one rank must raise an error on every rank, not hang."""
    problem = context.evenly(seed=90).changed(f"d=3 on rank {context.ranks - 1}")
    finding: str | None = "no rank raises"
    try:
        context.answers(problem, rows=context.even, misfit=True)
    except RanksRaisedError as error:
        finding = None if error.everyone else str(error)
    yield outright(problem.name, finding)


RANK_CHECKS = (
    step,
    ragged,
    unlabelled_rank,
    no_label,
    definition.random_cases,
    definition.ties,
    definition.dropped_rows,
    definition.label_dimensions,
    definition.weights,
    relations.permutation,
    no_grad,
    conduct.repeatability,
    robustness.float64_accuracy,
    robustness.low_temperature,
    misfit,
)
"""The checks in the order they run; the one that may end the ranks comes last."""
