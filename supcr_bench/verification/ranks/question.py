"""The inputs of a group of ranks (processes): a batch, its split, and a small model to embed it.

The model is one linear layer and a tanh, in float64, and its embeddings are rounded to the dtype
of the question. So the ranks' gradients of the parameters differ from those of one process only by
the loss's rounding.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.inputs.tensors import Problem, ProblemSpec, make_problem
from supcr_bench.values.definition import Definition

INPUTS = 5
"""Columns of the model's input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankQuestion:
    """One question to all ranks: a batch, its split, and the steps to take on it."""

    spec: ProblemSpec
    rows: tuple[int, ...]
    definition: Definition
    unlabelled: tuple[int, ...] = ()
    steps: int = 1
    upstream: tuple[float, ...] = ()
    training: bool = True
    misfit: bool = False

    @property
    def ranks(self) -> int:
        return len(self.rows)

    def slice_of(self, rank: int) -> slice:
        start = sum(self.rows[:rank])
        return slice(start, start + self.rows[rank])

    def describe(self, step: int = 0) -> str:
        parts = [f"rows {'+'.join(map(str, self.rows))}", self.spec.describe()]
        if self.unlabelled:
            parts.append(f"no label on rank {', '.join(map(str, self.unlabelled))}")
        if self.upstream:
            parts.append("a gradient arriving at each part" if len(self.upstream) > 1 else "scaled")
        if not self.training:
            parts.append("under no_grad")
        if self.misfit:
            parts.append(f"d={self.spec.d - 1} on rank {self.ranks - 1}")
        if self.steps > 1:
            parts.append(f"step {step + 1}")
        return ", ".join(parts)

    def batch(self, step: int) -> Problem:
        """Make the whole batch of a step; its views are [N, INPUTS], which the model embeds."""
        spec = replace(self.spec, d=INPUTS, seed=self.spec.seed + step)
        problem = make_problem(spec)
        labels = problem.labels
        if self.definition.label_distance != "per_dimension":
            # Sums of multiples of 1/64 are exact, whatever the order of the dimensions.
            labels = torch.round(labels * 64) / 64
        for rank in self.unlabelled:
            labels[self.slice_of(rank)] = torch.nan
        return replace(problem, labels=labels, name=self.describe(step))

    def model(self) -> nn.Module:
        """Build the model, [N, INPUTS] to [N, d] in float64, with equal weights on every rank."""
        linear = nn.Linear(INPUTS, self.spec.d, dtype=torch.float64)
        values = Stream("rank model", self.spec.seed).bell(self.spec.d * (INPUTS + 1))
        numbers = torch.from_numpy(values / INPUTS**0.5).reshape(self.spec.d, INPUTS + 1)
        with torch.no_grad():
            linear.weight.copy_(numbers[:, :INPUTS])
            linear.bias.copy_(numbers[:, INPUTS])
        return nn.Sequential(linear, nn.Tanh())

    def arriving(self, dims: int) -> Tensor | None:
        """Return the [1 + D] gradient of the loss and its parts; ``None`` without ``upstream``."""
        if not self.upstream:
            return None
        values = (*self.upstream, *(0.0,) * (1 + dims - len(self.upstream)))
        return torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True, slots=True)
class RankAnswer:
    """A rank's results of one training step.

    ``rows`` holds the gradients of its rows, before DDP averages; ``parameters`` holds the gradient
    of the model, after it.
    """

    loss: float
    parts: list[float] | None
    graph: bool
    rows: list[list[list[float]]] | None
    parameters: list[float] | None
