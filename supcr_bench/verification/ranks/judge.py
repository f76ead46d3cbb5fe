"""Compares each rank's answer with that of one process on the whole batch."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from supcr_bench.verification.compare import deviation, loss_deviation, worst_row
from supcr_bench.verification.outcome import Trial, outright, worst_of
from supcr_bench.verification.ranks.expected import Expected
from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion

Aspect = Literal["value", "gradient"]


def judge_step(
    question: RankQuestion,
    step: int,
    answers: Sequence[RankAnswer],
    right: Expected,
    aspects: Sequence[Aspect],
) -> Trial:
    trials: list[Trial] = []
    for rank, answer in enumerate(answers):
        if "value" in aspects:
            trials += value_trials(rank, answer, right)
        if "gradient" in aspects and question.training:
            trials += gradient_trials(question, step, rank, answer, right)
    return worst_of(trials)


def value_trials(rank: int, answer: RankAnswer, right: Expected) -> list[Trial]:
    loss, name = torch.tensor(answer.loss, dtype=torch.float64), f"rank {rank}: the loss"
    bound, gives = right.bounds.loss, "one process gives"
    trials = [loss_deviation(right.problem, loss, right.reference.loss, bound, gives, name)]
    # The parts are compared only if the loss is right, so that a wrong loss is reported first.
    known = answer.parts is not None and len(answer.parts) == len(right.reference.per_dimension)
    if known and not trials[0].failed:
        parts = torch.tensor(answer.parts, dtype=torch.float64)
        name, expected = f"rank {rank}: a per-dimension loss", right.reference.per_dimension
        trials.append(
            deviation(right.problem, name, parts, expected, right.bounds.parts, gives=gives)
        )
    return trials


def gradient_trials(
    question: RankQuestion, step: int, rank: int, answer: RankAnswer, right: Expected
) -> list[Trial]:
    """Compare the parameters' gradient after DDP averages, and the rows' gradient before."""
    case = question.describe(step)
    if not answer.graph:
        return [outright(case, f"rank {rank}: the loss has no graph: backward() raises")]
    name = f"rank {rank}: the gradient of the model under DDP"
    mine = torch.tensor([answer.parameters], dtype=torch.float64)
    bound = torch.tensor([right.parameters_bound], dtype=torch.float64)
    trials = [_off(case, name, mine, right.parameters[None], bound)]
    own, ranks = question.slice_of(rank), question.ranks
    if question.rows[rank] and not trials[0].failed:  # one wrong gradient is enough
        name = f"rank {rank}: the gradient of its own rows"
        mine = torch.tensor(answer.rows, dtype=torch.float64).flatten(0, 1)
        expected = ranks * right.gradients_of(own).flatten(0, 1)
        trials.append(_off(case, name, mine, expected, ranks * right.bounds_at(own).flatten()))
    return trials


def _off(case: str, name: str, mine: Tensor, right: Tensor, bound: Tensor) -> Trial:
    """Describe the error of some rows, by one constant factor if that explains it."""
    if not torch.isfinite(mine).all():
        return Trial(case, math.inf, finding=f"{name} is not finite")

    def finding(_: int, error: float) -> str:
        scale = float(right.norm(dim=1).max())
        if scale == 0:
            return f"{name} is not 0, as it is in one process"
        if not mine.any():
            return f"{name} is 0"
        factor = float((mine * right).sum() / (right * right).sum())
        if float((mine - factor * right).norm()) < 1e-3 * float(right.norm()):
            return f"{name} is {factor:.4g} times what one process gives"
        of = "length" if len(mine) == 1 else "largest row"
        return f"{name} is off by {error / scale:.2g} of its {of}"

    return worst_row(case, mine, right, bound, finding)
