"""With all embeddings equal the loss is known: the mean logarithm of the candidates' number."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.compare import loss_deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.problem import Problem


def closed_form(context: CheckContext, problem: Problem) -> float:
    """Sum over views of the mean over i != j of log |S(i,j)|, weighted over dimensions."""
    labels = problem.labels
    if context.definition.views == "concatenate":
        labels = labels.repeat(2, 1)
    columns = list(labels.unbind(1))
    losses = []
    for y in columns:
        delta = (y.unsqueeze(1) - y.unsqueeze(0)).abs()
        m = len(y)
        off = ~torch.eye(m, dtype=torch.bool)
        farther = delta.unsqueeze(1) >= delta.unsqueeze(2)
        if context.definition.self_candidate == "never":
            farther &= off.unsqueeze(1)
        losses.append(float(farther.sum(dim=2)[off].double().log().mean()))
    shares = problem.weights.double() / problem.weights.double().sum()
    views = 2 if context.definition.views == "sum" else 1
    return views * float((torch.tensor(losses, dtype=torch.float64) * shares).sum())


@check("identical embeddings", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """One dimension, so that every label distance serves.

    A value that can be counted by hand, with no reference in between.
    """
    for labels in ("continuous", "tied", "constant"):
        base = context.problem(n=9, dims=1, labels=labels)
        same = base.first[:1].expand_as(base.first).clone()
        problem = base.changed("identical embeddings", first=same, second=same.clone())
        right = torch.tensor(closed_form(context, problem), dtype=torch.float64)
        loss, bound = context.ask(problem).loss, context.bounds(problem).loss
        yield loss_deviation(problem, loss, right, bound, "counting candidates gives")
