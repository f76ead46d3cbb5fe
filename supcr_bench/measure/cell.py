"""Measures one cell: a workload and its arms, each an implementation in forward or in training.

It takes agreement, memory, work and time one after the other. Agreement comes first: it ends arms
that cannot run, and warms up the others. Recording memory and counting work slow a call down, so
time comes last, without instrumentation. A cell that is not timed ends before; in a further process
of a run, agreement is a warm-up, and nothing but time is taken.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.measure.agreement import errors_of, pair_differences
from supcr_bench.measure.device import Device, Meter
from supcr_bench.measure.interpreter import is_small
from supcr_bench.measure.outcome import describe_error, outcome_of
from supcr_bench.measure.timed_loss import BrokenCallError, TimedLoss, batches_of
from supcr_bench.measure.timing import Samples, garbage_collection_held, sample_arms
from supcr_bench.reference.compare import Answer
from supcr_bench.reference.reference import DIRECT_UP_TO, Reference, compute_reference
from supcr_bench.subjects.adapter import Adapter, BoundLoss
from supcr_bench.subjects.calls import NotALossError, loss_of
from supcr_bench.subjects.compiler import COMPILATION, numba_watched, original, watched
from supcr_bench.subjects.process_state import ProcessState
from supcr_bench.values.case import Pass, Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from supcr_bench.values.result import Result, Status

Announce = Callable[[str, Arm | None], None]

REFERENCES_AGREE = 1e-10
"""Largest relative difference between the direct and the fast reference. Both work in float64,
where their own errors are of the order of N times 1e-16."""


class UnusableReferenceError(Exception):
    """No implementation can be compared with the reference."""


@dataclass(slots=True)
class CellRun:
    """Runs one cell: announces each stage, so that a hang names it, and times calls ``alone``."""

    cell: Cell
    subjects: Mapping[str, Adapter]
    device: Device
    meter: Meter
    budget: Budget
    table: npt.NDArray[np.float64] | None = None
    announce: Announce = lambda stage, arm: None  # noqa: ARG005
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    process: ProcessState = field(default_factory=ProcessState)
    account: Account = field(init=False, default_factory=Account)
    _batch: Batch = field(init=False)
    _losses: dict[str, BoundLoss] = field(init=False, default_factory=dict)
    _answers: dict[Arm, Answer] = field(init=False, default_factory=dict)
    _ended: dict[Arm, Result] = field(init=False, default_factory=dict)
    _spent_s: dict[Arm, float] = field(init=False, default_factory=dict)
    _first_s: dict[Arm, float] = field(init=False, default_factory=dict)
    _costs: dict[Arm, dict[str, Any]] = field(init=False, default_factory=dict)
    _references: dict[Definition, Reference] = field(init=False, default_factory=dict)
    _no_self_errors: dict[Definition, float | None] = field(init=False, default_factory=dict)
    _findings: dict[Arm, str] = field(init=False, default_factory=dict)
    _floors_s: dict[tuple[Definition, Pass], float] = field(init=False, default_factory=dict)
    _changed: dict[str, dict[str, None]] = field(init=False, default_factory=dict)

    def results(self) -> Iterator[Result]:
        """The results, as they become known; in a compilation, that is the announced stage."""
        announce = self.announce
        now: tuple[str, Arm | None] = "", None

        def tell(stage: str, arm: Arm | None) -> None:
            nonlocal now
            now = stage, arm
            announce(stage, arm)

        self.announce = tell
        needed = any(subject.resolution.compiled for subject in self.subjects.values())
        ends = (lambda: announce(COMPILATION, now[1]), lambda: announce(*now))
        with watched(*ends, needed), numba_watched(*ends):
            yield from self._results()

    def _results(self) -> Iterator[Result]:
        self.announce("inputs", None)
        with self._accounted("inputs_s"):
            self._batch = make_batch(self.cell.workload, self.table)
        with self.alone():
            for implementation in dict.fromkeys(arm.implementation for arm in self.cell.arms):
                yield from self._agree(implementation)
        if not self._answers:
            return
        if not self.cell.further:
            self.announce("reference", None)
            for definition in dict.fromkeys(self.cell.definition(arm) for arm in self._live()):
                yield from self._take_reference(definition)
            for arm in list(self._live()):
                yield from self._take_costs(arm)
        with self.alone():
            timed = self._take_times() if self.cell.timed else {}
        for arm, samples in timed.items():
            if samples.error is not None:
                yield self._end(arm, *outcome_of(samples.error))
        for arm in list(self._live()):
            yield self._measured(arm, timed.get(arm))

    def end_with(self, arm: Arm, error: BaseException) -> Iterator[Result]:
        """The result of the arm whose error stopped the cell, unless that arm already has one."""
        if arm not in self._ended:
            yield self._end(arm, *outcome_of(error))

    def _agree(self, implementation: str) -> Iterator[Result]:
        """Call an implementation once and keep its answer; a failure ends all its passes."""
        arms = {a.pass_: a for a in self.cell.arms if a.implementation == implementation}
        first = arms.get("forward") or arms["training"]
        subject, definition = self.subjects[implementation], self.cell.definition(first)
        if reason := subject.resolution.why_not(definition, self.cell.workload):
            for arm in arms.values():
                yield self._end(arm, Status.SKIPPED, reason)
            return
        at: Pass = "forward"
        started = perf_counter()
        try:
            self.announce("agreement", first)
            loss = subject.bind(definition, self._batch)
            pristine = deepcopy(self._batch)
            with self._limited():
                output = loss.forward()
                self.device.synchronize()
            answer = loss.answer(output, gradients=False)
            if "forward" in arms:
                self._answers[arms["forward"]] = answer
                self._spend(arms["forward"], perf_counter() - started, first=True)
            if "training" in arms:
                at = "training"
                self.announce("agreement", arms["training"])
                with self._limited():
                    loss_of(output).backward()  # type: ignore[no-untyped-call]
                    self.device.synchronize()
                self._answers[arms["training"]] = loss.answer(output, gradients=True)
                self._spend(arms["training"], perf_counter() - started, first=True)
            if changed := loss.changed_from(subject.arguments(pristine)):
                self._batch = pristine
                at = "forward"
                raise BrokenCallError(f"changed its inputs: {', '.join(changed)}")
            self._losses[implementation] = loss
        except (NotALossError, BrokenCallError) as error:
            for arm in arms.values():
                self._answers.pop(arm, None)
            yield from self._end_from(at, arms, Status.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - any failure becomes a result
            yield from self._end_from(at, arms, *outcome_of(error))
            # The answer of a forward that succeeded is kept, without its graph.
            if at == "training" and "forward" in arms:
                self._losses[implementation] = loss
        finally:
            self.account += Account(calls_s=perf_counter() - started)
            if implementation in self._losses:
                self._losses[implementation].clear_gradients()
            self._undo_changes(implementation)

    def _end_from(
        self, at: Pass, arms: Mapping[Pass, Arm], status: Status, reason: str
    ) -> Iterator[Result]:
        for pass_, arm in arms.items():
            if pass_ == at:
                yield self._end(arm, status, reason)
            elif at == "forward":
                yield self._end(arm, status, f"in forward: {reason}")

    def _take_reference(self, definition: Definition) -> Iterator[Result]:
        try:
            with self._accounted("reference_s"):
                self._compare_references(definition)
                reference = compute_reference(definition, self._batch)
                self._no_self_errors[definition] = self._no_self_error(definition, reference)
                if not bool(torch.isfinite(reference.per_dimension).all()):
                    raise UnusableReferenceError(f"{definition.name} itself is not finite here")
            self._references[definition] = reference
        except Exception as error:  # noqa: BLE001 - any failure becomes a result
            reason = f"no reference to compare with: {describe_error(error)}"
            for arm in [a for a in self._live() if self.cell.definition(a) == definition]:
                yield self._end(arm, Status.FAILED, reason)

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
        """Make calls that record memory, operations and instructions; end the arm if one fails."""
        loss, costs = self._losses[arm.implementation], self._costs.setdefault(arm, {})
        meter = self.meter
        takes = (("memory", meter.peak_memory), ("work", meter.work), ("work", meter.interpreted))
        for stage, take in takes:
            if stage == "work" and original(loss.module) is not None:
                continue  # the counter would see what it was compiled from
            if take == meter.interpreted and not is_small(self.cell.workload, costs):
                continue
            self.announce(stage, arm)
            loss.clear_gradients()
            try:
                with self._accounted("calls_s"), self._limited():
                    took = take(arm, self.cell.workload, partial(loss.call, arm.pass_))
                    costs |= took if isinstance(took, dict) else asdict(took)
            except Exception as error:  # noqa: BLE001 - any failure becomes a result
                yield self._end(arm, *outcome_of(error))
                return
            finally:
                loss.clear_gradients()
                self._undo_changes(arm.implementation)

    def _take_times(self) -> dict[Arm, Samples]:
        """Time the arms and their floors; after a call, check its answer and undo its changes."""
        batches = [self._batch]
        if self.cell.workload.ranks == 1:
            with self._accounted("inputs_s"):
                batches = batches_of(self.cell.workload, self._batch, self.table)
        timed: dict[Arm, TimedLoss] = {}
        for arm in self._live():
            subject, loss = self.subjects[arm.implementation], self._losses[arm.implementation]
            timed[arm] = TimedLoss(subject, replace(loss), arm.pass_, batches)
        self.device.flush_caches()

        def before(arm: Arm, call: int) -> None:
            self.announce("time", arm)
            timed[arm].prepare(call)
            self.device.flush_caches()

        def after(arm: Arm) -> None:
            self._undo_changes(arm.implementation)
            if finding := timed[arm].finding():
                self._findings.setdefault(arm, finding)
            timed[arm].release()

        with self._limited(), garbage_collection_held():
            self.process = ProcessState()  # in which nothing is collected
            samples = sample_arms(
                {
                    arm: partial(self.meter.time, arm, self.cell.workload, call)
                    for arm, call in timed.items()
                },
                self.budget,
                seed=self.cell.session,
                before=before,
                after=after,
            )
        for arm, own in samples.items():
            self._spend(arm, own.spent_s)
            self.account += Account(calls_s=own.spent_s + (own.again.spent_s if own.again else 0.0))
        if self.cell.workload.ranks == 1 and self._references:
            self.announce("floor", None)
            with self._accounted("calls_s"), torch.no_grad():
                for place in {(self.cell.definition(arm), arm.pass_): None for arm in samples}:
                    self._floors_s[place] = self.meter.floor_s(*place, self._batch)
        return samples

    def _undo_changes(self, implementation: str) -> None:
        """Undo what the last call changed in the process, and keep what it was."""
        self._changed.setdefault(implementation, {}).update(dict.fromkeys(self.process.undo()))

    def _limited(self) -> AbstractContextManager[None]:
        return self.device.memory_limit(self.budget.memory_limit_bytes)

    def _live(self) -> Iterator[Arm]:
        return (arm for arm in self.cell.arms if arm in self._answers and arm not in self._ended)

    def _end(self, arm: Arm, status: Status, reason: str) -> Result:
        self._ended[arm] = self._result(arm, status=status, reason=reason)
        return self._ended[arm]

    def _result(self, arm: Arm, **figures: Any) -> Result:
        return Result(
            implementation=arm.implementation,
            case=self.cell.case(arm),
            session=self.cell.session,
            time_limit_s=self.budget.time_limit_s,
            memory_limit_bytes=self.budget.memory_limit_bytes,
            spent_s=self._spent_s.get(arm),
            first_call_s=self._first_s.get(arm),
            process_changes=self._process_changes(arm.implementation),
            own_process=self.subjects[arm.implementation].resolution.own_process or None,
            **figures,
        )

    def _process_changes(self, implementation: str) -> tuple[str, ...] | None:
        """What the implementation does to the process, which was undone; ``None`` for nothing."""
        before = self.subjects[implementation].resolution.process_changes
        found = dict.fromkeys((*before, *self._changed.get(implementation, ())))
        return tuple(found) or None

    def _measured(self, arm: Arm, samples: Samples | None) -> Result:
        figures, odd = samples.as_figures() if samples else {}, self._findings.get(arm)
        if self.cell.further:
            status = Status.WRONG if odd else Status.MEASURED
            return self._result(arm, status=status, reason=odd, **figures)
        definition = self.cell.definition(arm)
        answer, reference = self._answers[arm], self._references[definition]
        errors, finding = errors_of(answer, reference)
        finding = finding or odd
        others = {
            other: pair_differences(answer, self._answers[other])
            for other in self._live()
            if other.pass_ == arm.pass_
            and other != arm
            and other.definition.name == definition.name
            and self.cell.definition(other).temperature == definition.temperature
        }
        loss = float(answer.loss)
        result = self._result(
            arm,
            status=Status.WRONG if finding else Status.MEASURED,
            reason=finding,
            loss=loss if np.isfinite(loss) else None,
            reference_loss=float(reference.loss),
            **errors,
            reference=reference.method,
            value_difference={o.implementation: v for o, (v, _) in others.items()},
            gradient_difference=(
                {o.implementation: g for o, (_, g) in others.items()} if answer.gradients else None
            ),
            **figures,
            **self._costs[arm],
            floor_s=self._floors_s.get((definition, arm.pass_)),
            no_self_error=self._no_self_errors[definition],
        )
        specific = self.subjects[arm.implementation].device_specific
        return replace(result, predicted_cuda_peak_bytes=None) if specific else result

    def _spend(self, arm: Arm, seconds: float, *, first: bool = False) -> None:
        if first:
            self._first_s[arm] = seconds
        self._spent_s[arm] = self._spent_s.get(arm, 0.0) + seconds

    @contextmanager
    def _accounted(self, kind: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.account += Account(**{kind: perf_counter() - started})


_COMPARED: set[tuple[Definition, Workload]] = set()
"""Definitions and workloads for which this process has compared the two references."""
