r"""Compares each rank's answer with that of one process on the whole batch, within tolerances.

*Parameters.* With z_i = tanh(A x_i + b), a gradient g_i that arrives at row i of a view reaches the
parameters (A, b) as ((1 - z_i^2) g_i) [x_i, 1]^T, which is no longer than

    |J_i^T g_i|  <=  max(1 - z_i^2) sqrt(|x_i|^2 + 1) |g_i|.

A right implementation's g_i is within the derived tolerance t_i of the reference's
(:mod:`supcr_bench.reference.tolerance`), row by row, and the gradient is the sum over rows. So

    |dL/dtheta - dL/dtheta^ref|  <=  sum over views and i of max(1 - z_i^2) sqrt(|x_i|^2 + 1) t_i.

The model is in float64, so that its rounding and that of the averaging are negligible.
Adding up W ranks' shares instead of all rows at once lengthens no sum that t_i allows for. The
factor W that a rank's own rows carry until DDP has averaged is one more rounding, far below the 2 E
in t_i.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Problem
from supcr_bench.reference.reference import Reference
from supcr_bench.verification.compare import Bounds, bounds_of, deviation, reference_of
from supcr_bench.verification.outcome import Trial, outright, worst_of
from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion

Aspect = Literal["value", "gradient"]


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The right answer to one step, and a bound on the error of the parameters' gradient."""

    problem: Problem
    reference: Reference
    bounds: Bounds
    parameters: Tensor
    parameters_bound: float

    def gradients_of(self, rows: slice) -> Tensor:
        """Return the [2, R, d] gradient of the whole batch's loss with respect to some rows."""
        return _both([g[rows] for g in self.reference.gradients])

    def bounds_at(self, rows: slice) -> Tensor:
        """Return the [2, R] tolerances of the gradients of some rows."""
        return _both([b[rows] for b in self.bounds.gradients])

    def compared(self, name: str, own: Tensor, right: Tensor, bound: Tensor | float) -> Trial:
        return deviation(self.problem, name, own, right, bound, gives="one process gives")


def _both(views: list[Tensor]) -> Tensor:
    """Stack the tensors of two views; a definition with one view has zeros for the second."""
    return torch.stack([*views, *[torch.zeros_like(views[0])] * (2 - len(views))])


def expect(question: RankQuestion, step: int) -> Expected:
    batch = question.batch(step)
    model = question.model()
    inputs = [view.double() for view in (batch.first, batch.second)]
    embedded = [model(view) for view in inputs]
    rounded = [z.detach().to(batch.first.dtype) for z in embedded]
    problem = replace(batch, first=rounded[0], second=rounded[1])
    upstream = question.arriving(batch.labels.shape[1])
    reference = reference_of(question.definition, problem, upstream)
    bounds = bounds_of(problem, question.definition, reference)
    used = len(reference.gradients)
    gradients = torch.autograd.grad(embedded[:used], tuple(model.parameters()), reference.gradients)
    reach = 0.0
    for x, z, bound in zip(inputs, embedded, bounds.gradients, strict=False):
        slope = (1 - z.detach() ** 2).amax(dim=1) if z.shape[1] else torch.zeros(len(z))
        reach += float((slope * (x.norm(dim=1) ** 2 + 1).sqrt() * bound).sum())
    return Expected(
        problem=problem,
        reference=reference,
        bounds=bounds,
        parameters=torch.cat([g.flatten() for g in gradients]),
        parameters_bound=reach,
    )


def judge_step(
    question: RankQuestion,
    answers: Sequence[RankAnswer],
    right: Expected,
    aspects: Sequence[Aspect],
) -> Trial:
    trials: list[Trial] = []
    for rank, answer in enumerate(answers):
        if "value" in aspects:
            trials += value_trials(rank, answer, right)
        if "gradient" in aspects and question.training:
            trials += gradient_trials(question, rank, answer, right)
    return worst_of(trials)


def value_trials(rank: int, answer: RankAnswer, right: Expected) -> list[Trial]:
    loss = torch.tensor(answer.loss, dtype=torch.float64)
    expected = right.reference.loss
    trials = [right.compared(f"rank {rank}: the loss", loss, expected, right.bounds.loss)]
    # The parts are compared only if the loss is right, so that a wrong loss is reported first.
    known = answer.parts is not None and len(answer.parts) == len(right.reference.per_dimension)
    if known and not trials[0].failed:
        parts = torch.tensor(answer.parts, dtype=torch.float64)
        name = f"rank {rank}: a per-dimension loss"
        expected = right.reference.per_dimension
        trials.append(right.compared(name, parts, expected, right.bounds.parts))
    return trials


def gradient_trials(
    question: RankQuestion, rank: int, answer: RankAnswer, right: Expected
) -> list[Trial]:
    """Compare the parameters' gradient after DDP averages, and the rows' gradient before."""
    if not answer.graph:
        finding = f"rank {rank}: the loss has no graph: backward() raises"
        return [outright(right.problem.name, finding)]
    name = f"rank {rank}: the gradient of the model under DDP"
    mine = torch.tensor([answer.parameters], dtype=torch.float64)
    trials = [right.compared(name, mine, right.parameters[None], right.parameters_bound)]
    own, ranks = question.slice_of(rank), question.ranks
    if question.rows[rank] and not trials[0].failed:  # one wrong gradient is enough
        name = f"rank {rank}: the gradient of its own rows"
        mine = torch.tensor(answer.rows, dtype=torch.float64).flatten(0, 1)
        expected = ranks * right.gradients_of(own).flatten(0, 1)
        trials.append(right.compared(name, mine, expected, ranks * right.bounds_at(own).flatten()))
    return trials
