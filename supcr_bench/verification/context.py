"""A check (one test of a loss), and its context: implementation, definition, inputs and clock."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch, Stream, WeightKind, make_problem
from supcr_bench.measure.outcome import describe_error
from supcr_bench.reference.compare import (
    Answer,
    Trial,
    deviations,
    finite,
    judge,
    outright,
    reference_of,
    worst_of,
)
from supcr_bench.reference.reference import Reference
from supcr_bench.reference.tolerance import Bounds, bounds_of
from supcr_bench.subjects.adapter import Adapter, BoundLoss
from supcr_bench.subjects.calls import call_words
from supcr_bench.subjects.compiler import numba_watched
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import DEPARTS, NORMALISED, Definition
from supcr_bench.values.implementation import Recognition, Resolution
from supcr_bench.verification.outcome import (
    RAISES,
    FindingError,
    Group,
    NotApplicableError,
    Outcome,
    Verdict,
)
from supcr_bench.verification.phrases import NEAR_TIES, PHRASES, ROUNDED

SLOWEST_CALL_S = 8.0
"""Seconds of CPU time; a case whose call is predicted to take longer is skipped and counted."""
BUDGET_S = 20.0
"""Seconds of CPU time after which a check starts no further case."""
STEEPEST_GROWTH = 4.0
"""Time is predicted from one smaller size as this power of N, the steepest growth seen."""
EXPONENT_MARGIN = 1.0
"""Added to the exponent between two smaller sizes, which fixed overhead makes too low."""
LOSS_SCALE = 1024.0
"""Gradients arrive as large as with loss scaling, which shows those that are cut."""
WIDEST = 40.0
"""Rows are shortened until logits of raw rows differ by at most this much at the definition's
temperature: exponentials of 88 overflow in float32, and those of -88 vanish."""


def tested_as(resolution: Resolution) -> Recognition:
    """The call that was used, and the nearest definition, without choices."""
    return Recognition(
        nearest=resolution.definition.name.partition(DEPARTS)[0],
        call=call_words(resolution),
        dims="1 label dimension" if resolution.one_dimension else "1 to 3 label dimensions",
    )


@dataclass(slots=True)
class CheckContext:
    """One subject, which is verified against its definition.

    Attributes:
        device: where module and inputs live; answers are copied to the CPU.
        left_out: number of cases skipped so far because they would have taken too long.
    """

    subject: Adapter
    seed: int = 0
    name: str = ""
    tags: tuple[str, ...] = ()
    device: str = "cpu"
    left_out: int = 0
    _started_s: float = field(default_factory=time.thread_time)
    _timed: dict[int, float] = field(default_factory=dict)
    _before: dict[Batch, Answer] = field(default_factory=dict)

    @property
    def own(self) -> Resolution:
        return self.subject.resolution

    @property
    def definition(self) -> Definition:
        return self.own.definition

    def problem(
        self, *, n: int, d: int = 8, seed: int = 0, weights: WeightKind = "equal", **axes: Any
    ) -> Batch:
        """Generate inputs of ``n`` rows, adjusted to what the subject takes.

        If it takes no temperature or weights, the definition's temperature or equal weights are
        used; where missing labels are not supported, none is missing. The seed of the inputs is
        1000 times that of the context, plus ``seed``.
        """
        own = self.own
        if "temperature" not in axes or not own.temperature:
            axes["temperature"] = self.definition.temperature
        if own.one_dimension:
            axes["dims"] = 1
        if not self.takes_missing_labels:
            axes.pop("nan_density", None)
        workload = Workload(batch_size=n, embedding_size=d, seed=1000 * self.seed + seed, **axes)
        kind = weights if self.takes_weights else "equal"
        problem = self._shortened(make_problem(workload, kind))
        one_by_one = self.definition.label_distance == "per_dimension"
        if one_by_one and not own.integer_labels and not self._merges_near_labels:
            return problem
        # Sums of multiples of 1/64 are exact, so that no order of the dimensions can make or break
        # a tie; and they have integers of the same order and ties. Rounding, to decimal steps too,
        # keeps whole numbers.
        step = 1 if self._merges_near_labels else 1 / 64
        return replace(problem, labels=torch.round(problem.labels * 64) * step)

    def _shortened(self, problem: Batch) -> Batch:
        kind = self.definition.similarity
        power = 1 if kind == "negative_euclidean" else 2
        longest = float(torch.cat((problem.first, problem.second)).norm(dim=1).max())
        width = (4 if "squared" in kind else 2) * longest**power / self.definition.temperature
        if kind in NORMALISED or width <= WIDEST:
            return problem
        shorter = 2.0 ** math.floor(math.log2(WIDEST / width) / power)
        return problem.moved(f"rows times {shorter:g}", lambda view: view * shorter)

    def problems(
        self, columns: str, *rows: tuple[Any, ...], **axes: Sequence[Any]
    ) -> Iterator[Batch]:
        """Yield the problems of a table, without those that do not apply or take too long.

        Args:
            columns: names of arguments of :meth:`problem`, ``n`` first, which is the seed too where
                no column gives one.
            rows: their values, by rising ``n``.
            axes: values of further arguments; each row is combined with all of them.
        """
        for row, values in itertools.product(rows, itertools.product(*axes.values())):
            given = zip((*columns.split(), *axes), (*row, *values), strict=True)
            spec: dict[str, Any] = {"seed": row[0], **dict(given)}
            if spec["n"] == 2 and not self.takes_two_rows:
                continue
            if self.affordable(spec["n"]) and self.has_pairs(problem := self.problem(**spec)):
                yield problem

    def has_pairs(self, problem: Batch) -> bool:
        """Whether a loss that drops every incomplete row has two rows left."""
        complete = int((~torch.isnan(problem.labels)).all(dim=1).sum())
        return self.definition.nan_labels != "drop_row" or complete > 1

    @property
    def takes_weights(self) -> bool:
        """Whether the subject takes weights that its definition uses."""
        return self.own.weights and self.definition.label_distance == "per_dimension"

    @property
    def _merges_near_labels(self) -> bool:
        choices = self.own.recognised.choices if self.own.recognised else ()
        return any(c.endswith(NEAR_TIES) or c.startswith(ROUNDED) for c in choices)

    @property
    def takes_two_rows(self) -> bool:
        found = self.own.recognised
        return not found or PHRASES["batch"]["two refused"] not in found.choices

    @property
    def takes_missing_labels(self) -> bool:
        return self.definition.nan_labels != "unsupported"

    def require(self, condition: bool, reason: str) -> None:
        if not condition:
            raise NotApplicableError(reason)

    def require_missing_labels(self) -> None:
        reason = f"{self.definition.name} does not support NaN labels"
        self.require(self.takes_missing_labels, reason)

    def _clock_s(self) -> float:
        """CPU seconds of this thread since the start, without those in which numba compiled."""
        return time.thread_time() - self._started_s

    def without_compilation(self) -> AbstractContextManager[None]:
        """Within the block, what numba compiles counts towards no limit."""
        began = 0.0

        def start() -> None:
            nonlocal began
            began = time.thread_time()

        def end() -> None:
            self._started_s += time.thread_time() - began

        return numba_watched(start, end)

    def affordable(self, n: int, most_s: float | None = None) -> bool:
        """Whether a call of this size is fast enough; if not, count it as left out."""
        if self._clock_s() > BUDGET_S:
            self.left_out += 1
            return False
        sizes = sorted(size for size in self._timed if size <= n)
        if not sizes:
            return True
        size, exponent = sizes[-1], STEEPEST_GROWTH
        before = [s for s in sizes if s <= size / 1.8]
        if before:  # the steepest, as a single slow call makes one of them too low
            ratios = {s: self._timed[size] / self._timed[s] for s in before}
            exponent = max(math.log(r) / math.log(size / s) for s, r in ratios.items())
            exponent = min(max(exponent, 0) + EXPONENT_MARGIN, STEEPEST_GROWTH)
        if self._timed[size] * (n / size) ** exponent > (most_s or SLOWEST_CALL_S):
            self.left_out += 1
            return False
        return True

    def upstream(self, problem: Batch) -> Tensor:
        """Draw a gradient for the loss and each per-dimension loss, exact in every dtype."""
        per_dimension = self.definition.label_distance == "per_dimension"
        dims = problem.labels.shape[1] if per_dimension else 1
        uniform = Stream("upstream", self.seed, dims).uniform(1 + dims)
        values = [round(16 * u) / 8 - 1 for u in uniform]
        values[0] += 2
        return LOSS_SCALE * torch.tensor(values, dtype=torch.float64)

    def ask(
        self, problem: Batch, upstream: Tensor | None = None, module: Any = None, **how: Any
    ) -> Answer:
        """Call the subject as :meth:`Adapter.answer` does."""
        return next(iter(self.answers(problem, upstream, module, **how).values()))

    def answers(
        self, problem: Batch, upstream: Tensor | None = None, module: Any = None, **how: Any
    ) -> dict[str, Answer]:
        """The answer of each process, by the words that begin a finding about it."""
        started = self._clock_s()
        answer = self.subject.answer(problem, upstream, module, self.device, **how)
        n = len(problem.labels)
        elapsed = self._clock_s() - started
        if self.definition.label_distance == "per_dimension":
            elapsed /= problem.labels.shape[1]
        self._timed[n] = min(self._timed.get(n, math.inf), elapsed)
        return {"": answer}

    def build(self, problem: Batch, *, weights: bool = True) -> Callable[..., Any]:
        definition = self.definition.at(problem.temperature)
        return self.subject.build(definition, problem.weights if weights else None, self.device)

    def bind(self, problem: Batch) -> BoundLoss:
        first, second, labels = problem.copies(self.device)
        there = replace(problem, first=first, second=second, labels=labels)
        return self.subject.bind(self.definition.at(problem.temperature), there)

    def call(self, problem: Batch, module: Any = None) -> Any:
        return self.subject.call(module or self.build(problem), *problem.copies(self.device))

    def reference(self, problem: Batch, upstream: Tensor | None = None) -> Reference:
        arriving = None if upstream is None else tuple(upstream.tolist())
        return reference_of(self.definition, problem, arriving)

    def compare(
        self,
        problem: Batch,
        *,
        upstream: Tensor | None = None,
        module: Any = None,
        dtype: str | None = None,
        **how: Any,
    ) -> Trial:
        """Compare loss, per-dimension losses and gradients with the definition.

        The bounds allow the rounding of ``dtype``, by default that of the inputs. See
        :meth:`answers` for the other arguments.
        """
        try:
            answers = self.answers(problem, upstream, module, **how)
        except Exception as error:  # noqa: BLE001 - implementations may raise anything
            return outright(problem.name, finding_of(error), problem)
        if upstream is not None and any(a.parts is None for a in answers.values()):
            upstream = torch.cat([upstream[:1], torch.zeros_like(upstream[1:])])
        reference = self.reference(problem, upstream)
        trials = [(whose, judge(own, reference, dtype)) for whose, own in answers.items()]
        return worst_of([replace(t, finding=t.finding and f"{w}{t.finding}") for w, t in trials])

    def bounds(self, problem: Batch) -> Bounds:
        return bounds_of(self.reference(problem))

    def relation(
        self,
        problem: Batch,
        changed: Batch,
        gradient: Callable[[Tensor], Tensor] = lambda gradient: gradient,
        *,
        swapped: bool = False,
    ) -> Trial:
        """Compare losses of two batches; ``gradient`` maps the gradient of the first to the second.

        If the views are ``swapped``, so are their gradients. The subject is called once on a first
        batch, in however many relations.
        """
        try:
            if problem not in self._before:
                self._before[problem] = self.ask(problem)
            before, after = self._before[problem], self.ask(changed)
        except Exception as error:  # noqa: BLE001 - implementations may raise anything
            return outright(changed.name, finding_of(error), changed)
        first, second = self.bounds(problem), self.bounds(changed)
        both = Bounds(
            loss=first.loss + second.loss,
            parts=second.parts,
            gradients=tuple(2 * bound for bound in second.gradients),
        )
        expected = tuple(gradient(g) for g in before.gradients)[:: -1 if swapped else 1]
        right = replace(before, gradients=expected)
        return worst_of(deviations(changed, after, right, both, gives="the relation gives"))


def finding_of(error: Exception) -> str:
    return str(error) if isinstance(error, FindingError) else f"{RAISES}{describe_error(error)}"


@dataclass(frozen=True, slots=True)
class Check:
    """One check; the docstring of ``run`` says what it tries and why that matters.

    Attributes:
        run: makes the trials from a CheckContext, or on ranks a RankContext; raises
            NotApplicableError if the check does not apply.
        slow: whether it runs after the others of its group, so that failures show early.
    """

    name: str
    group: Group
    run: Callable[[Any], Iterator[Trial]]
    slow: bool = False

    def outcome(self, context: Any) -> tuple[Outcome, list[Trial]]:
        started, before = time.perf_counter(), context.left_out
        trials: list[Trial] = []
        try:
            trials.extend(self.run(context))
        except NotApplicableError as reason:
            verdict = Verdict.NOT_APPLICABLE
            return Outcome(self.name, self.group, verdict, finding=str(reason)), []
        except Exception as error:  # noqa: BLE001 - any exception is a finding
            trials.append(outright("the check", finding_of(error)))
        left_out, seconds = context.left_out - before, time.perf_counter() - started
        own = partial(Outcome, self.name, self.group, left_out=left_out, seconds=seconds)
        if not trials:
            late = "every case would have taken too long"
            verdict = Verdict.NOT_RUN if left_out else Verdict.NOT_APPLICABLE
            return own(verdict, finding=late if left_out else "no case applies"), []
        worst, failed = worst_of(trials), [t for t in trials if t.failed]
        outcome = own(
            Verdict.FAIL if failed else Verdict.PASS,
            cases=len(trials),
            failed=len(failed),
            tolerances=finite(worst.tolerances),
            error=finite(worst.error),
            bound=finite(worst.bound),
            case=worst.case,
            finding=worst.finding,
        )
        return outcome, failed


def check(
    name: str, group: Group, *, slow: bool = False
) -> Callable[[Callable[[Any], Iterator[Trial]]], Check]:
    return lambda run: Check(name, group, run, slow)
