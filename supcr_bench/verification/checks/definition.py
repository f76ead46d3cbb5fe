"""Checks that compare value and gradient with the definition, the chosen variant of the loss."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import torch

from supcr_bench.inputs.tensors import Batch, Stream
from supcr_bench.reference.compare import Answer, Trial, measured, outright
from supcr_bench.subjects.calls import loss_of
from supcr_bench.values.case import LABEL_KINDS, UNIT_ROUNDOFF
from supcr_bench.values.definition import NORMALISED, TORCHCELL
from supcr_bench.verification.context import CheckContext, check
from supcr_bench.verification.phrases import PHRASES

_LABELS = ((1.2, 2.1), (0.4, nan), (nan, 3.2), (1.4, 2.3))
_ONE_DIMENSION = ((1.2, nan), (0.4, nan), (1.8, nan), (1.4, nan))
PUBLISHED = (
    (_LABELS, (1.0, 1.0), 2.3407),
    (_LABELS, (0.7, 0.3), 2.4128),
    (_ONE_DIMENSION, (0.7, 0.3), 2.0708),
)
"""Labels, weights, and the loss that the torchcell note prints for them, to four decimals."""
FAR_LOGIT = 55.0
"""Rows so many temperatures apart show clamped logits: exponentials of -88 vanish in float32."""


@check("edge embeddings", "definition")
def edge_embeddings(context: CheckContext) -> Iterator[Trial]:
    """Embeddings take the extreme values of early and diverged training."""
    base = context.problem(n=9, d=8, dims=1)
    similarity = context.definition.similarity
    if similarity not in ("negative_euclidean", "negative_euclidean_normalised"):  # smooth at 0
        same = base.first[:1].expand_as(base.first)
        yield context.compare(base.changed("identical embeddings", first=same, second=same))
        signs = torch.where(torch.arange(9) % 2 == 0, 1.0, -1.0).unsqueeze(1)
        opposite = same * signs.to(same)
        yield context.compare(
            base.changed("antipodal embeddings", first=opposite, second=-opposite)
        )
    if similarity in NORMALISED:
        yield context.compare(base.moved("norms of about 2^20", lambda view: view * 2.0**20))
    elif not (context.definition.eps and "ratio" in context.definition.eps_rule):
        yield context.compare(_far_apart(context))  # where such an eps is all that counts


def _far_apart(context: CheckContext) -> Batch:
    """Two groups of rows that are far apart, each with the same labels.

    So each pair has a candidate in the anchor's group, and no denominator is small, where naive
    exponentials vanish and an eps counts.
    """
    half = context.problem(n=5, d=8, dims=1)
    kind, tau = context.definition.similarity, context.definition.temperature
    power = 1 if kind == "negative_euclidean" else 2
    shorter = (4 * tau / context.reference(half).spread) ** (1 / power)
    apart = (FAR_LOGIT / power * tau * (2 if kind == "dot" else 1)) ** (1 / power)
    half = half.moved("in two groups far apart", lambda view: view * shorter)
    first, second = (view + apart / 2 / math.sqrt(8) for view in half.views)
    views = torch.cat((first, second.neg())), torch.cat((second, first.neg()))
    return replace(half, first=views[0], second=views[1], labels=half.labels.repeat(2, 1))


def _directional(context: CheckContext, problem: Batch, answer: Answer, accumulator: str) -> Trial:
    """Compare the gradient along a direction v with a fourth-order central difference.

    The step h balances the truncation error, of order h^4, and the rounding error u / h.
    """
    u = UNIT_ROUNDOFF[accumulator]
    tau = context.definition.at(problem.temperature).temperature
    h = 0.5 * u ** (1 / 5) * tau
    n, d, _ = problem.size
    bells = [Stream("direction", view, context.seed).bell(n * d).reshape(n, d) for view in (0, 1)]
    directions = torch.from_numpy(np.stack(bells)).to(problem.first)
    directions = directions / directions.norm()

    def value(step: float) -> float:
        first, second = torch.stack(problem.views) + step * directions
        moved = problem.changed("moved", first=first, second=second)
        return float(loss_of(context.call(moved)).detach())

    numeric = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    views = 1 if context.definition.views == "single" else 2
    along = torch.stack(answer.gradients[:views]) * directions[:views].double()
    analytic = float(along.sum())
    size = max(abs(float(answer.loss)), 1.0)
    # Rounding errs by 18/12 u of the value over h, several times over; truncation by h^4 times a
    # fifth derivative, which scales with 1/tau^5 for a direction of length 1.
    bound = size * (16 * u / h + (h / tau) ** 4 / tau)
    finding = (
        f"along a random direction, finite differences give {numeric:.6g}, "
        f"the gradient {analytic:.6g}"
    )
    return measured(problem, abs(numeric - analytic), bound, finding)


@check("gradcheck", "definition")
def gradcheck(context: CheckContext) -> Iterator[Trial]:
    """The gradient agrees with finite differences of the loss itself, without a reference.

    The check does not apply if eps joins exponentials of a row less its maximum, which is detached.
    """
    below = context.definition.eps and "below" in context.definition.eps_rule
    context.require(not below, "eps follows a detached maximum, which finite differences include")
    for labels in LABEL_KINDS:
        for dims in (1, 3):
            problem = context.problem(
                n=7, d=4, dims=dims, labels=labels, dtype="float64", seed=dims
            )
            answer = context.ask(problem)
            trial = _directional(context, problem, answer, "float64")
            if trial.failed:
                # A value accumulated in float32 is a matter of robustness, and has its own check.
                trial = _directional(context, problem, answer, "float32")
            yield trial


@check("large batches", "definition", slow=True)
def large_batches(context: CheckContext) -> Iterator[Trial]:
    """Code that works in chunks often fails only after its first chunk, or in a short last one."""
    views = 2 if context.definition.views == "concatenate" else 1
    rows = (
        (17, 1, 0.0, "continuous"),
        (33, 1, 0.0, "continuous"),
        (65, 1, 0.0, "tied"),
        (129, 2, 0.1, "clustered"),
        (257, 1, 0.0, "continuous"),
        (300, 1, 0.1, "continuous"),
    )
    columns = "n seed d dims nan_density labels"
    problems = context.problems(columns, *((-(-n // views), n, 16, *row) for n, *row in rows))
    yield from map(context.compare, problems)


@check("missing labels", "definition")
def dropped_rows(context: CheckContext) -> Iterator[Trial]:
    """Rows without a label are left out and not counted; a wrong count rescales the gradient."""
    context.require_missing_labels()
    whole = context.definition.nan_labels == "drop_row" or context.own.one_dimension
    axes = {"nan_density": (0.1, 0.25, 0.5, 0.75, 0.9), "labels": LABEL_KINDS}
    problems = list(context.problems("n seed dims weights", (17, 0, 3, "unequal"), **axes))
    larger = (24, 0, 3, 0.1, "tied", "unequal")
    problems += context.problems("n seed dims nan_density labels weights", larger)
    plain = context.problem(n=9, dims=2, weights="unequal")
    for counts in ((9, 1), (9, 0), (2, 9), (3, 2), (9, 5)):
        kept = torch.arange(9).unsqueeze(1) < torch.tensor(counts[: plain.labels.shape[1]])
        labels = plain.labels.where(kept, nan)
        problem = plain.changed(f"{counts[0]}, {counts[1]} valid", labels=labels)
        problems += [problem] if context.has_pairs(problem) else []
    for problem in problems:
        trial = context.compare(problem, upstream=context.upstream(problem))
        anywhere = torch.isnan(problem.labels).any(dim=1, keepdim=True)
        emptied = problem.changed("", labels=problem.labels.masked_fill(anywhere, torch.nan))
        if trial.failed and not whole and not context.relation(emptied, problem).failed:
            trial = replace(trial, finding=PHRASES["nan_labels"]["drop_row"])
        yield trial


@check("published output", "definition")
def published(context: CheckContext) -> Iterator[Trial]:
    """The loss equals the output printed in the note that introduced ``torchcell``."""
    free: dict[str, Any] = {"self_candidate": "never", "temperature": 1.0, "eps": None}
    free |= {"name": "", "call": TORCHCELL.call}
    context.require(
        replace(context.definition, **free) == replace(TORCHCELL, **free)
        and (context.definition.eps or 0.0) <= 1e-7
        and not context.own.one_dimension
        and bool(context.own.temperature)
        and context.takes_weights,
        "the note's figures are of another definition",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        first, second = torch.randn(4, 8), torch.randn(4, 8)
    for labels, weights, printed in PUBLISHED:
        problem = Batch(
            first, second, torch.tensor(labels), torch.tensor(weights), 0.1, f"prints {printed}"
        )
        loss = float(context.ask(problem).loss)
        bound = 0.5e-4 + 4 * 2.0**-22  # half the last digit, and a few units of float32
        finding = f"the loss is {loss:.6f} where the note prints {printed}"
        yield measured(problem, abs(loss - printed), bound, finding)


@check("random cases", "definition")
def random_cases(context: CheckContext) -> Iterator[Trial]:
    """A loss that is wrong on plain random batches optimises something else."""
    # In one column, rows come so near that distances made of products are lost in rounding.
    narrow = 2 if "euclidean" in context.definition.similarity else 1
    rows = (
        (2, 8, 1, 0.0),
        (3, 2, 1, 0.0),
        (3, 8, 2, 0.0),
        (5, 8, 1, 0.2),
        (5, narrow, 2, 0.0),
        (5, 64, 3, 0.2),
        (17, 8, 1, 0.0),
        (17, 3, 2, 0.25),
        (17, 16, 8, 0.5),
        (17, 2049, 4, 0.1),
        (33, 8, 1, 0.0),
        (33, 64, 2, 0.25),
        (40, 16, 3, 0.9),
    )
    seeded = ((n, 10 * n + dims, d, dims, share) for n, d, dims, share in rows)
    problems = context.problems("n seed d dims nan_density", *seeded)
    tau = context.definition.temperature
    factors = (0.8, 3, 5) if context.own.temperature else ()  # authors clamp farther ones
    far = ((9, 0, dims, f * tau) for dims, f in zip((1, 2, 1), factors, strict=False))
    others = context.problems("n seed dims temperature", *far)
    for problem in itertools.chain(problems, others):
        upstream = context.upstream(problem)
        trial = context.compare(problem, upstream=upstream)
        if len(problem.labels) > 17 and not trial.failed:
            yield trial  # the gradient of the total is one of those that it adds up
            continue
        plain = context.compare(problem)
        yield plain
        alone = torch.cat((upstream[:1], torch.zeros_like(upstream[1:])))
        if trial.failed and not plain.failed and context.compare(problem, upstream=alone).failed:
            own = "its own backward ignores the gradient that it receives"
            trial = replace(trial, finding=f"{trial.finding}: {own}")
        yield trial


@check("ties", "definition")
def ties(context: CheckContext) -> Iterator[Trial]:
    """Labels tie, as real labels do; there definitions differ and sorting goes wrong."""
    rows = (2, 1, 0.0), (3, 1, 0.0), (5, 1, 0.0), (17, 2, 0.2)
    kinds = ("tied", "clustered", "binary", "constant")
    problems = context.problems("n dims nan_density", *rows, labels=kinds)
    larger = context.problems("n", (33,), labels=("tied", "binary"))
    yield from map(context.compare, itertools.chain(problems, larger))


@check("label dimensions", "definition")
def label_dimensions(context: CheckContext) -> Iterator[Trial]:
    """A loss that takes several label dimensions and reads one of them learns that one alone."""
    context.require(not context.own.one_dimension, "takes one label dimension")
    for dims, labels in ((2, "continuous"), (3, "continuous"), (3, "tied")):
        problem = context.problem(n=9, dims=dims, labels=labels, seed=dims)
        trial = context.compare(problem)
        for c in range(dims if trial.failed else 0):
            alone = problem.changed(
                f"dimension {c} alone", labels=problem.labels[:, [c]], weights=problem.weights[:1]
            )
            if not context.relation(alone, problem).failed:
                which = ("first", "second", "third")[c]
                trial = replace(trial, finding=f"it reads the {which} label dimension only")
        yield trial


@check("weights", "definition")
def weights(context: CheckContext) -> Iterator[Trial]:
    """Weights that are ignored or not normalised change which label is learnt."""
    context.require(context.own.weights, "takes no dimension weights")
    context.require(not context.own.one_dimension, "takes one label dimension")
    problem = context.problem(n=9, dims=2)
    other = problem.changed("weights 1, 7", weights=torch.tensor([1.0, 7.0]).to(problem.weights))
    ignored = not context.relation(problem, other).failed
    yield outright(other.name, "the weights that it takes change nothing" if ignored else None)
    if not context.takes_weights:
        return  # one distance over all dimensions: the definition gives weights no meaning
    rows = (5, 2, 2, 0.0), (9, 3, 3, 0.3), (13, 8, 8, 0.2)
    kinds = ("unequal", "unnormalised")
    for problem in context.problems("n seed dims nan_density", *rows, weights=kinds):
        yield context.compare(problem, upstream=context.upstream(problem))
