"""Loops over several rows at once, unrolled: matrix products, and the merge of sorted labels."""

import itertools
from typing import Any

from ._vectors import (
    LANES,
    call,
    cgutils,
    constant,
    get_host_cpu_features,
    intrinsic,
    llvm,
    numba_types,
    pair_lanes,
    spread,
    vector_of,
)

ROWS = 8
"""Rows that are computed at once; in a product, two vectors wide."""
BLOCK = (ROWS, 2) if "+avx512f" in get_host_cpu_features() else (4, 1)
"""Rows and vectors of a product whose sums the registers hold at once."""
INDEX = llvm.IntType(numba_types.intp.bitwidth)
"""The type of an index."""


def whole(value: int) -> Any:
    return llvm.Constant(INDEX, value)


def _product(in_pairs: bool, adds: bool) -> Any:
    """An intrinsic for a block of a matrix product: eight rows, two vectors of columns."""

    @intrinsic(numba_types.none)
    def product(
        builder: Any,
        a: Any,
        at_a: Any,
        row_a: Any,
        step_a: Any,
        b: Any,
        at_b: Any,
        step_b: Any,
        n: Any,
        out: Any,
        at_out: Any,
        row_out: Any,
    ) -> None:
        def at(start: Any, step: Any, times: Any) -> Any:
            return builder.add(start, builder.mul(step, times))

        for r, v in itertools.product(range(0, ROWS, BLOCK[0]), range(0, 2, BLOCK[1])):
            rows = [whole(row) for row in range(r, r + BLOCK[0])]
            vectors = [whole(LANES * vector) for vector in range(v, v + BLOCK[1])]
            places = [
                builder.add(at(at_out, row_out, row), vector)
                for row, vector in itertools.product(rows, vectors)
            ]
            zero = constant(vector_of(out.number), 0.0)
            sums = [cgutils.alloca_once(builder, zero.type) for _ in places]
            for kept, place in zip(sums, places, strict=True):
                builder.store(out.load(place) if adds else zero, kept)
            with cgutils.for_range(builder, n) as loop:
                other = at(at_b, step_b, loop.index)
                wide = [b.load(builder.add(other, vector)) for vector in vectors]
                left = at(at_a, step_a, loop.index)
                for k, row in enumerate(rows):
                    place = at(left, row_a, row)
                    if in_pairs:
                        factor = pair_lanes(builder, a.load(place, 2))
                    else:
                        factor = spread(builder, a.read(place))
                    for kept, x in zip(sums[k * len(wide) :], wide, strict=False):
                        builder.store(call(builder, "fma", factor, x, builder.load(kept)), kept)
            for kept, place in zip(sums, places, strict=True):
                out.store(builder.load(kept), place)

    return product


product_of_pairs = _product(in_pairs=True, adds=False)
"""out[r, :] = sum over n of (a pair of row r, in turn) * b[n, :]."""
add_product = _product(in_pairs=False, adds=True)
"""out[r, :] += sum over n of a[r, n] * b[n, :]."""


@intrinsic(numba_types.boolean)
def merge_rows(
    builder: Any,
    labels: Any,
    m: Any,
    order: Any,
    own: Any,
    places: Any,
    terms: Any,
    starts: Any,
    at: Any,
    work: Any,
    same: Any,
) -> Any:
    """Sort the rows of eight anchors by label distance, farthest first, and fetch their terms.

    Each step takes the farther end of the rest of a row, and the anchor itself last. Eight rows are
    merged at once, because each step waits for the one before it.

    Args:
        builder: of the code.
        labels: rising, M or more.
        m: their number.
        order: the column of each label.
        own: [8] labels of the anchors.
        places: [8] their places among the labels.
        terms: pairs by column.
        starts: [8] where the anchors' terms start.
        at: [M, 8] receives the columns.
        work: [M, 8, 2] receives their terms.
        same: [M] receives, in bits 2r and 2r + 1, whether row r's distance is that of the place
            before.

    Returns:
        Whether any distances are equal.
    """
    lanes = [whole(r) for r in range(ROWS)]
    label, place, start = ([x.read(r) for r in lanes] for x in (own, places, starts))
    lows = [cgutils.alloca_once_value(builder, whole(0)) for _ in lanes]
    minus = llvm.Constant(labels.number, -1.0)
    before = [cgutils.alloca_once_value(builder, minus) for _ in lanes]
    none = llvm.Constant(same.number, 0)
    tied = cgutils.alloca_once_value(builder, none)
    with cgutils.for_range(builder, m) as loop:
        left = builder.sub(builder.sub(m, loop.index), whole(1))
        row = builder.mul(loop.index, whole(ROWS))
        bits = none
        for r, lane in enumerate(lanes):
            low = builder.load(lows[r])
            high = builder.add(low, left)
            below = builder.fsub(label[r], labels.read(low))
            above = builder.fsub(labels.read(high), label[r])
            nearer = builder.fcmp_ordered(">=", below, above)
            takes = builder.and_(nearer, builder.icmp_signed("!=", low, place[r]))
            distance = builder.select(takes, below, above)
            column = order.read(builder.select(takes, low, high))
            cell = builder.add(row, lane)
            builder.store(column, at.address(cell))
            column = builder.mul(builder.sext(column, INDEX), whole(2))
            work.store(terms.load(builder.add(start[r], column), 2), builder.mul(cell, whole(2)))
            equal = builder.fcmp_ordered("==", distance, builder.load(before[r]))
            flag = llvm.Constant(none.type, 3 << 2 * r)
            bits = builder.or_(bits, builder.select(equal, flag, none))
            builder.store(distance, before[r])
            builder.store(builder.add(low, builder.zext(takes, INDEX)), lows[r])
        builder.store(bits, same.address(loop.index))
        builder.store(builder.or_(builder.load(tied), bits), tied)
    return builder.icmp_unsigned("!=", builder.load(tied), none)


@intrinsic(numba_types.none)
def add_rows(builder: Any, work: Any, m: Any, at: Any, starts: Any, target: Any) -> None:
    """Add the numbers of eight sorted rows to their columns.

    ``work`` [M, 8, 2] has the numbers by place, and ``at`` [M, 8] the column at each place. The
    columns of row r begin at ``starts[r]`` of ``target``, which has pairs by column.
    """
    begins = [starts.read(whole(r)) for r in range(ROWS)]
    with cgutils.for_range(builder, m) as loop:
        row = builder.mul(loop.index, whole(ROWS))
        for r, begin in enumerate(begins):
            cell = builder.add(row, whole(r))
            column = builder.sext(at.read(cell), INDEX)
            into = builder.add(begin, builder.mul(column, whole(2)))
            own = work.load(builder.mul(cell, whole(2)), 2)
            target.store(builder.fadd(target.load(into, 2), own), into)
