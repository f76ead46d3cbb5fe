"""What is most likely wrong, by finding which variation of the definition gives the same numbers.

A few small problems, chosen so that every variation changes some of their answers, are put to the
implementation. Then the formulas near the definition are evaluated on them: the definition itself,
everything one choice away, and, if nothing fits, everything two choices away. What reproduces value
and gradient of every problem is the diagnosis, in the field's words.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch

from supcr_bench.reference.tolerance import logit_error
from supcr_bench.values.case import UNIT_ROUNDOFF
from supcr_bench.verification.bench import Bench
from supcr_bench.verification.candidate import Answer
from supcr_bench.verification.formula import Evaluation, Formula, evaluate
from supcr_bench.verification.problem import Problem

LOW_PRECISIONS = ("float16", "bfloat16")
"""What float32 inputs may be computed in; the finer one first, since it explains less."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A problem, and the implementation's answer to it."""

    problem: Problem
    answer: Answer


@dataclass(frozen=True, slots=True)
class Explanation:
    """A formula that gives the implementation's numbers.

    Attributes:
        formula: which.
        causes: how it differs from the definition, in words.
    """

    formula: Formula
    causes: tuple[str, ...]


def probes(bench: Bench) -> list[Probe]:
    """Problems that tell the variations apart, as far as the implementation answers them."""
    specs: list[dict[str, object]] = [
        {"n": 7, "d": 4, "dims": 1},
        {"n": 8, "d": 4, "dims": 1, "labels": "tied", "seed": 1},
        {"n": 9, "d": 5, "dims": 2, "weights": "unnormalised", "seed": 2},
        {"n": 10, "d": 4, "dims": 2, "nan_density": 0.3, "labels": "tied", "seed": 3},
        {"n": 9, "d": 4, "dims": 3, "nan_density": 0.2, "weights": "unnormalised", "seed": 4},
    ]
    tau = bench.definition.temperature
    specs.append({"n": 8, "d": 4, "dims": 1, "temperature": 4 * tau, "labels": "tied", "seed": 5})
    specs.append({"n": 8, "d": 4, "dims": 1, "temperature": 10 * tau, "seed": 8})
    if bench.definition.similarity == "cosine":  # low enough for a floor of 1e-7 to be reached
        specs.append({"n": 8, "d": 4, "dims": 1, "temperature": tau / 2.5, "seed": 6})
    problems = list(bench.problems(specs))
    if bench.takes_missing_labels and not bench.candidate.flat_labels:
        problem = bench.problem(n=6, d=4, dims=2, weights="unequal", seed=7)
        labels = problem.labels.clone()
        labels[1:, 1] = torch.nan
        problems.append(problem.changed("a dimension without a pair", labels=labels))
    return ask_all(bench, problems)


def ask_all(bench: Bench, problems: Sequence[Problem]) -> list[Probe]:
    """The problems that the implementation answers, with its answers."""
    found = []
    for problem in problems:
        # What it cannot answer cannot be compared; the checks have said so.
        with suppress(Exception):
            found.append(Probe(problem, bench.ask(problem)))
    return found


def reproduces(formula: Formula, probe: Probe, *, gradient: bool = True) -> bool:
    """Whether a formula gives the implementation's numbers on a probe."""
    values = evaluate(formula, probe.problem, gradient=False)
    if not _close_values(formula, probe, values):
        return False
    if not gradient:
        return True
    return _close_gradients(formula, probe, evaluate(formula, probe.problem))


@dataclass(frozen=True, slots=True)
class _Slack:
    """What rounding may do to a loss and, relative to its largest entry, to a gradient."""

    value: float
    gradient: float


def _slack(formula: Formula, problem: Problem, loss: float) -> _Slack:
    """In the inputs' own precision the derived bound; in a lower one what its rounding does.

    A lower precision explains only what its rounding of a cosine does, since a bound that allowed
    for its worst case would explain nearly everything.
    """
    size = max(abs(loss), 1.0)
    if formula.precision == "own":
        slack = 4 * (logit_error(problem) + 16 * problem.unit_roundoff)
        return _Slack(slack * size, 4 * slack)
    u = UNIT_ROUNDOFF[formula.precision]
    return _Slack(4 * u / problem.temperature + 8 * u * size, 8 * u / problem.temperature + 8 * u)


def _close_values(formula: Formula, probe: Probe, right: Evaluation) -> bool:
    loss = float(right.loss)
    if not math.isfinite(loss):
        return False
    slack = _slack(formula, probe.problem, loss).value
    if not abs(float(probe.answer.loss) - loss) <= slack:
        return False
    parts = probe.answer.parts
    if parts is None or len(parts) != len(right.parts):
        return True
    return bool(((parts - right.parts).abs() <= slack * right.parts.abs().clamp(min=1.0)).all())


def _close_gradients(formula: Formula, probe: Probe, right: Evaluation) -> bool:
    slack = _slack(formula, probe.problem, float(right.loss)).gradient
    for own, expected in zip(probe.answer.gradients, right.gradients, strict=True):
        if not torch.isfinite(own).all() or not torch.isfinite(expected).all():
            return False
        if float((own - expected).abs().max()) > slack * float(expected.abs().max()) + 1e-9:
            return False
    return True


def fits(formula: Formula, asked: Sequence[Probe]) -> bool:
    """Whether a formula reproduces every probe."""
    if not asked or not all(reproduces(formula, probe) for probe in asked):
        return False
    return formula.precision == "own" or _irregular(formula, asked)


def _irregular(formula: Formula, asked: Sequence[Probe]) -> bool:
    """Whether the errors look like rounding: of either sign, and not one constant factor."""
    ratios = []
    for probe in asked:
        right = float(evaluate(formula, probe.problem, gradient=False).loss)
        if right:
            ratios.append(float(probe.answer.loss) / right - 1)
    return len(ratios) > 1 and max(ratios) - min(ratios) > 0.5 * max(map(abs, ratios))


def _relevant(formula: Formula, bench: Bench) -> Iterator[Formula]:
    """Variations that this implementation could show at all."""
    for other in formula.variations():
        if other.precision != "own" and other.precision not in LOW_PRECISIONS:
            continue
        if not bench.takes_weights and other.weights != formula.weights:
            continue
        yield other


def explain(base: Formula, bench: Bench, asked: Sequence[Probe]) -> Explanation | None:
    """The nearest formula that fits, at most two choices away from ``base``."""
    if not asked:
        return None
    first: Iterable[Formula] = [base, *_relevant(base, bench)]
    # Low precision fits whatever is nearly right, so exact explanations come first.
    ordered = sorted(first, key=lambda f: ("own", *LOW_PRECISIONS).index(f.precision))
    for formula in ordered:
        if fits(formula, asked):
            return Explanation(formula, tuple(formula.differences(base)))
    pairs = {
        second
        for one in _relevant(base, bench)
        if one.precision == "own"
        for second in _relevant(one, bench)
        if second.precision == "own" and len(second.differences(base)) == 2
    }
    order = sorted(pairs, key=lambda f: tuple(f.differences(base)))
    for formula in order:
        if reproduces(formula, asked[0], gradient=False) and fits(formula, asked):
            return Explanation(formula, tuple(formula.differences(base)))
    return None


def computed_in_float32(base: Formula, bench: Bench) -> tuple[str, ...]:
    """The cause, if answers to float64 questions are right to the rounding of float32."""
    problems = [bench.problem(n=8, d=4, dims=2, dtype="float64", seed=seed) for seed in (9, 10)]
    formula = base.with_choice("precision", "float32")
    if fits(formula, ask_all(bench, problems)):
        return tuple(formula.differences(base))
    return ()
