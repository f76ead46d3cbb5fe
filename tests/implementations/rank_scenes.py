"""What happens inside a rank, in losses that assert it: a test puts a question to each.

Every one is called on every rank, with that rank's rows.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, distributed

from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST
from supcr_bench.verification.bugs.across_ranks import gathered
from tests.examples import implementation

DistributedSupCR = implementation("distributed").factory
ScanSupCR = implementation("scan").factory
Answer = tuple[Tensor, Tensor]


def last() -> bool:
    """Whether this is the last rank."""
    return distributed.get_rank() == distributed.get_world_size() - 1


def as_scan(
    first: Tensor,
    second: Tensor,
    labels: Tensor,
    *,
    wanted: tuple[bool, bool] = (True, True),
    averaged: bool = True,
    at_parts: bool = False,
    rtol: float = 1e-5,
    **settings: Any,
) -> None:
    """Value and gradient are those of ``scan`` with all rows; ``wanted`` says of which views."""
    views = [
        view.detach().clone().requires_grad_(want)
        for view, want in zip((first, second), wanted, strict=True)
    ]
    loss, parts = DistributedSupCR(averaged=averaged, **settings)(*views, labels)
    everyones, place = zip(*(gathered(view) for view in (first, second)), strict=True)
    whole = [view.requires_grad_() for view in everyones]
    right, right_parts = ScanSupCR(**settings)(*whole, gathered(labels)[0])
    torch.testing.assert_close(loss, right, rtol=rtol, atol=rtol)
    torch.testing.assert_close(parts, right_parts, rtol=rtol, atol=rtol)
    assert loss.requires_grad == any(wanted)
    if not any(wanted):
        return
    upstream = torch.arange(1.0, 1 + len(parts)).to(parts)
    (2 * loss + (parts * upstream).sum() * at_parts).backward()
    (2 * right + (right_parts * upstream).sum() * at_parts).backward()
    factor = distributed.get_world_size() if averaged else 1
    for view, other, rows in zip(views, whole, place, strict=True):
        if view.requires_grad:
            assert view.grad is not None
            assert other.grad is not None
            expected = factor * other.grad[rows]
            bound = rtol * float(expected.abs().max()) if expected.numel() else 0.0
            torch.testing.assert_close(view.grad, expected, rtol=rtol, atol=bound)


@contextmanager
def refused(words: str) -> Iterator[None]:
    """Every rank raises."""
    try:
        yield
    except (ValueError, TypeError) as error:
        assert words in str(error), str(error)
    else:
        raise AssertionError(f"not refused: {words}")


class Scene:
    """Plays, and then answers as the implementation does: the messages still match."""

    def __call__(self, first: Tensor, second: Tensor, labels: Tensor) -> Answer:
        self.play(first, second, labels)
        found: Answer = DistributedSupCR()(first, second, labels)
        return found

    def play(self, first: Tensor, second: Tensor, labels: Tensor) -> None:
        raise NotImplementedError


class Settings(Scene):
    def play(self, first: Tensor, second: Tensor, labels: Tensor) -> None:
        as_scan(first, second, labels, definition="no-self")
        as_scan(first, second, labels, temperature=0.005, rtol=1e-4)
        as_scan(first, second, labels, weights=torch.arange(1.0, 1 + labels.shape[1]), eps=0.01)
        as_scan(first, second, labels, averaged=False)
        as_scan(first, second, labels, at_parts=True)
        as_scan(first, second, labels, at_parts=True, averaged=False)


class Dtypes(Scene):
    def play(self, first: Tensor, second: Tensor, labels: Tensor) -> None:
        as_scan(first, second, labels.bfloat16())
        as_scan(first, second, labels.double())
        as_scan(first, second, (4 * labels.nan_to_num()).long())
        as_scan(first.double(), second, labels)
        as_scan(first.bfloat16(), second.bfloat16(), labels, rtol=1e-2)
        with torch.autocast("cpu", torch.bfloat16):
            as_scan(first.bfloat16(), second, labels, rtol=1e-2)


class PartlyWanted(Scene):
    def play(self, first: Tensor, second: Tensor, labels: Tensor) -> None:
        as_scan(first, second, labels, wanted=(True, False))
        as_scan(first, second, labels, wanted=(last(), False))
        as_scan(first, second, labels, wanted=(False, False))
        with torch.no_grad():
            loss, _ = DistributedSupCR()(first, second, labels)
        assert not loss.requires_grad


class Disagreeing(Scene):
    def play(self, first: Tensor, second: Tensor, labels: Tensor) -> None:
        other = last()
        with refused("same embedding size"):
            views = (x[:, : x.shape[1] - other] for x in (first, second))
            DistributedSupCR()(*views, labels)
        with refused("same label dimensions"):
            DistributedSupCR()(first, second, labels[:, : 2 - other])
        with refused("same embeddings dtype"):
            DistributedSupCR()(first.double() if other else first, second, labels)
        with refused("same labels dtype"):
            DistributedSupCR()(first, second, labels.double() if other else labels)
        with refused("same temperature"):
            DistributedSupCR(temperature=0.1 + 0.1 * other)(first, second, labels)
        with refused("same weights"):
            weights = torch.tensor([1.0, 2.0]) if other else None
            DistributedSupCR(weights=weights)(first, second, labels)
        with refused("same averaged setting"):
            DistributedSupCR(averaged=bool(other))(first, second, labels)
        with refused("got nan" if other else "cannot take its arguments"):
            criterion = DistributedSupCR()
            criterion.temperature = math.nan if other else 0.1
            criterion(first, second, labels)
        with refused("all tensors" if other else "cannot take its arguments"):
            DistributedSupCR()(first, second, labels.tolist() if other else labels)
        with refused("same definition"):
            DistributedSupCR(definition="no-self" if other else "torchcell", eps=0)(
                first, second, labels
            )
        with refused("labels must be" if other else "cannot take its arguments"):
            DistributedSupCR()(first, second, labels[1:] if other else labels)
        with refused("same labels dtype"):
            DistributedSupCR()(first, second, labels.to(torch.complex64) if other else labels)
        with refused("real numbers"):
            DistributedSupCR()(first, second, labels.to(torch.complex64))
        with refused("infinite"):
            endless = labels.clone()
            endless[0, 0] = math.inf if other else 0.0
            DistributedSupCR()(first, second, endless)


class InAGroupOfOne(Scene):
    def play(self, first: Tensor, second: Tensor, labels: Tensor) -> None:
        groups = [distributed.new_group([r]) for r in range(distributed.get_world_size())]
        mine = groups[distributed.get_rank()]
        loss, _ = DistributedSupCR(group=mine)(first, second, labels)
        assert torch.equal(loss, ScanSupCR()(first, second, labels)[0])
        if distributed.get_rank() == 0:
            with refused("not a rank of the group"):
                DistributedSupCR(group=groups[1])(first, second, labels)


class DifferentiatedTwice(Scene):
    def play(self, first: Tensor, second: Tensor, labels: Tensor) -> None:
        own = first.detach().clone().requires_grad_()
        loss, _ = DistributedSupCR()(own, second, labels)
        (once,) = torch.autograd.grad(loss, own, create_graph=True)
        try:
            torch.autograd.grad(once.sum(), own)
        except RuntimeError as error:
            assert "differentiated only once" in str(error), error
        else:
            raise AssertionError("differentiated twice")


class OfTheFamily(Scene):
    """Other definitions, one joint label distance, a learned temperature."""

    def play(self, first: Tensor, second: Tensor, labels: Tensor) -> None:
        as_scan(first, second, labels, definition=replace(NO_SELF, views="mean"))
        as_scan(first, second, labels, definition=replace(NO_SELF, nan_labels="drop_row"))
        tau = torch.tensor([2.0], requires_grad=True)
        for label_distance in ("l1", "max"):
            chosen = replace(RANK_N_CONTRAST, label_distance=label_distance)
            own, features = first.detach().requires_grad_(), gathered(first)[0]
            loss = DistributedSupCR(tau, definition=chosen)(own, second, labels)
            whole = features.requires_grad_()
            alone = torch.tensor(2.0, requires_grad=True)
            right = ScanSupCR(alone, definition=chosen)(
                whole, gathered(second)[0], gathered(labels)[0]
            )
            torch.testing.assert_close(loss, right)
            by_rows, by_tau = torch.autograd.grad(loss, (own, tau))
            right_rows, right_tau = torch.autograd.grad(right, (whole, alone))
            mine = distributed.get_world_size() * right_rows[gathered(first)[1]]
            torch.testing.assert_close(by_rows, mine, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(by_tau[0], right_tau, rtol=1e-4, atol=1e-6)
