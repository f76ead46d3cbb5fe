# ruff: noqa: ARG001 - numba passes every intrinsic its arguments' types, used or not
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
    load_from,
    make_array,
    numba_types,
    pair_lanes,
    pointer,
    spread,
    store_to,
)

ROWS = 8
"""Rows that are computed at once; in a product, two vectors wide."""
BLOCK = (ROWS, 2) if "+avx512f" in get_host_cpu_features() else (4, 1)
"""Rows and vectors of a product whose sums the registers hold at once."""


def _product(in_pairs: bool, adds: bool) -> Any:
    """An intrinsic for a block of a matrix product: eight rows, two vectors of columns."""

    @intrinsic
    def product(
        typingctx: Any,
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
    ) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            index = args[1].type

            def at(start: Any, step: Any, times: int, more: int = 0) -> Any:
                place = builder.add(start, builder.mul(step, llvm.Constant(index, times)))
                return builder.add(place, llvm.Constant(index, more))

            for r, v in itertools.product(range(0, ROWS, BLOCK[0]), range(0, 2, BLOCK[1])):
                rows, vectors = range(r, r + BLOCK[0]), range(v, v + BLOCK[1])
                sums = []
                for row, vector in itertools.product(rows, vectors):
                    place = at(args[9], args[10], row, LANES * vector)
                    address = pointer(context, builder, out, args[8], place)
                    first = load_from(builder, address) if adds else constant(out, 0.0)
                    sums.append((cgutils.alloca_once(builder, first.type), address))
                    builder.store(first, sums[-1][0])
                with cgutils.for_range(builder, args[7]) as loop:
                    other = builder.add(args[5], builder.mul(loop.index, args[6]))
                    places = [at(other, other, 0, LANES * vector) for vector in vectors]
                    wide = [
                        load_from(builder, pointer(context, builder, b, args[4], p)) for p in places
                    ]
                    left = builder.add(args[1], builder.mul(loop.index, args[3]))
                    for k, row in enumerate(rows):
                        place = at(left, args[2], row)
                        if in_pairs:
                            two = pointer(context, builder, a, args[0], place, 2)
                            factor = pair_lanes(builder, load_from(builder, two))
                        else:
                            data = make_array(a)(context, builder, args[0]).data
                            factor = spread(builder, builder.load(builder.gep(data, [place])))
                        for (kept, _), x in zip(sums[k * len(wide) :], wide, strict=False):
                            builder.store(call(builder, "fma", factor, x, builder.load(kept)), kept)
                for kept, address in sums:
                    store_to(builder, builder.load(kept), address)
            return context.get_dummy_value()

        place = numba_types.intp
        return numba_types.none(
            a, place, place, place, b, place, place, place, out, place, place
        ), code

    return product


product_of_pairs = _product(in_pairs=True, adds=False)
"""out[r, :] = sum over n of (a pair of row r, in turn) * b[n, :]."""
add_product = _product(in_pairs=False, adds=True)
"""out[r, :] += sum over n of a[r, n] * b[n, :]."""


@intrinsic
def merge_rows(
    typingctx: Any,
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
        typingctx: of numba.
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
    arrays = {"labels": 0, "order": 2, "own": 3, "places": 4, "starts": 6}

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args
        data = [
            make_array(k)(context, builder, x).data if isinstance(k, numba_types.Array) else x
            for k, x in zip(kinds, args, strict=True)
        ]
        index = args[1].type
        zero, eight = llvm.Constant(index, 0), llvm.Constant(index, ROWS)

        def read(name: str, place: Any) -> Any:
            return builder.load(builder.gep(data[arrays[name]], [place]))

        lanes = [llvm.Constant(index, r) for r in range(ROWS)]
        label, place, start = ([read(n, r) for r in lanes] for n in ("own", "places", "starts"))
        lows = [cgutils.alloca_once_value(builder, zero) for _ in lanes]
        minus = llvm.Constant(label[0].type, -1.0)
        before = [cgutils.alloca_once_value(builder, minus) for _ in lanes]
        none = llvm.Constant(llvm.IntType(16), 0)
        tied = cgutils.alloca_once_value(builder, none)
        with cgutils.for_range(builder, args[1]) as loop:
            left = builder.sub(builder.sub(args[1], loop.index), llvm.Constant(index, 1))
            row = builder.mul(loop.index, eight)
            bits = none
            for r, lane in enumerate(lanes):
                low = builder.load(lows[r])
                high = builder.add(low, left)
                below = builder.fsub(label[r], read("labels", low))
                above = builder.fsub(read("labels", high), label[r])
                nearer = builder.fcmp_ordered(">=", below, above)
                takes = builder.and_(nearer, builder.icmp_signed("!=", low, place[r]))
                taken = builder.select(takes, low, high)
                distance = builder.select(takes, below, above)
                column = read("order", taken)
                cell = builder.add(row, lane)
                builder.store(column, builder.gep(data[7], [cell]))
                cell = builder.mul(cell, llvm.Constant(index, 2))
                source = builder.add(
                    start[r], builder.mul(builder.sext(column, index), llvm.Constant(index, 2))
                )
                two = load_from(builder, pointer(context, builder, terms, args[5], source, 2))
                store_to(builder, two, pointer(context, builder, work, args[8], cell, 2))
                equal = builder.fcmp_ordered("==", distance, builder.load(before[r]))
                flag = llvm.Constant(none.type, 3 << 2 * r)
                bits = builder.or_(bits, builder.select(equal, flag, none))
                builder.store(distance, before[r])
                builder.store(builder.add(low, builder.zext(takes, index)), lows[r])
            builder.store(bits, builder.gep(data[9], [loop.index]))
            builder.store(builder.or_(builder.load(tied), bits), tied)
        return builder.icmp_unsigned("!=", builder.load(tied), none)

    place = numba_types.intp
    return numba_types.boolean(
        labels, place, order, own, places, terms, starts, at, work, same
    ), code


@intrinsic
def add_rows(typingctx: Any, work: Any, m: Any, at: Any, starts: Any, target: Any) -> Any:
    """Add the numbers of eight sorted rows to their columns.

    Args:
        typingctx: of numba.
        work: [M, 8, 2] numbers by place.
        m: places.
        at: [M, 8] the column at each place.
        starts: [8] where the columns of each row start.
        target: pairs by column.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        columns, start = (
            make_array(signature.args[k])(context, builder, args[k]).data for k in (2, 3)
        )
        index = args[1].type
        two = llvm.Constant(index, 2)
        begins = [builder.load(builder.gep(start, [llvm.Constant(index, r)])) for r in range(ROWS)]
        with cgutils.for_range(builder, args[1]) as loop:
            row = builder.mul(loop.index, llvm.Constant(index, ROWS))
            for r, begin in enumerate(begins):
                cell = builder.add(row, llvm.Constant(index, r))
                column = builder.sext(builder.load(builder.gep(columns, [cell])), index)
                into = builder.add(begin, builder.mul(column, two))
                into = pointer(context, builder, target, args[4], into, 2)
                cell = builder.mul(cell, two)
                own = load_from(builder, pointer(context, builder, work, args[0], cell, 2))
                store_to(builder, builder.fadd(load_from(builder, into), own), into)
        return context.get_dummy_value()

    return numba_types.none(work, numba_types.intp, at, starts, target), code
