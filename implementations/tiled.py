"""The sums of ``scan`` in a compiled loop, a tile of anchors at a time: memory of N d + tile N.

One compiled call goes from embeddings to gradient: it reads the rows, and for each tile of anchors
forms similarities and exponentials, sorts and sums the rows, and brings their derivative back to
the embeddings. numba compiles it on the first call, which takes a while, and keeps it on disk.

Where the batch is large, further threads help, as many as torch uses. Tiles are assigned to sums;
any free thread adds the next tile of a sum, always in order, so the result does not depend on the
timing of threads. There is one sum more than threads: while a thread waits for a core, the others
go on with all sums but its own. Where other processes keep the cores busy, more threads only cost
time, so the next calls use one thread.

Where the loop cannot run (a device other than the CPU, labels of 16-bit floats, a temperature so
low that float64 exponentials leave their range: 0.0034 for a cosine), ``scan`` computes the loss.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from threading import Lock
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from supcr_bench.values.implementation import ANY, Implementation

from ._scan import DEFINITIONS, RANGE, Choices, Evaluated, ScanSupCR, evaluate
from ._tiled_call import ADD, CLEAR, FINISH, MEASURE, PREPARE, SWEEP, WHOLE, compile_for
from ._tiled_memory import Rules
from ._vectors import entry_of


def empty(shape: tuple[int, ...], strides: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Memory for a tensor, by torch's dispatcher, where a counter of operations sees it."""
    return torch.empty_strided(shape, strides, dtype=dtype)


try:  # what compiled code of torch calls: it passes the dispatcher by, and takes half the time
    from torch._C._dynamo.guards import _empty_strided_cpu as quick  # type: ignore[attr-defined]
except ImportError:
    quick = empty
counting: Callable[[], int] = torch._C._len_torch_dispatch_stack
"""Whether a dispatch mode, such as a counter of operations, is on."""
TILE = 32
"""Anchors of a tile, a multiple of ``ROWS``: their sums stay in the second-level cache."""
ELEMENTS_PER_THREAD = 2**22
"""Pairs, over all losses, that make a further thread worthwhile: some 15 ms of work."""
HELPED = 1.3
"""The least CPU seconds in a second of a call: with fewer, other processes keep the cores busy."""
CALLS_ALONE = 16
"""The number of calls that one thread then makes alone, before more threads are tried again."""
_calls_alone = [0]
"""The number of calls left that run on one thread; 0 or less if none."""
LABEL_DISTANCES = {"per_dimension": 0, "l1": 1, "l2": 2, "max": 3}
EXACT = {torch.float32: "float32", torch.float64: "float64"}


class TiledSupCR(ScanSupCR):
    """A loss in a compiled loop, with the arguments and errors of :class:`~._scan.ScanSupCR`."""

    @staticmethod
    def evaluate(
        *given: Any, wanted: bool, learned: bool = True, grad_output: Tensor | None = None
    ) -> Evaluated:
        """As :func:`._scan.evaluate`, by tiles if the loop can run."""
        found = evaluate_tiles(*given, wanted=wanted, learned=learned, grad_output=grad_output)
        if found is None:
            found = evaluate(*given, wanted=wanted, learned=learned, grad_output=grad_output)
        return found

    @staticmethod
    def scale(gradient: Tensor, factor: Tensor) -> Tensor:
        """A gradient times a scalar, without torch's threads: waiting for them takes longer."""
        if gradient.numel() < 2**15 or not gradient.is_cpu:  # what torch does in one thread
            return gradient * factor
        scaled = torch.empty_like(gradient)
        np.multiply(gradient.numpy(), factor.item(), out=scaled.numpy())
        return scaled


class Plan(NamedTuple):
    """The facts that all calls of one shape share."""

    run: Any  # the compiled call
    numbers: Any  # those of ``Rules``
    address: int  # of the numbers
    shared: int  # bytes of what all threads read
    sums: int  # bytes of sums that tiles are added to
    room: int  # bytes that a thread works in
    losses: int  # their number C
    threads: int  # the most that are worthwhile
    eps: float
    limit: float  # the widest range of logits


@lru_cache
def plan_of(
    choices: Choices,
    n: int,
    d: int,
    dims: int,
    views: int,
    dtype: torch.dtype,
    labels_dtype: torch.dtype,
    wanted: bool,
    tile: int,
    pairs_per_thread: int,
) -> Plan:
    """The plan for V views [N, d] and labels [N, D]."""
    losses = 1 if choices.joint else dims
    rules = Rules(
        n=n,
        d=d,
        dims=dims,
        views=views,
        losses=losses,
        tile=tile,
        power=choices.power,
        normalised=choices.normalised,
        joined=choices.joins_views and views == 2,
        averaged=choices.views == "mean",
        joint=LABEL_DISTANCES[choices.label_distance] if dims > 1 else 0,
        never=choices.self_candidate == "never",
        whole=choices.joint or choices.nan_labels == "drop_row",
        renormalised=choices.empty_dimension == "renormalise",
        adds=choices.eps_rule == "added",
    )
    numbers = np.array(rules, np.int64)
    run, at = compile_for(EXACT[dtype], EXACT[labels_dtype]), numbers.ctypes.data
    nothing = (0, at, 1.0, 0.0, 1.0, 0, 0, d, 0, 0, 0, 0, 0, 0, int(wanted), 0, d)
    shared, sums, room, _ = map(int, run(MEASURE, 0, 0, 0, 0, *nothing))
    run = entry_of(run)
    threads = n * n * losses * views // pairs_per_thread
    eps, limit = choices.eps or 0.0, RANGE[dtype]
    return Plan(run, numbers, at, shared, sums, room, losses, threads, eps, limit)


def evaluate_tiles(
    views: tuple[Tensor, ...],
    labels: Tensor,
    weights: Tensor | None,
    tau: float,
    choices: Choices,
    *,
    wanted: bool,
    learned: bool,
    grad_output: Tensor | None,
) -> Evaluated | None:
    """As :func:`._scan.evaluate`, on a CPU; None where the loop cannot run."""
    first, last, count = views[0], views[-1], len(views)
    (n, d), (_, dims) = first.shape, labels.shape
    if not (first.is_cpu and labels.is_cpu and n * d * dims):
        return None
    dtype, labels_dtype = first.dtype, labels.dtype
    if labels_dtype not in EXACT:
        whole = not (labels.is_floating_point() or labels.is_complex())
        if not whole or int(labels.long().abs().max()) >= 2**52:
            return None
        labels, labels_dtype = labels.double(), torch.float64
    if dtype not in EXACT:
        first, last, dtype = first.float(), last.float(), torch.float32
    strides = first.stride()
    if strides != last.stride() or strides[1] != 1:
        first, last = first.contiguous(), last.contiguous()
        strides = first.stride()
    if labels.stride() != (dims, 1):
        labels = labels.contiguous()
    at_weights, single = 0, 0
    if weights is not None:
        if weights.dtype not in EXACT or not weights.is_cpu:
            weights = weights.to("cpu", torch.float64)
        at_weights, single = weights.data_ptr(), int(weights.dtype == torch.float32)
    at_grad_output = 0
    if grad_output is not None:
        grad_output = grad_output.to("cpu", torch.float64).contiguous()
        at_grad_output = grad_output.data_ptr()
    plan = plan_of(
        *(choices, n, d, dims, count, dtype, labels_dtype, wanted, TILE, ELEMENTS_PER_THREAD)
    )
    run, _, numbers, shared, sums, room, count_of_losses, threads, eps, limit = plan
    row, x0, x1 = strides[0], first.data_ptr(), last.data_ptr()
    new = empty if counting() else quick
    gradient, gradient0, gradient1, gradient_row = gradient_like(
        new, (n, count, d), row, x1 - x0, dtype
    )
    loss, losses = new((), (), dtype), new((count_of_losses,), (1,), dtype)
    threads = min(torch.get_num_threads(), threads) if threads > 1 else 1
    partial_sums = threads + 1 if threads > 1 else 1
    size = shared + partial_sums * sums + threads * room
    memory = new((size // 8,), (1,), torch.float64)
    at = memory.data_ptr()
    arguments = (
        at,
        numbers,
        tau,
        eps,
        limit,
        x0,
        x1,
        row,
        labels.data_ptr(),
        at_weights,
        single,
        at_grad_output,
        loss.data_ptr(),
        losses.data_ptr(),
        gradient0 if wanted else 0,
        gradient1,
        gradient_row,
    )
    if threads > 1:
        _, infinite, fits, slope = run_together(threads, plan, arguments)
    else:
        at += shared
        _, infinite, fits, slope = run(WHOLE, 0, n, at, at + sums, *arguments)
    if infinite:
        raise ValueError(f"{infinite} labels are infinite: their distances have no order")
    if not fits:
        if dtype == torch.float64:
            return None
        double = tuple(view.double() for view in (first, last)[:count])
        found = evaluate_tiles(
            *(double, labels, weights, tau, choices),
            wanted=wanted,
            learned=learned,
            grad_output=grad_output,
        )
        return found and found._replace(loss=found.loss.float(), losses=found.losses.float())
    if not wanted:
        return Evaluated(loss, losses, None, None)
    by_tau = torch.tensor(slope, dtype=torch.float64) if learned else None
    return Evaluated(loss, losses, gradient, by_tau)


def gradient_like(
    new: Callable[..., Tensor],
    shape: tuple[int, int, int],
    row: int,
    apart: int,
    dtype: torch.dtype,
) -> tuple[tuple[Tensor, ...], int, int, int]:
    """Memory by ``new`` for the gradient w.r.t. [N, V, d] embeddings, laid out as they are.

    Their rows are ``row`` numbers apart, and their views ``apart`` bytes; views that are parts of
    one tensor get the parts of one.

    Returns:
        the gradient, as that of ``Evaluated``; the addresses of the first view and of the last;
        the numbers from one row to the next.
    """
    (n, count, d), size = shape, dtype.itemsize
    if count == 2 and row == 2 * d:
        whole = new((2, n, d), (d, row, 1), dtype)
        at = whole.data_ptr()
        return (whole,), at, at + d * size, row
    if count == 1 or apart == n * d * size:
        whole = new((count, n, d), (n * d, d, 1), dtype)
        at = whole.data_ptr()
        return (whole,), at, at + n * d * size, d
    first, second = new((n, d), (d, 1), dtype), new((n, d), (d, 1), dtype)
    return (first, second), first.data_ptr(), second.data_ptr(), d


def run_together(threads: int, plan: Plan, arguments: tuple[Any, ...]) -> Any:
    """Run one call on several threads.

    ``arguments`` are those of the compiled call after the ones that differ between threads; the
    first is the address of all memory.
    """
    start = arguments[0] + plan.shared
    sums = [start + k * plan.sums for k in range(threads + 1)]
    rooms = [start + len(sums) * plan.sums + k * plan.room for k in range(threads)]
    tiles, infinite, fits, _ = prepared = plan.run(PREPARE, 0, 0, sums[0], rooms[0], *arguments)
    if infinite or not fits:
        return prepared
    locks = [Lock() for _ in sums]
    after = [tiles * k // len(sums) for k in range(len(sums))]
    ends = [*after[1:], tiles]
    spent: list[float] = []
    _calls_alone[0] -= 1
    alone = _calls_alone[0] >= 0
    for own in sums:
        plan.run(CLEAR, 0, 0, own, rooms[0], *arguments)

    def sweep(room: int) -> None:
        """Process half of the remaining tiles of the free sum that has most of them left."""
        while unfinished := sorted(
            (a - e, k) for a, e, k in zip(after, ends, range(len(sums)), strict=True) if a < e
        ):
            free = (k for _, k in unfinished if locks[k].acquire(blocking=False))
            k = next(free, -1)
            if k < 0:
                k = unfinished[0][1]
                locks[k].acquire()
            try:
                first, started = after[k], thread_time()
                if first == ends[k]:  # taken by another thread, and the call may have ended
                    continue
                stop = ends[k] if alone else (first + ends[k] + 1) // 2
                plan.run(SWEEP, first, stop, sums[k], room, *arguments)
                spent.append(thread_time() - started)
                after[k] = stop
            finally:
                locks[k].release()

    started = perf_counter()
    helpers = [] if alone else [pool(threads).submit(sweep, room) for room in rooms[1:]]
    sweep(rooms[0])
    for helper in helpers:
        helper.cancel()
    if helpers and sum(spent) < HELPED * (perf_counter() - started):
        _calls_alone[0] = CALLS_ALONE
    for others in sums[1:]:
        plan.run(ADD, 0, 0, sums[0], others, *arguments)
    return plan.run(FINISH, 0, 0, sums[0], rooms[0], *arguments)


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Threads that are kept from call to call."""
    return ThreadPoolExecutor(threads, "tiled")


IMPLEMENTATION = Implementation(
    name="tiled",
    title="A compiled loop over tiles of anchors",
    source="beyond the note",
    factory=TiledSupCR,
    claimed_time="N^2",
    claimed_memory="N",
    definitions=(*DEFINITIONS, ANY),
    device_specific=True,
    tags=("beyond",),
)
