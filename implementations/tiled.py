"""The sums of ``scan`` in a compiled loop, a tile of anchors at a time: memory of N d + tile N.

One compiled call per tile forms its similarities and exponentials, sorts and sums its rows, and
brings their derivative back to the embeddings. As many threads as torch uses take whole tiles, each
with a gradient of its own, so they wait for each other once a call. numba compiles the loop on the
first call, which takes a while, and caches it on disk.

Where the loop cannot run (a device other than the CPU, labels of 16-bit floats, a temperature so
low that float64 exponentials leave their range: 0.0034 for a cosine), ``scan`` computes the loss.
"""

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supcr_bench.values.implementation import Implementation

from ._scan import (
    DEFINITIONS,
    RANGE,
    Choices,
    Evaluated,
    ScanSupCR,
    bounds,
    evaluate,
    share_out,
)
from ._tiled_loop import PANEL, finish, pack, read_points, sort_labels, sweep_tile
from ._vectors import LANES, ROWS

ELEMENTS = 2**17
"""Numbers in a row of a tile times its rows, so that it stays in the second-level cache."""
TILES = (16, 128)
"""The fewest and the most anchors of a tile."""
ELEMENTS_PER_THREAD = 2**18
"""Pairs, over all losses, that make a further thread worthwhile."""
LABEL_DISTANCES = {"per_dimension": 0, "l1": 1, "l2": 2, "max": 3}


class TiledSupCR(ScanSupCR):
    """A loss in a compiled loop, with the arguments and errors of :class:`~._scan.ScanSupCR`."""

    @staticmethod
    def evaluate(*arguments: Any, **options: Any) -> Evaluated:
        """As :func:`._scan.evaluate`, by tiles if the loop can run."""
        found = evaluate_tiles(*arguments, **options)
        return evaluate(*arguments, **options) if found is None else found


def evaluate_tiles(
    views: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    tau: float,
    choices: Choices,
    *,
    wanted: bool,
    grad_output: Tensor | None = None,
    anchors: tuple[int, int] | None = None,
) -> Evaluated | None:
    """As :func:`._scan.evaluate`, on a CPU; None where the loop cannot run."""
    exact = (torch.float32, torch.float64)
    if not labels.is_floating_point() and labels.numel() and int(labels.long().abs().max()) < 2**52:
        labels = labels.double()
    on_cpu = views.device.type == labels.device.type == "cpu"
    if not on_cpu or labels.dtype not in exact or not views.numel() or not labels.numel():
        return None
    y = labels.detach().contiguous().numpy()
    n, losses = len(y), 1 if choices.joint else y.shape[1]
    rows, counts = room(torch.int64, n), room(torch.int64, losses)
    order, places = room(torch.int32, losses, n), room(torch.int32, losses, n)
    ordered = room(labels.dtype, losses, n)
    whole = choices.joint or choices.nan_labels == "drop_row"
    r, infinite = sort_labels(y, whole, rows, counts, order, ordered, places)
    if infinite:
        raise ValueError(f"{infinite} labels are infinite: their distances have no order")
    shares, factors = share_out(weights, counts.tolist(), choices, len(views), views.device)
    if r == 0:
        return Evaluated(factors * 0, shares, torch.zeros_like(views), factors.new_zeros(()))

    embeddings = (torch.cat((views, views)) if len(views) == 1 else views).detach()
    spare = ROWS - 1 if anchors else 0  # their tiles may start anywhere
    half, depth = round_up(r + spare, LANES), round_up(views.shape[2], PANEL)
    for dtype in [torch.float32, torch.float64][views.dtype == torch.float64 :]:
        x = embeddings.to(dtype).contiguous().numpy()
        points, norms = room(dtype, 2, half, depth), room(dtype, 2, r)
        joined = choices.joins_views and len(views) == 2
        square = read_points(
            *(x, rows, r, choices.normalised, choices.power > 0, joined, points, norms)
        )
        high, width = bounds(square, choices)
        if width / tau <= RANGE[dtype]:
            break
    else:
        return None
    columns = half * (2 if joined else 1)
    stride = 2 * columns + LANES
    fewest, most = TILES
    tile = min(max(ELEMENTS // stride // 8 * 8, fewest), most, half)
    layout = (x.shape[2], half, columns, stride, tile)
    joint = LABEL_DISTANCES[choices.label_distance] if y.shape[1] > 1 else 0
    kind = (choices.power, joint, choices.self_candidate == "never")
    eps = (choices.eps or 0.0) * math.exp(-high / tau)
    added = choices.eps_rule == "added"
    bits = width / tau / math.log(2) + math.log2(2 * n + 2 + eps)
    scale = (1 / tau, high / tau, 0.0 if added else eps, eps * added, max(int(1000 / bits), 1))
    packed, squares = room(dtype, x.shape[2] * 2 * columns), room(dtype, 2 * columns)
    masks = room(dtype, losses, 2 * columns)
    pack(points, r, x.shape[2], places, packed, squares, masks)
    each = 2 if len(views) == 1 else 1  # one view was given twice
    grad = shares if grad_output is None else grad_output.to(shares)
    by_pair = (factors * grad / (tau * each) if wanted else factors[:0]).numpy()
    fixed = (layout, kind, scale, points, packed, squares, y, rows, counts, order, ordered, places)
    sweep_own = partial(sweep_tiles, (*fixed, masks, by_pair), dtype, wanted)
    first, stop = anchors or (0, n)
    starts = np.searchsorted(rows[:r], (first, stop))
    found = in_threads(sweep_own, int(starts[0]), int(starts[1]), tile, losses * r * len(views))
    gradient, columns_sum, totals = (sum(parts[1:], parts[0]) for parts in zip(*found, strict=True))
    losses_ = factors * torch.from_numpy(totals) / each
    if not wanted:
        return Evaluated(losses_, shares, None, None)
    out = torch.zeros(embeddings.shape, dtype=dtype)
    product = finish(
        *(x, rows, r, layout, kind, choices.normalised, points, norms),
        *(gradient, columns_sum, out.numpy()),
    )
    slope = factors.new_tensor(-product / (tau * (choices.power or 2)))
    return Evaluated(losses_, shares, out.sum(0, keepdim=True) if each == 2 else out, slope)


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def room(dtype: torch.dtype, *shape: int) -> Any:
    """An uninitialised array in memory of torch, whose allocator is measured."""
    return torch.empty(shape, dtype=dtype).numpy()


def sweep_tiles(
    fixed: tuple[Any, ...], dtype: torch.dtype, wanted: bool, ranges: Iterable[tuple[int, int]]
) -> tuple[Any, Any, Any]:
    """Process tiles of these ranges: their gradient, its sums by column, and totals."""
    layout, points, y, counts = fixed[0], fixed[3], fixed[6], fixed[8]
    d, half, columns, stride, tile = layout
    depth = points.shape[2]
    gradient = room(dtype, 2 * half * depth if wanted else 0)
    columns_sum, totals = room(dtype, 2 * columns), np.zeros(len(counts))
    gradient[:] = 0
    columns_sum[:] = 0
    doubled = columns > half
    size = tile * stride
    tiles = (
        room(dtype, size),
        room(dtype, size if fixed[1][0] else 0),
        room(dtype, size if doubled else 0),
        room(dtype, size),
        room(dtype, d * tile * 2),
    )
    work, cells = room(dtype, 3, 16 * half), room(torch.int32, 4, max(8 * half, 256))
    distance = room(torch.float64 if y.dtype == np.float64 else torch.float32, half)
    keys = room(torch.int64 if y.dtype == np.float64 else torch.int32, half)
    for start, stop in ranges:
        sweep_tile(
            start, stop, *fixed, tiles, work, cells, distance, keys, gradient, columns_sum, totals
        )
    return gradient, columns_sum, totals


def in_threads(sweep: Any, first: int, stop: int, tile: int, elements: int) -> list[Any]:
    """What each thread found in its tiles, which are the same in every call."""
    ranges = [(at, min(at + tile, stop)) for at in range(first, stop, tile)]
    threads = max(min(torch.get_num_threads(), len(ranges), elements // ELEMENTS_PER_THREAD), 1)
    if threads == 1:
        return [sweep(ranges)]
    futures = [pool(threads - 1).submit(sweep, ranges[k::threads]) for k in range(1, threads)]
    return [sweep(ranges[::threads]), *(future.result() for future in futures)]


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
    definitions=tuple(DEFINITIONS),
    device_specific=True,
    tags=("beyond",),
)
