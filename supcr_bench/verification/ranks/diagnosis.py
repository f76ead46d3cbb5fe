"""Finds the known mistake that gives the ranks' numbers.

The reference, evaluated on the whole batch or on each rank's rows alone, predicts the value or
gradient of each mistake. The mistake that predicts the numbers of every rank on every plain
question is the diagnosis.
"""

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from supcr_bench.verification.compare import reference_of
from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.verification.ranks.checks import plain
from supcr_bench.verification.ranks.context import RankContext, RanksRaisedError
from supcr_bench.verification.ranks.judge import Expected, expect
from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion

FLOAT = torch.float64
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
RankProbe = tuple[RankQuestion, Expected, Sequence[RankAnswer]]
"""A question, its right answer, and what the ranks answered."""


def fitting(probe: RankProbe) -> tuple[list[str], list[str]]:
    """The losses and the gradients, of the right ones and of each mistake, that the ranks gave."""
    question, right, answers = probe
    ranks, slices = question.ranks, [question.slice_of(r) for r in range(question.ranks)]
    alone = [reference_of(question.definition, right.problem.rows(rows)) for rows in slices]
    own = torch.stack([a.loss for a in alone])
    whole = right.reference.loss.expand(ranks)
    of_whole = [right.gradients_of(rows) for rows in slices]
    values = {
        RIGHT: whole,
        OWN_ROWS: own,
        "mean": own.mean().expand(ranks),
        "divided": whole / ranks,
        "multiplied": whole * ranks,
    }
    gradients = {
        RIGHT: [ranks * g for g in of_whole],
        "none": [torch.zeros_like(g) for g in of_whole],
        "divided": of_whole,
        "multiplied": [ranks**2 * g for g in of_whole],
        OWN_ROWS: [torch.stack([*a.gradients, *a.gradients][:2]) for a in alone],
    }
    # A rank alone has a W-th of the rows, so the error of a row's gradient may be W times as large.
    size = float(ranks**2)
    losses = torch.tensor([a.loss for a in answers], dtype=FLOAT)
    bounds = [size * right.bounds_at(rows) for rows in slices]

    def gave(expected: Tensor) -> bool:
        return bool(((losses - expected).abs() <= size * right.bounds.loss).all())

    def gave_rows(expected: list[Tensor]) -> bool:
        return all(
            answer.rows is not None
            and bool(((torch.tensor(answer.rows, dtype=FLOAT) - e).norm(dim=2) <= bound).all())
            for answer, e, bound in zip(answers, expected, bounds, strict=True)
        )

    near = [name for name, expected in values.items() if gave(expected)]
    return near, [name for name, expected in gradients.items() if gave_rows(expected)]


def _common(found: Sequence[list[str]]) -> str | None:
    """The first name that is in every list."""
    return next((name for name in found[0] if all(name in names for names in found)), None)


def explain_ranks(probes: Sequence[RankProbe]) -> tuple[str, ...]:
    """Return the mistakes, in words, that give the numbers of all probes; empty if none does."""
    value, gradient = map(_common, zip(*map(fitting, probes), strict=True))
    causes = [VALUES[value]] if value in VALUES else []
    implied = value in (OWN_ROWS, "mean") and gradient == OWN_ROWS
    if gradient in GRADIENTS and not implied:
        causes.append(GRADIENTS[gradient])
    return tuple(causes)


def plain_probes(context: RankContext, *, ask: bool = False) -> list[RankProbe]:
    """Return the answered questions on even batches; with ``ask``, send unanswered ones first."""
    probes: list[RankProbe] = []
    for question in plain(context):
        with suppress(RanksRaisedError):
            if ask or question in context.answers:
                answers = context.ask(question)[0]
                probes.append((question, expect(question, 0), answers))
    return probes


def diagnose_ranks(context: RankContext, outcomes: Sequence[Outcome]) -> Diagnosis | None:
    """Return what is most likely wrong, judged from answers that the ranks have given already."""
    wrong = [o.check for o in outcomes if o.verdict is Verdict.FAIL and o.group != "robustness"]
    probes = plain_probes(context)
    if not wrong or not probes:
        return None
    return Diagnosis(causes=explain_ranks(probes))


def follows(probes: Sequence[RankProbe]) -> bool:
    """Whether the ranks' losses are right, or those of a known mistake."""
    return bool(probes) and _common([fitting(probe)[0] for probe in probes]) is not None
