"""The assertions on a result; an implementation's own exception is shown as the cause."""

from pathlib import Path
from types import TracebackType

import torch

from supcr_bench.measure.one_case import StopwatchCall
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.testing.question import Limits
from supcr_bench.testing.sentences import excess, failure
from supcr_bench.values.result import Result, Status

_INSIDE = (Path(__file__).parent.parent, Path(torch.__file__).parent)


def require_right(result: Result, subject: Adapter, *, by_name: bool) -> None:
    """Raise an AssertionError for a result that does not agree with the definition.

    Where the implementation itself raised, that is its cause.
    """
    __tracebackhide__ = True
    verify = f"`supcr-bench verify {result.implementation}`"
    if not by_name:
        verify = f"supcr_bench.verify({result.implementation})"
    text = failure(result, f"{verify} finds out what is wrong")
    if text:
        raise AssertionError(text) from _cause(result, subject)


def require_within(result: Result, limits: Limits) -> None:
    """Raise an AssertionError for a result that costs more than its limits."""
    __tracebackhide__ = True
    text = excess(result, limits)
    if text:
        raise AssertionError(text)


def _cause(result: Result, subject: Adapter) -> Exception | None:
    """The exception of an implementation that failed, from its own lines, by calling it again."""
    if result.status is not Status.FAILED:
        return None
    try:
        StopwatchCall.of(subject, result.case)()
    except Exception as error:  # noqa: BLE001 - implementations may raise anything
        own = _own_lines(error.__traceback__)
        return error.with_traceback(own) if own else None
    return None


def _own_lines(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the first line outside of this package and torch; ``None`` without one."""
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if not any(file.is_relative_to(folder) for folder in _INSIDE):
            break
        traceback = traceback.tb_next
    return traceback
