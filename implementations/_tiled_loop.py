"""The numba loops of ``tiled``: a tile of anchors against all rows, from embeddings to gradient.

Numbers of the two views of a row lie side by side, as a pair, and a vector holds eight pairs. Where
the rows of both views are one batch, every row has two columns: its pair of similarities to the
same view and, in a second half, that to the other view; their exponentials are added, because both
lie at one place of the sorted row.

For each loss, the rows of eight anchors are sorted at once into [place, anchor, view]; along the
places, all lanes of a vector then sum from the farthest label to the nearest and back.
"""

from typing import Any, NamedTuple

import numpy as np

from ._vectors import (
    LANES,
    ROWS,
    add_product,
    any_less,
    compiled,
    copy_pair,
    exponent,
    exponential,
    load,
    mantissa,
    merge_rows,
    narrow,
    pair,
    product_of_pairs,
    root,
    splat,
    store,
    sums_reordered,
    where_less,
    widen,
)

VECTORS = 0xD6D7DEA3
"""CRC-32 of ``_vectors.py``: numba's disk cache compares this file alone, so both change."""
PANEL = 2 * LANES
"""Numbers of a panel of the packed points: the pairs of sixteen columns."""
CHUNK = 128
"""Rows whose products with a tile stay in the first-level cache."""
BLOCK = 32
"""Places that are summed in the working dtype before the sum is carried in float64."""
NEAR = 0.01
"""Squared distances below this share of the squared norms are computed from differences."""
SMALLEST_NORM = 1e-12


class Rules(NamedTuple):
    """Which loss.

    Attributes:
        power: of a distance in the similarity, 0 for a product.
        normalised: whether rows are divided by their norms.
        joined: whether both views are one batch.
        joint: one label distance over all dimensions: L1 (1), L2 (2), the largest (3), or none (0).
        never: whether the anchor is never a candidate.
    """

    power: int
    normalised: bool
    joined: bool
    joint: int
    never: bool


class Scale(NamedTuple):
    """Numbers that depend on the temperature.

    Attributes:
        inverse_tau: 1 / tau.
        high: what is subtracted from all logits.
        floor: the least value of a contrast.
        added: what is added to each.
        batch: how many contrasts can be multiplied before their exponents are taken out.
    """

    inverse_tau: float
    high: float
    floor: float
    added: float
    batch: int


class Labels(NamedTuple):
    """The labels of each loss.

    Attributes:
        y: [N, D].
        rows: [N] the R rows that have a label come first.
        counts: [C] the number of rows of each loss.
        order: [C, N] their indices in ``rows`` by rising label; in their own order where one loss
            has several labels.
        ordered: [C, N] their labels in that order.
        places: [C, N] each row's place in ``order``, -1 without one.
    """

    y: Any
    rows: Any
    counts: Any
    order: Any
    ordered: Any
    places: Any


class Points(NamedTuple):
    """The labelled rows as the similarity takes them.

    Attributes:
        norms: [2, R] of the embeddings.
        rows: [2, half, depth]: d, and R, rounded up with zeros.
        packed: [panel, d, column, view] the columns of all products, flat; a second half has the
            views swapped.
        squares: [2 columns] squared norms.
        masks: [C, 2 columns] 1 where a column has a label, or 0.
    """

    norms: Any
    rows: Any
    packed: Any
    squares: Any
    masks: Any


class Room(NamedTuple):
    """Working memory of a thread.

    Attributes:
        terms: [tile, stride] logits, exponentials, and weights in turn.
        apart: [tile, stride] distances.
        folded: [tile, stride] the terms of each place.
        reach: [tile, stride] the sums over all partners no farther.
        anchors: [d, tile, 2].
        work: [M, 16] the sums of eight rows by place.
        same: [M, 16] 1 where a distance is that of the place before.
        spread: [8, 2 half] the sums of eight rows by column.
        at: [M, 8] the column at each place.
        order, spare, counters: whole numbers, to sort with.
        distance, keys: [M] label distances and their bits.
    """

    terms: Any
    apart: Any
    folded: Any
    reach: Any
    anchors: Any
    work: Any
    same: Any
    spread: Any
    at: Any
    order: Any
    spare: Any
    counters: Any
    distance: Any
    keys: Any


class Sums(NamedTuple):
    """What tiles add up.

    Attributes:
        gradient: [2 half depth] by the points.
        columns: [2 columns] what distances subtract from it, as factors of the points.
        totals: [C] sums over pairs of -log(exp s / Z).
    """

    gradient: Any
    columns: Any
    totals: Any


@compiled
def sort_labels(whole: bool, labels: Any) -> tuple[int, int]:
    """Fill in the labels of each loss; ``whole`` leaves rows out that lack any label.

    Returns:
        R, and the number of infinite labels.
    """
    y, rows, counts, order, ordered, places = labels
    dims = y.shape[1]
    r = infinite = 0
    for i in range(len(y)):
        present = 0
        for c in range(dims):
            present += not np.isnan(y[i, c])
            infinite += np.isinf(y[i, c])
        if present == dims or (present and not whole):
            rows[r] = i
            r += 1
    values, own = np.empty(r, y.dtype), np.empty(r, np.int32)
    for c in range(len(counts)):
        m = 0
        for k in range(r):
            places[c, k] = -1
            if not np.isnan(y[rows[k], c]):
                values[m] = y[rows[k], c]
                own[m] = k
                m += 1
        counts[c] = m
        rising = np.argsort(values[:m]) if len(counts) == dims else np.arange(m)
        for q in range(m):
            order[c, q] = own[rising[q]]
            ordered[c, q] = values[rising[q]]
            places[c, order[c, q]] = q
    return r, infinite


@sums_reordered
def read_points(x: Any, r: int, rules: Any, labels: Any, points: Any) -> float:
    """Fill in the points, which are 0, of [2, N, d] embeddings, of which R have a label.

    Distances do not depend on where the centre of the rows is, so it is moved to 0.

    Returns:
        The largest squared norm of a point.
    """
    d, rows, half = x.shape[2], labels.rows, points.rows.shape[1]
    means = np.zeros((2, d))
    for v in range(2):
        for k in range(r):
            own, from_row = points.rows[v, k], x[v, rows[k]]
            square = 0.0
            for c in range(d):
                square += np.float64(from_row[c]) * from_row[c]
            points.norms[v, k] = np.sqrt(square)
            factor = 1 / max(np.sqrt(square), SMALLEST_NORM) if rules.normalised else 1.0
            for c in range(d):
                own[c] = from_row[c] * factor
            if rules.power and np.isfinite(square):
                for c in range(d):
                    means[v, c] += own[c] / r
    longest = 0.0
    for v in range(2):
        for k in range(r):
            own = points.rows[v, k]
            square = 0.0
            for c in range(d):
                mean = (means[0, c] + means[1, c]) / 2 if rules.joined else means[v, c]
                own[c] -= mean
                square += own[c] * own[c]
            longest = square if square > longest or np.isnan(square) else longest
            for at in range(0, len(points.squares) // 2, half):
                column = 2 * (at + k) + (v if at == 0 else 1 - v)
                points.squares[column] = square
                start = column // PANEL * PANEL * d + column % PANEL
                for c in range(d):
                    points.packed[start + c * PANEL] = own[c]
                for c in range(len(points.masks)):
                    points.masks[c, column] = labels.places[c, k] >= 0
    return longest


@compiled
def sort_row(keys: Any, n: int, order: Any, spare: Any, counts: Any) -> Any:
    """The indices of n keys, whole numbers of 0 or more, in rising order, by their bytes."""
    for k in range(n):
        order[k] = k
    for shift in range(0, 8 * keys.itemsize, 8):
        for b in range(256):
            counts[b] = 0
        for k in range(n):
            counts[(keys[k] >> shift) & 255] += 1
        if counts[(keys[0] >> shift) & 255] == n:
            continue
        total = 0
        for b in range(256):
            counts[b], total = total, total + counts[b]
        for k in range(n):
            b = (keys[order[k]] >> shift) & 255
            spare[counts[b]] = order[k]
            counts[b] += 1
        order, spare = spare, order
    return order


@compiled
def sort_jointly(
    a: int, start: int, c: int, i: int, rules: Any, labels: Any, terms: Any, room: Any
) -> bool:
    """Sort one row by a distance over several labels, into lane ``a``; whether it has ties.

    Args:
        a: the lane.
        start: where the anchor's terms start.
        c: the loss.
        i: the anchor's place in its order.
        rules: the label distance.
        labels: of all rows.
        terms: pairs by column.
        room: what :func:`merge_rows` fills.
    """
    m, own, distance, keys = labels.counts[c], labels.order[c], room.distance, room.keys
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
    rising = sort_row(keys, m, room.order, room.spare, room.counters)
    tied = False
    before = distance[rising[m - 1]] + 1
    for q in range(m):
        k = rising[m - 1 - q]
        cell = q * ROWS + a
        room.at[cell] = own[k]
        copy_pair(terms, start + 2 * own[k], room.work, 2 * cell)
        equal = distance[k] == before
        room.same[2 * cell] = room.same[2 * cell + 1] = equal
        tied |= equal
        before = distance[k]
    return tied


@compiled
def sweep(
    m: int, tied: bool, weight: float, last: float, scale: Any, work: Any, same: Any, lanes: Any
) -> None:
    """Sum the terms of eight sorted rows to contrasts, and their inverses back.

    Args:
        m: places.
        tied: whether any distances are equal.
        weight: factor of each inverse.
        last: factor of the last place's, which is the anchor's.
        scale: floor of a contrast, what is added to it, and how many can be multiplied.
        work: [M, 16] terms; becomes, at each place, the sum over all partners no farther of
            weight / contrast.
        same: [M, 16] 1 where a distance is that of the place before.
        lanes: [2, 16] receives the sums of the logarithms of all contrasts, and the last contrast.
    """
    zero, half = splat(work, 0.0), splat(work, 0.5)
    base = widen(zero)
    for begin in range(0, m, BLOCK):
        carried, local = narrow(work, base), zero
        for q in range(begin, min(begin + BLOCK, m)):
            local = local + load(work, q * LANES)
            store(work, q * LANES, carried + local)
        base = base + widen(local)

    least, more = splat(work, scale.floor), splat(work, scale.added)
    product = splat(lanes, 1.0)
    exponents = splat(lanes, 0.0)
    base = widen(zero)
    contrast = load(work, (m - 1) * LANES)
    factor = splat(work, last)
    end = m
    left = scale.batch
    while end > 0:
        begin = max(end - BLOCK, 0)
        carried, local = narrow(work, base), zero
        for q in range(end - 1, begin - 1, -1):
            own = load(work, q * LANES)
            if tied and q < m - 1:
                own = where_less(half, load(same, (q + 1) * LANES), contrast, own)
            contrast = own
            z = where_less(own, least, least, own) + more
            if q == m - 1:
                store(lanes, LANES, widen(z))
            local = local + where_less(own, least, zero, factor / z)
            store(work, q * LANES, carried + local)
            product = product * widen(z)
            left -= 1
            if left == 0:
                exponents = exponents + exponent(product)
                product = mantissa(product)
                left = scale.batch
            factor = splat(work, weight)
        base = base + widen(local)
        end = begin
    exponents = exponents + exponent(product)
    store(lanes, 0, mantissa(product))
    for lane in range(LANES):
        lanes[lane] = np.log(lanes[lane])
    store(lanes, 0, load(lanes, 0) + exponents * splat(lanes, np.log(2.0)))
    if tied:  # the members of a tie share the sum that is complete at its first place
        reach = load(work, 0)
        for q in range(1, m):
            reach = where_less(half, load(same, q * LANES), reach, load(work, q * LANES))
            store(work, q * LANES, reach)


@compiled
def similarities(
    start: int, stop: int, layout: Any, rules: Any, scale: Any, points: Any, room: Any
) -> None:
    """Logits of a tile's anchors with all columns; for a distance, the distances too."""
    d, half, columns, stride, tile = layout
    terms, squares, anchors = room.terms, points.squares, room.anchors
    count = -(-(stop - start) // ROWS) * ROWS
    for c in range(d):
        for t in range(count):
            anchors[(c * tile + t) * 2] = points.rows[0, start + t, c]
            anchors[(c * tile + t) * 2 + 1] = points.rows[1, start + t, c]
    step = 2 * tile
    for at in range(0, 2 * columns, PANEL):
        for t in range(0, count, ROWS):
            out = t * stride + at
            product_of_pairs(
                anchors, 2 * t, 2, step, points.packed, at * d, PANEL, d, terms, out, stride
            )
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
    start: int, stop: int, layout: Any, rules: Any, labels: Any, points: Any, room: Any, totals: Any
) -> None:
    """Subtract the logits of all pairs from the totals; then their exponentials, in each place."""
    _, half, columns, stride, _ = layout
    terms = room.terms
    lanes = np.empty(LANES)
    some, zero = splat(terms, 0.5), splat(terms, 0.0)
    for t in range(stop - start):
        base, i = t * stride, start + t
        for c in range(len(totals)):
            if labels.places[c, i] >= 0:
                total = zero
                for at in range(0, 2 * columns, LANES):
                    mask = load(points.masks[c], at)
                    total = total + where_less(some, mask, load(terms, base + at), zero)
                store(lanes, 0, widen(total))
                totals[c] += terms[base + 2 * i] + terms[base + 2 * i + 1]
                for lane in range(LANES):
                    totals[c] -= lanes[lane]
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
    sums: Any,
) -> None:
    """Add a tile's terms to the totals, and their derivative to the gradient.

    Args:
        start: first anchor of the tile.
        stop: the one after the last.
        layout: d, columns of a half, columns, numbers of a row of a tile, rows of a tile.
        rules: which loss.
        scale: what depends on the temperature.
        labels: of all rows.
        points: all rows.
        factors: [C] of each loss in the derivative; empty if none is wanted.
        room: working memory.
        sums: receives the results.
    """
    _, half, _, stride, _ = layout
    work, reach, totals = room.work, room.reach, sums.totals
    similarities(start, stop, layout, rules, scale, points, room)
    exponentials(start, stop, layout, rules, labels, points, room, totals)
    terms = room.folded if rules.joined else room.terms
    lanes = np.empty(2 * LANES)
    own = np.empty(ROWS, labels.y.dtype)
    places, starts, which = np.empty((3, ROWS), np.intp)
    each = 2 if rules.joined else 1
    alone = len(totals) == 1
    target = reach if alone else room.spread
    for c in range(len(totals)):
        m = labels.counts[c]
        if m * each < 2:
            continue
        for at in range(0, len(room.spread), LANES):
            store(room.spread, at, splat(work, 0.0))
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
                    ordered, m, order, own, places, terms, starts, room.at, work, room.same
                )
            else:
                tied = False
                for at in range(0, m * LANES, LANES):
                    store(work, at, splat(work, 1.0))
                for a in range(some):
                    tied |= sort_jointly(a, starts[a], c, places[a], rules, labels, terms, room)
            sweep(m, tied, each * factor, (each - 1) * factor, scale, work, room.same, lanes)
            for lane in range(2 * some):
                totals[c] += each * lanes[lane] - np.log(lanes[LANES + lane])
            if len(factors) == 0:
                continue
            for a in range(some):
                into = starts[a] if alone else a * 2 * half
                for q in range(m):
                    column = room.at[q * ROWS + a]
                    copy_pair(work, q * LANES + 2 * a, target, into + 2 * column)
                for at in range(0, 0 if alone else 2 * half, LANES):
                    total = load(reach, starts[a] + at) + load(target, into + at)
                    store(reach, starts[a] + at, total)
    if len(factors):
        derive(start, stop, layout, rules, labels, points, factors, room, sums)
        bring_back(start, stop, layout, points, room.terms, sums.gradient)


@compiled
def derive(
    start: int,
    stop: int,
    layout: Any,
    rules: Any,
    labels: Any,
    points: Any,
    factors: Any,
    room: Any,
    sums: Any,
) -> None:
    """Turn a tile's terms into the derivative by its products; arguments of :func:`sweep_tile`."""
    _, half, columns, stride, _ = layout
    terms = room.terms
    zero, two = splat(terms, 0.0), splat(terms, 2.0)
    lanes = np.empty(LANES)
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
                if labels.places[c, i] >= 0:
                    ones = ones + splat(terms, factors[c]) * load(points.masks[c], at)
            reach = load(room.reach, base + at)
            for column in range(at, 2 * columns, 2 * half):
                weight = load(terms, base + column) * reach - ones
                if (
                    rules.power == 1
                ):  # the derivative of a distance of 0 is 0, as torch's norm has it
                    distance = load(room.apart, base + column)
                    weight = where_less(zero, distance, weight / distance, zero)
                elif rules.power == 2:
                    weight = two * weight
                store(terms, base + column, weight)
                if rules.power:
                    store(sums.columns, column, load(sums.columns, column) + weight)
                    row = row + weight
        store(lanes, 0, widen(row))
        for lane in range(LANES):
            sums.columns[2 * i + lane % 2] += lanes[lane]
        for c in range(len(factors)):  # the anchor is no partner of its own
            if rules.power == 0 and labels.places[c, i] >= 0:
                terms[base + 2 * i] += factors[c]
                terms[base + 2 * i + 1] += factors[c]


@compiled
def bring_back(
    start: int, stop: int, layout: Any, points: Any, weights: Any, gradient: Any
) -> None:
    """Add the products of a tile's weights with the points, for its anchors and for all rows."""
    _, half, columns, stride, _ = layout
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


@compiled
def sweep_tiles(
    first: int,
    stop: int,
    step: int,
    layout: Any,
    rules: Any,
    scale: Any,
    labels: Any,
    points: Any,
    factors: Any,
    room: Any,
    sums: Any,
) -> None:
    """Every so manieth tile; other arguments as in :func:`sweep_tile`."""
    for start in range(first, stop, step):
        end = min(start + layout[4], stop)
        sweep_tile(start, end, layout, rules, scale, labels, points, factors, room, sums)


@sums_reordered
def finish(
    x: Any, r: int, rules: Any, labels: Any, points: Any, gradient: Any, columns: Any, out: Any
) -> float:
    """Map the gradient of the points to that of [2, N, d] embeddings, in ``out``, which holds 0.

    Returns:
        The sum over all of points * gradient.
    """
    _, half, depth = points.rows.shape
    d, rows = x.shape[2], labels.rows
    product = 0.0
    for v in range(2):
        for k in range(r):
            start = (v * half + k) * depth
            own, from_row = gradient[start : start + d], x[v, rows[k]]
            point, into = points.rows[v, k], out[v, rows[k]]
            factor = columns[2 * k + v] if rules.power else columns[0] * 0
            if rules.power and rules.joined:
                factor += columns[2 * half + 2 * k + 1 - v]
            norm = points.norms[v, k]
            length = max(norm, SMALLEST_NORM) if rules.normalised else 1.0
            along = 0.0
            for c in range(d):
                own[c] -= factor * point[c]
                product += own[c] * point[c]
                along += own[c] * from_row[c]
            shrink = along / length**2 if rules.normalised and norm >= SMALLEST_NORM else 0.0
            for c in range(d):
                into[c] = (own[c] - shrink * from_row[c]) / length
    return product
