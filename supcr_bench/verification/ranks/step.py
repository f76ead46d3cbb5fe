"""Takes training steps in one rank (process) under DistributedDataParallel."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch.nn.parallel import DistributedDataParallel

from supcr_bench.reference.answer import scale_up
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import unpack
from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion


def take_steps(
    subject: Adapter, question: RankQuestion, rank: int, announce: Callable[[str], None]
) -> list[RankAnswer]:
    """Answer each step, with one model and one loss for all, and announce each stage."""
    announce("construction")
    model = DistributedDataParallel(question.model())
    batch = question.batch(0)
    loss_module = subject.build(subject.resolution.definition.at(batch.temperature), batch.weights)
    answers = []
    for step in range(question.steps):
        batch, own = question.batch(step), question.slice_of(rank)
        model.zero_grad()
        inputs = torch.cat((batch.first[own], batch.second[own])).double()
        with nullcontext() if question.training else torch.no_grad():
            views = model(inputs).to(batch.first.dtype)
            if question.training:
                views.retain_grad()
            kept = views.shape[1] - int(question.misfit and rank == question.ranks - 1)
            first, second = views[:, :kept].chunk(2) if len(views) else (views[:, :kept],) * 2
            announce("forward")
            output = subject.call(loss_module, first, second, batch.labels[own])
            loss, parts = unpack(output, batch.labels.shape[1])
            if question.training:
                announce("backward")
                scalar = scale_up(loss, parts, question.arriving(batch.labels.shape[1]))
                # DDP waits for every rank's backward: a rank without a gradient must send zeros.
                (scalar.double() + 0 * views.double().sum()).backward()
        rows = parameters = None
        if question.training:
            rows = views.grad.double().reshape(2, -1, views.shape[1]).tolist()
            gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
            parameters = torch.cat(gradients).tolist()
        shown = None if parts is None else parts.detach().double().tolist()
        answers.append(RankAnswer(float(loss), shown, loss.requires_grad, rows, parameters))
    return answers
