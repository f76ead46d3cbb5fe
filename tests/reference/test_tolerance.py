"""The derived tolerances: right implementations stay within them, and come near enough to them."""

from dataclasses import dataclass, replace
from functools import lru_cache

import pytest
import torch

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.measure.agreement import errors_of
from supcr_bench.reference.reference import Reference, compute_reference, logit_error
from supcr_bench.reference.tolerance import bounds_of
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.case import UNIT_ROUNDOFF, Case
from supcr_bench.values.definition import NO_SELF, TORCHCELL
from tests.examples import implementation

TEMPERATURES = (1.0, 0.1)
EMBEDDING_SIZES = (2, 64)
SEEDS = range(8)
LOOSEST = 0.01
"""The worst error met must be within two orders of magnitude of its bound."""


@lru_cache(maxsize=512)
def reference_of(workload: Case) -> Reference:
    return compute_reference(TORCHCELL, make_batch(workload))


def multiples(name: str, workload: Case) -> tuple[float, float]:
    """Errors in value and in gradient as multiples of their tolerances."""
    batch = make_batch(workload)
    adapter = Adapter.usual(implementation(name).factory)
    loss = adapter.bind(TORCHCELL.at(workload.temperature), batch)
    answer = loss.answer(loss.call("training"), gradients=True)
    errors, _ = errors_of(answer, reference_of(workload))
    value, gradient = errors["value_tolerances"], errors["gradient_tolerances"]
    assert value is not None
    assert gradient is not None
    return value, gradient


def workloads(sizes: tuple[int, ...], dtype: str) -> list[Case]:
    return [
        Case(
            batch_size=n,
            embedding_size=d,
            dtype=dtype,
            temperature=tau,
            seed=seed,
            nan_density=(0.0, 0.25)[seed % 2],
            labels=("continuous", "tied")[seed // 2 % 2],
            dims=(1, 2)[seed // 4 % 2],
        )
        for tau in TEMPERATURES
        for d in EMBEDDING_SIZES
        for n in sizes
        for seed in SEEDS
    ]


@pytest.mark.parametrize(
    ("name", "dtype", "sizes"),
    [
        ("broadcast", "float32", (4, 48)),
        ("broadcast", "float64", (4, 48)),
        ("rowsort", "float32", (4, 24)),
        ("loopy", "float32", (4, 6)),
    ],
)
def test_right_implementations_stay_within_the_bounds_and_come_near_them(
    name: str, dtype: str, sizes: tuple[int, ...]
) -> None:
    found = [multiples(name, workload) for workload in workloads(sizes, dtype)]
    worst_value, worst_gradient = (max(column) for column in zip(*found, strict=True))
    assert LOOSEST <= worst_value <= 1
    assert LOOSEST <= worst_gradient <= 1


@pytest.mark.parametrize("name", ["broadcast", "rowsort"])
def test_float32_accumulation_of_float64_inputs_is_beyond_the_bounds_only_where_it_happens(
    name: str,
) -> None:
    """rowsort adds up in float32 whatever its inputs are; broadcast does not."""
    worst = max(multiples(name, w)[0] for w in workloads((16,), "float64")[:8])
    assert (worst > 1e3) is (name == "rowsort")


@pytest.mark.parametrize("name", ["broadcast", "rowsort"])
def test_pairs_at_the_floor_do_not_make_a_right_gradient_wrong(name: str) -> None:
    found = [
        multiples(name, Case(batch_size=16, embedding_size=8, temperature=0.05, seed=seed))
        for seed in range(10)
    ]
    assert max(max(pair) for pair in found) <= 1


@dataclass(frozen=True)
class Change:
    """A workload that is harder than the plain one, and by how much its logits are."""

    fields: dict[str, object]
    factor: float


@pytest.mark.parametrize(
    "change",
    [
        Change({"temperature": 0.05}, 2.0),
        Change({"dtype": "float64"}, 2.0**-29),
        Change({"dtype": "bfloat16"}, 2.0**16),
    ],
    ids=lambda c: str(c.fields),
)
def test_the_error_of_a_logit_follows_temperature_and_dtype(change: Change) -> None:
    def error(workload: Case) -> float:
        return logit_error(make_batch(workload), TORCHCELL.at(workload.temperature))

    plain = Case(batch_size=8)
    harder = replace(plain, **change.fields)  # type: ignore[arg-type]
    assert error(harder) == pytest.approx(change.factor * error(plain))
    assert error(plain) == pytest.approx((2 * 8 + 5) * UNIT_ROUNDOFF["float32"] / 0.1)


def test_a_dimension_without_pairs_has_no_tolerance_in_value_and_adds_none_to_the_gradient() -> (
    None
):
    workload = Case(batch_size=8, dims=2)
    batch = make_batch(workload)
    labels = batch.labels.clone()
    labels[:, 1] = torch.nan
    bounds = bounds_of(compute_reference(TORCHCELL, replace(batch, labels=labels)))
    parts = bounds.parts
    assert float(parts[0]) > 0
    assert float(parts[1]) == 0
    one = replace(batch, labels=labels[:, :1], weights=batch.weights[:1])
    alone = bounds_of(compute_reference(TORCHCELL, one))
    torch.testing.assert_close(bounds.gradients[0] * 2, alone.gradients[0])


def test_the_tolerance_of_the_total_is_at_least_the_weighted_parts() -> None:
    workload = Case(batch_size=8, dims=2)
    bounds = bounds_of(reference_of(workload))
    assert float(bounds.parts.mean()) <= bounds.loss <= float(bounds.parts.max()) * 1.5


def test_each_pair_near_the_floor_widens_the_gradient_tolerance_alike() -> None:
    workload = Case(batch_size=8)
    plain = reference_of(workload)
    bounds = [bounds_of(replace(plain, near_floor=(near,))).gradients[0] for near in (0, 1, 2)]
    torch.testing.assert_close(bounds[1] - bounds[0], bounds[2] - bounds[1])
    assert (bounds[1] > bounds[0]).all()


def test_one_view_has_half_the_terms_of_two() -> None:
    workload = Case(batch_size=8)
    reference = replace(reference_of(workload), per_dimension=torch.zeros(1, dtype=torch.float64))
    two, one = (
        bounds_of(replace(reference, definition=d)).parts
        for d in (NO_SELF, replace(NO_SELF, views="mean"))
    )
    torch.testing.assert_close(two, one * 2)
