"""Asserts that a result is right and cheap enough; messages give the error and the next step."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import torch

from supcr_bench.measure.one_case import StopwatchCall
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_error

NO_GRAPH = "does not require grad"
_VERBS = {
    Status.WRONG: "is wrong on",
    Status.FAILED: "failed on",
    Status.OUT_OF_MEMORY: "ran out of memory on",
}
_INSIDE = (Path(__file__).parent.parent, Path(torch.__file__).parent)


def failure(result: Result, next_step: str) -> str | None:
    """Say why a result disagrees with its definition of the loss; ``None`` if it agrees."""
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
    """Say which limits a result exceeds; ``None`` if it exceeds none."""
    found = []
    costs = {
        "peak_bytes": result.peak_bytes,
        "launches": result.dispatched_ops,
        "elements": result.elements_processed,
    }
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
    text = failure(result, f"{verify} finds out what is wrong")
    if text:
        raise AssertionError(text) from _cause(result, subject)


def _cause(result: Result, subject: Adapter) -> Exception | None:
    """Call a failed implementation again, and return its exception with only its own lines."""
    if result.status is not Status.FAILED:
        return None
    try:
        StopwatchCall(subject, result.case)()
    except Exception as error:  # noqa: BLE001 - implementations may raise anything
        own = _own_lines(error.__traceback__)
        return error.with_traceback(own) if own else None
    return None


def _own_lines(traceback: TracebackType | None) -> TracebackType | None:
    """Cut a traceback to start at the first line outside of this package and torch, if any."""
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if not any(file.is_relative_to(folder) for folder in _INSIDE):
            break
        traceback = traceback.tb_next
    return traceback
