"""The data of the compiled loop of ``tiled``, and their layout in memory that torch allocates.

Numbers of the two views of a row lie side by side, as a pair, and a vector holds eight pairs. Where
the rows of both views are one batch, every row has two columns: its pair of similarities to the
same view and, in a second half, that to the other view.
"""

from typing import Any, NamedTuple

import numpy as np

from ._unrolled import ROWS
from ._vectors import LANES, array_at, compiled

PANEL = 2 * LANES
"""Numbers of a panel of the packed points: the pairs of sixteen columns."""
ALIGNED = 64
"""The alignment of arrays, in bytes."""


class Rules(NamedTuple):
    """Which loss of which inputs, all as whole numbers."""

    n: int  # rows of a batch
    d: int  # numbers of a row
    row: int  # numbers from one row to the next
    gradient_row: int  # the same of the gradient
    dims: int  # label dimensions
    views: int  # 1 or 2
    losses: int  # 1 under one distance over all label dimensions, otherwise ``dims``
    tile: int  # the most anchors of a tile
    power: int  # of a distance in the similarity, 0 for a product
    normalised: int  # whether rows are divided by their norms
    joined: int  # whether both views are one batch
    averaged: int  # whether the losses of the views are averaged
    joint: int  # one label distance over several dimensions: L1 (1), L2 (2), the largest (3), or 0
    never: int  # whether the anchor is never a candidate
    whole: int  # whether a row that lacks any label is left out
    renormalised: int  # whether the weights of losses without a pair go to the others
    adds: int  # whether eps is added to each contrast, or its least value


class Labels(NamedTuple):
    """The labels of each of C losses, for the R rows that have a label.

    ``rows`` are in the order of the first loss's labels, so that its merges read and write memory
    in order. Where one loss has several labels, ``order`` is the rows' own.
    """

    y: Any  # [N, D]
    rows: Any  # [N], of which the first R are used
    counts: Any  # [C] the number of rows of each loss
    order: Any  # [C, N] their indices in ``rows`` by rising label
    ordered: Any  # [C, N] their labels in that order
    places: Any  # [C, N] each row's place in ``order``, -1 without one


class Points(NamedTuple):
    """The embeddings of the labelled rows, laid out for the matrix product of similarities.

    ``half`` and ``depth`` are R and d, rounded up with zeros.
    """

    norms: Any  # [2, R] norms of the embeddings
    centre: Any  # [2, d] means of the views' rows, under a distance; else empty
    rows: Any  # [2, half, depth]
    packed: Any  # [panel, d, column, view], flat; a second half has the views swapped
    squares: Any  # [2 columns] squared norms
    masks: Any  # [C, 2 columns] 1 where a column has a label, or 0


class Room(NamedTuple):
    """Working memory of a thread."""

    terms: Any  # [tile, stride] logits, exponentials, and weights in turn
    apart: Any  # [tile, stride] distances
    folded: Any  # [tile, stride] the terms of each place
    reach: Any  # [tile, stride] the sums over all partners no farther
    work: Any  # [M, 16] the sums of eight rows by place
    at: Any  # [M, 8] the column at each place
    same: Any  # [M] bits 2r and 2r + 1 say whether row r's distance is that of the place before


class Sorting(NamedTuple):
    """Working memory to sort M labels, or rows by a distance over several labels.

    It is apart from :class:`Room`, so that a process compiles what does not sort once for labels
    of any dtype.
    """

    rows: Any  # [M] whole numbers, as the next three
    order: Any  # [M]
    spare: Any  # [M]
    counters: Any  # [256]
    values: Any  # [M] labels or distances
    keys: Any  # [M] whole numbers to sort by


class Sums(NamedTuple):
    """The sums that tiles are added to."""

    gradient: Any  # [2 half depth] gradient of the points; empty if none is wanted
    columns: Any  # [2 columns] factors of the points that distances subtract from the gradient
    totals: Any  # [C] sums over pairs of -log(exp s / Z)


@compiled
def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


@compiled
def take(free: Any, shape: tuple[int, ...], like: Any) -> Any:
    """An array of a scalar's type at the address ``free[0]``, which then moves past it."""
    found = array_at(free[0], shape, like)
    free[0] += round_up(found.size * found.itemsize, ALIGNED)
    return found


@compiled
def layout_of(r: int, rules: Any) -> tuple[int, int, int, int]:
    """Sizes for R rows that have a label.

    Returns:
        R, rounded up; the columns of all products with an anchor; the numbers of an anchor in a
        tile, no power of two, whose rows would share lines of the cache; and the anchors of a tile.
    """
    half = round_up(max(r, 1), LANES)
    columns = 2 * half if rules.joined else half
    return half, columns, 2 * columns + LANES, min(rules.tile, half)


@compiled
def labels_in(free: Any, y: int, rules: Any, y_like: Any) -> Labels:
    of_losses = rules.losses, rules.n
    return Labels(
        array_at(y, (rules.n, rules.dims), y_like),
        take(free, (rules.n,), np.int64(0)),
        take(free, (rules.losses,), np.int64(0)),
        take(free, of_losses, np.int32(0)),
        take(free, of_losses, y_like),
        take(free, of_losses, np.int32(0)),
    )


@compiled
def points_in(free: Any, r: int, rules: Any, x_like: Any) -> Points:
    half, columns, _, _ = layout_of(r, rules)
    d = rules.d
    return Points(
        take(free, (2, r), x_like),
        take(free, (2, d if rules.power else 0), x_like),
        take(free, (2, half, round_up(d, PANEL)), x_like),
        take(free, (2 * columns * d,), x_like),
        take(free, (2 * columns,), x_like),
        take(free, (rules.losses, 2 * columns), x_like),
    )


@compiled
def room_in(free: Any, r: int, rules: Any, x_like: Any) -> Room:
    half, _, stride, tile = layout_of(r, rules)
    size = tile * stride
    return Room(
        take(free, (size,), x_like),
        take(free, (size if rules.power else 0,), x_like),
        take(free, (size if rules.joined else 0,), x_like),
        take(free, (size,), x_like),
        take(free, (LANES * half,), x_like),
        take(free, (ROWS * half,), np.int32(0)),
        take(free, (half,), np.uint16(0)),
    )


@compiled
def sorting_in(free: Any, m: int, y_like: Any, key_like: Any) -> Sorting:
    return Sorting(
        take(free, (m,), np.int32(0)),
        take(free, (m,), np.int32(0)),
        take(free, (m,), np.int32(0)),
        take(free, (256,), np.int32(0)),
        take(free, (m,), y_like),
        take(free, (m,), key_like),
    )


@compiled
def sums_in(free: Any, r: int, wanted: bool, rules: Any, x_like: Any) -> Sums:
    half, columns, _, _ = layout_of(r, rules)
    return Sums(
        take(free, (2 * half * round_up(rules.d, PANEL) if wanted else 0,), x_like),
        take(free, (2 * columns,), x_like),
        take(free, (rules.losses,), np.float64(0)),
    )
