import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.reference import reference as module
from supcr_bench.reference.reference import Method, Reference, compute_reference
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST, TORCHCELL, Definition
from tests.batches import batch_of
from tests.examples import (
    NAN,
    NOTE_LABELS,
    NOTE_LABELS_NAN_DIMENSION,
    NOTE_OUTPUT,
    SEVEN_THREE,
    note_views,
    prints_as,
)

BOTH_RULES = pytest.mark.parametrize("definition", [TORCHCELL, NO_SELF], ids=lambda d: d.name)
BOTH_METHODS = pytest.mark.parametrize("method", ["direct", "fast"])
EXAMPLES = settings(deadline=None, derandomize=True, max_examples=25)
SINGLE_VIEW = replace(TORCHCELL, name="single view", views="single", call="features_single_view")


def views(n: int, d: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    batch = make_batch(Workload(batch_size=n, embedding_size=d, seed=seed, dtype="float64"))
    return batch.first, batch.second


def reference(
    definition: Definition,
    embeddings: tuple[Tensor, ...],
    labels: Tensor,
    *,
    weights: Tensor | None = None,
    temperature: float = 0.1,
    method: Method = "direct",
    upstream: Tensor | None = None,
) -> Reference:
    batch = batch_of(embeddings, labels, weights, temperature)
    return compute_reference(definition, batch, method=method, upstream=upstream)


@BOTH_METHODS
@pytest.mark.parametrize(("labels", "weights", "loss", "per_dimension"), NOTE_OUTPUT)
def test_the_published_output_is_reproduced(
    labels: Tensor, weights: Tensor, loss: float, per_dimension: tuple[float, ...], method: Method
) -> None:
    found = reference(TORCHCELL, note_views(), labels, weights=weights, method=method)
    assert prints_as(float(found.loss), loss)
    assert all(map(prints_as, found.per_dimension.tolist(), per_dimension))


@given(
    st.integers(0, 1000),
    st.integers(-64, 64),
    st.sampled_from([0.25, 1.0, 2.0, -1.0, -4.0]),
    st.sampled_from([TORCHCELL, NO_SELF]),
)
@EXAMPLES
def test_shifting_scaling_and_flipping_dyadic_labels_changes_nothing(
    seed: int, shift: int, scale: float, definition: Definition
) -> None:
    embeddings = views(9, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(-20, 20, (9, 2), generator=generator).double() / 8
    plain = reference(definition, embeddings, labels)
    moved = reference(definition, embeddings, labels * scale + shift / 16)
    assert torch.equal(plain.per_dimension, moved.per_dimension)
    assert all(map(torch.equal, plain.gradients, moved.gradients))


@given(st.integers(0, 1000), st.sampled_from([TORCHCELL, NO_SELF, RANK_N_CONTRAST]))
@EXAMPLES
def test_permuting_rows_permutes_the_gradient(seed: int, definition: Definition) -> None:
    one, two = views(10, seed=seed)
    nan_density = 0.0 if definition is RANK_N_CONTRAST else 0.2
    workload = Workload(batch_size=10, dims=2, labels="tied", nan_density=nan_density, seed=seed)
    labels = make_batch(workload).labels
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    plain = reference(definition, (one, two), labels)
    moved = reference(definition, (one[order], two[order]), labels[order])
    torch.testing.assert_close(plain.per_dimension, moved.per_dimension, rtol=1e-12, atol=0)
    for before, after in zip(plain.gradients, moved.gradients, strict=True):
        torch.testing.assert_close(before[order], after, rtol=1e-10, atol=1e-12)


@BOTH_RULES
def test_exchanging_the_views_exchanges_the_gradients(definition: Definition) -> None:
    one, two = views(8)
    labels = make_batch(Workload(batch_size=8)).labels
    plain = reference(definition, (one, two), labels)
    exchanged = reference(definition, (two, one), labels)
    torch.testing.assert_close(plain.loss, exchanged.loss, rtol=1e-14, atol=0)
    assert torch.equal(plain.gradients[0], exchanged.gradients[1])


@BOTH_RULES
def test_lengthening_an_embedding_changes_no_cosine(definition: Definition) -> None:
    one, two = views(8)
    labels = make_batch(Workload(batch_size=8)).labels
    plain = reference(definition, (one, two), labels)
    longer = reference(definition, (one * 4, two), labels)
    assert torch.equal(plain.loss, longer.loss)
    torch.testing.assert_close(longer.gradients[0] * 4, plain.gradients[0])


@BOTH_RULES
def test_the_gradient_is_the_slope_of_the_value(definition: Definition) -> None:
    one, two = views(7)
    labels = make_batch(Workload(batch_size=7, dims=2, labels="tied")).labels
    found = reference(definition, (one, two), labels)
    step = 1e-6
    for i, x in [(0, 0), (3, 2), (6, 4)]:
        up, down = one.detach().clone(), one.detach().clone()
        up[i, x] += step
        down[i, x] -= step
        slope = (
            reference(definition, (up, two), labels).loss
            - reference(definition, (down, two), labels).loss
        ) / (2 * step)
        assert float(slope) == pytest.approx(float(found.gradients[0][i, x]), rel=1e-6, abs=1e-8)


@BOTH_METHODS
def test_an_upstream_gradient_weighs_the_loss_and_each_dimension(method: Method) -> None:
    embeddings = views(8)
    labels = make_batch(Workload(batch_size=8, dims=2)).labels
    upstream = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)

    def gradients(arriving: Tensor | None, of: Tensor) -> Tensor:
        found = reference(TORCHCELL, embeddings, of, upstream=arriving, method=method)
        return torch.cat(found.gradients)

    whole = gradients(None, labels)
    parts = [gradients(None, labels[:, c : c + 1]) for c in range(2)]
    expected = 0.5 * whole - 2.0 * parts[0] + 3.0 * parts[1]
    torch.testing.assert_close(gradients(upstream, labels), expected, rtol=1e-11, atol=1e-12)
    assert torch.equal(gradients(torch.tensor([1.0, 0.0, 0.0]), labels), whole)


def test_a_dimension_without_valid_pairs_keeps_its_weight() -> None:
    found = reference(TORCHCELL, note_views(), NOTE_LABELS_NAN_DIMENSION, weights=SEVEN_THREE)
    assert float(found.per_dimension[1]) == 0
    assert float(found.loss) == pytest.approx(0.7 * float(found.per_dimension[0]), rel=1e-7)
    assert found.shares.tolist() == pytest.approx([0.7, 0.3])
    assert found.valid_rows == (4, 0)


def test_renormalising_gives_its_weight_to_the_others() -> None:
    definition = replace(TORCHCELL, empty_dimension="renormalise")
    labels = NOTE_LABELS_NAN_DIMENSION
    kept = reference(TORCHCELL, note_views(), labels, weights=SEVEN_THREE)
    moved = reference(definition, note_views(), labels, weights=SEVEN_THREE)
    assert moved.shares.tolist() == [1.0, 0.0]
    assert torch.equal(moved.loss, kept.per_dimension[0])
    for own, other in zip(moved.gradients, kept.gradients, strict=True):
        torch.testing.assert_close(own * kept.shares[0], other)


def test_renormalising_changes_nothing_where_every_dimension_has_pairs() -> None:
    definition = replace(TORCHCELL, empty_dimension="renormalise")
    plain = reference(TORCHCELL, note_views(), NOTE_LABELS, weights=SEVEN_THREE)
    assert torch.equal(
        plain.loss, reference(definition, note_views(), NOTE_LABELS, weights=SEVEN_THREE).loss
    )


@pytest.mark.parametrize("empty_dimension", ["keeps_weight", "renormalise"])
def test_without_any_valid_pair_loss_and_gradient_are_zero(empty_dimension: str) -> None:
    definition = replace(TORCHCELL, empty_dimension=empty_dimension)  # type: ignore[arg-type]
    found = reference(definition, views(4), torch.full((4, 2), NAN))
    assert float(found.loss) == 0
    assert all(not g.any() for g in found.gradients)


@BOTH_METHODS
def test_the_mean_of_two_views_is_half_their_sum(method: Method) -> None:
    embeddings = views(8)
    labels = make_batch(Workload(batch_size=8)).labels
    total = reference(TORCHCELL, embeddings, labels, method=method)
    mean = reference(replace(TORCHCELL, views="mean"), embeddings, labels, method=method)
    assert float(mean.loss) == pytest.approx(float(total.loss) / 2, rel=1e-14)
    for half, whole in zip(mean.gradients, total.gradients, strict=True):
        torch.testing.assert_close(half * 2, whole, rtol=1e-13, atol=1e-14)


@BOTH_METHODS
def test_the_sum_of_views_is_the_sum_of_single_views(method: Method) -> None:
    one, two = views(8)
    labels = make_batch(Workload(batch_size=8)).labels
    parts = [reference(SINGLE_VIEW, (v,), labels, method=method) for v in (one, two)]
    whole = reference(TORCHCELL, (one, two), labels, method=method)
    assert float(whole.loss) == pytest.approx(sum(float(p.loss) for p in parts), rel=1e-14)
    assert len(parts[0].gradients) == 1
    torch.testing.assert_close(whole.gradients[1], parts[1].gradients[0])


@BOTH_RULES
@BOTH_METHODS
def test_two_rows_without_ties_give_exactly_zero(definition: Definition, method: Method) -> None:
    found = reference(definition, views(2), torch.tensor([0.5, 2.0]), method=method)
    assert float(found.loss) == 0
    assert all(not g.any() for g in found.gradients)


def test_two_tied_rows_differ_between_the_rules() -> None:
    embeddings, labels = views(2), torch.tensor([1.0, 1.0])
    assert float(reference(NO_SELF, embeddings, labels).loss) == 0
    assert float(reference(TORCHCELL, embeddings, labels).loss) > 0


@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.005])
@BOTH_METHODS
@pytest.mark.parametrize(
    "definition", [TORCHCELL, NO_SELF, RANK_N_CONTRAST], ids=lambda definition: definition.name
)
def test_identical_embeddings_count_the_candidates(
    definition: Definition, method: Method, temperature: float
) -> None:
    """All exponentials are equal, so each term is log |S(i,j)|, in either view or in their 2N."""
    joined = definition is RANK_N_CONTRAST
    given = [0.0, 1.0, 1.0, 3.0, 4.0, 4.0]
    labels = given * 2 if joined else given
    sizes = [
        sum(
            abs(own - other) >= abs(own - partner)
            for k, other in enumerate(labels)
            if definition is TORCHCELL or k != i
        )
        for i, own in enumerate(labels)
        for j, partner in enumerate(labels)
        if i != j
    ]
    same = torch.ones(6, 3, dtype=torch.float64)
    rows = (same, same if joined else same * 2)
    found = reference(definition, rows, torch.tensor(given), temperature=temperature, method=method)
    expected = (1 if joined else 2) * sum(map(math.log, sizes)) / len(sizes)
    assert float(found.loss) == pytest.approx(expected, rel=1e-12)


@BOTH_METHODS
def test_label_distances_are_formed_in_the_labels_dtype(method: Method) -> None:
    """0.25 and 0.5 lie equally far from 2^24 in float32, and not in float64."""
    embeddings = views(3)
    labels = torch.tensor([2.0**24, 0.25, 0.5], dtype=torch.float32)
    rounded = reference(TORCHCELL, embeddings, labels, method=method)
    exact = reference(TORCHCELL, embeddings, labels.double(), method=method)
    assert float(rounded.loss) > float(exact.loss)


def test_a_tie_on_paper_is_none_in_float32() -> None:
    """|0.2 - 0.1| < |0.3 - 0.2| in float32, so the nearer one of the two meets both of them."""
    embeddings = views(3)
    paper_tie = reference(TORCHCELL, embeddings, torch.tensor([1.0, 2.0, 3.0]))
    broken = reference(TORCHCELL, embeddings, torch.tensor([0.1, 0.2, 0.3], dtype=torch.float32))
    as_broken = reference(TORCHCELL, embeddings, torch.tensor([1.0, 2.0, 3.25]))
    assert torch.equal(broken.loss, as_broken.loss)
    assert float(paper_tie.loss) > float(broken.loss)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_labels_to_integers_parts_no_self_from_torchcell(seed: int) -> None:
    batch = make_batch(Workload(batch_size=24, seed=seed))
    embeddings = (batch.first, batch.second)

    def losses(labels: Tensor) -> tuple[float, float]:
        one, other = (float(reference(d, embeddings, labels).loss) for d in (TORCHCELL, NO_SELF))
        return one, other

    with_self, without = losses(batch.labels.round())
    assert with_self > 1.2 * without
    untied_with, untied_without = losses(batch.labels)
    assert untied_with == pytest.approx(untied_without, rel=1e-12)


def test_the_floor_holds_contrasts_up_and_their_gradient_back() -> None:
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 1e-3]], dtype=torch.float64)
    labels = torch.tensor([0.0, 1.0])
    found = reference(SINGLE_VIEW, (opposite,), labels, temperature=0.02)
    unfloored = reference(replace(SINGLE_VIEW, eps=None), (opposite,), labels, temperature=0.02)
    assert float(unfloored.loss) == 0
    assert float(found.loss) == pytest.approx(math.log(1e-7) + 50, rel=1e-5)
    assert found.gradients[0].any()


def near_floor(
    monkeypatch: pytest.MonkeyPatch, definition: Definition, margin: float
) -> tuple[int, ...]:
    monkeypatch.setattr(module, "logit_error", lambda *_: margin)
    return reference(definition, views(6), torch.arange(6.0)).near_floor


def test_pairs_within_the_margin_of_the_floor_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    none, some, every = (
        near_floor(monkeypatch, TORCHCELL, margin)[0] for margin in (0.0, 18.0, 1e3)
    )
    assert none == 0
    assert 0 < some < every
    assert every == 2 * 6 * 5


def test_without_a_floor_no_pair_is_near_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert near_floor(monkeypatch, NO_SELF, 1e9) == (0,)


def test_a_row_without_length_is_similar_to_nothing() -> None:
    one, two = views(4)
    one = one.detach().clone()
    one[1] = 0
    found = reference(TORCHCELL, (one, two), torch.arange(4.0), temperature=1.0)
    assert torch.isfinite(found.loss)


def test_the_inputs_are_left_alone() -> None:
    batch = make_batch(Workload(batch_size=5, nan_density=0.2))
    before = [t.detach().clone() for t in (batch.first, batch.second, batch.labels)]
    compute_reference(TORCHCELL, batch)
    after = (batch.first, batch.second, batch.labels)
    assert batch.first.grad is None
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old.nan_to_num(9.0), new.detach().nan_to_num(9.0))


def test_what_arrives_is_the_share_unless_an_upstream_gradient_is_given() -> None:
    embeddings, labels = views(5), make_batch(Workload(batch_size=5, dims=2)).labels
    weights = torch.tensor([3.0, 1.0])
    plain = reference(TORCHCELL, embeddings, labels, weights=weights)
    assert plain.arriving.tolist() == plain.shares.tolist() == [0.75, 0.25]
    upstream = torch.tensor([2.0, 0.0, -1.0])
    given = reference(TORCHCELL, embeddings, labels, weights=weights, upstream=upstream)
    assert given.arriving.tolist() == [1.5, -0.5]
    assert torch.equal(given.loss, plain.loss)


def test_the_spread_of_similarities_and_the_closest_rows_are_noted() -> None:
    labels = torch.arange(3.0)
    one = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], dtype=torch.float64)
    two = torch.tensor([[0.0, 1.0], [3.0, 5.0], [6.0, 8.0]], dtype=torch.float64)
    distances = reference(RANK_N_CONTRAST, (one, two), labels)
    assert (distances.spread, distances.closest) == (10.0, 1.0)
    assert reference(NO_SELF, views(6), torch.arange(6.0)).spread == pytest.approx(1.0)
