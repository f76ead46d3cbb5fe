"""The sums of ``scan`` in a compiled loop, a tile of anchors at a time: memory of N d + tile N.

The products are torch's: a tile of similarities, and two that bring the tile's gradient back to the
embeddings. What lies between is one pass over each anchor's row from the farthest label to the
nearest and one back, which merges the two sides of the row as it goes, so that no order is stored
and nothing is searched for. numba compiles it on the first call and keeps it on disk.

Where the loop does not apply (another device than the CPU, labels in 16 bits, a temperature below
0.0034), ``scan`` takes over, block by block.
"""

import itertools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supcr_bench.values.implementation import Implementation

from .scan import RANGE, Options, Ranked, ScanSupCR

try:
    from numba import njit
except ImportError as error:
    raise ImportError(
        "its compiled loop needs numba: pip install 'supcr-bench[fast]', or pip install numba"
    ) from error

TILE_BYTES = 2**23
"""Of a tile's similarities, and again of its gradient."""
ANCHORS_AT_ONCE = 8
"""How many anchors a thread takes on before it asks for more."""
ELEMENTS_PER_THREAD = 2**17
"""Pairs of a tile, in all dimensions, that are worth a further thread."""


class TiledSupCR(ScanSupCR):
    """SupCR in a compiled loop: N^2 work, N d + tile N memory, stable at low temperature.

    Arguments, results and errors are those of :class:`~.scan.ScanSupCR`.
    """

    @staticmethod
    def add_parts(
        ranked: Ranked,
        units: Tensor,
        arriving: Tensor | None,
        options: Options,
        parts: Tensor,
        slope: Tensor | None,
    ) -> None:
        """Add the losses of all dimensions, and their derivative, as :class:`ScanSupCR` does."""
        compiled = (
            units.device.type == "cpu"
            and ranked.labels.dtype in (torch.float32, torch.float64)
            and 2 / options.temperature <= RANGE[torch.float64]
            and max(ranked.counts, default=0) >= 2
        )
        add = add_tiles if compiled else ScanSupCR.add_parts
        add(ranked, units, arriving, options, parts, slope)


def add_tiles(
    ranked: Ranked,
    units: Tensor,
    arriving: Tensor | None,
    options: Options,
    parts: Tensor,
    slope: Tensor | None,
) -> None:
    """As :meth:`TiledSupCR.add_parts`, tile by tile."""
    tau = options.temperature
    dims, rows = ranked.order.shape
    pairs = torch.tensor([m * (m - 1) for m in ranked.counts], dtype=torch.float64)
    shares = torch.where(pairs > 0, 1 / pairs, 0)
    logarithms = torch.zeros(dims, rows, dtype=torch.float64)
    rules = (
        slope is not None,
        options.self_when_tied,
        math.exp(options.log_floor),
        min(max(int(RANGE[torch.float64] * tau / 2), 1), 16),
    )
    fixed = numpy_views(
        ranked.order.to(torch.int32),
        ranked.labels.contiguous(),
        torch.tensor(ranked.counts),
        places_of(ranked),
        shares / tau if arriving is None else arriving * shares / tau,
        logarithms,
    )

    # Tiles of one size, so that none is a small remainder.
    most = max(TILE_BYTES // (2 * rows * units.element_size()), 1)
    size = math.ceil(rows / math.ceil(rows / most))
    wide = units.dtype if 2 / tau <= RANGE[units.dtype] else torch.float64
    logits = torch.empty(2, size, rows, dtype=units.dtype)
    terms = logits if wide == units.dtype else torch.empty(2, size, rows, dtype=wide)
    weights = torch.empty_like(logits) if slope is not None else logits[:, :0]
    threads = thread_count(size * rows * dims)
    buffers = [
        numpy_views(
            torch.empty(rows, dtype=torch.int32),
            torch.empty(rows, dtype=ranked.labels.dtype),
            torch.empty(2, rows, dtype=torch.float64),
        )
        for _ in range(threads)
    ]
    with ThreadPoolExecutor(threads - 1) if threads > 1 else nullcontext() as pool:
        for start in range(0, rows, size):
            stop = min(start + size, rows)
            some, own = slice(0, stop - start), units[:, start:stop]
            torch.bmm(own / tau, units.mT, out=logits[:, some])
            torch.sub(logits[:, some], 1 / tau, out=terms[:, some]).exp_()
            tile = numpy_views(terms[:, some], weights[:, some])
            sweep = partial(sweep_tile, start, stop, itertools.count(), rules, (*tile, *fixed))
            waiting = [pool.submit(sweep, other) for other in buffers[1:]] if pool else []
            sweep(buffers[0])
            for one in waiting:
                one.result()
            if slope is None:
                continue
            if size == rows:
                slope += (weights + weights.mT) @ units
            else:
                slope[:, start:stop].baddbmm_(weights[:, some], units)
                slope.baddbmm_(weights[:, some].mT, own)

    totals = logarithms.sum(dim=1)
    for c, m in enumerate(ranked.counts):
        if m >= 2:
            valid = units[:, ranked.order[c, :m]].double()
            cosines = valid.sum(dim=1).square().sum() - valid.square().sum()
            parts[c] += totals[c] * shares[c] - (cosines * shares[c] - 2) / tau


def places_of(ranked: Ranked) -> Tensor:
    """[D, R] where each row stands in the order of each dimension, -1 without a label."""
    places = torch.full(ranked.order.shape, -1, dtype=torch.int32)
    for c, m in enumerate(ranked.counts):
        places[c, ranked.order[c, :m]] = torch.arange(m, dtype=torch.int32)
    return places


def numpy_views(*tensors: Tensor) -> tuple[Any, ...]:
    """The same memory, as the compiled loop takes it."""
    return tuple(tensor.numpy() for tensor in tensors)


def thread_count(elements: int) -> int:
    """How many of torch's threads that much work is worth."""
    return max(min(torch.get_num_threads(), elements // ELEMENTS_PER_THREAD), 1)


def sweep_tile(
    start: int,
    stop: int,
    numbers: Iterator[int],
    rules: tuple[Any, ...],
    arrays: tuple[Any, ...],
    buffers: tuple[Any, ...],
) -> None:
    """Take anchors of a tile, a few at a time, until none is left; threads share ``numbers``."""
    while (first := start + ANCHORS_AT_ONCE * next(numbers)) < stop:
        last = min(first + ANCHORS_AT_ONCE, stop)
        sweep_anchors(start, first, last, *rules, *arrays, *buffers)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sweep_anchors(
    start: int,
    first: int,
    stop: int,
    gradient: bool,
    self_when_tied: bool,
    floor: float,
    batch: int,
    terms: Any,
    weights: Any,
    order: Any,
    labels: Any,
    counts: Any,
    places: Any,
    factors: Any,
    logarithms: Any,
    at: Any,
    distance: Any,
    contrast: Any,
) -> None:
    """The rows of some anchors: logarithms of their contrasts, and weights of their similarities.

    Args:
        start: first anchor of the tile.
        first: first anchor of this call.
        stop: the one after its last.
        gradient: whether weights are wanted.
        self_when_tied: whether the anchor is a candidate of partners at distance 0.
        floor: of a contrast, in the unit of the terms.
        batch: how many contrasts may be multiplied before their logarithm is taken.
        terms: [2, T, R] exp((cosine - 1) / tau); the anchors' own may be changed.
        weights: [2, T, R] set to the derivative of the loss by the cosines.
        order: [D, R] rows by rising label.
        labels: [D, R] their labels.
        counts: [D] how many labels there are.
        places: [D, R] where each row stands in ``order``, -1 without a label.
        factors: [D] of each dimension in the derivative.
        logarithms: [D, R] set to the sum of the logarithms of each anchor's contrasts.
        at: [R] the row's columns, farthest first.
        distance: [R] their label distances.
        contrast: [2, R] running sums of the terms.
    """
    for i in range(first, stop):
        t = i - start
        if gradient:
            weights[0, t, :] = 0
            weights[1, t, :] = 0
        if not self_when_tied:
            terms[0, t, i] = 0
            terms[1, t, i] = 0
        for c in range(len(counts)):
            m = counts[c]
            p = places[c, i]
            if p < 0 or m < 2:
                continue
            # From both ends inwards, the farther one next.
            own = labels[c, p]
            low = 0
            high = m - 1
            sum0 = 0.0
            sum1 = 0.0
            for q in range(m):
                below = own - labels[c, low]
                above = labels[c, high] - own
                is_below = below >= above
                distance[q] = below if is_below else above
                column = order[c, low if is_below else high]
                low += is_below
                high -= not is_below
                at[q] = column
                sum0 += terms[0, t, column]
                sum1 += terms[1, t, column]
                contrast[0, q] = sum0
                contrast[1, q] = sum1
            # And back, one tie at a time; a contrast that is alone is a tie of one.
            reach0 = 0.0
            reach1 = 0.0
            product0 = 1.0
            product1 = 1.0
            held = 0
            total = 0.0
            last = m - 1
            while last >= 0:
                begin = last
                while begin > 0 and distance[begin - 1] == distance[last]:
                    begin -= 1
                partners = last - begin + 1
                if distance[last] == 0:
                    partners -= 1
                if partners > 0:
                    sum0 = contrast[0, last]
                    sum1 = contrast[1, last]
                    if sum0 < floor:
                        sum0 = floor
                    else:
                        reach0 += partners / sum0
                    if sum1 < floor:
                        sum1 = floor
                    else:
                        reach1 += partners / sum1
                    if partners == 1:
                        product0 *= sum0
                        product1 *= sum1
                        held += 1
                        if held == batch:
                            total += np.log(product0) + np.log(product1)
                            product0 = 1.0
                            product1 = 1.0
                            held = 0
                    else:
                        total += partners * (np.log(sum0) + np.log(sum1))
                    if gradient:
                        for q in range(begin, last + 1):
                            column = at[q]
                            if column != i:
                                weights[0, t, column] += factors[c] * (
                                    reach0 * terms[0, t, column] - 1
                                )
                                weights[1, t, column] += factors[c] * (
                                    reach1 * terms[1, t, column] - 1
                                )
                last = begin - 1
            logarithms[c, i] = total + np.log(product0) + np.log(product1)


IMPLEMENTATION = Implementation(
    name="tiled",
    title="A compiled loop over tiles of anchors",
    source="beyond the note",
    factory=TiledSupCR,
    claimed_time="N^2",
    claimed_memory="N",
    tags=("beyond",),
)
PAPER = replace(IMPLEMENTATION, definition="paper", factory=partial(TiledSupCR, definition="paper"))
