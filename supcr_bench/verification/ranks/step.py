"""One call of a loss on one of several ranks (processes that share a batch), as in training.

Under DistributedDataParallel, the rows of the whole batch are parameters, of which each rank uses
its own. So the mean of the ranks' gradients, which DDP takes, is the gradient of one process with
the whole batch, and by the chain rule that holds for the parameters of any network below. The
parameters are in float64, so that rounding in that mean is negligible.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.answer import Answer, answer_of, scale_up
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class RankQuestion:
    """One call on all ranks, each with its own rows of a batch.

    Attributes:
        problem: the whole batch.
        rows: how many of its rows each rank has.
        upstream: [1 + D] gradient at the loss and the per-dimension losses; by default 1 at the
            loss alone.
        module: the number of a module that is kept for a later call; ``None`` for a new module.
        training: whether to compute gradients.
        misfit: whether the last rank gets embeddings with one column less.
    """

    problem: Batch
    rows: tuple[int, ...]
    upstream: Tensor | None = None
    module: int | None = None
    training: bool = True
    misfit: bool = False

    def slice_of(self, rank: int) -> slice:
        start = sum(self.rows[:rank])
        return slice(start, start + self.rows[rank])


class Embeddings(nn.Module):
    """The views [2, N, d] of a whole batch as parameters."""

    def __init__(self, problem: Batch) -> None:
        super().__init__()
        self.views = nn.Parameter(torch.stack(problem.views).double())

    def forward(self, own: slice) -> Tensor:
        return self.views[:, own]


def answer_on_rank(
    subject: Adapter,
    question: RankQuestion,
    rank: int,
    modules: dict[int | None, Any],
    announce: Callable[[str], None],
) -> Answer:
    """The loss of this rank, and the gradients after DDP; no gradients if the loss has no graph.

    Args:
        subject: the loss.
        question: what to call it on.
        rank: the number of this rank.
        modules: the modules that are kept, by their numbers.
        announce: called at each stage of the call.
    """
    announce("construction")
    problem, own = question.problem, question.slice_of(rank)
    model = DistributedDataParallel(Embeddings(problem))
    number, definition = question.module, subject.resolution.definition.at(problem.temperature)
    module = modules[number] if number in modules else subject.build(definition, problem.weights)
    if number is not None:
        modules[number] = module
    narrower = question.misfit and rank == len(question.rows) - 1
    with torch.set_grad_enabled(question.training):
        views = model(own).to(problem.first.dtype)
        first, second = views[..., : views.shape[2] - int(narrower)]
        announce("forward")
        output = subject.call(module, first, second, problem.labels[own])
        loss, parts = unpack(output, problem.labels.shape[1])
        if question.training:
            announce("backward")
            scalar = scale_up(loss, parts, question.upstream)
            # DDP waits for every rank's backward: a rank without a gradient must send zeros.
            (scalar.double() + 0 * views.double().sum()).backward()
    graph = question.training and loss.requires_grad
    return answer_of(loss, parts, tuple(model.module.views.grad) if graph else ())
