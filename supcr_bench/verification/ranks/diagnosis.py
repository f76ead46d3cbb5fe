"""Finds the known mistake that gives the ranks' numbers.

The reference, evaluated on the whole batch or on each rank's rows alone, predicts the value or
gradient of each mistake. The mistake that predicts the numbers of every rank on every plain
batch is the diagnosis.
"""

from collections.abc import Sequence
from contextlib import suppress

import torch

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.answer import Answer
from supcr_bench.reference.compare import reference_of
from supcr_bench.verification.outcome import Diagnosis, FindingError, Outcome, Verdict
from supcr_bench.verification.ranks.checks import plain
from supcr_bench.verification.ranks.context import RankContext

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
Found = list[tuple[list[str], list[str]]]
"""For each batch, the losses and the gradients, right and wrong ones, that the ranks gave."""


def fitting(
    context: RankContext, problem: Batch, answers: Sequence[Answer]
) -> tuple[list[str], list[str]]:
    """The losses and the gradients, of the right ones and of each mistake, that the ranks gave."""
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
    near = [n for n, x in values.items() if bool(((losses - x).abs() <= limit).all())]
    return near, [
        n for n, x in gradients.items() if bool(((averaged - x).norm(dim=2) <= limits).all())
    ]


def found_on_plain(context: RankContext) -> Found:
    return [
        fitting(context, problem, context.known[problem])
        for problem in plain(context)
        if problem in context.known
    ]


def _common(found: Sequence[list[str]]) -> str | None:
    """The first name that is in every list."""
    return next((name for name in found[0] if all(name in names for names in found)), None)


def diagnose_ranks(context: RankContext, outcomes: Sequence[Outcome]) -> Diagnosis | None:
    """Return what is most likely wrong, judged from answers that the ranks have given already."""
    wrong = [o.check for o in outcomes if o.verdict is Verdict.FAIL and o.group != "robustness"]
    found = found_on_plain(context)
    if not wrong or not found:
        return None
    value, gradient = map(_common, zip(*found, strict=True))
    causes = [VALUES[value]] if value in VALUES else []
    implied = value in (OWN_ROWS, "mean") and gradient == OWN_ROWS
    if gradient in GRADIENTS and not implied:
        causes.append(GRADIENTS[gradient])
    return Diagnosis(causes=tuple(causes))


def follows(context: RankContext) -> bool:
    """Whether the ranks' losses on plain batches are right, or those of a known mistake."""
    for problem in plain(context):
        with suppress(FindingError):
            context.answers(problem, rows=context.even)
    found = found_on_plain(context)
    return bool(found) and _common([values for values, _ in found]) is not None
