"""Runs in a rank: steps of training under DistributedDataParallel."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from supcr_bench.subjects.adapter import unpack
from supcr_bench.verification.candidate import Candidate
from supcr_bench.verification.problem import Problem
from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion


def take_steps(
    candidate: Candidate, question: RankQuestion, rank: int, announce: Callable[[str], None]
) -> list[RankAnswer]:
    """Each step's answer; model and loss are built once.

    Args:
        candidate: the loss.
        question: the same on every rank.
        rank: which this is.
        announce: called with each stage that begins, so that a hang can be located.

    Raises:
        Exception: whatever the implementation raises.
    """
    announce("construction")
    model = DistributedDataParallel(question.model())
    loss = candidate.build(question.batch(0))
    return [
        _take_step(candidate, loss, model, question, question.batch(step), rank, announce)
        for step in range(question.steps)
    ]


def _take_step(
    candidate: Candidate,
    module: object,
    model: nn.Module,
    question: RankQuestion,
    batch: Problem,
    rank: int,
    announce: Callable[[str], None],
) -> RankAnswer:
    own = question.slice_of(rank)
    model.zero_grad()
    inputs = torch.cat((batch.first[own], batch.second[own])).double()
    with nullcontext() if question.training else torch.no_grad():
        embedded = model(inputs)
        views = embedded.to(batch.first.dtype)
        if question.training:
            views.retain_grad()
        kept = views.shape[1] - int(question.misfit and rank == question.ranks - 1)
        first, second = views[:, :kept].chunk(2) if len(views) else (views[:, :kept],) * 2
        announce("forward")
        output = candidate.invoke(module, first, second, batch.labels[own])  # type: ignore[arg-type]
        loss, parts = unpack(output, batch.labels.shape[1])
        if question.training:
            announce("backward")
            _backward(loss, parts, views, question.arriving(batch.labels.shape[1]))
    return RankAnswer(
        loss=float(loss),
        parts=None if parts is None else tuple(parts.detach().double().tolist()),
        graph=loss.requires_grad,
        rows=_gradient(views, rows=question.rows[rank]) if question.training else None,
        parameters=_parameters(model) if question.training else None,
    )


def _backward(loss: Tensor, parts: Tensor | None, views: Tensor, upstream: Tensor | None) -> None:
    scalar = loss if upstream is None else loss * upstream[0].to(loss)
    if upstream is not None and parts is not None:
        scalar = scalar + (parts * upstream[1:].to(parts)).sum()
    # DDP waits for every rank's backward, so a rank without a gradient must send zeros.
    (scalar.double() + 0 * views.double().sum()).backward()  # type: ignore[no-untyped-call]


def _gradient(views: Tensor, rows: int) -> tuple[tuple[tuple[float, ...], ...], ...]:
    assert views.grad is not None
    both = views.grad.double().reshape(2, rows, views.shape[1])
    return tuple(tuple(tuple(row) for row in view) for view in both.tolist())


def _parameters(model: nn.Module) -> tuple[float, ...]:
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return tuple(torch.cat(gradients).tolist())
