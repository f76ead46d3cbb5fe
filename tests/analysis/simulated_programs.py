"""Random programs whose operations, elements and peak memory are known at every size.

A program allocates tensors one after the other, keeps some of them for its backward pass, and
frees the others soon. Its peak is the largest sum of what is alive at one point. Some programs
compute a matrix of pairs in blocks of rows once it would take more than a number of bytes: that is
another path.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, log2

import numpy as np

WIDTH = 64
"""Columns of an embedding."""
PAIRS = "pairs"
_NUMBERS: dict[str, Callable[[int, int], int]] = {
    "constant": lambda n, m: WIDTH,
    "all rows": lambda n, m: WIDTH * n,
    "labelled rows": lambda n, m: WIDTH * m,
    "labels": lambda n, m: m,
    PAIRS: lambda n, m: m**2,
    "triples": lambda n, m: m**3,
}


@dataclass(frozen=True)
class Program:
    """A program; ``alive`` has the tensors that are alive at each point, [points, tensors]."""

    shapes: tuple[str, ...]
    item_bytes: np.ndarray
    alive: np.ndarray
    sorts: np.ndarray
    block_bytes: float
    operations: int
    operations_a_row: int

    def _rows_at_once(self, m: int) -> int:
        fits = PAIRS not in self.shapes or 4 * m**2 <= self.block_bytes
        return m if fits else max(1, int(self.block_bytes / (4 * m)))

    def changes(self, before: int, after: int) -> bool:
        """Whether it takes another path at the larger number of labelled rows."""
        return self._rows_at_once(before) == before and self._rows_at_once(after) < after

    def _numbers(self, n: int, m: int) -> np.ndarray:
        numbers = {shape: _NUMBERS[shape](n, m) for shape in self.shapes}
        numbers[PAIRS] = self._rows_at_once(m) * m
        return np.array([numbers[shape] for shape in self.shapes], float)

    def peak(self, n: int, m: int) -> int:
        return int((self.alive @ (self._numbers(n, m) * self.item_bytes)).max())

    def dispatched(self, m: int) -> int:
        return self.operations * ceil(m / self._rows_at_once(m)) + self.operations_a_row * m

    def elements(self, n: int, m: int) -> int:
        blocks = [ceil(m / self._rows_at_once(m)) if s == PAIRS else 1 for s in self.shapes]
        return round(float(self._numbers(n, m) @ (blocks * np.where(self.sorts, log2(m), 1.0))))

    @property
    def law(self) -> str:
        """The growth law of its peak, if it always takes the same path."""
        powers = {"triples": "N^3", PAIRS: "N^2"}
        return next((law for shape, law in powers.items() if shape in self.shapes), "N")


def drawn_program(random: np.random.Generator, *, same_path: bool = False) -> Program:
    shapes = ["all rows", "labelled rows", "labels", "constant"]
    weights = [0.25, 0.1, 0.2, 0.1]
    if random.random() < 0.9:
        shapes, weights = [*shapes, PAIRS], [*weights, 0.35]
        if random.random() < 0.3:
            shapes, weights = [*shapes, "triples"], [*weights, 0.15]
    count = int(random.integers(8, 30))
    own = tuple(map(str, random.choice(shapes, count, p=np.array(weights) / sum(weights))))
    alive = np.zeros((2 * count, count))
    for i in range(count):
        kept = random.random() < 0.35
        freed = 2 * count - i if kept else i + 1 + int(random.geometric(0.4))
        alive[i:freed, i] = 1
        if random.random() < 0.8:  # its gradient
            start = 2 * count - 1 - i
            alive[start : start + 1 + int(random.geometric(0.25)), i] += 1
    blocks = [inf] if same_path else [inf, inf, inf, 2**14, 2**16, 2**18]
    return Program(
        own,
        random.choice([4, 4, 4, 8, 1], count),
        alive,
        random.random(count) < 0.1,
        float(random.choice(blocks)),
        int(random.integers(40, 300)),
        int(random.choice([0, 0, 0, 5, 80])),
    )
