"""Counts the bytecode instructions that the interpreter executes in a call.

The instructions show what counting operations cannot: Python loops and wrappers around operations.
The count has no noise: a warm call executes the same instructions each time. The count depends on
the minor version of Python, and on torch, whose Python code counts too; instructions of supcr-bench
do not. Only the thread of the call is counted. Python 3.12 and later report each instruction by
``sys.monitoring``, 3.11 by the events of a trace function.
"""

import gc
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from supcr_bench.values.case import Workload
from supcr_bench.values.metrics import MOST_INSTRUCTIONS

MOST_OPERATIONS, MOST_ELEMENTS = 50_000, 200_000_000
"""A longer call is already slow, so its instructions are not counted."""

_OWN = str(Path(__file__).parents[1])
_IMPLEMENTATIONS = f"{_OWN}/implementations"
_SLOT = 4
"""The id of a tool of ``sys.monitoring`` that no standard tool uses."""


def is_small(workload: Workload, costs: Mapping[str, Any]) -> bool:
    """Whether counting the instructions of such a call takes less than a second."""
    operations, elements = costs["dispatched_ops"], costs["elements_processed"]
    return workload.ranks == 1 and operations <= MOST_OPERATIONS and elements <= MOST_ELEMENTS


def count_instructions(call: Callable[[], object]) -> int | None:
    """Make a call and count its instructions, up to ``MOST_INSTRUCTIONS``.

    The result is ``None`` if another tool occupies that slot of ``sys.monitoring``.
    """
    collected = gc.isenabled()
    gc.disable()  # its callbacks would be counted
    try:
        return _monitored(call) if sys.version_info >= (3, 12) else _traced(call)
    finally:
        if collected:
            gc.enable()


def _is_own(code: CodeType) -> bool:
    name = code.co_filename
    return name.startswith(_OWN) and not name.startswith(_IMPLEMENTATIONS)


def _traced(call: Callable[[], object]) -> int:
    count = 0

    def on_event(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
            if count >= MOST_INSTRUCTIONS:
                sys.settrace(None)
                frame.f_trace_opcodes = False
        return on_event

    def on_call(frame: FrameType, event: str, _: object) -> Any:
        if event != "call" or _is_own(frame.f_code):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return on_event

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        kept = call()
    finally:
        sys.settrace(before)
    del kept
    return count


def _monitored(call: Callable[[], object]) -> int | None:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    if monitoring.get_tool(_SLOT) is not None:
        return None
    thread, count = threading.get_ident(), 0

    def on_instruction(code: CodeType, _: int) -> Any:
        nonlocal count
        if _is_own(code):
            return monitoring.DISABLE
        if threading.get_ident() == thread:
            count += 1
            if count >= MOST_INSTRUCTIONS:
                monitoring.set_events(_SLOT, 0)
        return None

    events = monitoring.events.INSTRUCTION
    monitoring.use_tool_id(_SLOT, "supcr-bench")
    try:
        monitoring.register_callback(_SLOT, events, on_instruction)
        monitoring.set_events(_SLOT, events)
        kept = call()
    finally:
        monitoring.set_events(_SLOT, 0)
        monitoring.register_callback(_SLOT, events, None)
        monitoring.free_tool_id(_SLOT)
        monitoring.restart_events()
    del kept
    return count
