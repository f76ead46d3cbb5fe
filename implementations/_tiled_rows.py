"""How the compiled loop of ``tiled`` reads labels and embeddings, and writes their gradient."""

from typing import Any

import numpy as np

from ._tiled_memory import PANEL
from ._vectors import compiled, sums_reordered

SMALLEST_NORM = 1e-12
FEW = 96
"""The most keys for which counting the smaller ones of each sorts faster."""


@compiled
def sort_row(keys: Any, n: int, order: Any, spare: Any, counts: Any) -> Any:
    """The indices of n keys in rising order, by their bytes, all taken as positive."""
    if n <= FEW:
        least = -(1 << (8 * keys.itemsize - 1))
        for k in range(n):
            own, place = keys[k] ^ least, 0
            for other in range(k):
                place += (keys[other] ^ least) <= own
            for other in range(k + 1, n):
                place += (keys[other] ^ least) < own
            order[place] = k
        return order
    for k in range(n):
        order[k] = k
    for shift in range(0, 8 * keys.itemsize, 8):
        for b in range(256):
            counts[b] = 0
        for k in range(n):
            counts[(keys[k] >> shift) & 255] += 1
        if n == 0 or counts[(keys[0] >> shift) & 255] == n:
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
def sort_values(n: int, sorting: Any) -> Any:
    """The indices of the first n labels in rising order, those of missing ones last."""
    values, keys = sorting.values, sorting.keys
    bits, least = values.view(keys.dtype), -(1 << (8 * keys.itemsize - 1))
    for k in range(n):  # whole numbers whose bytes rise with the labels
        own = bits[k]
        if np.isnan(values[k]):
            keys[k] = -1
        else:
            keys[k] = ~own if own < 0 else own ^ least
    return sort_row(keys, n, sorting.order, sorting.spare, sorting.counters)


@compiled
def sort_labels(rules: Any, labels: Any, sorting: Any) -> tuple[int, int]:
    """Fill in the labels of each loss.

    Returns:
        R (the number of rows with a label), and the number of infinite labels.
    """
    y, rows, counts, order, ordered, places = labels
    own, rising, values = sorting.rows, sorting.order, sorting.values
    r = infinite = np.int64(0)  # not a literal, for which all it is given to would be compiled, too
    for i in range(rules.n):
        present = 0
        for c in range(rules.dims):
            present += not np.isnan(y[i, c])
            infinite += np.isinf(y[i, c])
        if present == rules.dims or (present and not rules.whole):
            own[r], values[r], rising[r] = i, y[i, 0], r
            r += 1
    first = rising if rules.joint else sort_values(r, sorting)
    for k in range(r):
        rows[k] = own[first[k]]
    for c in range(rules.losses):
        m = np.int64(0)
        for k in range(r):
            places[c, k] = -1
            label = y[rows[k], c]
            if not np.isnan(label):
                own[m], values[m], rising[m] = k, label, m
                m += 1
        counts[c] = m
        found = rising if c == 0 else sort_values(m, sorting)
        for q in range(m):
            k = own[found[q]]
            order[c, q], ordered[c, q], places[c, k] = k, values[found[q]], q
    return int(r), int(infinite)


@sums_reordered
def read_points(x: Any, r: int, rules: Any, rows: Any, places: Any, points: Any) -> float:
    """Fill in the points of R rows that have a label, all zeros before, from two flat views.

    Distances do not depend on where the centre of the rows is, so it is moved to 0.

    Returns:
        The largest squared norm of a point, or 1 where rows are divided by their norms.
    """
    d, half = rules.d, points.rows.shape[1]
    for v in range(2):
        view = x[v]
        for k in range(r):
            start = rows[k] * rules.row
            own, source = points.rows[v, k, :d], view[start : start + d]
            square = 0.0
            for c in range(d):
                square += np.float64(source[c]) * np.float64(source[c])
            norm = np.sqrt(square)
            points.norms[v, k] = norm
            factor = own.dtype.type(1 / max(norm, SMALLEST_NORM) if rules.normalised else 1.0)
            for c in range(d):
                own[c] = source[c] * factor
            if rules.power and np.isfinite(square):
                for c in range(d):
                    points.centre[v, c] += own[c] / r
    if rules.power and rules.joined:
        for c in range(d):
            mean = (points.centre[0, c] + points.centre[1, c]) / 2
            points.centre[0, c] = points.centre[1, c] = mean
    longest = 1.0 if rules.normalised and not rules.power else 0.0
    for v in range(2):
        for k in range(r):
            own = points.rows[v, k, :d]
            if rules.power or not rules.normalised:
                square = 0.0
                for c in range(d):
                    if rules.power:
                        own[c] -= points.centre[v, c]
                    square += own[c] * own[c]
                longest = square if square > longest or np.isnan(square) else longest
                points.squares[2 * k + v] = square
                if rules.joined:
                    points.squares[2 * (half + k) + 1 - v] = square
            for at in range(0, len(points.squares) // 2, half):
                column = 2 * (at + k) + (v if at == 0 else 1 - v)
                start = column // PANEL * PANEL * d + column % PANEL
                into = points.packed[start::PANEL]
                for c in range(d):
                    into[c] = own[c]
    for c in range(rules.losses):
        masks, placed = points.masks[c], places[c]
        for k in range(r):
            for column in range(2 * k, len(masks), 2 * half):
                masks[column] = masks[column + 1] = placed[k] >= 0
    return longest


@sums_reordered
def finish(x: Any, r: int, rules: Any, rows: Any, points: Any, sums: Any, out: Any) -> float:
    """Map the gradient of the points to that of the embeddings, in ``out``.

    The arguments are those of :func:`read_points`; ``sums`` holds the gradient.

    Returns:
        The sum over all of points * gradient.
    """
    _, half, depth = points.rows.shape
    d, row, out_row, product = rules.d, rules.row, rules.gradient_row, 0.0
    for v in range(rules.views):
        view, into = x[v], out[v]
        if r < rules.n:
            for i in range(rules.n):
                into[i * out_row : i * out_row + d] = 0
        for k in range(r):
            i = rows[k]
            source, result = view[i * row : i * row + d], into[i * out_row : i * out_row + d]
            start, point = (v * half + k) * depth, points.rows[v, k, :d]
            own = sums.gradient[start : start + d]
            norm = points.norms[v, k]
            if rules.power:
                factor = sums.columns[2 * k + v]
                if rules.joined:
                    factor += sums.columns[2 * half + 2 * k + 1 - v]
                for c in range(d):
                    own[c] -= factor * point[c]
                    product += np.float64(own[c]) * np.float64(point[c])
            length = max(norm, SMALLEST_NORM) if rules.normalised else 1.0
            along = 0.0
            for c in range(d):
                along += np.float64(own[c]) * np.float64(source[c])
            if not rules.power:
                product += along / length
            shrink, inverse = own.dtype.type(0), own.dtype.type(1 / length)
            if rules.normalised and norm >= SMALLEST_NORM:
                shrink = own.dtype.type(along / length**2)
            for c in range(d):
                result[c] = (own[c] - shrink * source[c]) * inverse
    return product
