"""The vectors of ``tiled`` in NumPy, so that its loop runs as it is written and its steps count."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

Array = Any
LANES, ROWS = 16, 8
LOOPS = (
    "sort_labels",
    "read_points",
    "sort_row",
    "sort_jointly",
    "sweep",
    "similarities",
    "exponentials",
    "sweep_tile",
    "derive",
    "bring_back",
    "sweep_tiles",
    "finish",
)


class Steps:
    """How many vectors, pairs and merged places the loop has touched."""

    taken = 0


def load(array: Array, place: int) -> Array:
    Steps.taken += 1
    return array[place : place + LANES].copy()


def store(array: Array, place: int, vector: Array) -> None:
    assert place >= 0
    array[place : place + LANES] = vector


def pair(array: Array, place: int) -> Array:
    return np.tile(array[place : place + 2], LANES // 2)


def copy_pair(array: Array, place: int, target: Array, at: int) -> None:
    Steps.taken += 1
    target[at : at + 2] = array[place : place + 2]


def splat(array: Array, number: float) -> Array:
    return np.full(LANES, number, array.dtype)


def where_less(a: Array, b: Array, then: Array, otherwise: Array) -> Array:
    return np.where(a < b, then, otherwise)


def any_less(a: Array, b: Array) -> bool:
    return bool((a < b).any())


def widen(x: Array) -> Array:
    return x.astype(np.float64)


def narrow(array: Array, x: Array) -> Array:
    return x.astype(array.dtype)


def exponent(x: Array) -> Array:
    return np.frexp(x)[1] - 1.0


def mantissa(x: Array) -> Array:
    return 2 * np.frexp(x)[0]


def product_of_pairs(
    a: Array,
    at_a: int,
    row_a: int,
    step_a: int,
    b: Array,
    at_b: int,
    step_b: int,
    n: int,
    *out: Any,
) -> None:
    array, at_out, row_out = out
    for r in range(ROWS):
        total = np.zeros(2 * LANES, array.dtype)
        for k in range(n):
            factor = np.tile(a[at_a + r * row_a + k * step_a :][:2], LANES)
            total += factor * b[at_b + k * step_b :][: 2 * LANES]
        array[at_out + r * row_out :][: 2 * LANES] = total
        Steps.taken += 1


def add_product(
    a: Array,
    at_a: int,
    row_a: int,
    step_a: int,
    b: Array,
    at_b: int,
    step_b: int,
    n: int,
    *out: Any,
) -> None:
    array, at_out, row_out = out
    for r in range(ROWS):
        for k in range(n):
            factor = a[at_a + r * row_a + k * step_a]
            array[at_out + r * row_out :][: 2 * LANES] += (
                factor * b[at_b + k * step_b :][: 2 * LANES]
            )
            Steps.taken += 1


def merge_rows(
    labels: Array, m: int, order: Array, own: Array, places: Array, *others: Array
) -> bool:
    terms, starts, at, work, same = others
    tied = False
    for a in range(ROWS):
        low, before = 0, -1.0
        for q in range(m):
            high = low + m - 1 - q
            below, above = own[a] - labels[low], labels[high] - own[a]
            takes = below >= above and low != places[a]
            taken, distance = (low, below) if takes else (high, above)
            column = at[q * ROWS + a] = order[taken]
            copy_pair(terms, starts[a] + 2 * column, work, (q * ROWS + a) * 2)
            same[(q * ROWS + a) * 2 :][:2] = distance == before
            tied |= bool(distance == before)
            before, low = distance, low + int(takes)
    return tied


def run_as_written(monkeypatch: pytest.MonkeyPatch, tiled: ModuleType, loop: ModuleType) -> None:
    """Put these in place of the compiled ones, for the rest of a test."""
    here = globals()
    names = (load, store, pair, copy_pair, splat, where_less, any_less, widen, narrow, exponent)
    for function in (*names, mantissa, product_of_pairs, add_product, merge_rows):
        monkeypatch.setattr(loop, function.__name__, here[function.__name__])
    monkeypatch.setattr(loop, "root", np.sqrt)
    monkeypatch.setattr(loop, "exponential", np.exp)
    for name in LOOPS:
        plain = getattr(loop, name).py_func
        monkeypatch.setattr(loop, name, plain)
        if hasattr(tiled, name):
            monkeypatch.setattr(tiled, name, plain)
    Steps.taken = 0
