"""The numba loops of ``tiled``: a tile of anchors against all rows, from embeddings to gradient.

For each loss, the rows of eight anchors are sorted at once into [place, anchor, view]; along the
places, all lanes of a vector then sum from the farthest label to the nearest and back. Where the
rows of both views are one batch, the exponentials of a row's two columns are added, because both
lie at one place of the sorted row.
"""

from typing import Any, NamedTuple

import numpy as np

from ._tiled_memory import PANEL
from ._tiled_rows import sort_row
from ._unrolled import ROWS, add_product, add_rows, merge_rows, product_of_pairs
from ._vectors import (
    LANES,
    any_less,
    compiled,
    copy_pair,
    exponent,
    exponential,
    load,
    mantissa,
    narrow,
    on_stack,
    pair,
    root,
    splat,
    store,
    where_bits,
    where_less,
    widen,
)

CHUNK = 128
"""Rows whose products with a tile stay in the first-level cache."""
BLOCK = 32
"""Places that are summed in the working dtype before the sum is carried in float64."""
LOG_OF_2 = np.log(2.0)
NEAR = 0.01
"""Squared distances below this share of the squared norms are computed from coordinate
differences."""


class Scale(NamedTuple):
    """Numbers that depend on the temperature."""

    inverse_tau: float  # 1 / tau
    high: float  # what is subtracted from all logits
    floor: float  # the least value of a contrast
    added: float  # what is added to each contrast
    batch: int  # how many contrasts can be multiplied before their exponents are taken out


@compiled
def scale_of(rules: Any, tau: float, high: float, width: float, eps: float) -> Scale:
    """The constants that depend on the temperature, for logits in range."""
    lanes = on_stack(np.float64(0))
    store(lanes, 0, exponential(splat(lanes, -high)))
    least = eps * lanes[0]
    bits, most = width / LOG_OF_2, 2.0 * rules.n + 2 + least
    while most > 1:
        bits, most = bits + 1, most / 2
    batch = max(int(1000 / bits), 1)
    floor, added = (0.0, least) if rules.adds else (least, 0.0)
    return Scale(1 / tau, high, floor, added, batch)


@compiled
def sort_jointly(
    a: int, start: int, c: int, i: int, rules: Any, labels: Any, terms: Any, room: Any, sorting: Any
) -> bool:
    """Sort one row by a distance over several labels, into lane ``a``; whether it has ties.

    The row is that of the anchor at place ``i`` of loss ``c``, whose terms begin at ``start``.
    """
    m, own, distance, keys = labels.counts[c], labels.order[c], sorting.values, sorting.keys
    anchor = labels.y[labels.rows[own[i]]]
    for k in range(m):
        distance[k] = 0
        other = labels.y[labels.rows[own[k]]]
        for dim in range(len(anchor)):
            apart = abs(other[dim] - anchor[dim])
            if rules.joint == 1:
                distance[k] += apart
            elif rules.joint == 2:
                distance[k] += apart * apart
            else:
                distance[k] = max(distance[k], apart)
        if rules.joint == 2:
            distance[k] = np.sqrt(distance[k])
        keys[k] = distance[k : k + 1].view(keys.dtype)[0] + 1
    keys[i] = 0  # the anchor itself comes last
    rising = sort_row(keys, m, sorting.order, sorting.spare, sorting.counters)
    tied = False
    before = distance[rising[m - 1]] + 1
    for q in range(m):
        k = rising[m - 1 - q]
        cell = q * ROWS + a
        room.at[cell] = own[k]
        copy_pair(terms, start + 2 * own[k], room.work, 2 * cell)
        equal = distance[k] == before
        room.same[q] |= np.uint16(equal * 3 << 2 * a)
        tied |= equal
        before = distance[k]
    return tied


@compiled
def sweep(
    m: int,
    tied: bool,
    weight: float,
    each: int,
    count: int,
    scale: Any,
    work: Any,
    same: Any,
    lanes: Any,
) -> float:
    """Sum the terms of eight sorted rows to contrasts, and backwards the contrasts' inverses.

    Args:
        m: places.
        tied: whether any distances are equal.
        weight: factor of each inverse.
        each: partners at a place; at the last, the anchor's, one less.
        count: lanes whose logarithms are summed.
        scale: floor of a contrast, what is added to it, and how many can be multiplied.
        work: [M, 16] terms; becomes, at each place, the sum over all partners no farther of
            weight / contrast.
        same: [M] bits of the lanes whose distance is that of the place before.
        lanes: [16] numbers, to work with.

    Returns:
        The sum of the logarithms of all partners' contrasts.
    """
    zero = splat(work, 0.0)
    base = widen(zero)
    for begin in range(0, m, BLOCK):
        carried, local = narrow(work, base), zero
        for q in range(begin, min(begin + BLOCK, m)):
            local = local + load(work, q * LANES)
            store(work, q * LANES, carried + local)
        base = base + widen(local)

    least, more = splat(work, scale.floor), splat(work, scale.added)
    factor = splat(work, weight * each)
    contrast = load(work, (m - 1) * LANES)
    z = where_less(contrast, least, least, contrast) + more
    nearest = zero
    if each > 1:
        nearest = where_less(contrast, least, zero, splat(work, weight) / z)
    store(work, (m - 1) * LANES, nearest)
    last = widen(z)
    base = widen(nearest)
    product = splat(lanes, 1.0)
    exponents = splat(lanes, 0.0)
    end = m - 1
    left = scale.batch
    while end > 0:
        begin = max(end - BLOCK, 0)
        carried, local = narrow(work, base), zero
        for q in range(end - 1, begin - 1, -1):
            own = load(work, q * LANES)
            if tied and same[q + 1]:
                own = where_bits(same, q + 1, contrast, own)
            contrast = own
            z = where_less(own, least, least, own) + more
            local = local + where_less(own, least, zero, factor / z)
            store(work, q * LANES, carried + local)
            product = product * widen(z)
            left -= 1
            if left == 0:
                exponents = exponents + exponent(product)
                product = mantissa(product)
                left = scale.batch
        base = base + widen(local)
        end = begin
    exponents = exponents + exponent(product)
    product = mantissa(product)
    if each > 1:
        exponents = exponents + exponents + exponent(last)
        product = product * product * mantissa(last)
    if tied:  # the members of a tie share the sum that is complete at its first place
        for q in range(1, m):
            if same[q]:
                reach = where_bits(same, q, load(work, (q - 1) * LANES), load(work, q * LANES))
                store(work, q * LANES, reach)
    whole, powers = 1.0, 0.0
    store(lanes, 0, product)
    for lane in range(count):
        whole *= lanes[lane]
    store(lanes, 0, exponents)
    for lane in range(count):
        powers += lanes[lane]
    return float(np.log(whole) + powers * LOG_OF_2)


@compiled
def similarities(
    start: int, stop: int, layout: Any, rules: Any, scale: Any, points: Any, room: Any
) -> None:
    """Logits of a tile's anchors with all columns; for a distance, the distances too."""
    d, (half, columns, stride, _) = rules.d, layout
    terms, squares, packed = room.terms, points.squares, points.packed
    count = -(-(stop - start) // ROWS) * ROWS
    for at in range(0, 2 * columns, PANEL):
        for t in range(0, count, ROWS):
            first, out = 2 * (start + t), t * stride + at
            own = first // PANEL * PANEL * d + first % PANEL  # anchors are columns, too
            product_of_pairs(packed, own, 2, PANEL, packed, at * d, PANEL, d, terms, out, stride)
    two, near = splat(terms, 2.0), splat(terms, NEAR)
    factor = splat(terms, -scale.inverse_tau if rules.power else scale.inverse_tau)
    high = splat(terms, scale.high)
    for t in range(stop - start):
        norm = pair(squares, 2 * (start + t))
        for at in range(0, 2 * columns, LANES):
            place = t * stride + at
            s = load(terms, place)
            if rules.power:
                both = norm + load(squares, at)
                square = both - two * s
                if any_less(square, both * near):
                    store(terms, place, square)
                    for lane in range(LANES):
                        v, k = lane % 2, (at + lane) // 2 % half
                        whole = squares[2 * (start + t) + v] + squares[at + lane]
                        if terms[place + lane] < NEAR * whole:
                            own = points.rows[v, start + t]
                            other = points.rows[v if at < 2 * half else 1 - v, k]
                            exact = whole * 0
                            for c in range(d):
                                exact += (own[c] - other[c]) * (own[c] - other[c])
                            terms[place + lane] = exact
                    square = load(terms, place)
                s = root(square) if rules.power == 1 else square
                store(room.apart, place, s)
            store(terms, place, factor * s - high)


@compiled
def exponentials(
    start: int, stop: int, layout: Any, rules: Any, places: Any, points: Any, room: Any, totals: Any
) -> None:
    """Subtract the logits of all pairs from the totals; replace each by its exponential."""
    half, columns, stride, _ = layout
    terms = room.terms
    lanes = on_stack(np.float64(0))
    some, zero = splat(terms, 0.5), splat(terms, 0.0)
    for t in range(stop - start):
        base, i = t * stride, start + t
        for c in range(len(totals)):
            if places[c, i] >= 0:
                total = zero
                for at in range(0, 2 * columns, LANES):
                    mask = load(points.masks[c], at)
                    total = total + where_less(some, mask, load(terms, base + at), zero)
                store(lanes, 0, widen(total))
                apart = np.float64(terms[base + 2 * i] + terms[base + 2 * i + 1])
                for lane in range(LANES):
                    apart -= lanes[lane]
                totals[c] += apart
        for at in range(0, 2 * columns, LANES):
            store(terms, base + at, exponential(load(terms, base + at)))
        if rules.never:
            terms[base + 2 * i] = terms[base + 2 * i + 1] = 0
        for at in range(base, base + 2 * half, LANES):
            store(room.reach, at, zero)
            if rules.joined:
                store(room.folded, at, load(terms, at) + load(terms, at + 2 * half))


@compiled
def sweep_tile(
    start: int,
    stop: int,
    layout: Any,
    rules: Any,
    scale: Any,
    labels: Any,
    points: Any,
    factors: Any,
    room: Any,
    sorting: Any,
    sums: Any,
) -> None:
    """Add the terms of anchors from ``start`` to ``stop`` to the sums, and their derivative.

    ``factors`` is [C], the factor of each loss in the derivative; empty if none is wanted.
    """
    _, _, stride, _ = layout
    work, same, reach, totals = room.work, room.same, room.reach, sums.totals
    similarities(start, stop, layout, rules, scale, points, room)
    exponentials(start, stop, layout, rules, labels.places, points, room, totals)
    terms = room.folded if rules.joined else room.terms
    lanes, own = on_stack(np.float64(0)), on_stack(labels.y.dtype.type(0))
    places, starts, which = on_stack(0), on_stack(0), on_stack(0)
    each = 2 if rules.joined else 1
    for c in range(len(totals)):
        m = labels.counts[c]
        if m * each < 2:
            continue
        factor = factors[c] if len(factors) else 1.0
        t = 0
        while t < stop - start:
            some = 0
            while t < stop - start and some < ROWS:
                which[some] = t
                some += labels.places[c, start + t] >= 0
                t += 1
            if some == 0:
                break
            for a in range(ROWS):
                row = which[a] if a < some else which[0]
                places[a] = labels.places[c, start + row]
                own[a] = labels.ordered[c, places[a]]
                starts[a] = row * stride
            if rules.joint == 0:
                order, ordered = labels.order[c], labels.ordered[c]
                tied = merge_rows(
                    ordered, m, order, own, places, terms, starts, room.at, work, same
                )
            else:
                tied = False
                same[:m] = 0
                for at in range(0, m * LANES, LANES):
                    store(work, at, splat(work, 1.0))
                for a in range(some):
                    tied |= sort_jointly(
                        a, starts[a], c, places[a], rules, labels, terms, room, sorting
                    )
            totals[c] += sweep(m, tied, factor, each, 2 * some, scale, work, same, lanes)
            if len(factors) == 0:
                continue
            for a in range(some, ROWS):  # lanes without an anchor add nothing
                for q in range(m):
                    work[q * LANES + 2 * a] = work[q * LANES + 2 * a + 1] = 0
                    room.at[q * ROWS + a] = 0
            add_rows(work, m, room.at, starts, reach)
    if len(factors):
        derive(start, stop, layout, rules, labels.places, points, factors, room, sums)
        bring_back(start, stop, layout, points, room.terms, sums.gradient)


@compiled
def derive(
    start: int,
    stop: int,
    layout: Any,
    rules: Any,
    places: Any,
    points: Any,
    factors: Any,
    room: Any,
    sums: Any,
) -> None:
    """Turn terms into the derivative w.r.t. products; arguments of :func:`sweep_tile`."""
    half, columns, stride, _ = layout
    terms = room.terms
    zero, two = splat(terms, 0.0), splat(terms, 2.0)
    lanes = on_stack(np.float64(0))
    for t in range(-(-(stop - start) // ROWS) * ROWS):
        base, i = t * stride, start + t
        if i >= stop:
            for at in range(base, base + 2 * columns, LANES):
                store(terms, at, zero)
            continue
        row = zero
        for at in range(0, 2 * half, LANES):
            ones = zero
            for c in range(len(factors)):
                if places[c, i] >= 0:
                    ones = ones + splat(terms, factors[c]) * load(points.masks[c], at)
            reach = load(room.reach, base + at)
            for column in range(at, 2 * columns, 2 * half):
                weight = load(terms, base + column) * reach - ones
                if rules.power == 1:  # of a distance of 0 it is 0, as torch's norm has it
                    distance = load(room.apart, base + column)
                    weight = where_less(zero, distance, weight / distance, zero)
                elif rules.power == 2:
                    weight = two * weight
                store(terms, base + column, weight)
                if rules.power:
                    store(sums.columns, column, load(sums.columns, column) + weight)
                    row = row + weight
        if rules.power:
            store(lanes, 0, widen(row))
            for lane in range(LANES):
                sums.columns[2 * i + lane % 2] += lanes[lane]
        for c in range(len(factors)):  # the anchor is no partner of its own
            if rules.power == 0 and places[c, i] >= 0:
                terms[base + 2 * i] += factors[c]
                terms[base + 2 * i + 1] += factors[c]


@compiled
def bring_back(
    start: int, stop: int, layout: Any, points: Any, weights: Any, gradient: Any
) -> None:
    """Add the products of a tile's weights with the points, for its anchors and for all rows."""
    half, columns, stride, _ = layout
    depth = points.rows.shape[2]
    rows = points.rows.reshape(-1)
    count = -(-(stop - start) // ROWS) * ROWS
    for second in range(0, 2 * columns, 2 * half):
        for v in range(2):
            other = half * (v if second == 0 else 1 - v)
            own, by = half * v + start, second + v
            for c in range(0, depth, PANEL):
                for first in range(0, half, CHUNK):
                    n, b = min(CHUNK, half - first), (other + first) * depth + c
                    for t in range(0, count, ROWS):
                        a, out = t * stride + by + 2 * first, (own + t) * depth + c
                        add_product(weights, a, stride, 2, rows, b, depth, n, gradient, out, depth)
                for k in range(0, half, ROWS):
                    a, b, out = by + 2 * k, own * depth + c, (other + k) * depth + c
                    add_product(weights, a, 2, stride, rows, b, depth, count, gradient, out, depth)
