"""Ranks (processes that share a batch): one call of a loss on one of them, and a check's context.

Under DistributedDataParallel, the rows of the whole batch are parameters, of which each rank uses
its own. So the mean of the ranks' gradients, which DDP takes, is the gradient of one process with
the whole batch, and by the chain rule that holds for the parameters of any network below. The
parameters are in float64, so that rounding in that mean is negligible.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.compare import Answer, answer_of, scale_up
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import unpack
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import CheckEndedError, FindingError


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

    Modules are kept in ``modules``; ``announce`` is called with each stage of the call.
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


class RanksRaisedError(FindingError):
    """Some or all ranks raised an exception, which the message describes."""

    def __init__(self, finding: str, *, everyone: bool) -> None:
        super().__init__(finding)
        self.everyone = everyone


@dataclass(slots=True)
class RankContext(CheckContext):
    """An implementation on several ranks, each of which must answer as one process does.

    A check of one process runs here too, if it only asks for answers: its batches are split at
    random, so that ranks have different numbers of rows, or none. The target of the ``subject``
    puts a :class:`RankQuestion` to all ranks, and returns their answers in order.

    Attributes:
        ranks: how many there are.
        known: the answers to questions on batches of that many rows each, for the diagnosis.
    """

    ranks: int = 2
    known: dict[Batch, list[Answer]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def evenly(self, **spec: Any) -> Batch:
        """Generate a batch of which each rank gets five rows; see :meth:`problem`."""
        return self.problem(n=5 * self.ranks, d=4, **spec)

    @property
    def even(self) -> tuple[int, ...]:
        return (5,) * self.ranks

    def build(self, problem: Batch, *, weights: bool = True) -> Any:
        """The number of a module that each rank builds when it is first called."""
        del problem, weights
        return next(self._numbers)

    def answers(
        self, problem: Batch, upstream: Tensor | None = None, module: Any = None, **how: Any
    ) -> dict[str, Answer]:
        """Each rank's answer; ``how`` holds other fields of :class:`RankQuestion`.

        Raises:
            FindingError: a rank raises, or its loss has no graph.
            CheckEndedError: a rank has ended, or takes too long.
        """
        how.setdefault("rows", self._split(len(problem.labels)))
        question = RankQuestion(problem=problem, upstream=upstream, module=module, **how)
        split = f"rows {'+'.join(map(str, question.rows))}"
        try:
            found: list[Answer] = self.subject.target(question)
        except CheckEndedError as end:
            finding = f"{end.finding} ({split}, {problem.name})"
            raise CheckEndedError(finding, overdue=end.overdue) from end
        if how == {"rows": self.even} and upstream is module is None:
            self.known[problem] = found
        for rank, answer in enumerate(found):
            if question.training and not answer.gradients:
                raise FindingError(f"rank {rank}: the loss has no graph: backward() raises")
        return {f"rank {rank} ({split}): ": answer for rank, answer in enumerate(found)}

    def _split(self, n: int) -> tuple[int, ...]:
        uniform = Stream("rows", self.seed, self.ranks, next(self._numbers)).uniform(self.ranks - 1)
        ends = [0, *sorted(int((n + 1) * u) for u in uniform), n]
        return tuple(end - start for start, end in itertools.pairwise(ends))
