"""Diagnoses a wrong loss: finds the variation of the definition that gives its numbers.

The implementation solves a few small problems, chosen so that every variation changes some answer.
Then the formulas near the definition are evaluated on them: the definition itself, all formulas
that differ in one choice, and, if none fits, in two. The formula that reproduces the
implementation's value and gradient on every problem is the diagnosis.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import torch

from supcr_bench.inputs.tensors import Problem
from supcr_bench.reference.answer import Answer
from supcr_bench.reference.tolerance import logit_error
from supcr_bench.values.case import UNIT_ROUNDOFF
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.formula import Formula, evaluate
from supcr_bench.verification.outcome import Diagnosis, Outcome, Trial, Verdict
from supcr_bench.verification.shrink import fails, shrink, snippet

LOW_PRECISIONS = ("float16", "bfloat16")
"""Precisions to which an implementation may cast float32 inputs, the finer one first."""


Probe = tuple[Problem, Answer]
"""A problem, and the answer of the implementation to it."""


def probes(context: CheckContext) -> list[Probe]:
    """Ask problems that distinguish the variations, and leave out those that raise."""
    specs: list[dict[str, object]] = [
        {"n": 7, "d": 4, "dims": 1},
        {"n": 8, "d": 4, "dims": 1, "labels": "tied", "seed": 1},
        {"n": 9, "d": 5, "dims": 2, "weights": "unnormalised", "seed": 2},
        {"n": 10, "d": 4, "dims": 2, "nan_density": 0.3, "labels": "tied", "seed": 3},
        {"n": 9, "d": 4, "dims": 3, "nan_density": 0.2, "weights": "unnormalised", "seed": 4},
    ]
    tau = context.definition.temperature
    specs.append({"n": 8, "d": 4, "dims": 1, "temperature": 4 * tau, "labels": "tied", "seed": 5})
    specs.append({"n": 8, "d": 4, "dims": 1, "temperature": 10 * tau, "seed": 8})
    if context.definition.similarity == "cosine":  # low enough for a floor of 1e-7 to be reached
        specs.append({"n": 8, "d": 4, "dims": 1, "temperature": tau / 2.5, "seed": 6})
    problems = list(context.problems(specs))
    if context.takes_missing_labels and not context.subject.resolution.flat_labels:
        problem = context.problem(n=6, d=4, dims=2, weights="unequal", seed=7)
        labels = problem.labels.clone()
        labels[1:, 1] = torch.nan
        problems.append(problem.changed("a dimension without a pair", labels=labels))
    return ask_all(context, problems)


def ask_all(context: CheckContext, problems: Sequence[Problem]) -> list[Probe]:
    found = []
    for problem in problems:
        # A problem on which the subject raises is left out; a check has reported the exception.
        with suppress(Exception):
            found.append((problem, context.ask(problem)))
    return found


def reproduces(formula: Formula, probe: Probe, *, gradient: bool = True) -> bool:
    if not _close_values(formula, probe, evaluate(formula, probe[0], gradient=False)):
        return False
    return not gradient or _close_gradients(formula, probe, evaluate(formula, probe[0]))


def _slack(formula: Formula, problem: Problem, loss: float) -> tuple[float, float]:
    """Return the allowed rounding error of a loss, and of a gradient relative to its largest entry.

    For a lower precision, the bound allows the typical rounding of a cosine, because a worst-case
    bound would accept nearly every formula.
    """
    size = max(abs(loss), 1.0)
    if formula.precision == "own":
        slack = 4 * (logit_error(problem) + 16 * problem.unit_roundoff)
        return slack * size, 4 * slack
    u = UNIT_ROUNDOFF[formula.precision]
    return 4 * u / problem.temperature + 8 * u * size, 8 * u / problem.temperature + 8 * u


def _close_values(formula: Formula, probe: Probe, right: Answer) -> bool:
    problem, answer = probe
    loss = float(right.loss)
    if not math.isfinite(loss):
        return False
    slack = _slack(formula, problem, loss)[0]
    if not abs(float(answer.loss) - loss) <= slack:
        return False
    parts = answer.parts
    if parts is None or right.parts is None or len(parts) != len(right.parts):
        return True
    return bool(((parts - right.parts).abs() <= slack * right.parts.abs().clamp(min=1.0)).all())


def _close_gradients(formula: Formula, probe: Probe, right: Answer) -> bool:
    problem, answer = probe
    slack = _slack(formula, problem, float(right.loss))[1]
    for own, expected in zip(answer.gradients, right.gradients, strict=True):
        if not torch.isfinite(own).all() or not torch.isfinite(expected).all():
            return False
        if float((own - expected).abs().max()) > slack * float(expected.abs().max()) + 1e-9:
            return False
    return True


def fits(formula: Formula, asked: Sequence[Probe]) -> bool:
    if not asked or not all(reproduces(formula, probe) for probe in asked):
        return False
    return formula.precision == "own" or _irregular(formula, asked)


def _irregular(formula: Formula, asked: Sequence[Probe]) -> bool:
    """Whether the errors look like rounding: they have both signs and no constant factor."""
    ratios = []
    for problem, answer in asked:
        right = float(evaluate(formula, problem, gradient=False).loss)
        if right:
            ratios.append(float(answer.loss) / right - 1)
    return len(ratios) > 1 and max(ratios) - min(ratios) > 0.5 * max(map(abs, ratios))


def _relevant(formula: Formula, context: CheckContext) -> Iterator[Formula]:
    """Yield the one-choice variations that can occur: those of weights only if it takes weights."""
    for other in formula.variations():
        if other.precision != "own" and other.precision not in LOW_PRECISIONS:
            continue
        if not context.takes_weights and other.weights != formula.weights:
            continue
        yield other


def explain(base: Formula, context: CheckContext, asked: Sequence[Probe]) -> tuple[str, ...] | None:
    """Say in which one or two choices the nearest formula that fits differs from ``base``."""
    if not asked:
        return None
    first: Iterable[Formula] = [base, *_relevant(base, context)]
    # Low precision explains any nearly right answer, so exact explanations are tried first.
    ordered = sorted(first, key=lambda f: ("own", *LOW_PRECISIONS).index(f.precision))
    for formula in ordered:
        if fits(formula, asked):
            return tuple(formula.differences(base))
    pairs = {
        second
        for one in _relevant(base, context)
        if one.precision == "own"
        for second in _relevant(one, context)
        if second.precision == "own" and len(second.differences(base)) == 2
    }
    order = sorted(pairs, key=lambda f: tuple(f.differences(base)))
    for formula in order:
        if reproduces(formula, asked[0], gradient=False) and fits(formula, asked):
            return tuple(formula.differences(base))
    return None


def computed_in_float32(base: Formula, context: CheckContext) -> tuple[str, ...]:
    """Return the cause if answers to float64 inputs are only as accurate as float32 allows."""
    problems = [context.problem(n=8, d=4, dims=2, dtype="float64", seed=seed) for seed in (9, 10)]
    formula = base.with_choice("precision", "float32")
    if fits(formula, ask_all(context, problems)):
        return tuple(formula.differences(base))
    return ()


def diagnose(
    context: CheckContext, outcomes: Sequence[Outcome], failed: Sequence[Trial]
) -> Diagnosis | None:
    """Return what is most likely wrong; ``None`` if nothing is, or if the findings say it already.

    The failed trials come from the checks of the definition and of relations.
    """
    wrong = [o for o in outcomes if o.verdict is Verdict.FAIL]
    if not wrong:
        return None
    base = Formula.of(context.definition)
    found = explain(base, context, probes(context))
    # No formula gives numbers that differ from call to call.
    erratic = any(o.check in ("repeatability", "random state") for o in wrong)
    causes = found if found and not erratic else ()
    if not causes and any(o.check == "float64 accuracy" for o in wrong):
        causes = computed_in_float32(base, context)
    counting = [o for o in wrong if o.group != "robustness"]
    if not causes and not counting:
        return None
    problems = sorted((t.problem for t in failed if t.problem is not None), key=lambda p: p.size)
    smallest = next((shrink(context, p) for p in problems[:5] if fails(context, p)), None)
    where = _where(context.definition.name, counting, problems, explained=found is not None)
    return Diagnosis(
        causes=causes,
        where=None if causes else where,
        smallest=smallest.name if smallest else None,
        snippet=snippet(context, smallest) if smallest else None,
    )


def _where(
    definition: str, wrong: Sequence[Outcome], problems: Sequence[Problem], *, explained: bool
) -> str:
    names = ", ".join(o.check for o in wrong)
    if not explained:
        return f"no variation of {definition} gives these numbers; fails: {names}"
    sizes = [p.size[0] for p in problems]
    if sizes and min(sizes) > 24:
        return f"right on small batches, wrong from N={min(sizes)} or so on; fails: {names}"
    return f"right on plain small problems, wrong only in: {names}"
