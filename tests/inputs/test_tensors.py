import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.inputs.tensors import TIED_GRID, Batch, make_batch, make_labels
from supcr_bench.values.case import DTYPES, Workload

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=30)


def digest(batch: Batch) -> str:
    """Of all values; NaN as 99, because its sign and payload are the platform's."""
    whole = hashlib.sha256()
    for tensor in (batch.first, batch.second, batch.labels, batch.weights):
        values = tensor.detach().double().nan_to_num(99.0)
        whole.update(values.numpy().astype("<f8").tobytes())
    return whole.hexdigest()[:16]


def test_the_tensors_are_pinned() -> None:
    """Exact values: a change on any machine, or with any library, changes every stored case."""
    assert digest(make_batch(Workload(batch_size=32))) == "11f102b9c533599e"
    unusual = Workload(
        batch_size=33, nan_density=0.25, dims=3, embedding_size=7, labels="tied", seed=5
    )
    assert digest(make_batch(unusual)) == "49deaddcc67bc801"


def test_the_norm_of_the_embeddings_changes_their_length_and_nothing_else() -> None:
    workload = Workload(batch_size=8, embedding_size=5, nan_density=0.25, dims=2, dtype="float64")
    drawn, scaled = make_batch(workload), make_batch(replace(workload, embedding_norm=3.0))
    for before, after in ((drawn.first, scaled.first), (drawn.second, scaled.second)):
        torch.testing.assert_close(after.norm(dim=1), torch.full((8,), 3.0, dtype=torch.float64))
        torch.testing.assert_close(after / 3, torch.nn.functional.normalize(before))
    torch.testing.assert_close(drawn.labels, scaled.labels, equal_nan=True)
    assert digest(make_batch(Workload(batch_size=4, embedding_norm=2.0))) == "6ea7038d21dafe98"


def test_a_second_call_gives_the_same_tensors() -> None:
    workload = Workload(batch_size=16, nan_density=0.5, dims=2)
    assert digest(make_batch(workload)) == digest(make_batch(workload))
    assert digest(make_batch(workload)) != digest(make_batch(replace(workload, seed=1)))


@given(st.integers(2, 100), st.floats(0, 1), st.integers(1, 4), st.integers(0, 1000))
@EXAMPLES
def test_nan_density_is_exact_in_count(n: int, density: float, dims: int, seed: int) -> None:
    labels = make_labels(Workload(batch_size=n, nan_density=density, dims=dims, seed=seed))
    assert (np.isnan(labels).sum(axis=0) == round(density * n)).all()


@pytest.mark.parametrize(
    ("batch_size", "density", "count"),
    [(100, 0.25, 25), (10, 0.25, 2), (30, 0.25, 8), (8, 0.0, 0), (8, 1.0, 8)],
)
def test_halves_of_a_missing_label_round_to_even(
    batch_size: int, density: float, count: int
) -> None:
    workload = Workload(batch_size=batch_size, nan_density=density)
    assert batch_size - workload.labelled_rows == count


def test_each_dimension_has_a_pattern_of_its_own() -> None:
    labels = make_labels(Workload(batch_size=64, nan_density=0.5, dims=4))
    patterns = {tuple(np.isnan(labels[:, c]).tolist()) for c in range(4)}
    assert len(patterns) == 4


def test_missing_labels_hide_values_and_change_no_others() -> None:
    whole = make_labels(Workload(batch_size=64, dims=2))
    holed = make_labels(Workload(batch_size=64, dims=2, nan_density=0.3))
    kept = ~np.isnan(holed)
    assert (holed[kept] == whole[kept]).all()


def test_a_higher_density_hides_more_of_the_same_rows() -> None:
    low, high = (
        np.isnan(make_labels(Workload(batch_size=64, nan_density=share))) for share in (0.25, 0.5)
    )
    assert (high | ~low).all()


def test_further_dimensions_leave_earlier_ones_as_they_were() -> None:
    few, many = (
        make_labels(Workload(batch_size=32, dims=dims, nan_density=0.2)) for dims in (2, 5)
    )
    np.testing.assert_array_equal(few, many[:, :2])


@given(st.integers(0, 1000))
@EXAMPLES
def test_tied_labels_lie_on_the_grid_and_tie(seed: int) -> None:
    labels = make_labels(Workload(batch_size=32, labels="tied", seed=seed))
    assert (labels / TIED_GRID == np.round(labels / TIED_GRID)).all()
    assert len(np.unique(labels)) <= 9
    assert np.abs(labels).max() <= 2


def test_tied_labels_are_the_continuous_ones_rounded() -> None:
    tied, continuous = (
        make_labels(Workload(batch_size=64, labels=kind)) for kind in ("tied", "continuous")
    )
    assert np.abs(tied - continuous).max() <= TIED_GRID / 2
    assert len(np.unique(continuous)) == 64
    assert ((continuous >= -2) & (continuous < 2)).all()


@pytest.mark.parametrize(
    "change", [{"nan_density": 0.5}, {"dims": 3}, {"labels": "tied"}, {"temperature": 1.0}]
)
def test_embeddings_do_not_change_when_the_labels_do(change: dict[str, object]) -> None:
    plain = Workload(batch_size=16)
    before, after = make_batch(plain), make_batch(replace(plain, **change))  # type: ignore[arg-type]
    assert torch.equal(before.first, after.first)
    assert torch.equal(before.second, after.second)


def test_the_two_views_are_different() -> None:
    batch = make_batch(Workload(batch_size=16))
    assert not torch.equal(batch.first, batch.second)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_tensor_has_the_dtype_and_shape_of_the_workload(dtype: str) -> None:
    batch = make_batch(Workload(batch_size=6, dims=2, embedding_size=5, dtype=dtype))
    assert batch.first.shape == batch.second.shape == (6, 5)
    assert batch.labels.shape == (6, 2)
    assert batch.weights.tolist() == [1.0, 1.0]
    tensors = (batch.first, batch.second, batch.labels, batch.weights)
    assert {t.dtype for t in tensors} == {getattr(torch, dtype)}


def test_no_tensor_of_a_batch_collects_gradients() -> None:
    batch = make_batch(Workload(batch_size=4))
    assert not any(t.requires_grad for t in (*batch.views, batch.labels, batch.weights))


def test_float64_embeddings_are_the_float32_ones_exactly() -> None:
    single, double = (
        make_batch(Workload(batch_size=8, dtype=dtype)) for dtype in ("float32", "float64")
    )
    assert torch.equal(single.first.double(), double.first)
