r"""Computes the answer of one process to the whole batch, and the tolerances of the ranks' answers.

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

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Problem
from supcr_bench.reference.reference import Reference
from supcr_bench.verification.compare import Bounds, bounds_of, reference_of
from supcr_bench.verification.ranks.question import RankQuestion


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


def _both(views: list[Tensor]) -> Tensor:
    """Stack the tensors of two views; a definition with one view has zeros for the second."""
    return torch.stack([*views, *[torch.zeros_like(views[0])] * (2 - len(views))])


def expect(question: RankQuestion, step: int) -> Expected:
    batch = question.batch(step)
    model = question.model()
    inputs = [view.double() for view in (batch.first, batch.second)]
    embedded = [model(view) for view in inputs]
    rounded = [z.detach().to(batch.first.dtype) for z in embedded]
    problem = replace(batch, first=rounded[0], second=rounded[1], spec=None)
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
