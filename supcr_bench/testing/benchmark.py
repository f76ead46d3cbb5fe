"""The fixture ``supcr_benchmark``: checks a loss and its costs on one case, and times it."""

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from supcr_bench.measure.device import get_device
from supcr_bench.measure.one_case import StopwatchCall, check_case
from supcr_bench.measure.outcome import NO_GRAPH
from supcr_bench.render.benchmark_json import extra_info
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.process_state import ProcessState, pinned_threads
from supcr_bench.subjects.registry import load, locate
from supcr_bench.sweep.plan import require_room
from supcr_bench.sweep.suite import DEFAULT_AXES, Axes, read_model
from supcr_bench.values.axes import get_axis
from supcr_bench.values.case import PASSES, Case, Pass, Workload
from supcr_bench.values.cell import Cell
from supcr_bench.values.definition import Definition
from supcr_bench.values.errors import UncallableError, UsageError
from supcr_bench.values.implementation import Implementation
from supcr_bench.values.machine import default_threads
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_error, parse_bytes
from supcr_bench.verification.resolve import resolve_to_measure

MOST_ROUNDS = 10_000


class SupcrBenchmark:
    """Compares one implementation with its definition of the loss on one case, and times it.

    Options of pytest-benchmark apply; the test's mark ``benchmark`` overrides the command line.

    Attributes:
        max_time_s: seconds to spend on timed calls.
        min_rounds: least number of timed calls, however long they take.
        warmup: whether ``min_rounds`` untimed calls come first.
    """

    _untouched: ClassVar[ProcessState | None] = None
    """The state of the process when the first test that uses the fixture started."""

    def __init__(self, benchmark: Any, request: pytest.FixtureRequest) -> None:
        self.benchmark = benchmark
        marker = request.node.get_closest_marker("benchmark")
        options = marker.kwargs if marker else {}

        def option(name: str) -> Any:
            return options.get(name, request.config.getoption(f"benchmark_{name}"))

        self.max_time_s = float(option("max_time"))
        self.min_rounds = int(option("min_rounds"))
        self.warmup = bool(option("warmup"))
        self._folder = request.path.parent
        type(self)._untouched = self._untouched or ProcessState()
        self._used = False

    def __call__(
        self,
        implementation: object,
        *,
        seed: int = 0,
        definition: str | Definition | None = None,
        max_peak_bytes: int | str | None = None,
        max_launches: int | None = None,
        max_elements: int | None = None,
        **axes: Any,
    ) -> Result:
        """Assert that an implementation is right and keeps its limits, and time it.

        Args:
            implementation: a class, a plain function, a module or a ``functools.partial``, with any
                call of the family; or a registered name, ``module:attribute`` or
                ``file.py:attribute``.
            seed: random seed for the tensors.
            definition: ``torchcell``, ``no-self``, ``rank-n-contrast`` or one of your own. If
                ``None``, the one that the implementation declares, or else the one that it is found
                to compute.
            max_peak_bytes: limit on live tensor bytes above the inputs, a number or like
                ``"4MiB"``.
            max_launches: limit on the number of dispatched operations.
            max_elements: limit on the number of elements that operations process.
            axes: a value of each axis of a suite, such as ``batch_size`` (N rows, 64 by default),
                ``dims`` (D label dimensions), ``nan_density`` (the share of labels missing in each
                dimension), ``labels``, ``embedding_size`` (d columns), ``temperature`` (by default
                the definition's), ``dtype``, ``device``, and ``pass_``: ``forward``, which builds
                the graph, or ``training``, forward and backward, the default.

        Returns:
            the measured result; ``time_samples_s`` is ``None`` where pytest-benchmark is disabled.

        Raises:
            AssertionError: the implementation is wrong, raises, or exceeds a limit.
            UsageError: the implementation cannot be found, or an argument is not valid.
        """
        __tracebackhide__ = True
        if self._used:
            raise UsageError("one case per test; use pytest.mark.parametrize for several")
        try:
            limits = read_limits(max_peak_bytes, max_launches, max_elements)
            process = ProcessState()
            found = find_implementation(implementation, self._folder)
            workload, pass_ = make_workload(axes, seed=seed)
            get_device(workload.device)
            resolution = resolve_to_measure(found, definition, workload.device, process)
            subject = Adapter.of(found, resolution)
            case = Case.of(workload, pass_, resolution.definition)
            with pinned_threads(default_threads()):  # as `supcr-bench run` does
                result = self.check(found.name, subject, case)
                if result.status is Status.SKIPPED:
                    raise UsageError(f"{found.name} {result.reason}")
                require_right(result, subject, by_name=isinstance(implementation, str))
                if text := excess(result, limits):
                    raise AssertionError(text)
                return self.take_times(result, subject)
        except UsageError as error:
            if isinstance(error, UncallableError) and not isinstance(implementation, str):
                error.verify = "supcr_bench.verify({})"
            raise error.with_traceback(None) from None  # users need no traceback
        finally:
            self.use_up()

    def check(
        self, name: str, subject: Adapter, case: Case, memory_limit_bytes: int | None = None
    ) -> Result:
        """Measure all but the times, and add it to the data that pytest-benchmark stores.

        Raises an AssertionError if a change to this process cannot be undone, as times would
        not be right.
        """
        result = check_case(name, subject, case, memory_limit_bytes)
        if self._untouched and (lasting := self._untouched.lasting_changes()):
            raise AssertionError(
                f"{name} cannot be timed in this process: it, or a loss of an earlier test, "
                f"{' and '.join(lasting)}; `supcr-bench run` measures such a loss in a process of "
                "its own"
            )
        warn_of_changes(name, result.process_changes or ())
        self.benchmark.extra_info.update(
            extra_info(result), threads=torch.get_num_threads(), torch=str(torch.__version__)
        )
        return result

    def take_times(
        self, result: Result, subject: Adapter, memory_limit_bytes: int | None = None
    ) -> Result:
        """Return the result with times added by pytest-benchmark, unless that is disabled."""
        self._used = True
        call = StopwatchCall(subject, result.case, memory_limit_bytes)
        with call.limited():
            disabled = self.benchmark.disabled
            rounds = 1 if disabled else plan_rounds(call, self.max_time_s, self.min_rounds)
            self.benchmark.pedantic(
                call,
                setup=call.prepare,
                rounds=rounds,
                warmup_rounds=self.min_rounds if self.warmup else 0,
            )
            call.check()
        later = set(call.changes) - set(result.process_changes or ())
        warn_of_changes(result.implementation, sorted(later))
        taken = self.benchmark.stats
        return replace(result, time_samples_s=tuple(taken.stats.data)) if taken else result

    def use_up(self) -> None:
        """Let a test that failed count as timed, else pytest-benchmark warns of it."""
        if not self._used:
            self._used = True
            with suppress(StopIteration):  # to pytest-benchmark, a call that fails is a use
                self.benchmark.pedantic(next, (iter(()),))


def warn_of_changes(name: str, changes: Sequence[str]) -> None:
    if changes:
        said = " and ".join(changes)
        warnings.warn(f"{name} {said}, for the whole process; it was undone", stacklevel=3)


def plan_rounds(call: StopwatchCall, max_time_s: float, min_rounds: int) -> int:
    """The number of calls that fit into the time, from the mean of those in a tenth of it."""
    call.once_s()
    calls, spent_s = 0, 0.0
    while calls == 0 or (spent_s < max_time_s / 10 and calls < MOST_ROUNDS / 10):
        spent_s += call.once_s()
        calls += 1
    wanted = math.ceil(max_time_s * calls / max(spent_s, 1e-9))
    return max(min(wanted, MOST_ROUNDS), min_rounds)


def find_implementation(given: object, folder: Path) -> Implementation:
    """The implementation that a test gives or names; ``folder`` is where relative paths start."""
    if isinstance(given, str):
        path, _, attribute = given.rpartition(":")
        beside = folder / path
        if path.endswith(".py") and beside.is_file():
            return load(replace(locate(f"{beside}:{attribute}"), name=given))
        return load(locate(given))
    return Implementation.of(given, "a test")


def make_workload(axes: Mapping[str, Any], *, seed: int) -> tuple[Workload, Pass]:
    """The workload and the pass (forward or training); axes left out have default values."""
    _count("seed", seed)
    for name, given in axes.items():
        get_axis(name.removesuffix("_"))
        if isinstance(given, list | tuple):
            raise UsageError(f"{name} takes one value; use pytest.mark.parametrize for several")
    given = {name.removesuffix("_"): value for name, value in axes.items() if value is not None}
    own = read_model(Axes, {"pass": "training", **given}, lambda location: location.split("[")[0])
    whole = own.over(DEFAULT_AXES)
    values = {f.name: getattr(whole, f.name) for f in fields(Workload) if hasattr(whole, f.name)}
    workload = Workload(**{name: given[0] for name, given in values.items() if given}, seed=seed)
    if workload.ranks > 1:
        raise UsageError("several ranks need several processes; use `supcr-bench run`")
    require_room([Cell(workload, ())])
    return workload, (whole.pass_ or PASSES)[0]


def read_limits(peak_bytes: object, launches: object, elements: object) -> dict[str, int]:
    """The limits that a test sets, by name; bytes are a number or a text like ``"4MiB"``."""
    if peak_bytes is not None and not isinstance(peak_bytes, int):
        try:
            peak_bytes = parse_bytes(str(peak_bytes))
        except ValueError as error:
            raise UsageError(f"max_peak_bytes: {error}") from None
    given = {"peak_bytes": peak_bytes, "launches": launches, "elements": elements}
    return {n: _count(f"max_{n}", most) for n, most in given.items() if most is not None}


def _count(name: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise UsageError(f"{name}: {given!r} is not valid; use a whole number of 0 or more")
    return given


_VERBS = {
    Status.WRONG: "is wrong on",
    Status.FAILED: "failed on",
    Status.OUT_OF_MEMORY: "ran out of memory on",
}
_INSIDE = (Path(__file__).parent.parent, Path(torch.__file__).parent)


def failure(result: Result, next_step: str) -> str | None:
    if result.status is Status.MEASURED:
        return None
    lines = [f"{_subject(result, _VERBS[result.status])}: {result.reason}"]
    if result.status is Status.WRONG:
        lines += [
            f"  {name}: {format_error(tolerances)} times the tolerance, relative error "
            f"{format_error(error)}"
            for name, tolerances, error in (
                ("value", result.value_tolerances, result.value_error),
                ("gradient", result.gradient_tolerances, result.gradient_error),
            )
            if tolerances is not None
        ]
        lines.append(f"  compared with `{result.case.definition}` in float64; {next_step}")
    elif NO_GRAPH in str(result.reason):
        lines.append(
            "  the loss has no graph: where no pair has labels, return a zero that depends on the "
            "embeddings, such as 0 * (perturbed.sum() + intact.sum())"
        )
    return "\n".join(lines)


def excess(result: Result, limits: Mapping[str, int]) -> str | None:
    found = []
    costs = result.to_mapping()
    for name, most in limits.items():
        cost = costs[name]
        if cost is None and name == "peak_bytes":
            found.append(f"max_peak_bytes cannot be checked: {result.memory_method}")
        elif cost is not None and cost > most:
            said = f"{cost:,} {name} exceed"
            if name == "peak_bytes":
                said = f"a peak of {cost:,} bytes ({format_bytes(cost)}) exceeds"
            found.append(f"{said} max_{name}={most:,}")
    if not found:
        return None
    return f"{_subject(result, 'is too costly on')}: {'; '.join(found)}"


def _subject(result: Result, verb: str) -> str:
    case = result.case
    return f"{result.implementation} {verb} {case.describe()} {case.pass_}"


def require_right(result: Result, subject: Adapter, *, by_name: bool) -> None:
    """Raise an AssertionError, from the implementation's own error, unless a result is right."""
    __tracebackhide__ = True
    verify = f"`supcr-bench verify {result.implementation}`"
    if not by_name:
        verify = f"supcr_bench.verify({result.implementation})"
    if text := failure(result, f"{verify} finds out what is wrong"):
        raise AssertionError(text) from _cause(result, subject)


def _cause(result: Result, subject: Adapter) -> Exception | None:
    """Call a failed implementation again, and return its exception with only its own lines."""
    if result.status is not Status.FAILED:
        return None
    try:
        StopwatchCall(subject, result.case)()
    except Exception as error:  # noqa: BLE001 - implementations may raise anything
        own = error.__traceback__  # from the first line outside of this package and torch, if any
        while own and any(Path(own.tb_frame.f_code.co_filename).is_relative_to(f) for f in _INSIDE):
            own = own.tb_next
        return error.with_traceback(own) if own else None
    return None
