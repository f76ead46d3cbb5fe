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
from supcr_bench.verification.ranks.expected import Expected, expect
from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion

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


Forms = tuple[dict[str, Tensor], dict[str, list[Tensor]], float]
"""Numbers of each mistake on one probe: [W] losses, [2, R, d] gradients of each rank, and the
factor by which the tolerance of the right answer is widened."""


def forms_of(probe: RankProbe) -> Forms:
    question, right, _ = probe
    ranks, slices = question.ranks, [question.slice_of(r) for r in range(question.ranks)]
    alone = [reference_of(question.definition, right.problem.rows(rows)) for rows in slices]
    own = torch.stack([a.loss for a in alone])
    whole = right.reference.loss.expand(ranks)
    of_whole = [right.gradients_of(rows) for rows in slices]
    of_own = [torch.stack([*a.gradients, *a.gradients][:2]) for a in alone]
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
        OWN_ROWS: of_own,
    }
    # A rank alone has a W-th of the rows, so the error of a row's gradient may be W times as large.
    return values, gradients, float(ranks**2)


def explain_ranks(probes: Sequence[RankProbe]) -> tuple[str, ...]:
    """Return the mistakes, in words, that give the numbers of all probes; empty if none does."""
    if not probes:
        return ()
    pairs = [(probe, forms_of(probe)) for probe in probes]
    value = _value_of(pairs)
    gradient = next(
        (g for g in (RIGHT, *GRADIENTS) if all(_gives_gradient(g, *p) for p in pairs)), None
    )
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
    return bool(probes) and _value_of([(probe, forms_of(probe)) for probe in probes]) is not None


def _value_of(pairs: Sequence[tuple[RankProbe, Forms]]) -> str | None:
    return next((v for v in (RIGHT, *VALUES) if all(_gives_value(v, *p) for p in pairs)), None)


def _gives_value(name: str, probe: RankProbe, forms: Forms) -> bool:
    _, right, answers = probe
    answered = torch.tensor([a.loss for a in answers], dtype=torch.float64)
    values, _, size = forms
    off = (answered - values[name]).abs()
    return bool((off <= size * right.bounds.loss).all())


def _gives_gradient(name: str, probe: RankProbe, forms: Forms) -> bool:
    _, gradients, size = forms
    question, right, answers = probe
    for rank, answer in enumerate(answers):
        if answer.rows is None:
            return False
        rows = torch.tensor(answer.rows, dtype=torch.float64)
        off = (rows - gradients[name][rank]).norm(dim=2)
        allowed = size * right.bounds_at(question.slice_of(rank))
        if not bool((off <= allowed).all()):
            return False
    return True
