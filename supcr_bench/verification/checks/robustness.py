"""Checks of robustness: low temperatures, low precision, missing and broken labels."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import torch

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.compare import Trial, answer_of, deviations, outright, reference_of
from supcr_bench.reference.tolerance import bounds_of
from supcr_bench.subjects.calls import loss_of
from supcr_bench.values.case import LABEL_KINDS
from supcr_bench.values.definition import NORMALISED, NanLabels
from supcr_bench.verification.context import CheckContext, check

TEMPERATURES = (1.0, 0.5, 0.2, 0.1, 0.07, 0.05, 0.02, 0.0112, 0.005)


@check("all labels missing", "robustness")
def all_missing(context: CheckContext) -> Iterator[Trial]:
    """A batch without a single label gives a zero gradient, and does not stop the training."""
    context.require_missing_labels()
    problem = context.problem(n=5, dims=2)
    labels = torch.full_like(problem.labels, torch.nan)
    yield context.compare(problem.changed("every label NaN", labels=labels))


@check("small distances", "robustness")
def small_distances(context: CheckContext) -> Iterator[Trial]:
    """A constant added to a norm or a distance shows once embeddings are short or collapsed."""
    base = context.problem(n=9, d=8, dims=1)
    near = base.first[:1] + base.first * 2.0**-7
    yield context.compare(base.changed("collapsed embeddings", first=near, second=near.flip(0)))
    if context.definition.similarity in NORMALISED:
        yield context.compare(base.moved("norms of about 2^-20", lambda view: view * 2.0**-20))


@check("default weights", "robustness")
def default_weights(context: CheckContext) -> Iterator[Trial]:
    """Without weights, every label dimension has equal weight, for any number of dimensions."""
    context.require(context.takes_weights, "takes no dimension weights")
    for dims in (1, 2, 3):
        problem = context.problem(n=7, dims=dims).changed("default weights")
        try:
            module = context.build(problem, weights=False)
        except Exception as error:  # noqa: BLE001 - implementations may raise anything
            yield outright(problem.name, f"raises {type(error).__name__}: {error}", problem)
            continue
        yield context.compare(problem, module=module)


@check("float64 accuracy", "robustness")
def float64_accuracy(context: CheckContext) -> Iterator[Trial]:
    """A float32 accumulator inside makes gradient checks in float64 meaningless."""
    rows = [(n, dims, "float64") for n, dims in ((3, 1), (9, 2), (17, 3))]
    problems = context.problems("n dims dtype", *rows, labels=LABEL_KINDS)
    yield from map(context.compare, problems)


@check("label magnitude", "robustness")
def label_magnitude(context: CheckContext) -> Iterator[Trial]:
    """Casting labels to a lower precision makes different labels equal."""
    problem = context.problem(n=13, dims=1)
    whole = torch.round(problem.labels * 64)
    yield context.compare(problem.changed("labels of about 1e6", labels=whole + 2.0**20))
    fine = context.problem(n=13, dims=1, dtype="float64")
    steps = torch.round(fine.labels * 1024)
    yield context.compare(
        fine.changed("labels 2^-40 apart", labels=1 + steps * 2.0**-40), dtype="float32"
    )


@check("low precision", "robustness")
def low_precision(context: CheckContext) -> Iterator[Trial]:
    """In float16, bfloat16 and autocast, the loss is as accurate as the precision allows."""
    for dtype in ("bfloat16", "float16"):
        yield context.compare(context.problem(n=9, dims=1, labels="tied", dtype=dtype))
    problem = context.problem(n=9, dims=1, labels="tied")
    module, device = context.build(problem), torch.device(context.device).type

    def under_autocast(*arguments: torch.Tensor, **named: torch.Tensor) -> object:
        with torch.autocast(device, dtype=torch.bfloat16):
            return module(*arguments, **named)

    yield context.compare(problem.changed("autocast"), module=under_autocast, dtype="bfloat16")


@check("low temperature", "robustness")
def low_temperature(context: CheckContext) -> Iterator[Trial]:
    """exp(1/tau) overflows float32 below tau = 1/88.7, and losses are trained at 0.05."""
    context.require(bool(context.own.temperature), "takes no temperature")
    for tau, dims in zip(TEMPERATURES, itertools.cycle((1, 1, 2)), strict=False):
        yield context.compare(context.problem(n=13, d=16, dims=dims, temperature=tau))


def _plausible(context: CheckContext, problem: Batch) -> Trial:
    """A finite loss or gradient fails, unless it is that of the rows with labels."""
    try:
        answer = answer_of(loss_of(context.call(problem)).reshape(()), None, ())
        with suppress(Exception):  # a constant has no gradient
            answer = context.ask(problem)
    except Exception:  # noqa: BLE001 - to raise is to refuse
        return outright(problem.name, None)
    if not all(torch.isfinite(gradient).all() for gradient in answer.gradients):
        answer = replace(answer, gradients=())
    rules: tuple[NanLabels, ...] = ("drop_row_per_dimension", "drop_row")
    findings = []
    for rule in rules:
        definition = replace(context.definition, nan_labels=rule)
        right, gives = reference_of(definition, problem), "dropping the row gives"
        found = deviations(problem, answer, right, bounds_of(right), gives=gives)
        findings.append(next((trial.finding for trial in found if trial.failed), None))
    if None in findings or not torch.isfinite(answer.loss):
        return outright(problem.name, None)
    return outright(problem.name, f"a missing label gives a plausible number: {findings[0]}")


@check("plausible numbers", "robustness")
def missing_labels(context: CheckContext) -> Iterator[Trial]:
    """A finite loss despite missing labels goes unnoticed in training; an error or NaN does not."""
    context.require(not context.takes_missing_labels, "drops rows: see the check 'missing labels'")
    for dims in (1,) if context.own.one_dimension else (1, 3):
        problem = context.problem(n=9, dims=dims, seed=dims)
        labels = problem.labels.clone()
        labels[[2, 5], [0, dims - 1]] = torch.nan
        yield _plausible(context, problem.changed("two labels missing", labels=labels))


def _refuses(context: CheckContext, problem: Batch) -> Trial:
    """An exception or NaN passes; a finite loss fails."""
    try:
        loss = float(context.ask(problem).loss)
    except (ValueError, AssertionError, FloatingPointError):
        return outright(problem.name, None)
    except Exception as error:  # noqa: BLE001 - implementations may raise anything
        clear = isinstance(error, RuntimeError)
        text = f"raises {type(error).__name__}: {error}, not an error that names the input"
        return outright(problem.name, None if clear else text, problem)
    finding = f"the loss is {loss:.6g}" if loss == loss else None
    return outright(problem.name, finding, problem)


@check("non-finite inputs", "robustness")
def non_finite(context: CheckContext) -> Iterator[Trial]:
    """A diverged network or a broken label must be noticed, not averaged away."""
    base = context.problem(n=7, dims=1)
    for value in () if context.own.integer_labels else (torch.inf, -torch.inf):
        labels = base.labels.clone()
        labels[2, 0] = value
        yield _refuses(context, base.changed(f"a label of {value:g}", labels=labels))
    first = base.first.clone()
    first[2, 1] = torch.nan
    yield _refuses(context, base.changed("a NaN in an embedding", first=first))
