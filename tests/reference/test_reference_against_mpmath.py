"""The reference against the definition, written a second time in 50-digit arithmetic.

Nothing here knows torch: rows are lists of mpmath numbers. The gradient is the explicit derivative
of that formula, and is itself held against mpmath's numerical differentiation.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import mpmath as mp
import pytest
import torch

from supcr_bench.reference.reference import Method, compute_reference
from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST, TORCHCELL, Definition
from tests.batches import batch_of

Row = list[Any]
Matrix = list[Row]
DIGITS = 50
CLOSE = 1e-12
NAN = math.nan


@pytest.fixture(autouse=True)
def many_digits() -> Iterator[None]:
    with mp.workdps(DIGITS):
        yield


def exact(values: torch.Tensor) -> Matrix:
    return [[mp.mpf(x) for x in row] for row in values.tolist()]


def length(v: Row) -> Any:
    return mp.sqrt(mp.fsum(x * x for x in v))


def cosine(a: Row, b: Row) -> Any:
    return mp.fsum(x * y for x, y in zip(a, b, strict=True)) / (length(a) * length(b))


def negative_distance(a: Row, b: Row) -> Any:
    return -length([x - y for x, y in zip(a, b, strict=True)])


def cosine_slope(a: Row, b: Row) -> Row:
    """Derivative of cosine(a, b) by a."""
    c, la, lb = cosine(a, b), length(a), length(b)
    return [(y / lb - c * x / la) / la for x, y in zip(a, b, strict=True)]


def negative_distance_slope(a: Row, b: Row) -> Row:
    distance = length([x - y for x, y in zip(a, b, strict=True)])
    if distance == 0:
        return [mp.mpf(0) for _ in a]
    return [-(x - y) / distance for x, y in zip(a, b, strict=True)]


SIMILARITIES: dict[str, tuple[Callable[[Row, Row], Any], Callable[[Row, Row], Row]]] = {
    "cosine": (cosine, cosine_slope),
    "negative_euclidean": (negative_distance, negative_distance_slope),
}


def rank_loss(
    rows: Matrix, delta: Callable[[int, int], Any], tau: Any, definition: Definition
) -> tuple[Any, Matrix]:
    """1/(M(M-1)) sum over i != j of -log(exp s(i,j) / max(eps, sum over S(i,j))), and its slope."""
    m = len(rows)
    similarity, slope = SIMILARITIES[definition.similarity]
    gradient = [[mp.mpf(0) for _ in row] for row in rows]
    if m < 2:
        return mp.mpf(0), gradient
    s = [[similarity(a, b) / tau for b in rows] for a in rows]
    e = [[mp.exp(x) for x in row] for row in s]
    by_s = [[mp.mpf(0)] * m for _ in rows]
    total = mp.mpf(0)
    for i in range(m):
        for j in range(m):
            if i == j:
                continue
            candidates = [k for k in range(m) if delta(i, k) >= delta(i, j)]
            if definition.self_candidate == "never" and i in candidates:
                candidates.remove(i)
            contrast = mp.fsum(e[i][k] for k in candidates)
            floored = definition.eps is not None and contrast < mp.mpf(definition.eps)
            total -= mp.log(e[i][j] / (mp.mpf(definition.eps) if floored else contrast))
            by_s[i][j] -= 1
            if not floored:
                for k in candidates:
                    by_s[i][k] += e[i][k] / contrast
    scale = mp.mpf(1) / (m * (m - 1))
    for i in range(m):
        for k in range(m):  # s(i,k) and s(k,i) are the same number
            amount = scale * (by_s[i][k] + by_s[k][i]) / tau
            for x, change in enumerate(slope(rows[i], rows[k])):
                gradient[i][x] += amount * change
    return total * scale, gradient


def whole_loss(
    definition: Definition, one: Matrix, two: Matrix, labels: Matrix, weights: Row, tau: Any
) -> tuple[Any, Row, Matrix, Matrix]:
    """Loss, per-dimension losses, and the gradients of both views."""
    if definition.views == "concatenate":
        rows, y = one + two, labels + labels

        def apart_in_all(i: int, k: int) -> Any:
            return mp.fsum(abs(a - b) for a, b in zip(y[i], y[k], strict=True))

        value, slope = rank_loss(rows, apart_in_all, tau, definition)
        return value, [value], slope[: len(one)], slope[len(one) :]

    share = [w / mp.fsum(weights) for w in weights]
    losses: Row = []
    gradients = [[[mp.mpf(0) for _ in row] for row in view] for view in (one, two)]
    for c, part in enumerate(share):
        valid = [i for i, row in enumerate(labels) if not mp.isnan(row[c])]

        def apart(i: int, k: int, valid: list[int] = valid, c: int = c) -> Any:
            return abs(labels[valid[i]][c] - labels[valid[k]][c])

        loss = mp.mpf(0)
        for view, gradient in zip((one, two), gradients, strict=True):
            value, slope = rank_loss([view[i] for i in valid], apart, tau, definition)
            loss += value
            for i, change in zip(valid, slope, strict=True):
                for x, amount in enumerate(change):
                    gradient[i][x] += part * amount
        losses.append(loss)
    total = mp.fsum(p * loss for p, loss in zip(share, losses, strict=True))
    return total, losses, gradients[0], gradients[1]


def make_views(n: int, d: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    one, two = (torch.randn(n, d, dtype=torch.float64, generator=generator) for _ in range(2))
    return one, two


# All labels are multiples of 1/8, so that their distances are exact in float64.
UNTIED = [[0.125, 3.0], [1.0, -0.5], [2.125, 0.25], [4.0, 5.0], [7.5, -2.0], [-3.0, 0.875]]
TIED = [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [2.0, 1.0], [2.0, 0.0], [0.0, 0.0]]
ALL_TIED = [[1.0, 2.0]] * 5
HOLED = [[0.0, NAN], [1.0, 1.0], [NAN, 0.5], [1.0, NAN], [2.0, 0.5], [0.5, 1.0]]
ONE_LEFT = [[1.0, NAN], [0.5, 2.0], [0.5, NAN], [0.0, NAN]]
LABELS = {
    "untied": UNTIED,
    "tied": TIED,
    "all tied": ALL_TIED,
    "missing": HOLED,
    "one left": ONE_LEFT,
    "two rows": UNTIED[:2],
}
TEMPERATURES = (1.0, 0.1, 0.005)
METHODS: tuple[Method, ...] = ("direct", "fast")
CASES = [
    pytest.param(definition, labels, id=f"{definition.name}-{labels}")
    for definition in (TORCHCELL, NO_SELF, RANK_N_CONTRAST)
    for labels in LABELS
    if definition is not RANK_N_CONTRAST or labels not in ("missing", "one left")
]


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(("definition", "labels"), CASES)
def test_value_and_gradient_are_the_definitions_to_twelve_digits(
    definition: Definition, labels: str, temperature: float
) -> None:
    y = torch.tensor(LABELS[labels], dtype=torch.float64)
    one, two = make_views(len(y), 3, seed=7)
    weights = torch.tensor([0.75, 0.25], dtype=torch.float64)
    loss, losses, *gradients = whole_loss(
        definition, exact(one), exact(two), exact(y), exact(weights[None])[0], mp.mpf(temperature)
    )
    largest = max(abs(x) for view in gradients for row in view for x in row)
    for method in METHODS:
        reference = compute_reference(
            definition, batch_of((one, two), y, weights, temperature), method=method
        )
        assert abs(float(reference.loss) - loss) <= CLOSE * abs(loss)
        for value, right in zip(reference.per_dimension.tolist(), losses, strict=True):
            assert abs(value - right) <= CLOSE * abs(right)
        for view, right in zip(reference.gradients, gradients, strict=True):
            differences = [
                abs(a - b)
                for own, row in zip(view.tolist(), right, strict=True)
                for a, b in zip(own, row, strict=True)
            ]
            assert max(differences) <= CLOSE * largest


@pytest.mark.parametrize("temperature", [1.0, 0.05])
@pytest.mark.parametrize("definition", [TORCHCELL, NO_SELF, RANK_N_CONTRAST], ids=lambda d: d.name)
def test_the_explicit_derivative_is_the_numerical_one(
    definition: Definition, temperature: float
) -> None:
    one, two = make_views(4, 2, seed=3)
    labels, weights, tau = (
        exact(torch.tensor(TIED[:4])),
        [mp.mpf(2), mp.mpf(1)],
        mp.mpf(temperature),
    )
    views = exact(one), exact(two)
    _, _, *gradients = whole_loss(definition, views[0], views[1], labels, weights, tau)
    for v, i, x in [(0, 0, 0), (0, 2, 1), (1, 1, 0), (1, 3, 1)]:

        def loss_at(value: Any, v: int = v, i: int = i, x: int = x) -> Any:
            moved = [[list(row) for row in view] for view in views]
            moved[v][i][x] = value
            return whole_loss(definition, moved[0], moved[1], labels, weights, tau)[0]

        numerical = mp.diff(loss_at, views[v][i][x])
        assert abs(gradients[v][i][x] - numerical) < mp.mpf(10) ** -15 * (1 + abs(numerical))
