"""Checks of properties that every right loss has, such as symmetries; most need no reference."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import itemgetter

import torch
from torch import Tensor
from torch.nn import functional

from supcr_bench.inputs.tensors import Stream
from supcr_bench.reference.compare import VIEWS, Trial, deviation, judge, measured, worst_of
from supcr_bench.values.case import LABEL_KINDS
from supcr_bench.values.definition import NORMALISED
from supcr_bench.verification.context import CheckContext, check
from supcr_bench.verification.outcome import RAISES


@check("bounds", "relations")
def bounds(context: CheckContext) -> Iterator[Trial]:
    """No term is negative; with M candidates and a cosine, none exceeds log M + 2 / tau."""
    for problem in context.problems("n dims", (3, 1), (5, 1), (17, 1), labels=LABEL_KINDS):
        loss = float(context.ask(problem).loss)
        bound, definition = context.bounds(problem).loss, context.definition.at(problem.temperature)
        views = 2 if definition.views == "sum" else 1
        rows = len(problem.labels) * (2 if definition.views == "concatenate" else 1)
        most = math.inf
        if definition.similarity in NORMALISED:
            width = 4 if "squared" in definition.similarity else 2
            most = views * (math.log(rows) + width / definition.temperature)
        error = max(-loss, loss - most, 0.0) if math.isfinite(loss) else math.inf
        yield measured(problem, error, bound, f"the loss is {loss:.6g}, outside 0 to {most:.6g}")


@check("duplicated dimension", "relations")
def duplicated_dimension(context: CheckContext) -> Iterator[Trial]:
    """Weights (2, 1) on labels (y, z) give the loss of weights (1, 1, 1) on (y, y, z)."""
    context.require(context.takes_weights, "takes no dimension weights")
    context.require(not context.own.one_dimension, "takes one label dimension")
    problem = context.problem(n=11, dims=2)
    problem = problem.changed("weights 2, 1", weights=torch.tensor([2.0, 1.0]).to(problem.weights))
    changed = problem.changed(
        "a dimension given twice",
        labels=problem.labels[:, [0, 0, 1]],
        weights=torch.ones(3).to(problem.weights),
    )
    yield context.relation(problem, changed)


@check("embedding scale", "relations")
def embedding_scale(context: CheckContext) -> Iterator[Trial]:
    """Without normalisation the loss can be lowered by growing the embeddings."""
    context.require(
        context.definition.similarity in NORMALISED, "its similarity depends on the rows' lengths"
    )
    problem = context.problem(n=11, dims=2)
    exponents = torch.from_numpy(Stream("scale", context.seed).uniform(11) * 9 - 4).floor()
    scale = torch.exp2(exponents).unsqueeze(1)
    changed = problem.moved("rows scaled", lambda view: view * scale.to(view))
    yield context.relation(problem, changed, lambda gradient: gradient / scale)


@check("identical embeddings", "relations")
def identical_embeddings(context: CheckContext) -> Iterator[Trial]:
    """If all embeddings are equal, the loss counts candidates; distances have no gradient there."""
    for labels in ("continuous", "tied", "constant"):
        base = context.problem(n=9, dims=1, labels=labels)
        same = base.first[:1].expand_as(base.first).clone()
        problem = base.changed("identical embeddings", first=same, second=same.clone())
        answer = replace(context.ask(problem), gradients=())
        yield judge(answer, context.reference(problem))


@check("label transformations", "relations")
def label_transformations(context: CheckContext) -> Iterator[Trial]:
    """Shifting, scaling or negating the labels changes nothing; multiples of 1/64 stay exact."""
    for labels in LABEL_KINDS:
        problem = context.problem(n=9, dims=2, labels=labels)
        dyadic = torch.round(problem.labels * 64) / 64
        problem = problem.changed("dyadic", labels=dyadic)
        for name, other in (
            ("labels + 4", dyadic + 4),
            ("labels * 8", dyadic * 8),
            ("labels * -1", -dyadic),
        ):
            yield context.relation(problem, problem.changed(name, labels=other))
        far = problem.changed("labels * 1024", labels=dyadic * 1024)
        trial = context.relation(problem, far)
        if not str(trial.finding).startswith(RAISES):  # what refuses far labels misleads nobody
            yield trial


@check("permutation", "relations")
def permutation(context: CheckContext) -> Iterator[Trial]:
    """Reordering the rows must not change the loss, and reorders the gradients alike."""
    rows = (5, 2, 0.2), (17, 2, 0.2)
    for problem in context.problems("n dims nan_density", *rows, labels=LABEL_KINDS):
        n = len(problem.labels)
        order = torch.from_numpy(Stream("order", context.seed, n).choose(n, of=n))
        changed = problem.rows(order).changed("rows permuted")
        yield context.relation(problem, changed, itemgetter(order))


def orthogonal(dtype: torch.dtype) -> torch.Tensor:
    """Return an 8 x 8 orthogonal matrix of halves: two Hadamard blocks with the axes reversed."""
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    block = torch.kron(two, two) / 2
    return torch.kron(torch.eye(2), block).flip(0).to(dtype)


@check("rotation", "relations")
def rotation(context: CheckContext) -> Iterator[Trial]:
    """Rotating both views by one matrix keeps the loss and rotates the gradients."""
    problem = context.problem(n=11, d=8, dims=2)
    turn = orthogonal(problem.first.dtype)
    changed = problem.moved("embeddings rotated", lambda view: view @ turn)
    yield context.relation(problem, changed, lambda gradient: gradient @ turn.double())


@check("swapped views", "relations")
def swapped_views(context: CheckContext) -> Iterator[Trial]:
    """A view that is used twice, or detached, trains half of the network."""
    context.require(context.definition.views != "single", f"{context.definition.name} has one view")
    for labels in LABEL_KINDS:
        problem = context.problem(n=11, dims=2, labels=labels)
        changed = problem.changed("views swapped", first=problem.second, second=problem.first)
        yield context.relation(problem, changed, swapped=True)


@check("tangent gradient", "relations")
def tangent_gradient(context: CheckContext) -> Iterator[Trial]:
    """A gradient along a normalised row would grow its norm and slow training down."""
    context.require(context.definition.similarity in NORMALISED, "applies to normalised rows only")
    problem = context.problem(n=17, dims=2)
    gradients, bounds = context.ask(problem).gradients, context.bounds(problem).gradients
    trials = []
    for name, view, gradient, bound in zip(VIEWS, problem.views, gradients, bounds, strict=False):
        along = (gradient * view.double()).sum(dim=1) / view.double().norm(dim=1)
        of = f"the {name} view's gradient along its embedding"
        trials.append(deviation(problem, of, along, torch.zeros_like(along), bound))
    yield worst_of(trials)


@check("two rows", "relations")
def two_rows(context: CheckContext) -> Iterator[Trial]:
    """A pair's only candidate is its partner, so loss and gradient are 0."""
    context.require(
        context.definition.views != "concatenate", "two concatenated views make four rows"
    )
    context.require(context.takes_two_rows, "refuses batches of two rows")
    yield context.compare(context.problem(n=2, dims=1))
    if context.takes_missing_labels:
        problem = context.problem(n=7, dims=1)
        labels = problem.labels.clone()
        labels[2:] = torch.nan
        yield context.compare(problem.changed("two labelled rows", labels=labels))


def _appended(rows: Tensor, value: float) -> Tensor:
    return torch.cat((rows, torch.full_like(rows[:1], value)))


@check("unlabelled row", "relations")
def unlabelled_row(context: CheckContext) -> Iterator[Trial]:
    """A row without any label has no effect."""
    for name, value in (("ordinary", 0.5), ("zero", 0.0), ("huge", 2.0**60)):
        yield _with_unlabelled_row(context, name, value)


@check("unlabelled NaN row", "robustness")
def unlabelled_nan_row(context: CheckContext) -> Iterator[Trial]:
    """A mask that multiplies lets the NaN of a row without any label through."""
    yield _with_unlabelled_row(context, "NaN", torch.nan)


def _with_unlabelled_row(context: CheckContext, name: str, value: float) -> Trial:
    context.require_missing_labels()
    problem = context.problem(n=9, dims=2, nan_density=0.2)
    longer = problem.moved(
        f"an unlabelled row with {name} embedding appended", partial(_appended, value=value)
    )
    longer = replace(longer, labels=_appended(problem.labels, torch.nan))
    return context.relation(problem, longer, partial(_appended, value=0.0))


@check("zero columns", "relations")
def zero_columns(context: CheckContext) -> Iterator[Trial]:
    """A loss that divides by the number of columns changes its temperature with the width."""
    problem = context.problem(n=11, dims=2)
    appended = partial(functional.pad, pad=(0, 3))
    changed = problem.moved("zero columns appended", appended)
    yield context.relation(problem, changed, appended)
