"""The sums of ``scan`` in a compiled loop, a tile of anchors at a time: memory of N d + tile N.

torch computes the matrix products: a tile of similarities, and two that map the tile's gradient to
the embeddings. Between them, as many threads as torch uses share a loop over the anchors: it merges
each row without a search, then sums from the farthest label to the nearest and back. numba compiles
the loop on the first call, which takes some seconds, and caches it on disk.

Where the loop cannot run (a device other than the CPU, labels of 16-bit floats, a temperature below
0.0034), ``scan`` computes the loss.
"""

import itertools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from supcr_bench.values.implementation import Implementation

from ._scan import RANGE, Evaluation, ScanSupCR, SortedLabels
from ._tiled_loop import sweep_anchors

TILE = 256
"""Number of anchors in a tile."""
MOST_AT_ONCE = 32
"""Most anchors that a thread takes at a time."""
ELEMENTS_PER_THREAD = 2**17
"""The number of a tile's pairs, over all dimensions, that makes a further thread worthwhile."""


class TiledSupCR(ScanSupCR):
    """SupCR in a compiled loop, with the arguments and errors of :class:`~._scan.ScanSupCR`."""

    @staticmethod
    def add_losses(work: Evaluation) -> None:
        """Add the losses of all dimensions and their derivative, by tiles if the loop can run."""
        fits = (
            work.units.device.type == "cpu"
            and work.labels.labels.dtype in (torch.float32, torch.float64)
            and 2 / work.options.temperature <= RANGE[torch.float64]
            and max(work.labels.counts, default=0) >= 2
        )
        add = add_tiles if fits else ScanSupCR.add_losses
        add(work)


def add_tiles(work: Evaluation) -> None:
    """As :meth:`TiledSupCR.add_losses`, on a CPU."""
    sorted_labels, units, options, grad_output, losses, grad_units = work
    tau = options.temperature
    dims, rows = sorted_labels.order.shape
    pairs = torch.tensor([m * (m - 1) for m in sorted_labels.counts], dtype=torch.float64)
    per_pair = torch.where(pairs > 0, 1 / pairs, 0)
    places = places_of(sorted_labels)
    logarithms = torch.zeros(dims, rows, dtype=torch.float64)
    rules = (
        grad_units is not None,
        options.self_when_tied,
        math.exp(options.log_floor),
        min(max(int(RANGE[torch.float64] * tau / 2), 1), 16),
    )
    per_dimension = (
        sorted_labels.order.to(torch.int32),
        sorted_labels.labels.contiguous(),
        torch.tensor(sorted_labels.counts),
        places,
        per_pair / tau if grad_output is None else grad_output * per_pair / tau,
        logarithms,
    )

    sums = torch.zeros(2, dims, units.shape[2], dtype=torch.float64)
    squares = torch.zeros(dims, dtype=torch.float64)
    size = min(TILE, rows)
    wide = units.dtype if 2 / tau <= RANGE[units.dtype] else torch.float64
    logits = torch.empty(2, size, rows, dtype=units.dtype)
    terms = logits if wide == units.dtype else torch.empty(2, size, rows, dtype=wide)
    weights = torch.empty_like(logits) if grad_units is not None else logits[:, :0]
    arrays = numpy_views(terms, weights, *per_dimension)
    threads = thread_count(size * rows * dims)
    at_once = max(min(size // (4 * threads), MOST_AT_ONCE), 4)
    buffers = [
        numpy_views(
            torch.empty(4, rows, dtype=torch.int32),
            torch.empty(4, rows, dtype=sorted_labels.labels.dtype),
            torch.empty(2, rows, dtype=wide),
            torch.empty(2, rows, dtype=wide),
        )
        for _ in range(threads)
    ]
    with ThreadPoolExecutor(threads - 1) if threads > 1 else nullcontext() as pool:
        for start in range(0, rows, size):
            stop = min(start + size, rows)
            tile, anchors = slice(0, stop - start), units[:, start:stop]
            torch.bmm(anchors / tau, units.mT, out=logits[:, tile])
            torch.sub(logits[:, tile], 1 / tau, out=terms[:, tile]).exp_()
            numbers = itertools.count(start, at_once)
            sweep = partial(sweep_tile, start, stop, at_once, numbers, rules, arrays)
            futures = [pool.submit(sweep, others) for others in buffers[1:]] if pool else []
            sweep(buffers[0])
            for future in futures:
                future.result()
            # The numerators need no loop: sums of cosines are products of sums. NaN and infinity
            # are left out here, because the loss gets them from the loop's sums anyway.
            exact, labelled = anchors.double().nan_to_num(), (places[:, start:stop] >= 0).double()
            sums += labelled @ exact
            squares += labelled @ exact.square().sum(dim=(0, 2))
            if grad_units is not None:
                grad_units[:, start:stop].baddbmm_(weights[:, tile], units)
                grad_units.baddbmm_(weights[:, tile].mT, anchors)

    cosines = sums.square().sum(dim=(0, 2)) - squares
    losses += per_pair * (logarithms.sum(dim=1) - (cosines - 2 * pairs) / tau)


def places_of(sorted_labels: SortedLabels) -> Tensor:
    """[D, R] the index of each row in the order of each dimension, -1 without a label."""
    places = torch.full(sorted_labels.order.shape, -1, dtype=torch.int32)
    for c, m in enumerate(sorted_labels.counts):
        places[c, sorted_labels.order[c, :m]] = torch.arange(m, dtype=torch.int32)
    return places


def numpy_views(*tensors: Tensor) -> tuple[Any, ...]:
    """The tensors as NumPy arrays, which the compiled loop takes; they share memory."""
    return tuple(tensor.numpy() for tensor in tensors)


def thread_count(elements: int) -> int:
    """The number of torch's threads that this much work can use."""
    return max(min(torch.get_num_threads(), elements // ELEMENTS_PER_THREAD), 1)


def sweep_tile(
    start: int,
    stop: int,
    at_once: int,
    numbers: Iterator[int],
    rules: tuple[Any, ...],
    arrays: tuple[Any, ...],
    buffers: tuple[Any, ...],
) -> None:
    """Process a tile's anchors, a few at a time; threads draw the next ones from ``numbers``."""
    while (first := next(numbers)) < stop:
        sweep_anchors(start, first, min(first + at_once, stop), *rules, *arrays, *buffers)


IMPLEMENTATION = Implementation(
    name="tiled",
    title="A compiled loop over tiles of anchors",
    source="beyond the note",
    factory=TiledSupCR,
    claimed_time="N^2",
    claimed_memory="N",
    definitions=("torchcell", "no-self"),
    device_specific=True,
    tags=("beyond",),
)
