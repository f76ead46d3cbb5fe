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

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from threading import Lock
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from supcr_bench.values.implementation import ANY, Implementation

from ._scan import DEFINITIONS, RANGE, Choices, Evaluated, ScanSupCR, evaluate, working_dtype
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


class Plan(NamedTuple):
    """The facts that all calls of one shape share."""

    run: Any  # the compiled call
    numbers: int  # the address of ``Rules`` and of what follows them
    shared: int  # bytes of what all threads read
    sums: int  # bytes of sums that tiles are added to
    room: int  # bytes that a thread works in
    losses: int  # their number C
    threads: int  # the most that are worthwhile
    limit: float  # the widest range of logits
    together: bool  # whether both views are always parts of one tensor
    between: int  # bytes from one view to the next of one tensor
    strides: tuple[int, ...]  # of a gradient [V, N, d] that is one tensor
    owner: Any = None  # of the numbers


@lru_cache
def plan_of(
    choices: Choices,
    n: int,
    d: int,
    strides: tuple[int, ...],
    dims: int,
    views: int,
    dtype: torch.dtype,
    labels_dtype: torch.dtype,
    wanted: bool,
    tile: int,
    pairs_per_thread: int,
) -> Plan | None:
    """The plan for V views [N, d] and labels [N, D]; None where the loop cannot read them."""
    row, step = strides
    if not (n * d * dims and step == 1 and dtype in EXACT and labels_dtype in EXACT):
        return None
    losses = 1 if choices.joint else dims
    in_turn = row == 2 * d  # the rows of both views, as those of one tensor [N, 2, d]
    rules = Rules(
        n=n,
        d=d,
        row=row,
        gradient_row=row if in_turn else d,
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
    limit = RANGE[dtype]
    limits = np.array([choices.eps or 0.0, limit])
    numbers = np.append(np.array(rules, np.int64), limits.view(np.int64))
    run, at = compile_for(EXACT[dtype], EXACT[labels_dtype]), numbers.ctypes.data
    nothing = (0, at, 1.0, 0, 0, 0, 0, 0, 0, 0, 0, int(wanted), 0)
    shared, sums, room, _ = map(int, run(MEASURE, 0, 0, 0, 0, *nothing))
    return Plan(
        *(entry_of(run), at, shared, sums, room, losses),
        threads=n * n * losses * views // pairs_per_thread,
        limit=limit,
        together=in_turn or views == 1,
        between=(d if in_turn else n * d) * dtype.itemsize,
        strides=(d, row, 1) if in_turn else (n * d, d, 1),
        owner=numbers,
    )


class TiledSupCR(ScanSupCR):
    """A loss in a compiled loop, with the arguments and errors of :class:`~._scan.ScanSupCR`."""

    @staticmethod
    def evaluate(
        views: Sequence[Tensor],
        labels: Tensor,
        weights: Tensor | None,
        tau: float,
        choices: Choices,
        *,
        wanted: bool,
        learned: bool = True,
        grad_output: Tensor | None = None,
    ) -> Any:  # a plain tuple, which takes less time to make than an ``Evaluated``
        """As :func:`._scan.evaluate`, by tiles if the loop can run."""
        first, last, count, (n, d) = views[0], views[-1], len(views), views[0].shape
        strides, dtype, of_y, dims = first.stride(), first.dtype, labels.dtype, labels.shape[1]
        plan = plan_of(
            choices, n, d, strides, dims, count, dtype, of_y, wanted, TILE, ELEMENTS_PER_THREAD
        )
        x0, x1, y = first.data_ptr(), last.data_ptr(), labels.data_ptr()
        if (
            plan is None
            or not (x0 and x1 and y)  # a subclass of Tensor may have no memory
            or not (first.is_cpu and last.is_cpu and labels.is_cpu and labels.is_contiguous())
            or last.stride() != strides
            or last.dtype != dtype
        ):
            options = {"wanted": wanted, "learned": learned, "grad_output": grad_output}
            return evaluate_otherwise(options, 0.0, views, labels, weights, tau, choices)
        run, numbers, shared, sums, room, losses, threads, limit, together, between, apart, _ = plan
        at_weights, weight_size, at_grad_output = 0, 0, 0
        if weights is not None:
            if weights.dtype not in EXACT or not (weights.is_cpu and weights.is_contiguous()):
                weights = weights.to("cpu", torch.float64).contiguous()
            at_weights, weight_size = weights.data_ptr(), weights.itemsize
        if grad_output is not None:
            grad_output = grad_output.to("cpu", torch.float64).contiguous()
            at_grad_output = grad_output.data_ptr()
        new = empty if counting() else quick
        if new is empty and torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY):
            raise RuntimeError("a tracer sees nothing of the loop: trace SupCRLoss or RnCLoss")
        gradient0 = gradient1 = 0
        gradient: tuple[Tensor, ...] | None = None
        if wanted and (together or x1 - x0 == between):
            gradient = (new((count, n, d), apart, dtype),)
            gradient0 = gradient[0].data_ptr()
            gradient1 = gradient0 + between
        elif wanted:
            gradient = new((n, d), (d, 1), dtype), new((n, d), (d, 1), dtype)
            gradient0, gradient1 = gradient[0].data_ptr(), gradient[1].data_ptr()
        loss, each = new((), (), dtype), new((losses,), (1,), dtype)
        size = shared + sums + room
        if threads > 1 and (threads := min(torch.get_num_threads(), threads)) > 1:
            size += threads * sums + (threads - 1) * room
        memory = new((size // 8,), (1,), torch.float64)
        at = memory.data_ptr()
        inputs = at, numbers, tau, x0, x1, y, at_weights, weight_size, at_grad_output
        given = *inputs, loss.data_ptr(), each.data_ptr(), gradient0, gradient1
        if threads > 1:
            owners = memory, views, labels, weights, grad_output, loss, each, gradient
            found = run_together(threads, plan, given, owners)
        else:
            found = run(WHOLE, 0, n, at + shared, at + shared + sums, *given)
        _, infinite, width, slope = found
        if infinite:
            raise ValueError(f"{infinite} labels are infinite: their distances have no order")
        if width > limit:
            options = {"wanted": wanted, "learned": learned, "grad_output": grad_output}
            return evaluate_otherwise(options, width, views, labels, weights, tau, choices)
        by_tau = torch.tensor(slope, dtype=torch.float64) if wanted and learned else None
        return loss, each, gradient, by_tau

    @staticmethod
    def scale(gradient: Tensor, factor: Tensor) -> Tensor:
        """A gradient times a scalar, without torch's threads: waiting for them takes longer."""
        if gradient.numel() < 2**15 or not gradient.is_cpu:  # what torch does in one thread
            return gradient * factor
        scaled = torch.empty_like(gradient)
        np.multiply(gradient.numpy(), factor.item(), out=scaled.numpy())
        return scaled


def evaluate_otherwise(
    options: dict[str, Any], width: float, views: Sequence[Tensor], labels: Tensor, *rest: Any
) -> Evaluated:
    """Evaluate what the loop cannot read, or whose logits have too wide a range for their dtype.

    It is converted, or computed by ``scan``. ``rest`` and ``options`` are other arguments of
    :func:`._scan.evaluate`.
    """
    in_memory = all(x.is_cpu and x.data_ptr() for x in (*views, labels))
    readable = in_memory and width <= RANGE[torch.float64]
    own, y = views, labels
    if readable and labels.dtype not in EXACT:
        whole = not (labels.is_floating_point() or labels.is_complex())
        readable = whole and int(labels.long().abs().max()) < 2**52
    dtype = working_dtype(views[0])
    if readable:
        wide = torch.float64 if width else dtype
        own = [x.to(wide, copy=True, memory_format=torch.contiguous_format) for x in views]
        y = (labels if labels.dtype in EXACT else labels.double()).contiguous()
    run = TiledSupCR.evaluate if readable else evaluate
    loss, losses, gradient, slope = run(own, y, *rest, **options)
    return Evaluated(loss.to(dtype), losses.to(dtype), gradient, slope)


def run_together(threads: int, plan: Plan, arguments: Any, owners: Any = None) -> Any:
    """Run one call on several threads.

    ``arguments`` are those of the compiled call after the ones that differ between threads; the
    first is the address of all memory. When Ctrl-C ends the call, threads keep its ``owners``.
    """
    start = arguments[0] + plan.shared
    sums = [start + k * plan.sums for k in range(threads + 1)]
    rooms = [start + len(sums) * plan.sums + k * plan.room for k in range(threads)]
    tiles, infinite, width, _ = prepared = plan.run(PREPARE, 0, 0, sums[0], rooms[0], *arguments)
    if infinite or width > plan.limit:
        return prepared
    locks = [Lock() for _ in sums]
    after = [tiles * k // len(sums) for k in range(len(sums))]
    ends = [*after[1:], tiles]
    spent: list[float] = []
    _calls_alone[0] -= 1
    alone = _calls_alone[0] >= 0
    for own in sums:
        plan.run(CLEAR, 0, 0, own, rooms[0], *arguments)

    def sweep(room: int, _owners: Any = owners) -> None:
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
    try:
        helpers = [] if alone else [pool(threads).submit(sweep, room) for room in rooms[1:]]
        sweep(rooms[0])
    except BaseException:
        ends[:] = [0] * len(ends)
        raise
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
