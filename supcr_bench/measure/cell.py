"""Measures one cell: a workload and its arms, each an implementation in forward or in training.

Agreement, memory, work and time are measured one after the other. Agreement comes first: it ends
arms that cannot run, and warms up the others. Recording memory and counting work slow a call down,
so time comes last, without instrumentation. A cell that is not timed ends before that; in a further
process of a run, agreement is only a warm-up, and only time is measured.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.measure.agreement import errors_of, pair_differences
from supcr_bench.measure.device import Device, Elapsed, Meter
from supcr_bench.measure.interpreter import is_small
from supcr_bench.measure.outcome import describe_error, outcome_of
from supcr_bench.measure.timed_loss import BrokenCallError, TimedLoss, batches_of, shuffled
from supcr_bench.measure.timing import garbage_collection_held, sample_arms
from supcr_bench.reference.compare import Answer
from supcr_bench.reference.reference import DIRECT_UP_TO, Reference, compute_reference
from supcr_bench.subjects.adapter import Adapter, BoundLoss
from supcr_bench.subjects.calls import NotALossError
from supcr_bench.subjects.compiler import COMPILATION, numba_watched, original, watched
from supcr_bench.subjects.process_state import ProcessState
from supcr_bench.values.case import PASSES, Pass, Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from supcr_bench.values.result import Result, Status

Announce = Callable[[str, Arm | None], None]

REFERENCES_AGREE = 1e-10
"""Largest relative difference between the direct and the fast reference. The two references work in
float64, where their own errors are of the order of N times 1e-16."""


class UnusableReferenceError(Exception):
    """No implementation can be compared with the reference."""


@dataclass(slots=True)
class CellRun:
    """Runs one cell, and announces each stage, so that the parent knows what hangs."""

    cell: Cell
    subjects: Mapping[str, Adapter]
    device: Device
    meter: Meter
    budget: Budget
    table: npt.NDArray[np.float64] | None = None
    announce: Announce = lambda stage, arm: None  # noqa: ARG005
    process: ProcessState = field(default_factory=ProcessState)
    account: Account = field(init=False, default_factory=Account)
    _now: tuple[str, Arm | None] = field(init=False, default=("", None))
    _batch: Batch = field(init=False)
    _losses: dict[str, BoundLoss] = field(init=False, default_factory=dict)
    _answers: dict[Arm, Answer] = field(init=False, default_factory=dict)
    _references: dict[Definition, Reference] = field(init=False, default_factory=dict)
    _figures: dict[Arm, dict[str, Any]] = field(init=False)
    """The fields of each arm's result, as they become known."""
    _findings: dict[Arm, str] = field(init=False, default_factory=dict)
    _ended: set[Arm] = field(init=False, default_factory=set)
    _changed: dict[str, dict[str, None]] = field(init=False)

    def __post_init__(self) -> None:
        self._figures = {arm: {} for arm in self.cell.arms}
        self._changed = {arm.implementation: {} for arm in self.cell.arms}

    def results(self) -> Iterator[Result]:
        """The results, as they become known; the announced stage changes during a compilation."""
        needed = any(subject.resolution.compiled for subject in self.subjects.values())
        ends = (lambda: self.announce(COMPILATION, self._now[1]), lambda: self.announce(*self._now))
        with watched(*ends, needed), numba_watched(*ends):
            yield from self._results()

    def _enter(self, stage: str, arm: Arm | None = None) -> None:
        self._now = stage, arm
        self.announce(stage, arm)

    def _results(self) -> Iterator[Result]:
        self._enter("inputs")
        with self._accounted("inputs_s"):
            self._batch = make_batch(self.cell.workload, self.table)
        for implementation in dict.fromkeys(arm.implementation for arm in self.cell.arms):
            yield from self._agree(implementation)
        if not self._answers:
            return
        if not self.cell.further:
            self._enter("reference")
            for definition in dict.fromkeys(self.cell.definition(arm) for arm in self._live()):
                yield from self._take_reference(definition)
            for arm in list(self._live()):
                yield from self._take_costs(arm)
        if self.cell.timed:
            yield from self._take_times()
        for arm in list(self._live()):
            yield self._measured(arm)

    def end_with(self, arm: Arm, error: BaseException) -> Iterator[Result]:
        """The result of the arm whose error stopped the cell, if it is of the cell and has none."""
        if arm in self._figures and arm not in self._ended:
            yield self._end(arm, *self._outcome(error))

    def _agree(self, implementation: str) -> Iterator[Result]:
        """Call an implementation once and keep its answer; a failure ends all its passes."""
        arms = {a.pass_: a for a in self.cell.arms if a.implementation == implementation}
        first = arms.get("forward") or arms["training"]
        subject, definition = self.subjects[implementation], self.cell.definition(first)
        case = self.cell.workload
        if case.nan_density is None:  # the labels of a file: some may be missing
            missing = torch.isnan(self._batch.labels).double().mean().item()
            case = replace(case, nan_density=missing)
        if reason := subject.resolution.why_not(definition, case):
            yield from (self._end(arm, Status.SKIPPED, reason) for arm in arms.values())
            return
        at: Pass = "forward"
        started = perf_counter()
        try:
            self._enter("agreement", first)
            loss = subject.bind(definition, self._batch)
            pristine = deepcopy(self._batch)
            with self._limited():
                output = loss.forward()
                self.device.synchronize()
            answer = loss.answer(output, gradients=False)
            if "forward" in arms:
                self._keep(arms["forward"], answer, perf_counter() - started)
            if "training" in arms:
                at = "training"
                self._enter("agreement", arms["training"])
                with self._limited():
                    loss.backward(output)
                    self.device.synchronize()
                answer = loss.answer(output, gradients=True)
                self._keep(arms["training"], answer, perf_counter() - started)
            if changed := loss.changed_from(subject.arguments(pristine)):
                self._batch = pristine
                raise BrokenCallError(f"changed its inputs: {', '.join(changed)}")
            self._losses[implementation] = loss
        except (NotALossError, BrokenCallError) as error:
            for arm in arms.values():
                self._answers.pop(arm, None)
            yield from self._end_from("forward", arms, Status.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - any failure becomes a result
            yield from self._end_from(at, arms, *self._outcome(error))
            # The answer of a forward that succeeded is kept, without its graph.
            if at == "training" and "forward" in arms:
                self._losses[implementation] = loss
        finally:
            self.account += Account(calls_s=perf_counter() - started)
            if implementation in self._losses:
                self._losses[implementation].clear_gradients()
            self._undo_changes(implementation)

    def _keep(self, arm: Arm, answer: Answer, seconds: float) -> None:
        self._answers[arm] = answer
        self._figures[arm] |= {"first_call_s": seconds, "spent_s": seconds}

    def _end_from(
        self, at: Pass, arms: Mapping[Pass, Arm], status: Status, reason: str
    ) -> Iterator[Result]:
        for pass_, arm in arms.items():
            if pass_ == at:
                yield self._end(arm, status, reason)
            elif at == "forward":
                yield self._end(arm, status, f"in forward: {reason}")

    def _take_reference(self, definition: Definition) -> Iterator[Result]:
        arms = [arm for arm in self._live() if self.cell.definition(arm) == definition]
        try:
            with self._accounted("reference_s"):
                self._compare_references(definition)
                reference = compute_reference(definition, self._batch)
                no_self_error = self._no_self_error(definition, reference)
                if not bool(torch.isfinite(reference.per_dimension).all()):
                    raise UnusableReferenceError(f"{definition.name} itself is not finite here")
        except Exception as error:  # noqa: BLE001 - any failure becomes a result
            reason = f"no reference to compare with: {describe_error(error)}"
            yield from (self._end(arm, Status.FAILED, reason) for arm in arms)
        else:
            self._references[definition] = reference
            for arm in arms:
                self._figures[arm]["no_self_error"] = no_self_error

    def _no_self_error(self, definition: Definition, reference: Reference) -> float | None:
        """Relative difference of torchcell and ``no-self``; ``None`` for other definitions."""
        if definition.name != TORCHCELL.name:
            return None
        no_self = NO_SELF.at(definition.temperature)
        right = compute_reference(no_self, self._batch, value_only=True).loss
        return float((reference.loss - right).abs()) / float(right) if right else None

    def _compare_references(self, definition: Definition) -> None:
        """Raise an error unless the two ways to compute the reference agree on a smaller batch."""
        small = replace(self.cell.workload, batch_size=DIRECT_UP_TO // 2)
        if self.cell.workload.batch_size <= DIRECT_UP_TO or (definition, small) in _COMPARED:
            return
        own = make_batch(small, self.table)
        one, other = (
            torch.cat([r.per_dimension, *(g.flatten() for g in r.gradients)])
            for method in ("direct", "fast")
            for r in [compute_reference(definition, own, method=method)]
        )
        difference = float((one - other).norm() / one.norm().clamp(min=1e-300))
        if difference > REFERENCES_AGREE:
            raise UnusableReferenceError(f"direct and fast reference differ by {difference:.2g}")
        _COMPARED.add((definition, small))

    def _take_costs(self, arm: Arm) -> Iterator[Result]:
        """Record memory, operations and instructions of calls; end an arm that fails.

        Each figure is of a batch that the loss has not met: one that remembers answers would cost
        nothing.
        """
        loss, figures, meter = self._losses[arm.implementation], self._figures[arm], self.meter
        subject = self.subjects[arm.implementation]
        takes = (("memory", meter.peak_memory), ("work", meter.work), ("work", meter.interpreted))
        order = -len(takes) * PASSES.index(arm.pass_)  # no timed call has a negative number
        for stage, take in takes:
            order -= 1
            if stage == "work" and original(loss.module) is not None:
                continue  # the counter would see what it was compiled from
            if take == meter.interpreted and not is_small(self.cell.workload, figures):
                continue
            loss.arguments = subject.arguments(shuffled(self._batch, order))
            self._enter(stage, arm)
            loss.clear_gradients()
            try:
                with self._accounted("calls_s"), self._limited():
                    took = take(arm, partial(loss.call, arm.pass_))
                figures |= took if isinstance(took, dict) else asdict(took)
            except Exception as error:  # noqa: BLE001 - any failure becomes a result
                yield self._end(arm, *self._outcome(error))
                return
            finally:
                loss.clear_gradients()
                self._undo_changes(arm.implementation)
        if subject.device_specific:
            figures["predicted_cuda_peak_bytes"] = None

    def _take_times(self) -> Iterator[Result]:
        """Time arms and floors (products and exponentials); check answers, undo changes."""
        batches = [self._batch]
        if self.cell.workload.ranks == 1:
            with self._accounted("inputs_s"):
                batches = batches_of(self.cell.workload, self._batch, self.table)
        timed: dict[Arm, TimedLoss] = {}
        other_work_s: list[float] = []
        for arm in self._live():
            subject, loss = self.subjects[arm.implementation], self._losses[arm.implementation]
            timed[arm] = TimedLoss(subject, replace(loss), arm.pass_, batches)
        self.device.flush_caches()

        def call(arm: Arm, number: int, *, flushed: bool = True) -> Elapsed:
            self._enter("time", arm)
            timed[arm].prepare(number)
            if flushed:
                other_work_s.append(self.device.time(self.device.flush_caches).host_s)
            elapsed = self.meter.time(arm, timed[arm])
            self._undo_changes(arm.implementation)
            if finding := timed[arm].finding():
                self._findings.setdefault(arm, finding)
            timed[arm].release()
            return elapsed

        with self._limited(), garbage_collection_held():
            self.process = ProcessState()  # in which nothing is collected
            untimed = partial(call, flushed=False)  # the next call flushes the caches itself
            arms, seed = list(timed), self.cell.session
            samples = sample_arms(arms, call, self.budget, seed=seed, untimed=untimed)
        in_process = {self.cell.session: median(other_work_s)} if other_work_s else None
        for arm, own in samples.items():
            self._figures[arm] |= {**own.as_figures(), "other_work_s": in_process}
            self._figures[arm]["spent_s"] += own.spent_s
            self.account += Account(calls_s=own.spent_s + (own.again.spent_s if own.again else 0.0))
        if self.cell.workload.ranks == 1 and not self.cell.further:
            self._enter("floor")
            with self._accounted("calls_s"), torch.no_grad():
                floor_s = lru_cache(partial(self.meter.floor_s, batch=self._batch))
                for arm in samples:
                    self._figures[arm]["floor_s"] = floor_s(self.cell.definition(arm), arm.pass_)
        for arm, own in samples.items():
            if own.error is not None:
                yield self._end(arm, *self._outcome(own.error))

    def _outcome(self, error: BaseException) -> tuple[Status, str]:
        return outcome_of(error, self.budget.memory_limit_bytes)

    def _undo_changes(self, implementation: str) -> None:
        """Undo what the last call changed in the process, and record these changes."""
        self._changed[implementation].update(dict.fromkeys(self.process.undo()))

    def _limited(self) -> AbstractContextManager[None]:
        return self.device.memory_limit(self.budget.memory_limit_bytes)

    def _live(self) -> Iterator[Arm]:
        return (arm for arm in self.cell.arms if arm in self._answers and arm not in self._ended)

    def _end(self, arm: Arm, status: Status, reason: str) -> Result:
        self._ended.add(arm)
        kept = {k: v for k, v in self._figures[arm].items() if k in ("first_call_s", "spent_s")}
        return self._result(arm, status, reason, kept)

    def _result(
        self, arm: Arm, status: Status, reason: str | None, figures: Mapping[str, Any]
    ) -> Result:
        """A result with these figures, and with what the implementation changes in the process."""
        resolution = self.subjects[arm.implementation].resolution
        changed = dict.fromkeys((*resolution.process_changes, *self._changed[arm.implementation]))
        return self.cell.result(
            arm,
            self.budget,
            status,
            reason,
            process_changes=tuple(changed) or None,
            own_process=resolution.own_process or None,
            **figures,
        )

    def _measured(self, arm: Arm) -> Result:
        finding, figures = self._findings.get(arm), self._figures[arm]
        if not self.cell.further:
            compared, wrong = self._compared(arm)
            figures, finding = figures | compared, wrong or finding
        return self._result(arm, Status.WRONG if finding else Status.MEASURED, finding, figures)

    def _compared(self, arm: Arm) -> tuple[dict[str, Any], str | None]:
        """The figures on agreement, and a sentence if the errors exceed the tolerance."""
        definition = self.cell.definition(arm)
        answer, reference = self._answers[arm], self._references[definition]
        errors, finding = errors_of(answer, reference)
        others = {
            other.implementation: pair_differences(answer, self._answers[other])
            for other in self._live()
            if other.pass_ == arm.pass_
            and other != arm
            and other.definition.name == definition.name
            and self.cell.definition(other).temperature == definition.temperature
        }
        loss = float(answer.loss)
        figures: dict[str, Any] = {
            **errors,
            "loss": loss if np.isfinite(loss) else None,
            "reference_loss": float(reference.loss),
            "reference": reference.method,
            "value_difference": {name: value for name, (value, _) in others.items()},
        }
        if answer.gradients:
            figures["gradient_difference"] = {name: own for name, (_, own) in others.items()}
        return figures, finding

    @contextmanager
    def _accounted(self, kind: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.account += Account(**{kind: perf_counter() - started})


_COMPARED: set[tuple[Definition, Workload]] = set()
"""Definitions and workloads for which this process has compared the two references."""
