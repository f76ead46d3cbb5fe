"""The sums of ``scan`` in a compiled loop, a tile of anchors at a time: memory of N d + tile N.

One compiled call per tile forms its similarities and exponentials, sorts and sums its rows, and
brings their derivative back to the embeddings. As many threads as torch uses take whole tiles, each
with a gradient of its own, so they wait for each other once a call. numba compiles the loop on the
first call, which takes a while, and caches it on disk.

Where the loop cannot run (a device other than the CPU, labels of 16-bit floats, a temperature so
low that float64 exponentials leave their range: 0.0034 for a cosine), ``scan`` computes the loss.
"""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supcr_bench.values.implementation import ANY, Implementation

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
from ._tiled_loop import (
    PANEL,
    Labels,
    Points,
    Room,
    Rules,
    Scale,
    Sums,
    finish,
    read_points,
    sort_labels,
    sweep_tiles,
)
from ._vectors import LANES, ROWS

ELEMENTS = 2**17
"""Numbers in a row of a tile times its rows, so that it stays in the second-level cache."""
TILES = (32, 64)
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
    learned: bool = True,
    grad_output: Tensor | None = None,
    anchors: tuple[int, int] | None = None,
) -> Evaluated | None:
    """As :func:`._scan.evaluate`, on a CPU; None where the loop cannot run."""
    del learned  # it costs nothing
    exact = (torch.float32, torch.float64)
    if not labels.is_floating_point() and labels.numel() and int(labels.long().abs().max()) < 2**52:
        labels = labels.double()
    on_cpu = views.device.type == labels.device.type == "cpu"
    if not on_cpu or labels.dtype not in exact or not views.numel() or not labels.numel():
        return None
    y = labels.detach().contiguous().numpy()
    n, losses = len(y), 1 if choices.joint else y.shape[1]
    rows, counts = rooms(torch.int64, (n,), (losses,))
    order, places = rooms(torch.int32, (losses, n), (losses, n))
    known = Labels(y, rows, counts, order, rooms(labels.dtype, (losses, n))[0], places)
    r, infinite = sort_labels(choices.joint or choices.nan_labels == "drop_row", known)
    if infinite:
        raise ValueError(f"{infinite} labels are infinite: their distances have no order")
    shares, factors = share_out(weights, counts.tolist(), choices, len(views), views.device)
    first, stop = (0, r) if anchors is None else np.searchsorted(rows[:r], anchors).tolist()

    both = torch.cat((views, views)) if len(views) == 1 else views  # one view is given twice
    each, d = 3 - len(views), views.shape[2]
    rules = Rules(
        power=choices.power,
        normalised=choices.normalised,
        joined=choices.joins_views and len(views) == 2,
        joint=LABEL_DISTANCES[choices.label_distance] if y.shape[1] > 1 else 0,
        never=choices.self_candidate == "never",
    )
    spare = 0 if anchors is None else ROWS - 1  # tiles may start anywhere then
    half, depth = round_up(max(r, 1) + spare, LANES), round_up(d, PANEL)
    columns = 2 * half if rules.joined else half
    for dtype in (torch.float32, torch.float64)[views.dtype == torch.float64 :]:
        x = both.to(dtype).contiguous().numpy()
        shapes = ((2, r), (2, half, depth), (2 * columns * d,), (2 * columns,))
        points = Points(*rooms(dtype, *shapes, (losses, 2 * columns), zero=True))
        high, width = bounds(read_points(x, r, rules, known, points), choices)
        if width / tau <= RANGE[dtype]:
            break
    else:
        return None
    stride = 2 * columns + LANES  # no power of two, whose rows would share lines of the cache
    fewest, most = TILES
    tile = min(max(ELEMENTS // stride // ROWS * ROWS, fewest), most, half)
    layout = (d, half, columns, stride, tile)
    eps = (choices.eps or 0.0) * math.exp(-high / tau)
    bits = width / tau / math.log(2) + math.log2(2 * n + 2 + eps)
    floor, added = (eps, 0.0) if choices.eps_rule == "floor" else (0.0, eps)
    scale = Scale(1 / tau, high / tau, floor, added, max(int(1000 / bits), 1))
    grad = shares if grad_output is None else grad_output.to(shares)
    by_pair = (factors * grad / (tau * each) if wanted else factors[:0]).numpy()

    def sweep(number: int, threads: int) -> Sums:
        """One thread's share of the tiles, which is the same in every call."""
        size, n_gradient = tile * stride, 2 * half * depth if wanted else 0
        both_sums = rooms(dtype, (n_gradient,), (2 * columns,), zero=True)
        kept = Sums(both_sums[0], both_sums[1], np.zeros(losses))
        keys = torch.int64 if y.dtype == np.float64 else torch.int32
        sorting = half if rules.joint else 0
        room = Room(
            *rooms(dtype, (size,), (size if rules.power else 0,), (size if rules.joined else 0,)),
            *rooms(dtype, (size,), (d * tile * 2,), (LANES * half,), (LANES * half,)),
            *rooms(dtype, (LANES * half if losses > 1 else 0,)),
            *rooms(torch.int32, (ROWS * half,), (sorting,), (sorting,), (256,)),
            *rooms(labels.dtype, (sorting,)),
            *rooms(keys, (sorting,)),
        )
        own = first + number * tile, stop, tile * threads
        sweep_tiles(*own, layout, rules, scale, known, points, by_pair, room, kept)
        return kept

    tiles = -(-(stop - first) // tile)
    enough = losses * r * (stop - first) * len(views) // ELEMENTS_PER_THREAD
    threads = max(min(torch.get_num_threads(), tiles, enough), 1)
    others = [pool(threads).submit(sweep, k, threads) for k in range(1, threads)]
    found = [sweep(0, threads), *(future.result() for future in others)]
    gradient, sums, totals = (sum(parts[1:], parts[0]) for parts in zip(*found, strict=True))
    values = factors * torch.from_numpy(totals) / each
    if not wanted:
        return Evaluated(values, shares, None, None)
    out = torch.zeros(both.shape, dtype=dtype)
    product = finish(x, r, rules, known, points, gradient, sums, out.numpy())
    slope = factors.new_tensor(-product / (tau * (choices.power or 2)))
    return Evaluated(values, shares, out if each == 1 else out.sum(dim=0, keepdim=True), slope)


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def rooms(dtype: torch.dtype, *shapes: tuple[int, ...], zero: bool = False) -> list[Any]:
    """Arrays, of zeros or not initialised, in memory of torch, whose allocator is measured."""
    sizes = [math.prod(shape) for shape in shapes]
    ends = list(itertools.accumulate(round_up(size, LANES) for size in sizes))
    flat = (torch.zeros if zero else torch.empty)(ends[-1], dtype=dtype).numpy()
    places = zip([0, *ends], sizes, shapes, strict=False)
    return [flat[at : at + size].reshape(shape) for at, size, shape in places]


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
