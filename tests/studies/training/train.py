"""Trains an encoder with an arm's loss; probes it; measures how far two of them are apart."""

import itertools
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from supcr_bench.verification.impact_study import _apart as angle_and_ratio
from tests.studies.training.arms import Arm, Loss
from tests.studies.training.data import Halves, Table

HIDDEN, EMBEDDING = 64, 16
"""Width of both hidden layers, and of the output, which is what the probe reads."""
LEARNING_RATE = 1e-3
NOISE, DROPPED = 0.2, 0.1
"""A view adds normal noise of that standard deviation, then sets a share of the features to 0."""
RIDGE = 1e-3
"""The penalty of the probe for each training row, on standardised outputs of the encoder."""
ANGLE_BATCHES = 4
OTHER_BATCHES = 1_000_000
"""Added to a seed for batches that no training saw."""
Found = dict[str, list[dict[str, Any]]]
"""Rows of figures, by kind."""


class Setting(NamedTuple):
    """How long to train, on how many rows at once, and after which steps to look."""

    batch_size: int
    steps: int
    seeds: int
    watched: tuple[int, ...]


class Trained(NamedTuple):
    """An encoder, its parameters after the watched steps, the loss of every step, and CPU time."""

    encoder: nn.Module
    parameters: dict[int, Tensor]
    losses: list[float]
    cpu_s: float


def make_encoder(features: int) -> nn.Sequential:
    """Three layers. The last has no bias: losses of distances do not see it, and Adam would move it
    by the sign of rounding errors, as far as any other parameter.
    """
    return nn.Sequential(
        nn.Linear(features, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, EMBEDDING, bias=False),
    )


def flat(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


class Batches:
    """The batches of a seed: the same rows with the same noise, whichever arm asks."""

    def __init__(self, halves: Halves, seed: int, size: int) -> None:
        self._rows = torch.tensor(halves.train, dtype=torch.float32)
        self._labels = torch.tensor(halves.train_labels, dtype=torch.float32)
        self._bits, self._size = torch.Generator().manual_seed(seed), size

    def draw(self) -> tuple[list[Tensor], Tensor]:
        """Two views [N, F] and the labels [N, D]."""
        chosen = torch.randperm(len(self._rows), generator=self._bits)[: self._size]
        rows, views = self._rows[chosen], []
        for _ in range(2):
            noisy = rows + NOISE * torch.randn(rows.shape, generator=self._bits)
            views.append(noisy * (torch.rand(rows.shape, generator=self._bits) >= DROPPED))
        return views, self._labels[chosen]


def train(arm: Arm, halves: Halves, seed: int, setting: Setting) -> Trained:
    """Train an arm from the seed's initial weights on the seed's batches, with Adam."""
    torch.manual_seed(seed)
    encoder = make_encoder(halves.train.shape[1])
    head = nn.Linear(EMBEDDING, halves.train_labels.shape[1])
    parameters, losses = {0: flat(encoder)}, list[float]()
    began = time.thread_time()
    if arm.make is not None:
        loss_of = arm.make()
        batches = Batches(halves, seed, setting.batch_size)
        shuffle = None if arm.order is None else torch.Generator().manual_seed(arm.order)
        optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], LEARNING_RATE)
        for step in range(1, setting.steps + 1):
            views, labels = batches.draw()
            if shuffle is not None:
                order = torch.randperm(len(labels), generator=shuffle)
                views, labels = [view[order] for view in views], labels[order]
            first, second = encoder(torch.cat(views)).split(len(labels))
            loss = loss_of(first, second, labels, head)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
            if step in setting.watched:
                parameters[step] = flat(encoder)
    parameters[setting.steps] = flat(encoder)
    return Trained(encoder, parameters, losses, time.thread_time() - began)


def probe_errors(encoder: nn.Module, halves: Halves) -> list[float]:
    """Of each label: the mean absolute error of a linear probe over that of the median.

    The encoder is frozen. The probe is fitted by ridge regression to the training half, and its
    error is that on the held-out half; 1 is the error of always naming the training half's median.
    Outputs that are NaN tell the probe nothing.
    """
    with torch.no_grad():
        train, test = (
            encoder(torch.tensor(rows, dtype=torch.float32)).double().nan_to_num().numpy()
            for rows in (halves.train, halves.test)
        )
    spread = train.std(axis=0)
    mean, spread = train.mean(axis=0), np.where(spread > 0, spread, 1.0)
    train, test = (train - mean) / spread, (test - mean) / spread
    errors = []
    for known, held_out in zip(halves.train_labels.T, halves.test_labels.T, strict=True):
        fit, ask = ~np.isnan(known), ~np.isnan(held_out)
        middle = float(np.median(known[fit]))
        found = _ridge(train[fit], known[fit], test[ask])
        usual = np.abs(held_out[ask] - middle).mean()
        errors.append(float(np.abs(held_out[ask] - found).mean() / usual))
    return errors


def _ridge(rows: Table, goal: Table, asked: Table) -> Table:
    centre = rows.mean(axis=0)
    rows = rows - centre
    products = rows.T @ rows + RIDGE * len(rows) * np.eye(rows.shape[1])
    weights = np.linalg.solve(products, rows.T @ (goal - goal.mean()))
    return np.asarray((asked - centre) @ weights + goal.mean())


def parameter_distance(one: Trained, other: Trained, step: int) -> float:
    """Distance of parameters after a step, over how far training moved the second by then."""
    moved = float((other.parameters[step] - other.parameters[0]).double().norm())
    apart = float((one.parameters[step] - other.parameters[step]).double().norm())
    return apart / moved if moved else 0.0


def loss_distance(one: Trained, other: Trained, step: int) -> float:
    """Difference of the losses at a step, over that of the second."""
    first, second = one.losses[step - 1], other.losses[step - 1]
    return abs(first - second) / abs(second) if first != second else 0.0


def trained_angle(one: Loss, other: Loss, encoder: nn.Module, batches: Batches) -> float | None:
    """Mean degrees between the gradients of two losses by the outputs of a trained encoder."""
    angles = []
    for _ in range(ANGLE_BATCHES):
        views, labels = batches.draw()
        gradients = []
        for loss in (one, other):
            with torch.no_grad():
                rows = encoder(torch.cat(views))
            rows.requires_grad_()
            first, second = rows.split(len(labels))
            value = loss(first, second, labels, nn.Identity())
            gradients.append(torch.autograd.grad(value, rows)[0].double().flatten())
        angle, _ = angle_and_ratio(*gradients)
        if angle is not None:
            angles.append(angle)
    return float(np.mean(angles)) if angles else None


def compared(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """The pairs of arms whose networks are compared: with its base, or all where none has one."""
    by_name = {arm.name: arm for arm in arms}
    if any(arm.base for arm in arms):
        return [(arm, by_name[arm.base]) for arm in arms if arm.base]
    return [(later, earlier) for earlier, later in itertools.combinations(arms, 2)]


def run_seed(arms: Sequence[Arm], halves: Halves, seed: int, setting: Setting) -> Found:
    """Train all arms of a question with one seed.

    Returns:
        ``runs``: of each arm, the probe errors, the last loss and CPU seconds. ``distances``: of
        each pair of arms that is compared, after each watched step. ``angles``: degrees between
        the gradients of an arm's loss and of its base's, by the outputs of the trained base.
    """
    trained = {arm.name: train(arm, halves, seed, setting) for arm in arms}
    found: Found = {"runs": [], "distances": [], "angles": []}
    for name, own in trained.items():
        errors = probe_errors(own.encoder, halves)
        row = {"seed": seed, "arm": name, "error": float(np.mean(errors))}
        row |= {f"error{at}": error for at, error in enumerate(errors)}
        row |= {"loss": own.losses[-1] if own.losses else None, "cpu_s": own.cpu_s}
        found["runs"].append(row)
    for arm, base in compared(arms):
        if arm.make is None or base.make is None:
            continue
        own, other = trained[arm.name], trained[base.name]
        pair = {"seed": seed, "arm": arm.name, "base": base.name}
        for step in setting.watched:
            apart = {
                "parameters": parameter_distance(own, other, step),
                "losses": loss_distance(own, other, step),
            }
            found["distances"].append(pair | {"step": step} | apart)
        if arm.kind in ("definition", "fault"):
            batches = Batches(halves, seed + OTHER_BATCHES, setting.batch_size)
            angle = trained_angle(arm.make(), base.make(), other.encoder, batches)
            found["angles"].append(pair | {"degrees": angle})
    return found
