"""The vectors of ``tiled`` in NumPy, so that its loop runs as it is written and its steps count."""

import ctypes
import importlib
import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Array = Any
LANES, ROWS = 16, 8
FILES = ("_tiled_memory", "_tiled_rows", "_tiled_loop", "_tiled_call")
"""The modules whose functions are compiled."""


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


def to_fixed_tuple(array: Array, n: int) -> tuple[Any, ...]:
    return tuple(array[:n])


def splat(array: Array, number: float) -> Array:
    return np.full(LANES, number, array.dtype)


def where_less(a: Array, b: Array, then: Array, otherwise: Array) -> Array:
    return np.where(a < b, then, otherwise)


def where_bits(bits: Array, place: int, then: Array, otherwise: Array) -> Array:
    return np.where(int(bits[place]) >> np.arange(LANES) & 1, then, otherwise)


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
            same[q] = (same[q] if a else 0) | (3 << 2 * a) * int(distance == before)
            tied |= bool(distance == before)
            before, low = distance, low + int(takes)
    return tied


def add_rows(work: Array, m: int, at: Array, starts: Array, target: Array) -> None:
    for q in range(m):
        for a in range(ROWS):
            Steps.taken += 1
            into = starts[a] + 2 * at[q * ROWS + a]
            target[into : into + 2] += work[q * LANES + 2 * a :][:2]


def array_at(address: int, shape: tuple[int, ...], like: Any) -> Array:
    size = math.prod(shape) * like.dtype.itemsize
    memory: Any = (ctypes.c_char * int(size)).from_address(int(address))
    return np.frombuffer(memory, like.dtype).reshape(shape)


def on_stack(like: Any) -> Array:
    return np.empty(LANES, np.asarray(like).dtype)


def run_as_written(monkeypatch: pytest.MonkeyPatch, tiled: ModuleType) -> None:
    """Put these in place of the compiled ones, for the rest of a test."""
    plain: dict[str, Any] = {"root": np.sqrt, "exponential": np.exp}
    for function in (
        *(load, store, pair, copy_pair, splat, where_less, where_bits, any_less, widen, narrow),
        to_fixed_tuple,
        *(
            exponent,
            mantissa,
            array_at,
            on_stack,
            product_of_pairs,
            add_product,
            merge_rows,
            add_rows,
        ),
    ):
        plain[function.__name__] = function
    for file in FILES:
        module = importlib.import_module(f"{tiled.__package__}.{file}")
        for name, found in vars(module).copy().items():
            if name in plain:
                monkeypatch.setattr(module, name, plain[name])
            elif hasattr(found, "py_func"):
                monkeypatch.setattr(module, name, found.py_func)
        monkeypatch.setattr(module, "kept_on_disk", lambda function: function, raising=False)
    tiled.plan_of.cache_clear()
    monkeypatch.setattr(tiled, "plan_of", tiled.plan_of.__wrapped__)
    compile_for = importlib.import_module(f"{tiled.__package__}._tiled_call").compile_for
    monkeypatch.setattr(tiled, "compile_for", compile_for.__wrapped__)
    Steps.taken = 0
