"""The numba loop of ``tiled``, which turns exponentials of logits into weights of the gradient.

Merging a row from both ends inwards sorts it by label distance, farthest first. A running sum in
that order gives the sum over each candidate set, and a running sum of its inverses on the way back
gives the derivative. Members of a tie share the sums at its end; a second step corrects the sums of
rows with ties.
"""

from typing import Any

import numpy as np

try:
    from numba import njit
except ImportError as error:
    raise ImportError(
        f"its compiled loop needs numba: pip install 'supcr-bench[fast]', or pip install numba "
        f"({error})",
        name=error.name,
    ) from error


def compiled(function: Any) -> Any:
    """Compile a function on its first call, and cache it on disk if a folder is writable."""
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)  # x / 0 gives inf
    except RuntimeError:  # no folder is writable
        return njit(nogil=True, error_model="numpy")(function)


@compiled
def merge_rows(labels: Any, own: Any, m: int, at: Any, distance: Any) -> None:
    """Sort the rows of four anchors by label distance, farthest first.

    Each step takes the farther end of the rest of a row. It does four rows at once, because each
    step waits for the one before it, which leaves the processor time for three others.

    Args:
        labels: [M or more] rising.
        own: [4] labels of the anchors.
        m: number of labels.
        at: [4, M or more] receives the places in the order of rising labels.
        distance: [4, M or more] receives the distances, as the labels' dtype rounds them.
    """
    own0, own1, own2, own3 = own[0], own[1], own[2], own[3]
    low0 = low1 = low2 = low3 = 0
    for q in range(m):
        left = m - 1 - q
        below, above = own0 - labels[low0], labels[low0 + left] - own0
        at[0, q] = low0 if below >= above else low0 + left
        distance[0, q] = max(below, above)
        low0 += below >= above
        below, above = own1 - labels[low1], labels[low1 + left] - own1
        at[1, q] = low1 if below >= above else low1 + left
        distance[1, q] = max(below, above)
        low1 += below >= above
        below, above = own2 - labels[low2], labels[low2 + left] - own2
        at[2, q] = low2 if below >= above else low2 + left
        distance[2, q] = max(below, above)
        low2 += below >= above
        below, above = own3 - labels[low3], labels[low3 + left] - own3
        at[3, q] = low3 if below >= above else low3 + left
        distance[3, q] = max(below, above)
        low3 += below >= above


@compiled
def any_tie(distance: Any, m: int) -> bool:
    """Whether two neighbours are at the same distance."""
    same = 0
    for q in range(1, m):
        same += distance[q] == distance[q - 1]
    return same > 0


@compiled
def put_last(at: Any, m: int, place: int) -> None:
    """Move the anchor behind all other rows at distance 0."""
    q = m - 1
    while at[q] != place:
        q -= 1
    at[q] = at[m - 1]
    at[m - 1] = place


@compiled
def sweep_row(
    at: Any,
    distance: Any,
    m: int,
    place: int,
    order: Any,
    terms0: Any,
    terms1: Any,
    contrast: Any,
    inverse: Any,
    floor: float,
    batch: int,
) -> float:
    """Sum of the logarithms of an anchor's contrasts, in both views.

    Args:
        at: [M or more] places, farthest first; becomes the columns, the anchor's own last.
        distance: [M or more] in that order.
        m: number of labels.
        place: the anchor's place.
        order: [M or more] the column at each place.
        terms0: [R] exp((cosine - 1) / tau) of the first view.
        terms1: [R] exp((cosine - 1) / tau) of the second view.
        contrast: [2, M or more] is set to the sum over each candidate set.
        inverse: [2, M or more] is set to the sum of 1/contrast over all partners no farther.
        floor: the floor of a contrast.
        batch: how many contrasts may be multiplied before their logarithm is taken.
    """
    tied = any_tie(distance, m)
    if tied:
        put_last(at, m, place)
    sum0 = 0.0
    sum1 = 0.0
    for q in range(m):
        column = order[at[q]]
        at[q] = column
        sum0 += terms0[column]
        sum1 += terms1[column]
        contrast[0, q] = sum0
        contrast[1, q] = sum1
    if tied:
        for q in range(m - 2, -1, -1):
            if distance[q] == distance[q + 1]:
                contrast[0, q] = contrast[0, q + 1]
                contrast[1, q] = contrast[1, q + 1]
    for v in range(2):
        for q in range(m - 1):
            z = contrast[v, q]
            inverse[v, q] = 0 if z < floor else 1 / z
            contrast[v, q] = floor if z < floor else z
    total = 0.0
    sum0 = 0.0
    sum1 = 0.0
    end = m - 1
    while end > 0:
        begin = max(end - batch, 0)
        product0 = 1.0
        product1 = 1.0
        for q in range(end - 1, begin - 1, -1):
            sum0 += inverse[0, q]
            sum1 += inverse[1, q]
            inverse[0, q] = sum0
            inverse[1, q] = sum1
            product0 *= contrast[0, q]
            product1 *= contrast[1, q]
        total += np.log(product0) + np.log(product1)
        end = begin
    if tied:
        for q in range(1, m - 1):
            if distance[q] == distance[q - 1]:
                inverse[0, q] = inverse[0, q - 1]
                inverse[1, q] = inverse[1, q - 1]
    return total


@compiled
def add_weights(
    at: Any,
    m: int,
    terms0: Any,
    terms1: Any,
    inverse: Any,
    factor: float,
    weights0: Any,
    weights1: Any,
) -> None:
    """Add an anchor's derivative by its cosines; arguments as in :func:`sweep_row`."""
    for q in range(m - 1):
        column = at[q]
        weights0[column] += factor * (inverse[0, q] * terms0[column] - 1)
        weights1[column] += factor * (inverse[1, q] * terms1[column] - 1)


@compiled
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
    inverse: Any,
) -> None:
    """For some anchors of a tile of T, compute logarithms of contrasts and weights of cosines.

    Args:
        start: first anchor of the tile.
        first: first anchor of this call.
        stop: the one after its last.
        gradient: whether weights are wanted.
        self_when_tied: whether the anchor is a candidate of partners at distance 0.
        floor: the floor of a contrast, in the unit of the terms.
        batch: how many contrasts may be multiplied before their logarithm is taken.
        terms: [2, T, R] exp((cosine - 1) / tau); the anchors' own may be changed.
        weights: [2, T, R] set to the derivative of the loss by the cosines.
        order: [D, R] rows by rising label.
        labels: [D, R] their labels.
        counts: [D] number of labels.
        places: [D, R] each row's index in ``order``, -1 without a label.
        factors: [D] factor of each dimension in the derivative.
        logarithms: [D, R] set to the sum of the logarithms of each anchor's contrasts.
        at: [4, R] for :func:`merge_rows`.
        distance: [4, R] for :func:`merge_rows`.
        contrast: [2, R] for :func:`sweep_row`.
        inverse: [2, R] for :func:`sweep_row`.
    """
    for i in range(first, stop):
        if gradient:
            weights[:, i - start] = 0
        if not self_when_tied:
            terms[:, i - start, i] = 0
    anchors = np.empty(4, np.int64)
    own = np.empty(4, labels.dtype)
    for c in range(len(counts)):
        m = counts[c]
        if m < 2:
            continue
        i = first
        while i < stop:
            some = 0
            while i < stop and some < 4:
                if places[c, i] >= 0:
                    anchors[some] = i
                    own[some] = labels[c, places[c, i]]
                    some += 1
                i += 1
            if some == 0:
                break
            own[some:] = own[0]
            merge_rows(labels[c], own, m, at, distance)
            for a in range(some):
                anchor = anchors[a]
                t = anchor - start
                logarithms[c, anchor] = sweep_row(
                    at[a],
                    distance[a],
                    m,
                    places[c, anchor],
                    order[c],
                    terms[0, t],
                    terms[1, t],
                    contrast,
                    inverse,
                    floor,
                    batch,
                )
                if gradient:
                    add_weights(
                        at[a],
                        m,
                        terms[0, t],
                        terms[1, t],
                        inverse,
                        factors[c],
                        weights[0, t],
                        weights[1, t],
                    )
