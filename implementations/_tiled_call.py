"""The one compiled call of ``tiled``: from embeddings to gradient, or a part of that.

The call takes addresses and numbers, because handling arrays as arguments is most of the cost of a
small batch. The functions that it calls are compiled into it and cached on disk with it.
"""

import math
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ._tiled_loop import scale_of, sweep_tile
from ._tiled_memory import (
    Rules,
    labels_in,
    layout_of,
    points_in,
    room_in,
    sorting_in,
    sums_in,
    take,
)
from ._tiled_rows import finish, read_points, sort_labels
from ._vectors import array_at, compiled, kept_on_disk, on_stack, to_fixed_tuple

MEASURE, PREPARE, CLEAR, SWEEP, ADD, FINISH, WHOLE = 0, 1, 2, 4, 8, 16, 23
"""The parts of a call: none, to learn how much memory it takes; rows are read; sums are set to 0;
tiles are summed; other sums are added; the losses and the gradient are written."""
RULES = len(Rules._fields)
STATE = 3
"""Numbers that are kept between the parts: R, infinite labels, the largest squared norm."""
FILES = ("_vectors", "_unrolled", "_tiled_memory", "_tiled_rows", "_tiled_loop", "_tiled_call")


@compiled
def range_of(rules: Any, longest: float) -> tuple[float, float]:
    """The highest similarity, and how far they can differ, from the largest squared norm."""
    if not math.isfinite(longest):
        return 0.0, math.inf
    if rules.power == 0:
        return longest, 2 * longest
    return 0.0, 4 * longest if rules.power == 2 else 2 * math.sqrt(longest)


@compiled
def share_out(rules: Any, counts: Any, weights: int, size: int, shares: Any, factors: Any) -> None:
    """Fill in the shares of the losses in the total, and the factor of each one's sum."""
    total = 0.0
    narrow = array_at(weights, (rules.losses,), np.float32(0))
    wide = array_at(weights, (rules.losses,), np.float64(0))
    for c in range(rules.losses):
        m = counts[c] * (2 if rules.joined else 1)
        pairs = m * (m - 1) * (rules.views if rules.averaged else 1)
        factors[c] = 1 / pairs if pairs else 0.0
        shares[c] = 1.0
        if weights:
            shares[c] = np.float64(narrow[c]) if size == 4 else wide[c]
        if rules.renormalised and not pairs:
            shares[c] = 0.0
        total += shares[c]
    for c in range(rules.losses):
        shares[c] /= total if total else 1.0


@compiled
def add_to(own: Any, other: Any) -> None:
    for k in range(len(own)):
        own[k] += other[k]


@compiled
def two_views(first: int, second: int, row: int, rules: Any, like: Any) -> tuple[Any, Any]:
    """Both views as flat arrays, from their addresses; a row starts every ``row`` elements."""
    size = (rules.n - 1) * row + rules.d
    return array_at(first, (size,), like), array_at(second, (size,), like)


def checksum() -> int:
    """CRC-32 of all compiled code: numba's cache checks one file only."""
    folder = Path(__file__).parent
    return zlib.crc32(b"".join((folder / f"{name}.py").read_bytes() for name in FILES))


@cache
def compile_for(embeddings: str, labels: str) -> Any:
    """The call for these dtypes, compiled when first called."""
    x_like, y_like = np.dtype(embeddings).type(0), np.dtype(labels).type(0)
    key_like = np.int32(0) if labels == "float32" else np.int64(0)
    sources = checksum()  # what is on disk is found by all names from outside of a function

    @kept_on_disk
    def run(
        parts: int,
        first_tile: int,
        stop_tile: int,
        own: int,
        other: int,
        shared: int,
        numbers: int,
        tau: float,
        x0: int,
        x1: int,
        y: int,
        weights: int,
        weight_size: int,
        arriving: int,
        loss: int,
        losses: int,
        gradient0: int,
        gradient1: int,
    ) -> tuple[int, int, float, float]:
        """Do some parts of the work on some tiles.

        Args:
            parts: see ``PREPARE``.
            first_tile: the first tile to sum.
            stop_tile: the one after the last.
            own: address of the sums.
            other: address of a thread's working memory; for ``ADD``, of the sums to add.
            shared: address of the data that all threads read.
            numbers: address of the ``Rules``, int64, and after them of eps and the widest range of
                logits, float64.
            tau: the temperature.
            x0: address of the first view.
            x1: address of the second view.
            y: address of the labels.
            weights: address of C weights, or 0 for equal ones.
            weight_size: bytes of a weight, 4 or 8.
            arriving: that of the gradient at the total and at each loss, float64, or 0 where it is
                1 at the total.
            loss: address for the total.
            losses: address for the losses.
            gradient0: address for the gradient w.r.t. the first view; 0 if none is wanted.
            gradient1: address for the gradient w.r.t. the second view.

        Returns:
            The number of tiles, the number of infinite labels, the range of the logits, and the
            derivative w.r.t. the temperature. Nothing is summed if a label is infinite or the range
            too wide. For ``MEASURE``, they are the most bytes of what all threads read,
            of the sums, and of working memory; only ``numbers`` and whether a gradient is wanted
            matter then.
        """
        rules = Rules(*to_fixed_tuple(array_at(numbers, (RULES,), np.int64(0)), RULES))
        eps, limit = to_fixed_tuple(array_at(numbers + 8 * RULES, (2,), np.float64(0)), 2)
        free = on_stack(np.int64(0))
        free[0] = shared + sources * 0
        wanted = gradient0 != 0
        labels = labels_in(free, y, rules, y_like)
        state = take(free, (STATE,), np.float64(0))
        if parts & PREPARE:  # in memory that holds the terms of a tile later
            free[1] = other
            sorting = sorting_in(free[1:], rules.n, y_like, key_like)
            state[0], state[1] = sort_labels(rules, labels, sorting)
        r, infinite = rules.n, 0
        if parts != MEASURE:
            r, infinite = int(state[0]), int(state[1])
        start = free[0]
        points = points_in(free, r, rules, x_like)
        all_read, of_points, free[0] = free[0] - shared, free[0] - start, own
        sums = sums_in(free, r, wanted, rules, x_like)
        of_losses, like = (rules.losses,), np.float64(0)
        shares, factors = take(free, of_losses, like), take(free, of_losses, like)
        by_pair = take(free, of_losses, like)
        summed, free[0] = free[0] - own, other
        others = sums_in(free, r, wanted, rules, x_like)
        free[0] = other
        room = room_in(free, r, rules, x_like)
        half, _, _, size = layout = layout_of(r, rules)
        sorting = sorting_in(free, half if rules.joint else 0, y_like, key_like)
        if parts == MEASURE:
            return all_read, summed, np.float64(free[0] - other), 0.0
        views = two_views(x0, x1, rules.row, rules, x_like)
        if parts & PREPARE:
            array_at(start, (of_points // 8,), np.int64(0))[:] = 0
            state[2] = read_points(views, r, rules, labels.rows, labels.places, points)
        high, width = range_of(rules, state[2])
        high, width = high / tau, width / tau
        if infinite or width > limit:
            return 0, infinite, width, 0.0

        scale = scale_of(rules, tau, high, width, eps)
        if parts & CLEAR:
            array_at(own, (summed // 8,), np.int64(0))[:] = 0
        share_out(rules, labels.counts, weights, weight_size, shares, factors)
        at = array_at(arriving, (1 + rules.losses,), like)
        for c in range(rules.losses):
            share = at[0] * shares[c] + at[1 + c] if arriving else shares[c]
            by_pair[c] = factors[c] * share / tau
        tiles = -(-r // size)
        if parts & SWEEP:
            by = by_pair if wanted else by_pair[:0]
            for tile in range(first_tile, min(stop_tile, tiles)):
                start = tile * size
                stop = min(start + size, r)
                sweep_tile(
                    start, stop, layout, rules, scale, labels, points, by, room, sorting, sums
                )
        if parts & ADD:
            add_to(sums.gradient, others.gradient)
            add_to(sums.columns, others.columns)
            add_to(sums.totals, others.totals)
        slope = 0.0
        if parts & FINISH:
            total = array_at(loss, (1,), x_like)
            each = array_at(losses, of_losses, x_like)
            whole = 0.0
            for c in range(rules.losses):
                value = factors[c] * sums.totals[c] * rules.views / 2
                each[c] = value
                whole += value * shares[c]
            total[0] = whole
            if wanted:
                out = two_views(gradient0, gradient1, rules.gradient_row, rules, x_like)
                product = finish(views, r, rules, labels.rows, points, sums, out)
                slope = -product / (tau * (rules.power if rules.power else 2))
        return tiles, infinite, width, slope

    return run
