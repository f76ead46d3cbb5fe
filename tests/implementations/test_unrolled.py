"""Products of blocks: what a processor's registers hold at once changes no sum."""

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.implementations import plain_vectors

PACKAGE = "supcr_bench.implementations"
BLOCKS = ((8, 2), (4, 1))
"""Rows and vectors at once: with AVX-512, and without."""
N = 37


@pytest.fixture
def unrolled() -> ModuleType:
    pytest.importorskip("numba")
    return importlib.import_module(f"{PACKAGE}._unrolled")


def products(of_pairs: Any, add: Any, arrays: list[np.ndarray], compiled: Any) -> list[np.ndarray]:
    """What both products make of the same factors."""

    def both(pairs: Any, a: Any, b: Any, n: int, out: Any, total: Any) -> None:
        of_pairs(pairs, 0, 2 * n, 2, b, 0, 32, n, out, 0, 32)
        add(a, 0, n, 1, b, 0, 32, n, total, 0, 32)

    out, total = np.zeros(8 * 32, np.float32), np.ones(8 * 32, np.float32)
    compiled(both)(*arrays, N, out, total)
    return [out, total]


def test_both_blocks_give_the_same_sums(
    unrolled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    sizes = (8 * N * 2, 8 * N, N * 32)
    arrays = [random.standard_normal(size, np.float32) for size in sizes]
    assert unrolled.BLOCK in BLOCKS
    compiled = importlib.import_module(f"{PACKAGE}._vectors").called_by_python
    found = []
    for block in BLOCKS:
        monkeypatch.setattr(unrolled, "BLOCK", block)
        of_pairs = unrolled._product(in_pairs=True, adds=False)
        add = unrolled._product(in_pairs=False, adds=True)
        found.append(products(of_pairs, add, arrays, compiled))
    for one, other in zip(*found, strict=True):
        assert one.tobytes() == other.tobytes()
    plain = products(
        plain_vectors.product_of_pairs, plain_vectors.add_product, arrays, lambda loop: loop
    )
    for own, expected in zip(found[0], plain, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-4)
