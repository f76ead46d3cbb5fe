"""Peak of live tensor bytes on the CPU, from the allocator's own events.

PyTorch's CPU allocator keeps no statistics, but it reports every allocation and release to the
profiler. The profiler's public interface also records every operation, which makes a loop of
300,000 operations twenty times slower; limiting it to user scopes leaves just the allocator's
events. Only the private interface has that switch; where a torch version lacks it, the public one
gives the same events, slower.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch._C._profiler import _EventType

CPU = torch.device("cpu")


def _run_recorded(call: Callable[[], object]) -> list[Any]:
    """The profiler's events while ``call`` ran, in order of time, before its result is released."""
    # The private interface has no complete stubs.
    autograd: Any = torch._C._autograd
    profiler: Any = torch.autograd.profiler.profile(profile_memory=True)
    try:
        user_scope = torch._C._profiler.RecordScope.USER_SCOPE
        config, activities = profiler.config(), profiler.kineto_activities
        autograd._prepare_profiler(config, activities)
        autograd._enable_profiler(config, activities, {user_scope})
    except (AttributeError, TypeError):
        with profiler:
            kept = call()
        del kept
        return list(profiler.kineto_results.experimental_event_tree())
    try:
        kept = call()
    finally:
        recorded = autograd._disable_profiler()
    del kept
    return list(recorded.experimental_event_tree())


def _allocations(events: Iterable[Any]) -> Iterator[tuple[int, int]]:
    """(address, bytes) of each event in order of time; bytes are negative for a release."""
    for event in events:
        if event.tag == _EventType.Allocation:
            fields = event.extra_fields  # made anew at each access
            if fields.device == CPU:
                yield fields.ptr, fields.alloc_size
        else:
            yield from _allocations(event.children)


def peak_allocated_bytes(call: Callable[[], object]) -> int:
    """The most bytes held at once, of those that the call allocated itself."""
    sizes: dict[int, int] = {}
    live = peak = 0
    for address, size in _allocations(_run_recorded(call)):
        if size > 0:
            sizes[address] = size
            live += size
            peak = max(peak, live)
        else:
            live -= sizes.pop(address, 0)
    return peak
