import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch, make_problem
from supcr_bench.reference.reference import compute_reference
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST, TORCHCELL, Definition
from supcr_bench.verification.bugs.right import (
    CHUNK,
    RightNoSelf,
    RightRankNContrast,
    RightSupCR,
)
from tests.batches import Wanted, loss_dtype, wanted
from tests.batches import problem as made
from tests.examples import NAN, NOTE_OUTPUT, note_views, prints_as
from tests.verification.bugs.other_right import RightConcatenated, RightSingleView

SINGLE_VIEW = replace(
    NO_SELF, name="single view", views="single", call="features_single_view", eps=None
)
CONCATENATED = replace(
    RANK_N_CONTRAST, name="concatenated", similarity="cosine", temperature=0.1, call="two_views"
)
RIGHT: list[tuple[Definition, Callable[..., Any]]] = [
    (TORCHCELL, RightSupCR),
    (NO_SELF, RightNoSelf),
    (RANK_N_CONTRAST, RightRankNContrast),
    (SINGLE_VIEW, RightSingleView),
    (CONCATENATED, RightConcatenated),
]
ALL = pytest.mark.parametrize(("definition", "factory"), RIGHT, ids=[d.name for d, _ in RIGHT])
SUPCR = pytest.mark.parametrize("factory", [RightSupCR, RightNoSelf])
SPECS = [
    wanted(n=2, d=3),
    wanted(n=2, d=3, labels="constant"),
    wanted(n=3, d=1, labels="binary", seed=1),
    wanted(n=17, d=5, dims=3, labels="tied", weights="unnormalised", seed=2),
    wanted(n=17, d=5, dims=2, labels="clustered", temperature=0.02, seed=3),
    wanted(n=16, d=4, dims=2, labels="tied", temperature=0.005, seed=4),
    wanted(n=12, d=4, dims=8, nan_density=0.5, weights="unequal", seed=5),
    wanted(n=20, d=4, dims=3, nan_density=0.9, labels="tied", temperature=0.05, seed=6),
    wanted(n=74, d=8, dims=2, nan_density=0.1, labels="tied", seed=7),
]


def candidate(definition: Definition, factory: Callable[..., Any]) -> Adapter:
    return Adapter.usual(factory, definition)


def posed(spec: Wanted, definition: Definition) -> Batch:
    """In float64, without what the definition does not support, at its scale of temperatures."""
    workload, weights = spec
    assert workload.temperature is not None
    workload = replace(
        workload, dtype="float64", temperature=workload.temperature / 0.1 * definition.temperature
    )
    if definition.nan_labels == "unsupported":
        workload = replace(workload, nan_density=0.0)
    return make_problem(workload, "equal" if definition is SINGLE_VIEW else weights)


@ALL
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec[0].describe()} {spec[1]}")
def test_value_parts_and_gradients_are_the_definition_s(
    definition: Definition, factory: Callable[..., Any], spec: Wanted
) -> None:
    problem = posed(spec, definition)
    dims = problem.labels.shape[1]
    upstream = torch.linspace(1.5, -1.0, 1 + dims, dtype=torch.float64)
    answer = candidate(definition, factory).answer(problem, upstream)
    if answer.parts is None:
        upstream[1:] = 0
    right = compute_reference(
        definition,
        problem,
        upstream=upstream if definition.label_distance == "per_dimension" else upstream[:2],
    )
    assert loss_dtype(candidate(definition, factory), problem) == torch.float64
    torch.testing.assert_close(answer.loss, right.loss, rtol=1e-12, atol=1e-12)
    if answer.parts is not None:
        torch.testing.assert_close(answer.parts, right.per_dimension, rtol=1e-12, atol=1e-12)
    for own, expected in zip(answer.gradients, right.gradients, strict=False):
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-11 * scale)


def test_the_largest_of_these_problems_is_done_in_chunks() -> None:
    assert max(spec.labelled_rows for spec, _ in SPECS) > CHUNK


@pytest.mark.parametrize(("labels", "weights", "loss", "per_dimension"), NOTE_OUTPUT)
def test_the_published_output_is_reproduced(
    labels: Tensor, weights: Tensor, loss: float, per_dimension: tuple[float, ...]
) -> None:
    found, parts = RightSupCR(weights=weights)(*note_views(), labels)
    assert prints_as(float(found), loss)
    assert all(map(prints_as, parts.tolist(), per_dimension))


@SUPCR
def test_every_temperature_down_to_the_lowest_is_stable_in_float32(
    factory: Callable[..., Any],
) -> None:
    problem = made(n=9, temperature=0.005)
    first = problem.first.requires_grad_()
    loss, _ = factory(temperature=0.005)(first, problem.second, problem.labels)
    loss.backward()
    assert math.isfinite(loss.item())
    assert first.grad is not None
    assert torch.isfinite(first.grad).all()


@SUPCR
def test_two_rows_without_a_tie_give_exactly_zero(factory: Callable[..., Any]) -> None:
    problem = made(n=2)
    loss, _ = factory()(problem.first, problem.second, problem.labels)
    assert float(loss) == 0


@SUPCR
def test_a_batch_without_any_label_is_trainable_on(factory: Callable[..., Any]) -> None:
    view = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss, parts = factory()(view, view.detach(), torch.full((4, 2), NAN))
    loss.backward()
    assert loss.item() == 0
    assert parts.tolist() == [0, 0]
    assert view.grad is not None
    assert not view.grad.any()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_equal_weights_are_the_default_for_any_number_of_dimensions(dims: int) -> None:
    problem = made(n=6, dims=dims)
    loss, parts = RightSupCR()(problem.first, problem.second, problem.labels)
    torch.testing.assert_close(loss, parts.mean())


def test_weights_of_another_number_of_dimensions_are_refused() -> None:
    problem = made(n=6, dims=3)
    with pytest.raises(ValueError, match="1 weights for 3 label dimensions"):
        RightSupCR(weights=torch.ones(1))(problem.first, problem.second, problem.labels)


@ALL
@pytest.mark.parametrize("label", [math.inf, -math.inf])
def test_an_infinite_label_is_refused(
    definition: Definition, factory: Callable[..., Any], label: float
) -> None:
    problem = made(n=5)
    problem.labels[2] = label
    with pytest.raises(ValueError, match="infinite"):
        candidate(definition, factory).answer(problem)


@pytest.mark.parametrize("factory", [RightRankNContrast, RightConcatenated])
def test_a_missing_label_is_refused_where_it_has_no_meaning(factory: Callable[..., Any]) -> None:
    definition = RANK_N_CONTRAST if factory is RightRankNContrast else CONCATENATED
    problem = made(n=5, nan_density=0.2)
    with pytest.raises(ValueError, match="missing"):
        candidate(definition, factory).answer(problem)


@ALL
def test_a_nan_in_an_embedding_shows(definition: Definition, factory: Callable[..., Any]) -> None:
    problem = made(n=5)
    problem.first[2, 1] = NAN
    assert math.isnan(float(candidate(definition, factory).answer(problem).loss))


@SUPCR
@pytest.mark.parametrize("value", [0.0, 1e30, math.inf, NAN])
def test_a_row_without_any_label_is_not_there(factory: Callable[..., Any], value: float) -> None:
    problem = made(n=8, dims=2, nan_density=0.2)
    row = torch.full((1, 8), value)
    longer = problem.changed(
        "with a row more",
        first=torch.cat((row, problem.first)),
        second=torch.cat((row, problem.second)),
        labels=torch.cat((torch.full((1, 2), NAN), problem.labels)),
    )
    asked = candidate(TORCHCELL, factory)
    without, with_row = asked.answer(problem), asked.answer(longer)
    assert torch.equal(without.loss, with_row.loss)
    for short, long in zip(without.gradients, with_row.gradients, strict=True):
        assert torch.equal(short, long[1:])
        assert not long[0].any()


@SUPCR
@pytest.mark.parametrize("exponent", [-100, -20, 20, 100])
def test_the_length_of_embeddings_means_nothing(factory: Callable[..., Any], exponent: int) -> None:
    problem = made(n=7)
    loss, _ = factory()(problem.first, problem.second, problem.labels)
    scaled, _ = factory()(problem.first * 2.0**exponent, problem.second, problem.labels)
    if exponent == -100:  # below the floor of a norm
        assert math.isfinite(float(scaled))
    else:
        torch.testing.assert_close(scaled, loss)


@ALL
def test_equal_rows_at_distance_zero_have_a_finite_gradient(
    definition: Definition, factory: Callable[..., Any]
) -> None:
    problem = made(n=5)
    same = problem.first[:1].expand(5, 8).clone()
    answer = candidate(definition, factory).answer(problem.changed("same", first=same, second=same))
    assert all(torch.isfinite(g).all() for g in answer.gradients)


@ALL
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_inputs_are_computed_in_float32_and_answered_in_their_own(
    definition: Definition, factory: Callable[..., Any], dtype: torch.dtype
) -> None:
    name = str(dtype).removeprefix("torch.")
    problem = made(n=68, d=4, labels="tied", temperature=definition.temperature, dtype=name)
    exact = problem.changed(
        "in float64",
        first=problem.first.double(),
        second=problem.second.double(),
        labels=problem.labels.double(),
        weights=problem.weights.double(),
    )
    asked = candidate(definition, factory)
    answer, right = asked.answer(problem), asked.answer(exact)
    assert loss_dtype(asked, problem) == dtype
    assert abs(float(answer.loss / right.loss) - 1) < 2 * torch.finfo(dtype).eps


@ALL
def test_autocast_around_the_forward_changes_nothing(
    definition: Definition, factory: Callable[..., Any]
) -> None:
    problem = made(n=9, temperature=definition.temperature)
    asked = candidate(definition, factory)
    module = asked.build(definition.at(problem.temperature), problem.weights)
    first = problem.first.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = asked.call(module, first, problem.second, problem.labels)
    loss = output[0] if isinstance(output, tuple) else output
    loss.backward()
    plain = asked.answer(problem)
    assert first.grad is not None
    assert torch.equal(loss.detach().double(), plain.loss)
    assert torch.equal(first.grad.double(), plain.gradients[0])


@ALL
def test_a_call_leaves_no_trace(definition: Definition, factory: Callable[..., Any]) -> None:
    problem = made(n=66, temperature=definition.temperature)
    other = made(n=66, temperature=definition.temperature, seed=1)
    kept = [x.clone() for x in (problem.first, problem.second, problem.labels)]
    asked = candidate(definition, factory)
    module = asked.build(definition.at(problem.temperature), problem.weights)
    before, generator = asked.answer(problem, module=module), torch.get_rng_state()
    asked.answer(other, module=module)
    after = asked.answer(problem, module=module)
    assert torch.equal(generator, torch.get_rng_state())
    assert torch.equal(before.loss, after.loss)
    assert all(map(torch.equal, before.gradients, after.gradients))
    assert all(map(torch.equal, kept, (problem.first, problem.second, problem.labels)))


@ALL
def test_strides_and_grad_mode_mean_nothing(
    definition: Definition, factory: Callable[..., Any]
) -> None:
    problem = made(n=66, dims=1, temperature=definition.temperature)
    asked = candidate(definition, factory)
    laid_out = [x.t().contiguous().t() for x in (problem.first, problem.second)]
    module = asked.build(definition.at(problem.temperature), problem.weights)
    with torch.no_grad():
        output = asked.call(module, laid_out[0], laid_out[1], problem.labels)
    loss = output[0] if isinstance(output, tuple) else output
    assert not loss.requires_grad
    torch.testing.assert_close(loss.double(), asked.answer(problem).loss)


def test_weights_move_with_the_module() -> None:
    module = RightSupCR(weights=torch.tensor([1.0, 3.0]))
    assert [name for name, _ in module.named_buffers()] == ["weights"]


@pytest.mark.parametrize("shape", ["[N]", "[N,1]"])
@ALL
def test_labels_of_one_dimension_come_in_two_shapes(
    definition: Definition, factory: Callable[..., Any], shape: str
) -> None:
    problem = made(n=6, temperature=definition.temperature)
    asked = candidate(definition, factory)
    own = replace(asked.resolution, labels="flat" if shape == "[N]" else "column")
    asked = replace(asked, resolution=own)
    torch.testing.assert_close(
        asked.answer(problem).loss, candidate(definition, factory).answer(problem).loss
    )
