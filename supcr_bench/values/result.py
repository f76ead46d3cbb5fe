"""One flat, frozen result per (implementation, case). Raw samples are kept; summaries are derived.

A missing value is ``None``, never 0; a failed measurement is a result with a status and a reason,
never an absent row.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cache, lru_cache
from itertools import chain
from statistics import geometric_mean, median
from typing import Any, Self, TypeVar

from supcr_bench.values.case import Case, Pass

T = TypeVar("T")
K = TypeVar("K")
Key = tuple[str, Case]
"""An implementation's name and the case: the key by which results are joined."""
Series = tuple[str, Pass, tuple[object, ...]]
"""An implementation's name, the pass, and the workload without its batch size."""

_STORED = {
    "dispatched_ops": "launches",
    "elements_processed": "elements",
    "aa_samples_s": "again_samples_s",
    "no_self_error": "paper_error",
}
"""Fields that are stored under a name of the format's first version."""

SAMPLES = ("time_samples_s", "device_samples_s", "aa_samples_s")
"""Fields with seconds of single calls in the first process."""


@cache
def stored_name(field: str) -> str:
    """The key of a field of a case or a result in measurements, exports and tables."""
    return _STORED.get(field, field.rstrip("_"))


class Status(StrEnum):
    """The status of a result."""

    MEASURED = "measured"
    WRONG = "wrong"
    """The case was measured, and its value or gradient differs by more than the tolerance."""
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    """The case was not run, because a prediction, given in ``reason``, exceeds its budget."""
    FAILED = "failed"

    @property
    def words(self) -> str:
        return self.replace("_", " ")

    @property
    def has_figures(self) -> bool:
        """Whether memory and work were measured, and time too if the case is timed."""
        return self in (Status.MEASURED, Status.WRONG)

    @property
    def is_broken(self) -> bool:
        return self in (Status.WRONG, Status.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one implementation on one case.

    Attributes:
        implementation: its registered name, or the path or module that names it.
        reason: a sentence that explains the status; ``None`` for a plain measurement.
        stage: the stage in which it was stopped: ``agreement``, ``memory``, ``work`` or
            ``time``; ``None`` if it was not stopped.
        session: the execution of a cell that gave this result. Samples are paired only within one.
        machine: the kind of machine that it was measured on, or would have been
            (``supcr_bench.values.machine``); results of two kinds are never fitted together.
            ``None``, in older results, means the machine that the run names.
        value_error: largest relative error of the total loss and of the per-dimension losses;
            ``None`` where the reference is 0 and the error is not.
        gradient_error: largest row error of the gradients, relative to the reference's largest row.
        value_tolerances, gradient_tolerances: these errors as multiples of the derived tolerance.
        reference: the float64 reference that was used, ``direct`` or ``fast``.
        value_difference: relative difference of the loss to that of each other implementation.
        gradient_difference: likewise of the gradient, by its largest row.
        process_changes: what it changes in the whole process, in words; ``None`` if nothing.
        own_process: whether it was measured in a process of its own because of that; else each
            change was undone before another implementation was called. ``None`` in older results.
        time_samples_s: seconds per call on the host with flushed caches, one per round. ``None``
            also if the plan did not time the cell.
        further_samples_s: the same, in each further process of a run with several, by its session;
            empty for a process that gave none. Other fields, but for ``other_work_s``, are of the
            first process.
        other_work_s: median seconds of the harness's own work before a call of its cell
            (``supcr_bench/measure/other_work.py``), in each process by its session: the speed of
            the machine. ``None`` in older results.
        device_samples_s: the same calls by the device's own events; ``None`` on the CPU and where
            the device has none.
        aa_samples_s: the A/A arm: samples of the same implementation, entered a second time
            under another label, paired by round with ``time_samples_s``. Their difference is noise.
            ``None`` for the implementations of the cell without an A/A arm.
        repetitions: in older results, the calls of which each sample is the mean.
        time_stopped_by: ``precision`` (the median's interval became narrow enough) or ``budget``.
        peak_bytes: peak of live tensor bytes above the inputs.
        reserved_bytes: the most that the allocator reserved for them, where the device reports it.
        memory_method: how the peak was measured, or why it was not.
        predicted_peak_bytes: the peak predicted from batch sizes up to a quarter of this one,
            before it was measured; ``None`` where they were too few.
        predicted_peak_low_bytes, predicted_peak_high_bytes: the interval of that prediction.
        predicted_peak_from: the largest batch size that the prediction used.
        dispatched_ops: operations dispatched in one call, the same on every machine.
        elements_processed: elements worked on in one call, the same on every machine.
        python_instructions: bytecode instructions that the interpreter executed in one call, up to
            a limit (``supcr_bench/measure/interpreter.py``). ``None`` also for large cases.
        dispatch_peak_bytes: peak bytes of the tensors that operations returned, above the inputs.
            It misses what an operation allocates internally, so it only approximates
            ``peak_bytes``; ``supcr_bench/measure/work.py`` gives measured differences.
        predicted_cuda_peak_bytes: that peak with each tensor rounded up to blocks of 512 bytes, as
            in PyTorch's CUDA allocator: a prediction of ``peak_bytes`` on CUDA, not a measurement.
        no_self_error: relative distance of the definition's own value from that of ``no-self`` on
            the same tensors; ``None`` where that is the definition.
        predicted_s: seconds per call that the forecast gave, for a skipped case.
        floor_s: seconds per call of the floor (``supcr_bench/measure/floor.py``) of its cell and
            pass: matrix products and exponentials alone. ``None`` in older results.
        first_call_s: seconds of the first call, with what it compiles, tunes or loads; in training,
            of its forward and backward.
        spent_s: seconds of measured calls that this result took, warm-up included.
    """

    implementation: str
    case: Case
    status: Status
    reason: str | None = None
    stage: str | None = None
    session: str | None = None
    machine: str | None = None
    loss: float | None = None
    reference_loss: float | None = None
    value_error: float | None = None
    value_tolerances: float | None = None
    gradient_error: float | None = None
    gradient_tolerances: float | None = None
    reference: str | None = None
    value_difference: Mapping[str, float | None] | None = None
    gradient_difference: Mapping[str, float | None] | None = None
    time_samples_s: tuple[float, ...] | None = None
    device_samples_s: tuple[float, ...] | None = None
    aa_samples_s: tuple[float, ...] | None = None
    repetitions: int | None = None
    time_stopped_by: str | None = None
    peak_bytes: int | None = None
    reserved_bytes: int | None = None
    memory_method: str | None = None
    predicted_peak_bytes: float | None = None
    predicted_peak_low_bytes: float | None = None
    predicted_peak_high_bytes: float | None = None
    predicted_peak_from: int | None = None
    dispatched_ops: int | None = None
    elements_processed: int | None = None
    dispatch_peak_bytes: int | None = None
    predicted_cuda_peak_bytes: int | None = None
    no_self_error: float | None = None
    predicted_s: float | None = None
    time_limit_s: float | None = None
    memory_limit_bytes: int | None = None
    spent_s: float | None = None
    process_changes: tuple[str, ...] | None = None
    own_process: bool | None = None
    first_call_s: float | None = None
    python_instructions: int | None = None
    floor_s: float | None = None
    further_samples_s: Mapping[str, tuple[float, ...]] | None = None
    other_work_s: Mapping[str, float] | None = None

    @property
    def second_peak_bytes(self) -> int | None:
        """The peak by a count of operations; in blocks where the device's allocator gives those."""
        on_cuda = self.case.device.startswith("cuda")
        return (on_cuda and self.predicted_cuda_peak_bytes) or self.dispatch_peak_bytes

    @property
    def untimed(self) -> bool:
        """Whether the case was measured, and its plan left out the timing."""
        return self.status.has_figures and self.time_samples_s is None

    @property
    def processes(self) -> dict[str | None, tuple[float, ...]]:
        """The samples of each process that gave any, by session."""
        if not self.time_samples_s:
            return {}
        found: dict[str | None, tuple[float, ...]] = {self.session: self.time_samples_s}
        if self.further_samples_s:
            found |= {s: own for s, own in self.further_samples_s.items() if own}
        return found

    @property
    def samples_s(self) -> tuple[float, ...]:
        return tuple(chain(*self.processes.values()))

    @property
    def process_medians_s(self) -> tuple[float, ...]:
        return tuple(map(_median, self.processes.values()))

    @property
    def process_other_work_s(self) -> tuple[float | None, ...]:
        known = self.other_work_s or {}
        return tuple(known.get(session or "") for session in self.processes)

    @property
    def time_s(self) -> float | None:
        """Seconds of the median call; of several processes, the geometric mean of their medians."""
        if not self.further_samples_s:
            return _median(self.time_samples_s) if self.time_samples_s else None
        medians = self.process_medians_s
        return geometric_mean(medians) if len(medians) > 1 else next(iter(medians), None)

    def as_further(self) -> Self:
        """This result as one of a further process, to be stored beside the first one's."""
        empty: dict[str, Any] = dict.fromkeys(SAMPLES)
        samples = {self.session or "": self.time_samples_s or ()}
        return replace(self, **empty, further_samples_s=samples)

    def with_further(self, other: Self) -> Self:
        """This result of the first process, joined with that of a further one.

        A result that is wrong or failed in any process is wrong or failed, without a time; a
        process that ended otherwise gives no samples.
        """
        further = {**(self.further_samples_s or {}), **(other.further_samples_s or {})}
        work = {**(self.other_work_s or {}), **(other.other_work_s or {})}
        found = replace(self, further_samples_s=further, other_work_s=work or None)
        if other.status.is_broken and not self.status.is_broken:
            reason = f"in a further process: {other.reason}"
            samples = self.time_samples_s if other.status is Status.WRONG else None
            found = replace(
                found, status=other.status, reason=reason, time_samples_s=samples, stage=other.stage
            )
        return found

    @property
    def tolerances(self) -> float | None:
        """The larger error of value and gradient, in multiples of the tolerance; ``None`` for NaN.

        If the known errors are within tolerance and the result is wrong, the other error is NaN.
        """
        known = (self.value_tolerances, self.gradient_tolerances)
        largest = max((x for x in known if x is not None), default=None)
        return None if self.status is Status.WRONG and (largest or 0) <= 1 else largest

    @property
    def key(self) -> Key:
        return self.implementation, self.case

    @property
    def series(self) -> Series:
        return self.implementation, self.case.pass_, self.case.series()

    def to_mapping(self) -> dict[str, Any]:
        flat = {stored_name(f.name): getattr(self, f.name) for f in fields(Result)}
        case = flat.pop("case").to_mapping()
        return {"implementation": flat.pop("implementation"), **case, **flat}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read a result that :meth:`to_mapping` wrote, also in an older version."""
        if "no_self_error" in values:
            values = {**values, "paper_error": values["no_self_error"]}
        stored = {f.name: stored_name(f.name) for f in fields(cls)}
        own = {name: values[key] for name, key in stored.items() if key in values}
        for name in (*SAMPLES, "process_changes"):
            samples = own.get(name)
            own[name] = None if samples is None else tuple(samples)
        if further := own.get("further_samples_s"):
            own["further_samples_s"] = {session: tuple(taken) for session, taken in further.items()}
        own["case"], own["status"] = Case.from_mapping(values), Status(values["status"])
        return cls(**own | {"implementation": values["implementation"]})


@lru_cache(maxsize=16384)  # what is shown of a result is asked for again and again
def _median(samples: tuple[float, ...]) -> float:
    return median(samples)


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The items, most often results, of each key; keys and items keep their order."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
