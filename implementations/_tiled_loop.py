"""The numba loops of ``tiled``: a tile of anchors against all rows, from embeddings to gradient.

Numbers of the two views of a row lie side by side, as a pair, and a vector holds eight pairs. Where
the rows of both views are one batch, every row has two columns: its pair of similarities to the
same view and, in a second half, that to the other view; their exponentials are added, because both
lie at one place of the sorted row.

For each loss, the rows of eight anchors are sorted at once into [place, anchor, view]; along the
places, all lanes of a vector then sum from the farthest label to the nearest and back.
"""

from typing import Any

import numpy as np

from ._vectors import (
    LANES,
    ROWS,
    add_product,
    any_less,
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
    where_less,
    widen,
)

from numba import njit  # isort: skip  (after the message of ._vectors where it is missing)

PANEL = 2 * LANES
"""Numbers of a panel of the packed points: the pairs of sixteen columns."""
CHUNK = 128
"""Rows whose products with a tile stay in the first-level cache."""
BLOCK = 32
"""Places that are summed in the working dtype before the sum is carried in float64."""
NEAR = 0.01
"""Squared distances below this share of the squared norms are computed from differences."""


def compiled(function: Any) -> Any:
    """Compile a function on its first call, and cache it on disk if a folder is writable."""
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)  # x / 0 gives inf
    except RuntimeError:  # no folder is writable
        return njit(nogil=True, error_model="numpy")(function)


@compiled
def sort_labels(
    y: Any, whole: bool, rows: Any, counts: Any, order: Any, ordered: Any, places: Any
) -> tuple[int, int]:
    """Sort the labels of each loss.

    Args:
        y: [N, D] labels.
        whole: whether a row that lacks any label is left out.
        rows: [N] receives the R rows that have a label.
        counts: [C] receives the number of rows of each loss.
        order: [C, N] receives their indices in ``rows`` by rising label; in their own order where
            one loss has several labels.
        ordered: [C, N] receives their labels in that order.
        places: [C, N] receives each row's place in ``order``, -1 without one.

    Returns:
        R, and the number of infinite labels.
    """
    n, dims = y.shape
    r = 0
    infinite = 0
    for i in range(n):
        present = 0
        for c in range(dims):
            present += not np.isnan(y[i, c])
            infinite += np.isinf(y[i, c])
        if present == dims or (present and not whole):
            rows[r] = i
            r += 1
    for c in range(len(counts)):
        values = np.empty(r, y.dtype)
        own = np.empty(r, np.int32)
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


@compiled
def read_points(
    x: Any,
    rows: Any,
    r: int,
    normalised: bool,
    centred: bool,
    joined: bool,
    points: Any,
    norms: Any,
) -> float:
    """The labelled rows as the similarity takes them.

    Args:
        x: [2, N, d] embeddings.
        rows: [N] the R rows that have a label.
        r: R.
        normalised: whether rows are divided by their norms.
        centred: whether their mean is subtracted: of each view, or of both if ``joined``.
        joined: whether both views are one batch.
        points: [2, R or more, d or more] receives them.
        norms: [2, R] receives the norms of the embeddings.

    Returns:
        The largest squared norm of a point.
    """
    d = x.shape[2]
    means = np.zeros((2, d))
    points[:] = 0
    for v in range(2):
        for k in range(r):
            square = 0.0
            for c in range(d):
                square += np.float64(x[v, rows[k], c]) ** 2
            norms[v, k] = np.sqrt(square)
            factor = 1 / max(np.sqrt(square), 1e-12) if normalised else 1.0
            for c in range(d):
                points[v, k, c] = x[v, rows[k], c] * factor
            if centred and np.isfinite(square):
                for c in range(d):
                    means[v, c] += points[v, k, c]
    longest = 0.0
    for v in range(2):
        for k in range(r):
            square = 0.0
            for c in range(d):
                if centred:
                    total = means[0, c] / 2 + means[1, c] / 2 if joined else means[v, c]
                    points[v, k, c] -= total / r
                square += points[v, k, c] ** 2
            longest = square if square > longest or np.isnan(square) else longest
    return longest


@compiled
def pack(points: Any, r: int, d: int, places: Any, packed: Any, squares: Any, masks: Any) -> None:
    """The columns of all products: pairs of views, and a second half with the views swapped.

    Args:
        points: [2, half, depth].
        r: rows.
        d: embedding size.
        places: [C, N] -1 where a row has no label.
        packed: receives panels of sixteen columns, [panel, d, column, view].
        squares: [2 columns] receives the squared norm of each point.
        masks: [C, 2 columns] receives 1 where a column has a label, or 0.
    """
    half = points.shape[1]
    packed[:] = 0
    squares[:] = 0
    masks[:] = 0
    for at in range(0, len(squares) // 2, half):
        for v in range(2):
            view = v if at == 0 else 1 - v
            for k in range(r):
                column = 2 * (at + k) + v
                start = column // PANEL * PANEL * d + column % PANEL
                square = 0.0
                for c in range(d):
                    packed[start + c * PANEL] = points[view, k, c]
                    square += points[view, k, c] ** 2
                squares[column] = square
                for c in range(len(masks)):
                    masks[c, column] = places[c, k] >= 0


@compiled
def sort_row(keys: Any, n: int, order: Any, spare: Any, counts: Any) -> Any:
    """The indices of n keys, whole numbers of 0 or more, in rising order, by their bytes."""
    for k in range(n):
        order[k] = k
    for shift in range(0, 8 * keys.itemsize, 8):
        counts[:] = 0
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
def distances_from(y: Any, rows: Any, own: Any, m: int, i: int, kind: int, distance: Any) -> None:
    """Label distances of the M rows of ``own`` from row i: L1 (1), L2 (2) or the largest (3)."""
    for k in range(m):
        distance[k] = 0
        for c in range(y.shape[1]):
            apart = abs(y[rows[own[k]], c] - y[rows[i], c])
            if kind == 1:
                distance[k] += apart
            elif kind == 2:
                distance[k] += apart * apart
            else:
                distance[k] = max(distance[k], apart)
        if kind == 2:
            distance[k] = np.sqrt(distance[k])


@compiled
def place_row(
    lane: int,
    falling: Any,
    distance: Any,
    own: Any,
    m: int,
    terms: Any,
    start: int,
    at: Any,
    work: Any,
    same: Any,
) -> bool:
    """Put a sorted row into a lane of the arrays of :func:`merge_rows`; whether it has ties."""
    tied = False
    before = distance[falling[m - 1]] + 1
    for q in range(m):
        k = falling[m - 1 - q]
        cell = q * ROWS + lane
        at[cell] = own[k]
        copy_pair(terms, start + 2 * own[k], work, 2 * cell)
        equal = distance[k] == before
        same[2 * cell] = same[2 * cell + 1] = 1 if equal else 0
        tied |= equal
        before = distance[k]
    return tied


@compiled
def sweep(
    m: int,
    tied: bool,
    batch: int,
    weight: float,
    last: float,
    floor: float,
    added: float,
    work: Any,
    same: Any,
    lanes: Any,
) -> None:
    """Sum the terms of eight sorted rows to contrasts, and their inverses back.

    Args:
        m: places.
        tied: whether any distances are equal.
        batch: how many contrasts may be multiplied before their exponents are taken out.
        weight: factor of each inverse.
        last: factor of the last place's, which is the anchor's.
        floor: the least value of a contrast.
        added: what is added to each.
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

    least, more = splat(work, floor), splat(work, added)
    product = splat(lanes, 1.0)
    exponents = splat(lanes, 0.0)
    base = widen(zero)
    contrast = load(work, (m - 1) * LANES)
    factor = splat(work, last)
    end = m
    left = batch
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
                left = batch
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
    start: int,
    stop: int,
    layout: Any,
    kind: Any,
    scale: Any,
    points: Any,
    packed: Any,
    squares: Any,
    anchors: Any,
    terms: Any,
    apart: Any,
) -> None:
    """Logits of a tile's anchors with all columns; for a distance, the distances too.

    Args:
        start: first anchor of the tile.
        stop: the one after the last.
        layout: as in :func:`sweep_tile`.
        kind: likewise.
        scale: likewise.
        points: [2, half, depth].
        packed: from :func:`pack`.
        squares: [2 columns] squared norms of the points, in the layout of a row of ``terms``.
        anchors: [d, tile, 2] receives the anchors' points.
        terms: [tile, stride] receives the logits.
        apart: [tile, stride] receives the distances.
    """
    d, half, columns, stride, tile = layout
    power = kind[0]
    inverse_tau, shift = scale[:2]
    count = -(-(stop - start) // ROWS) * ROWS
    for c in range(d):
        for t in range(count):
            anchors[(c * tile + t) * 2] = points[0, start + t, c]
            anchors[(c * tile + t) * 2 + 1] = points[1, start + t, c]
    for panel in range(columns // LANES):
        for t in range(0, count, ROWS):
            out = t * stride + panel * PANEL
            product_of_pairs(
                anchors, 2 * t, 2, 2 * tile, packed, panel * PANEL * d, PANEL, d, terms, out, stride
            )
    two, near = splat(terms, 2.0), splat(terms, NEAR)
    factor = splat(terms, inverse_tau if power == 0 else -inverse_tau)
    least = splat(terms, shift)
    for t in range(stop - start):
        norm = pair(squares, 2 * (start + t))
        for at in range(0, 2 * columns, LANES):
            s = load(terms, t * stride + at)
            if power:
                both = norm + load(squares, at)
                square = both - two * s
                if any_less(square, both * near):
                    store(terms, t * stride + at, square)
                    for lane in range(LANES):
                        i = at + lane
                        exact = both_norms = squares[2 * (start + t) + lane % 2] + squares[i]
                        if terms[t * stride + i] < NEAR * both_norms:
                            v, k = lane % 2, (i // 2) % half
                            other = v if i < 2 * half else 1 - v
                            exact *= 0
                            for c in range(d):
                                exact += (points[v, start + t, c] - points[other, k, c]) ** 2
                            terms[t * stride + i] = exact
                    square = load(terms, t * stride + at)
                s = root(square) if power == 1 else square
                store(apart, t * stride + at, s)
            store(terms, t * stride + at, factor * s - least)


@compiled
def sweep_tile(
    start: int,
    stop: int,
    layout: Any,
    kind: Any,
    scale: Any,
    points: Any,
    packed: Any,
    squares: Any,
    y: Any,
    rows: Any,
    counts: Any,
    order: Any,
    ordered: Any,
    places: Any,
    masks: Any,
    factors: Any,
    tiles: Any,
    work: Any,
    cells: Any,
    distance: Any,
    keys: Any,
    gradient: Any,
    columns_sum: Any,
    totals: Any,
) -> None:
    """Add the terms of a tile of anchors to the losses, and their derivatives to the gradient.

    Args:
        start: first anchor of the tile, a multiple of eight.
        stop: the one after the last.
        layout: d, columns of a half, columns, numbers of a row of a tile, rows of a tile.
        kind: power of the distance in the similarity, label distance of several dimensions (0 for
            a loss per dimension), and whether the anchor is never a candidate.
        scale: 1 / tau, the bound on logits, floor of a contrast, what is added to it, and how many
            contrasts can be multiplied.
        points: [2, half, depth]; depth is d rounded up to whole panels.
        packed: from :func:`pack`.
        squares: [2 columns] squared norms of the points.
        y: [N, D] labels.
        rows: [N] the rows of ``y`` that count.
        counts: [C] numbers of labels.
        order: [C, N] from :func:`sort_labels`.
        ordered: [C, N] likewise.
        places: [C, N] likewise.
        masks: [C, 2 columns] 1 where a column has a label, or 0.
        factors: [C] of each loss in the derivative; empty if no derivative is wanted.
        tiles: terms, distances, folded terms and reach, [tile * stride] each, and anchors.
        work: [3, N * 16 or more] terms and ties by place, and reach of eight rows.
        cells: [4, N * 8 or more] columns by place, two rows to sort with, and counters.
        distance: [N] in the labels' dtype.
        keys: [N] whole numbers of the same size.
        gradient: [2 * half * depth] by the points.
        columns_sum: [2 columns] what distances subtract from it, as a factor of the points.
        totals: [C] sums over pairs of -log(exp s / Z).
    """
    _, half, columns, stride, _ = layout
    _, joint, never = kind
    _, _, floor, added, batch = scale
    terms, apart, reach = tiles[0], tiles[1], tiles[3]
    doubled = columns > half
    folded = tiles[2] if doubled else terms
    similarities(start, stop, layout, kind, scale, points, packed, squares, tiles[4], terms, apart)
    lanes = np.empty(2 * LANES)
    one, zero = splat(terms, 0.5), splat(terms, 0.0)
    for t in range(stop - start):
        base, i = t * stride, start + t
        for c in range(len(counts)):
            if places[c, i] >= 0:
                total = zero
                for at in range(0, 2 * columns, LANES):
                    mask = load(masks[c], at)
                    total = total + where_less(one, mask, load(terms, base + at), zero)
                store(lanes, 0, widen(total))
                own_logits = terms[base + 2 * i] + terms[base + 2 * i + 1]
                totals[c] += own_logits - lanes[:LANES].sum()
        for at in range(0, 2 * columns, LANES):
            store(terms, base + at, exponential(load(terms, base + at)))
        if never:
            terms[base + 2 * i] = terms[base + 2 * i + 1] = 0
        for at in range(0, 2 * half, LANES):
            store(reach, base + at, zero)
            if doubled:
                both = load(terms, base + at) + load(terms, base + 2 * half + at)
                store(folded, base + at, both)

    own = np.empty(ROWS, y.dtype)
    own_places, starts, which = np.empty((3, ROWS), np.intp)
    each = 2 if doubled else 1
    for c in range(len(counts)):
        m = counts[c]
        if m * each < 2:
            continue
        work[2] = 0
        factor = factors[c] if len(factors) else 1.0
        t = 0
        while t < stop - start:
            some = 0
            while t < stop - start and some < ROWS:
                if places[c, start + t] >= 0:
                    which[some] = t
                    some += 1
                t += 1
            if some == 0:
                break
            for a in range(ROWS):
                row = which[a] if a < some else which[0]
                own_places[a] = places[c, start + row]
                own[a] = ordered[c, own_places[a]]
                starts[a] = row * stride
            if joint == 0:
                tied = merge_rows(
                    ordered[c],
                    0,
                    m,
                    order[c],
                    own,
                    own_places,
                    folded,
                    starts,
                    cells[0],
                    work[0],
                    work[1],
                )
            else:
                tied = False
                for a in range(some, ROWS):
                    for q in range(m):
                        work[0, q * LANES + 2 * a] = work[0, q * LANES + 2 * a + 1] = 1
                for a in range(some):
                    i = own_places[a]
                    distances_from(y, rows, order[c], m, order[c, i], joint, distance)
                    for k in range(m):
                        keys[k] = distance[:m].view(keys.dtype)[k] + 1
                    keys[i] = 0  # the anchor itself comes last
                    rising = sort_row(keys, m, cells[1], cells[2], cells[3])
                    tied |= place_row(
                        a,
                        rising,
                        distance,
                        order[c],
                        m,
                        folded,
                        starts[a],
                        cells[0],
                        work[0],
                        work[1],
                    )
            sweep(
                m,
                tied,
                batch,
                each * factor,
                (each - 1) * factor,
                floor,
                added,
                work[0],
                work[1],
                lanes,
            )
            for a in range(some):
                for v in range(2):
                    totals[c] += each * lanes[2 * a + v] - np.log(lanes[LANES + 2 * a + v])
            if len(factors) == 0:
                continue
            target = reach if len(counts) == 1 else work[2]
            for a in range(some):
                into = starts[a] if len(counts) == 1 else a * 2 * half
                for q in range(m):
                    copy_pair(work[0], q * LANES + 2 * a, target, into + 2 * cells[0, q * ROWS + a])
            if len(counts) > 1:
                for a in range(some):
                    for at in range(0, 2 * half, LANES):
                        place = starts[a] + at
                        total = load(reach, place) + load(work[2], a * 2 * half + at)
                        store(reach, place, total)
    if len(factors):
        derive(start, stop, layout, kind, places, masks, factors, tiles, columns_sum)
        bring_back(start, stop, layout, points, terms, gradient)


@compiled
def derive(
    start: int,
    stop: int,
    layout: Any,
    kind: Any,
    places: Any,
    masks: Any,
    factors: Any,
    tiles: Any,
    columns_sum: Any,
) -> None:
    """Turn a tile's terms into the derivative by its products; arguments of :func:`sweep_tile`."""
    _, half, columns, stride, _ = layout
    power = kind[0]
    terms, apart, reach = tiles[0], tiles[1], tiles[3]
    zero, two = splat(terms, 0.0), splat(terms, 2.0)
    lanes = np.empty(LANES)
    for t in range(-(-(stop - start) // ROWS) * ROWS):
        base, i = t * stride, start + t
        if i >= stop:
            terms[base : base + 2 * columns] = 0
            continue
        row = zero
        for at in range(0, 2 * half, LANES):
            ones = zero
            for c in range(len(factors)):
                if places[c, i] >= 0:
                    ones = ones + splat(terms, factors[c]) * load(masks[c], at)
            sums = load(reach, base + at)
            for at_half in range(at, 2 * columns, 2 * half):
                weight = load(terms, base + at_half) * sums - ones
                if power == 1:  # the derivative of a distance of 0 is 0, as that of torch's norm
                    distance = load(apart, base + at_half)
                    weight = where_less(zero, distance, weight / distance, zero)
                elif power == 2:
                    weight = two * weight
                store(terms, base + at_half, weight)
                if power:
                    store(columns_sum, at_half, load(columns_sum, at_half) + weight)
                    row = row + weight
        if power:
            store(lanes, 0, widen(row))
            columns_sum[2 * i] += lanes[::2].sum()
            columns_sum[2 * i + 1] += lanes[1::2].sum()
            continue
        for c in range(len(factors)):  # the anchor is no partner of its own
            if places[c, i] >= 0:
                terms[base + 2 * i] += factors[c]
                terms[base + 2 * i + 1] += factors[c]


@compiled
def bring_back(
    start: int, stop: int, layout: Any, points: Any, weights: Any, gradient: Any
) -> None:
    """Add the products of a tile's weights with the points, for its anchors and for all rows."""
    _, half, columns, stride, _ = layout
    depth = points.shape[2]
    flat = points.reshape(-1)
    count = -(-(stop - start) // ROWS) * ROWS
    for second in range(columns // half):
        for v in range(2):
            view = v if second == 0 else 1 - v
            by = second * 2 * half + v
            for first in range(0, half, CHUNK):
                n = min(CHUNK, half - first)
                for c in range(0, depth, PANEL):
                    from_rows = (view * half + first) * depth + c
                    for t in range(0, count, ROWS):
                        add_product(
                            weights,
                            t * stride + by + 2 * first,
                            stride,
                            2,
                            flat,
                            from_rows,
                            depth,
                            n,
                            gradient,
                            (v * half + start + t) * depth + c,
                            depth,
                        )
            for c in range(0, depth, PANEL):
                from_rows = (v * half + start) * depth + c
                for k in range(0, half, ROWS):
                    add_product(
                        weights,
                        by + 2 * k,
                        2,
                        stride,
                        flat,
                        from_rows,
                        depth,
                        count,
                        gradient,
                        (view * half + k) * depth + c,
                        depth,
                    )


@compiled
def finish(
    x: Any,
    rows: Any,
    r: int,
    layout: Any,
    kind: Any,
    normalised: bool,
    points: Any,
    norms: Any,
    gradient: Any,
    columns_sum: Any,
    out: Any,
) -> float:
    """Map the gradient of the points to that of the embeddings.

    Args:
        x: [2, N, d] embeddings.
        rows: [N] the R rows that have a label.
        r: R.
        layout: as in :func:`sweep_tile`.
        kind: likewise.
        normalised: whether rows were divided by their norms.
        points: [2, half, depth].
        norms: [2, R] of the embeddings.
        gradient: [2 * half * depth].
        columns_sum: [2 columns].
        out: [2, N, d] receives it; zero elsewhere.

    Returns:
        The sum over all of points * gradient.
    """
    d, half, columns, _, _ = layout
    depth = points.shape[2]
    product = 0.0
    for v in range(2):
        for k in range(r):
            at = (v * half + k) * depth
            factor = 0.0
            if kind[0]:
                factor = columns_sum[2 * k + v]
                if columns > half:
                    factor += columns_sum[2 * half + 2 * k + 1 - v]
            length = max(norms[v, k], 1e-12) if normalised else 1.0
            along = 0.0
            for c in range(d):
                value = gradient[at + c] - factor * points[v, k, c]
                product += value * points[v, k, c]
                along += value * x[v, rows[k], c]
                gradient[at + c] = value
            along = along / length**2 if normalised and norms[v, k] >= 1e-12 else 0.0
            for c in range(d):
                out[v, rows[k], c] = (gradient[at + c] - along * x[v, rows[k], c]) / length
    return product
