"""What a check works with: the implementation, the definition, and comparisons between the two."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.measure.outcome import describe_error
from supcr_bench.reference.reference import Reference, compute_reference
from supcr_bench.reference.tolerance import (
    gradient_tolerance,
    logit_error,
    total_tolerance,
    value_tolerance,
)
from supcr_bench.values.definition import Definition
from supcr_bench.verification.candidate import Answer, Candidate
from supcr_bench.verification.outcome import Group, NotApplicableError, Trial, outright
from supcr_bench.verification.problem import Problem, ProblemSpec, make_problem

SLOWEST_CALL_S = 8.0
"""A case whose call is predicted to take longer is left out, counted and said."""
STEEPEST_GROWTH = 4.0
"""Prediction from a single smaller size is by the fourth power, the steepest growth seen."""
EXPONENT_MARGIN = 1.0
"""Added to the exponent between two smaller sizes, since fixed overhead pulls it down."""
DIRECT_UP_TO = 24
"""Rows up to which the reference is the direct one; above, the fast one serves."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a file of its own in ``checks/``.

    Attributes:
        name: short, as findings carry it.
        group: which kind of failure it is.
        why: why it matters, in a sentence.
        run: makes the trials; raises NotApplicableError where the check has no meaning.
    """

    name: str
    group: Group
    why: str
    run: Callable[["Bench"], Iterator[Trial]]


@dataclass(slots=True)
class Bench:
    """One implementation on the bench.

    Attributes:
        candidate: the implementation.
        definition: what it is held against.
        seed: of the random cases.
        budget_s: after this many seconds no further case is begun.
        left_out: cases not made so far, for their time.
        started_s: when the bench was set up.
    """

    candidate: Candidate
    definition: Definition
    seed: int = 0
    budget_s: float = 40.0
    left_out: int = 0
    started_s: float = field(default_factory=time.perf_counter)
    _timed: dict[int, float] = field(default_factory=dict)

    # --- problems ---

    def problem(self, **spec: Any) -> Problem:
        """A problem that this implementation can be asked.

        What it has no argument for stays at its default: the temperature of the definition, equal
        weights. The seed is the bench's own, shifted by ``seed`` where given.
        """
        spec.setdefault("temperature", self.definition.temperature)
        if not self.candidate.knobs.temperature:
            spec["temperature"] = self.definition.temperature
        if not self.takes_weights:
            spec["weights"] = "equal"
        if self.candidate.flat_labels:
            spec["dims"] = 1
        seed = 1000 * self.seed + spec.get("seed", 0)
        problem = make_problem(ProblemSpec(**{**spec, "seed": seed}))
        if self.definition.label_distance == "per_dimension":
            return problem
        # Sums over dimensions are exact on dyadic labels, so that no order of summation can make
        # or break a tie.
        return replace(problem, labels=torch.round(problem.labels * 64) / 64)

    def problems(self, specs: Sequence[dict[str, Any]]) -> Iterator[Problem]:
        """Problems of rising size, as far as they apply and do not take too long."""
        for spec in specs:
            if spec.get("nan_density") and not self.takes_missing_labels:
                continue
            if self.affordable(spec["n"]):
                yield self.problem(**spec)

    @property
    def takes_weights(self) -> bool:
        """Whether dimension weights can be given, and mean anything."""
        return self.candidate.knobs.weights and self.definition.label_distance == "per_dimension"

    @property
    def takes_missing_labels(self) -> bool:
        """Whether the definition says what a NaN label means."""
        return self.definition.nan_labels != "unsupported"

    def require(self, condition: bool, reason: str) -> None:
        """Leave the check where it has no meaning."""
        if not condition:
            raise NotApplicableError(reason)

    def affordable(self, n: int) -> bool:
        """Whether a call of this size is worth its time; counts it as left out if not."""
        if time.perf_counter() - self.started_s > self.budget_s:
            self.left_out += 1
            return False
        sizes = sorted(size for size in self._timed if size <= n)
        if not sizes:
            return True
        size, exponent = sizes[-1], STEEPEST_GROWTH
        before = [s for s in sizes if s <= size / 1.8]
        if before:
            ratio = self._timed[size] / self._timed[before[-1]]
            exponent = math.log(ratio) / math.log(size / before[-1]) + EXPONENT_MARGIN
            exponent = min(max(exponent, EXPONENT_MARGIN), STEEPEST_GROWTH)
        if self._timed[size] * (n / size) ** exponent > SLOWEST_CALL_S:
            self.left_out += 1
            return False
        return True

    def upstream(self, dims: int) -> Tensor:
        """A random gradient to arrive at the loss and at each part, in dyadic numbers."""
        if self.definition.label_distance != "per_dimension":
            dims = 1
        uniform = Stream("upstream", self.seed, dims).uniform(1 + dims)
        values = [round(16 * u) / 8 - 1 for u in uniform]
        values[0] += 2
        return torch.tensor(values, dtype=torch.float64)

    # --- asking ---

    def ask(self, problem: Problem, upstream: Tensor | None = None, module: Any = None) -> Answer:
        """The implementation's answer; its time is kept for :meth:`affordable`."""
        started = time.perf_counter()
        answer = self.candidate.answer(problem, upstream, module)
        n = len(problem.labels)
        elapsed = time.perf_counter() - started
        self._timed[n] = min(self._timed.get(n, math.inf), elapsed / problem.labels.shape[1])
        return answer

    def reference(self, problem: Problem, upstream: Tensor | None = None) -> Reference:
        """The definition's answer."""
        views = (problem.first, problem.second)
        return compute_reference(
            self.definition,
            views[:1] if self.definition.views == "single" else views,
            problem.labels,
            weights=problem.weights,
            temperature=problem.temperature,
            method="direct" if len(problem.labels) <= DIRECT_UP_TO else "fast",
            upstream=upstream,
            floor_margin=logit_error(problem),
        )

    def compare(
        self,
        problem: Problem,
        *,
        upstream: Tensor | None = None,
        module: Any = None,
        dtype: str | None = None,
    ) -> Trial:
        """Value, parts and gradients against the definition.

        Args:
            problem: the question.
            upstream: gradient arriving at (loss, parts).
            module: asked instead of a new one.
            dtype: whose rounding is allowed for, if not the problem's.
        """
        try:
            answer = self.ask(problem, upstream, module)
        except Exception as error:  # noqa: BLE001 - whatever an implementation raises
            return raised(problem, error)
        if upstream is not None and answer.parts is None:
            upstream = torch.cat([upstream[:1], torch.zeros_like(upstream[1:])])
        reference = self.reference(problem, upstream)
        return judge(problem, self.definition, answer, reference, dtype)


@dataclass(frozen=True, slots=True)
class _Conditions:
    dtype: str
    embedding_size: int
    temperature: float


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Tolerances of one problem.

    Attributes:
        loss: of the total.
        parts: [D].
        gradients: [N] for each view.
    """

    loss: float
    parts: Tensor
    gradients: tuple[Tensor, ...]


def bounds_of(
    problem: Problem, definition: Definition, reference: Reference, dtype: str | None = None
) -> Bounds:
    """The derived tolerances, see :mod:`supcr_bench.reference.tolerance`."""
    conditions = _Conditions(dtype or problem.dtype, problem.embedding_size, problem.temperature)
    parts = value_tolerance(conditions, definition, reference)
    return Bounds(
        loss=total_tolerance(conditions, reference, parts),
        parts=parts,
        gradients=tuple(
            gradient_tolerance(conditions, definition, reference, view)
            for view in (problem.first, problem.second)[: len(reference.gradients)]
        ),
    )


def judge(
    problem: Problem,
    definition: Definition,
    answer: Answer,
    reference: Reference,
    dtype: str | None = None,
) -> Trial:
    """The worst deviation of an answer from the reference, as a trial."""
    bounds = bounds_of(problem, definition, reference, dtype)
    trials = deviations(problem, answer, reference.loss, reference.gradients, bounds)
    if answer.parts is not None and len(answer.parts) == len(reference.per_dimension):
        trials.insert(
            1,
            deviation(
                problem,
                "a per-dimension loss",
                answer.parts,
                reference.per_dimension,
                bounds.parts,
            ),
        )
    return worst_of(trials)


def deviations(
    problem: Problem,
    own: Answer,
    loss: Tensor,
    gradients: Sequence[Tensor],
    bounds: Bounds,
    *,
    gives: str = "the definition gives",
) -> list[Trial]:
    """How far an answer's loss and each of its gradients are off; see :func:`deviation`."""
    trials = [
        deviation(
            problem,
            "the loss",
            own.loss.reshape(1),
            loss.reshape(1),
            torch.tensor([bounds.loss], dtype=torch.float64),
            gives=gives,
        )
    ]
    names = ("the first view's gradient", "the second view's gradient")
    for name, mine, right, bound in zip(
        names, own.gradients, gradients, bounds.gradients, strict=False
    ):
        trials.append(deviation(problem, name, mine, right, bound))
    return trials


def raised(problem: Problem, error: Exception) -> Trial:
    """A trial that ended in an exception."""
    return outright(problem.name, f"raises {describe_error(error)}", problem)


def worst_of(trials: Sequence[Trial]) -> Trial:
    """The trial that is furthest off."""
    return max(trials, key=lambda t: math.inf if math.isnan(t.tolerances) else t.tolerances)


def deviation(
    problem: Problem,
    name: str,
    own: Tensor,
    right: Tensor,
    bound: Tensor,
    *,
    gives: str = "the definition gives",
) -> Trial:
    """How far one output is off; rows of a matrix are compared by their norms.

    Args:
        problem: the question.
        name: of the output.
        own: what the implementation answered.
        right: what it is held against.
        bound: absolute, for each entry or row.
        gives: where ``right`` comes from, in words.
    """
    if not torch.isfinite(own).all():
        text = f"{name} is not finite"
        if own.numel() == 1:
            text = f"{name} is {float(own):g} where {gives} {float(right):.6g}"
        return Trial(problem.name, math.inf, finding=text, problem=problem)
    difference = (own - right).reshape(len(own), -1).norm(dim=1)
    ratio = torch.where(difference == 0, 0.0, difference / bound)
    worst = int(ratio.argmax())
    tolerances = float(ratio[worst])
    finding: str | None = None
    if tolerances > 1:
        if own.numel() == 1:
            finding = f"{name} is {float(own):.6g} where {gives} {float(right):.6g}"
        elif own.ndim == 1:
            finding = (
                f"{name}: {float(own[worst]):.6g} in dimension {worst} where {gives} "
                f"{float(right[worst]):.6g}"
            )
        else:
            scale = float(right.reshape(len(right), -1).norm(dim=1).max())
            share = float(difference[worst]) / scale if scale > 0 else math.inf
            finding = f"{name} is off by {share:.2g} of its largest row"
    return Trial(
        problem.name,
        tolerances,
        error=float(difference[worst]),
        bound=float(bound[worst]),
        finding=finding,
        problem=problem,
    )


def relation(
    bench: Bench,
    problem: Problem,
    changed: Problem,
    gradients: Callable[[Answer], tuple[Tensor, ...]],
) -> Trial:
    """Two problems with the same loss, and gradients that are related exactly.

    Args:
        bench: asks both.
        problem: the first.
        changed: the second.
        gradients: from the first answer, what the second's gradients must be.
    """
    try:
        before, after = bench.ask(problem), bench.ask(changed)
    except Exception as error:  # noqa: BLE001 - whatever an implementation raises
        return raised(changed, error)
    first = bounds_of(problem, bench.definition, bench.reference(problem))
    second = bounds_of(changed, bench.definition, bench.reference(changed))
    both = Bounds(
        loss=first.loss + second.loss,
        parts=second.parts,
        gradients=tuple(2 * bound for bound in second.gradients),
    )
    return worst_of(
        deviations(changed, after, before.loss, gradients(before), both, gives="the relation gives")
    )


def same_gradients(answer: Answer) -> tuple[Tensor, ...]:
    """The relation that leaves gradients as they are."""
    return answer.gradients
