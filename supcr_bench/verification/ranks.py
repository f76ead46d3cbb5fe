"""Ranks (processes that share a batch): one call of a loss on one of them, checks, their diagnosis.

Under DistributedDataParallel, the rows of the whole batch are parameters, of which each rank uses
its own. So the mean of the ranks' gradients, which DDP takes, is the gradient of one process with
the whole batch, and by the chain rule that holds for the parameters of any network below. The
parameters are in float64, so that rounding in that mean is negligible.

Some checks are those of a single process, which here ask all ranks; the others are for ranks only.
The reference, evaluated on the whole batch or on each rank's rows alone, predicts the value or
gradient of each mistake. The mistake that predicts the numbers of every rank on every plain batch
is the diagnosis.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from supcr_bench.inputs.tensors import Batch, Stream
from supcr_bench.reference.compare import Answer, Trial, answer_of, outright, reference_of, scale_up
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import unpack
from supcr_bench.verification.checks import conduct, definition, relations, robustness
from supcr_bench.verification.context import CheckContext, check
from supcr_bench.verification.outcome import (
    CheckEndedError,
    Diagnosis,
    FindingError,
    Outcome,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankQuestion:
    """One call on all ranks, each with its own rows of a batch.

    Attributes:
        rows: how many of its rows each rank has.
        upstream: [1 + D] gradient at the loss and the per-dimension losses; by default 1 at the
            loss alone.
        module: the number of a module that is kept for a later call; ``None`` for a new module.
        misfit: whether the last rank gets embeddings with one column less.
    """

    problem: Batch
    rows: tuple[int, ...]
    upstream: Tensor | None = None
    module: int | None = None
    training: bool = True
    misfit: bool = False


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
    problem, start = question.problem, sum(question.rows[:rank])
    own = torch.arange(start, start + question.rows[rank])
    both = torch.cat(problem.views, dim=1).double()
    table = nn.Embedding.from_pretrained(both, freeze=False)  # type: ignore[no-untyped-call]
    model = DistributedDataParallel(table)
    number, wanted = question.module, subject.resolution.definition.at(problem.temperature)
    module = modules[number] if number in modules else subject.build(wanted, problem.weights)
    if number is not None:
        modules[number] = module
    narrower = question.misfit and rank == len(question.rows) - 1
    with torch.set_grad_enabled(question.training):
        rows = model(own)
        views = rows.to(problem.first.dtype).chunk(2, dim=1)
        first, second = (v[:, : v.shape[1] - int(narrower)].contiguous() for v in views)
        announce("forward")
        output = subject.call(module, first, second, problem.labels[own])
        loss, parts = unpack(output, problem.labels.shape[1])
        if question.training:
            announce("backward")
            scalar = scale_up(loss, parts, question.upstream)
            # DDP waits for every rank's backward: a rank without a gradient must send zeros.
            (scalar.double() + 0 * rows.sum()).backward()
    graph = question.training and loss.requires_grad
    return answer_of(loss, parts, model.module.weight.grad.chunk(2, dim=1) if graph else ())


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
    puts a :class:`RankQuestion` to all ranks, and returns their answers in order; ``known`` keeps
    those on batches of that many rows each, for the diagnosis.
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

    def build(self, _problem: Batch, *, weights: bool = True) -> Any:  # noqa: ARG002
        """The number of a module that each rank builds when it is first called."""
        return next(self._numbers)

    def answers(
        self, problem: Batch, upstream: Tensor | None = None, module: Any = None, **how: Any
    ) -> dict[str, Answer]:
        """Each rank's answer; ``how`` holds other fields of :class:`RankQuestion`.

        Raises a FindingError if a rank raises or its loss has no graph, and a CheckEndedError if a
        rank ends.
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
    """With sparse labels a rank may have none; if it returns early, the others wait forever."""
    for rank in (0, context.ranks - 1):
        yield _without_labels(context, f"no label on rank {rank}", rank)


@check("no label at all", "definition")
def no_label(context: RankContext) -> Iterator[Trial]:
    """A batch without a pair must give 0 with a graph on every rank, or DDP waits forever."""
    yield _without_labels(context, "no label on any rank", *range(context.ranks))


@check("no grad", "conduct")
def no_grad(context: RankContext) -> Iterator[Trial]:
    """Validation computes no gradients; there, too, all ranks must enter the same collectives."""
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

RIGHT = "right"
OWN_ROWS = "own rows"
VALUES = {
    OWN_ROWS: "nothing is gathered: each rank's loss is that of its own rows",
    "mean": "the loss is the mean of the ranks' losses, each of its own rows, and not that of the "
    "whole batch",
    "divided": "the loss is divided by the world size",
    "multiplied": "the loss is multiplied by the world size",
}
"""Wrong losses that a rank may return, each with its cause in words."""
GRADIENTS = {
    "none": "no gradient reaches the embeddings: what all_gather returns has none, so that nothing "
    "is trained",
    "divided": "the gradient is divided by the world size: of the gathered rows only a rank's own "
    "carry gradient, or gradients are meant to be summed over ranks, and DDP averages them",
    "multiplied": "the gradient is multiplied by the world size",
    OWN_ROWS: "the gradient is that of each rank's loss of its own rows",
}
"""Wrong gradients that a rank's embeddings may receive, each with its cause in words."""


def fitting(
    context: RankContext, problem: Batch, answers: Sequence[Answer]
) -> tuple[list[str], list[str]]:
    """The losses and gradients, right ones and those of each mistake, that the ranks gave."""
    right, bounds, ranks = context.reference(problem), context.bounds(problem), context.ranks
    shares = [problem.rows(slice(5 * rank, 5 * rank + 5)) for rank in range(ranks)]
    alone = [reference_of(context.definition, share) for share in shares]
    own, whole = torch.stack([a.loss for a in alone]), right.loss.expand(ranks)
    gradient = torch.stack(right.gradients)
    values = {
        RIGHT: whole,
        OWN_ROWS: own,
        "mean": own.mean().expand(ranks),
        "divided": whole / ranks,
        "multiplied": whole * ranks,
    }
    gradients = {
        RIGHT: gradient,
        "none": torch.zeros_like(gradient),
        "divided": gradient / ranks,
        "multiplied": gradient * ranks,
        OWN_ROWS: torch.cat([torch.stack(a.gradients) for a in alone], dim=1) / ranks,
    }
    # A rank alone has a W-th of the rows, so that errors may be W times as large.
    losses = torch.stack([answer.loss for answer in answers])
    limit, limits = ranks**2 * bounds.loss, ranks * torch.stack(bounds.gradients)
    known = [answer.gradients[: len(gradient)] for answer in answers if answer.gradients]
    averaged = torch.stack(known[0]) if known else gradients["none"]
    off = {n: (averaged - x).norm(dim=2) for n, x in gradients.items()}
    return (
        [n for n, x in values.items() if bool(((losses - x).abs() <= limit).all())],
        [n for n, x in off.items() if bool((x <= limits).all())],
    )


def fitting_all(context: RankContext) -> list[str | None]:
    """The first loss, and gradient, that fits the answers on all plain batches; empty if none."""
    answered = [problem for problem in plain(context) if problem in context.known]
    found = [fitting(context, problem, context.known[problem]) for problem in answered]
    return [
        next((name for name in names[0] if all(name in others for others in names)), None)
        for names in zip(*found, strict=True)
    ]


def diagnose_ranks(context: RankContext, outcomes: Sequence[Outcome]) -> Diagnosis | None:
    """Return what is most likely wrong, judged from answers that the ranks have given already."""
    wrong = any(o.verdict is Verdict.FAIL and o.group != "robustness" for o in outcomes)
    found = fitting_all(context)
    if not wrong or not found:
        return None
    value, gradient = found
    causes = [VALUES[value]] if value in VALUES else []
    implied = value in (OWN_ROWS, "mean") and gradient == OWN_ROWS
    if gradient in GRADIENTS and not implied:
        causes.append(GRADIENTS[gradient])
    return Diagnosis(causes=tuple(causes))


def follows(context: RankContext) -> bool:
    """Whether the ranks' losses on plain batches are right, or follow a known mistake."""
    for problem in plain(context):
        with suppress(FindingError):
            context.answers(problem, rows=context.even)
    return (fitting_all(context) or [None])[0] is not None
