"""The implementations beyond the note follow the definition everywhere that it can be asked."""

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from supcr_bench.analysis.counted_growth import Size, judge_counted
from supcr_bench.measure.work import count_work
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.definition import DEFINITIONS, TORCHCELL
from tests.batches import make_leaves
from tests.examples import NAN, NOTE_OUTPUT, implementation, note_views, prints_as
from tests.implementations.against_reference import WORKLOADS, worst_deviation
from tests.implementations.test_growth_of_counts import call_of

NEEDS_NUMBA = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is an extra: fast"
)


@dataclass(frozen=True)
class Subject:
    """An implementation under one definition."""

    name: str
    definition: str

    def __str__(self) -> str:
        return f"{self.name} {self.definition}"

    def factory(self, **arguments: Any) -> Callable[..., Any]:
        if self.definition == "no-self":
            arguments["definition"] = self.definition
        module: Callable[..., Any] = implementation(self.name).factory(**arguments)
        return module


def with_marks(*subjects: Subject) -> list[Any]:
    return [
        pytest.param(s, id=str(s), marks=[NEEDS_NUMBA] if s.name == "tiled" else [])
        for s in subjects
    ]


BATCHED = Subject("batched", "torchcell")
SCAN = Subject("scan", "torchcell")
TILED = Subject("tiled", "torchcell")
OF_NO_SELF = (Subject("scan", "no-self"), Subject("tiled", "no-self"))
EACH = pytest.mark.parametrize("subject", with_marks(BATCHED, SCAN, TILED, *OF_NO_SELF))
DIRECT = pytest.mark.parametrize("subject", with_marks(SCAN, TILED))


@EACH
@given(workload=WORKLOADS)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_value_and_gradient_are_the_definitions(subject: Subject, workload: Case) -> None:
    assert worst_deviation(subject.factory, workload, DEFINITIONS[subject.definition]) <= 1


@EACH
@given(workload=WORKLOADS, upstream=st.lists(st.sampled_from([-1.0, 0.5, 2.0]), min_size=4))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_a_gradient_may_arrive_at_each_part(
    subject: Subject, workload: Case, upstream: list[float]
) -> None:
    arriving = torch.tensor(upstream[: 1 + workload.dims], dtype=torch.float64)
    definition = DEFINITIONS[subject.definition]
    assert worst_deviation(subject.factory, workload, definition, arriving) <= 1


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("temperature", [0.004, 0.002, 0.0005])
@pytest.mark.parametrize("labels", ["continuous", "tied"])
def test_no_temperature_is_too_low(
    subject: Subject, dtype: str, temperature: float, labels: str
) -> None:
    workload = Case(
        batch_size=19, dims=2, nan_density=0.2, dtype=dtype, temperature=temperature, labels=labels
    )
    assert worst_deviation(subject.factory, workload, DEFINITIONS[subject.definition]) <= 1


@EACH
@pytest.mark.parametrize("batch_size", [129, 301])
def test_larger_batches_are_right_too(subject: Subject, batch_size: int) -> None:
    workload = Case(batch_size=batch_size, dims=2, nan_density=0.1, labels="tied", embedding_size=8)
    assert worst_deviation(subject.factory, workload, DEFINITIONS[subject.definition]) <= 1


@pytest.mark.compiles
@EACH
@pytest.mark.parametrize("labels", [[0.1, 0.2, 0.3], [1.0, 2.0, 3.0], [16777216.0, 1.0, 0.5]])
def test_labels_tie_as_their_own_dtype_rounds_them(subject: Subject, labels: list[float]) -> None:
    workload = Case(batch_size=3)
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.int64):
        batch = replace(make_leaves(workload), labels=torch.tensor([labels]).t().to(dtype))
        definition = DEFINITIONS[subject.definition]
        assert worst_deviation(subject.factory, workload, definition, batch=batch) <= 1


@pytest.mark.parametrize("subject", with_marks(BATCHED, SCAN, TILED))
@pytest.mark.parametrize(("labels", "weights", "loss", "per_dimension"), NOTE_OUTPUT)
def test_every_published_figure_is_reproduced(
    subject: Subject,
    labels: Tensor,
    weights: Tensor,
    loss: float,
    per_dimension: tuple[float, ...],
) -> None:
    total, parts = subject.factory(weights=weights)(*note_views(), labels)
    assert prints_as(float(total), loss)
    assert all(map(prints_as, parts.tolist(), per_dimension))


@EACH
@pytest.mark.parametrize("valid", [0, 1])
@pytest.mark.parametrize("dims", [1, 3])
def test_without_a_pair_the_loss_is_zero_and_can_be_trained_on(
    subject: Subject, valid: int, dims: int
) -> None:
    batch = make_leaves(Case(batch_size=5, dims=dims))
    labels = batch.labels.clone()
    labels[valid:] = NAN
    loss, parts = subject.factory()(batch.first, batch.second, labels)
    loss.backward()
    assert float(loss.detach()) == 0
    assert parts.tolist() == [0.0] * dims
    for view in (batch.first, batch.second):
        assert view.grad is not None
        assert not view.grad.any()


@EACH
def test_two_rows_without_a_tie_have_no_gradient(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=2))
    loss, _ = subject.factory()(batch.first, batch.second, batch.labels)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-5)
    assert batch.first.grad is not None
    assert float(batch.first.grad.abs().max()) < 1e-5


@EACH
@pytest.mark.parametrize("held", [NAN, torch.inf, 0.0])
def test_an_unlabelled_row_is_not_there_whatever_it_holds(subject: Subject, held: float) -> None:
    batch = make_leaves(Case(batch_size=6, dims=2))
    views = [v.detach().clone() for v in (batch.first, batch.second)]
    for view in views:
        view[3] = held
        view.requires_grad_()
    labels = batch.labels.clone()
    labels[3] = NAN
    loss, _ = subject.factory()(*views, labels)
    loss.backward()
    others = [0, 1, 2, 4, 5]
    alone, _ = subject.factory()(*(v[others] for v in (batch.first, batch.second)), labels[others])
    torch.testing.assert_close(loss, alone)
    for view in views:
        assert view.grad is not None
        assert torch.isfinite(view.grad).all()
        assert not view.grad[3].any()


@EACH
def test_infinite_labels_are_refused_and_embeddings_that_are_not_finite_are_seen(
    subject: Subject,
) -> None:
    batch = make_leaves(Case(batch_size=5))
    labels = batch.labels.clone()
    labels[1] = torch.inf
    module = subject.factory()
    with pytest.raises(ValueError, match="infinite"):
        module(batch.first, batch.second, labels)
    diverged = batch.first.detach().clone()
    diverged[2, 1] = NAN
    assert torch.isnan(module(diverged, batch.second, batch.labels)[0])


@EACH
def test_an_embedding_that_is_not_finite_is_seen_in_the_dimensions_of_its_labels(
    subject: Subject,
) -> None:
    batch = make_leaves(Case(batch_size=7, dims=2))
    labels = batch.labels.clone()
    labels[2, 1] = NAN
    diverged = batch.first.detach().clone()
    diverged[2, 0] = NAN
    module = subject.factory()
    right = module(batch.first, batch.second, labels)[1]
    loss, parts = module(diverged, batch.second, labels)
    assert torch.isnan(loss)
    assert torch.isnan(parts[0])
    torch.testing.assert_close(parts[1], right[1])


@EACH
def test_equal_weights_are_the_default_for_any_number_of_dimensions(subject: Subject) -> None:
    for dims in (1, 2, 3):
        batch = make_leaves(Case(batch_size=7, dims=dims))
        loss, parts = subject.factory()(batch.first, batch.second, batch.labels)
        torch.testing.assert_close(loss, parts.mean())


@EACH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_inputs_give_gradients_of_their_dtype(
    subject: Subject, dtype: torch.dtype
) -> None:
    batch = make_leaves(Case(batch_size=9, dims=2, labels="tied"))
    views = [v.detach().to(dtype).requires_grad_() for v in (batch.first, batch.second)]
    exact = [v.detach().float().requires_grad_() for v in views]
    module = subject.factory(temperature=0.05)
    loss, _ = module(*views, batch.labels.to(dtype))
    right, _ = module(*exact, batch.labels.to(dtype))
    loss.backward()
    right.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, right)
    for low, high in zip(views, exact, strict=True):
        assert low.grad is not None
        assert low.grad.dtype == dtype
        torch.testing.assert_close(low.grad, high.grad.to(dtype), rtol=0.02, atol=1e-3)  # type: ignore[union-attr]


@DIRECT
def test_the_views_may_differ_in_dtype(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=9))
    module = subject.factory()
    right = module(batch.first, batch.second, batch.labels)[0]
    loss = module(batch.first, batch.second.detach().double().requires_grad_(), batch.labels)[0]
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, right)


@EACH
def test_autocast_changes_nothing(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=9))
    module = subject.factory()
    right = module(batch.first, batch.second, batch.labels)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = module(batch.first, batch.second, batch.labels)[0]
    assert torch.equal(loss, right)


@EACH
@pytest.mark.parametrize(
    ("dtype", "labels"),
    [
        (torch.uint8, [18, 20, 33, 41, 50, 62, 70, 85, 90, 250]),
        (torch.int8, [-100, 100, -90, 120, 0, 5, 30, -30, 60, 5]),
        (torch.int16, [-30000, 30000, 5, 5, 12, 40, 99, -7, 2, 1]),
        (torch.bool, [0, 1, 1, 0, 1, 0, 0, 0, 1, 1]),
        (torch.int64, [2**60, 1, 2**60 + 1, 5, 7, 7, 2**60 - 3, 4, 3, 2]),
    ],
    ids=str,
)
def test_whole_numbers_are_labels_whatever_their_dtype(
    subject: Subject, dtype: torch.dtype, labels: list[int]
) -> None:
    """Distances in a narrow dtype would wrap around."""
    batch = make_leaves(Case(batch_size=10))
    y = torch.tensor(labels, dtype=dtype)[:, None]
    ranks = y.long() if dtype == torch.int64 else y.double()
    module = subject.factory()
    loss = module(batch.first, batch.second, y)[0]
    definition = DEFINITIONS[subject.definition]
    if dtype == torch.int64:  # the same distances, in a range where float64 has them exactly
        near = torch.tensor(labels)
        ranks = torch.where(near > 2**50, near - 2**60 + 2**40, near)[:, None].double()
    held = replace(batch, labels=ranks)
    assert worst_deviation(subject.factory, Case(batch_size=10), definition, batch=held) <= 1
    right = module(batch.first, batch.second, ranks)[0]
    torch.testing.assert_close(loss, right)


@EACH
def test_weights_are_shared_out_in_double_precision(subject: Subject) -> None:
    for chosen in (None, torch.tensor([1.0, 3.0, 5.0])):
        batch = make_leaves(Case(batch_size=12, dims=3, dtype="float64"))
        loss, parts = subject.factory(weights=chosen)(batch.first, batch.second, batch.labels)
        weights = torch.ones(3) if chosen is None else chosen
        right = (parts * weights.double()).sum() / weights.double().sum()
        torch.testing.assert_close(loss, right, rtol=1e-14, atol=0)


@DIRECT
@pytest.mark.parametrize(
    "weights", [torch.ones(2, 1), torch.tensor(1.0), torch.zeros(2), torch.tensor([1.0, NAN])]
)
def test_weights_that_share_nothing_out_are_refused(subject: Subject, weights: Tensor) -> None:
    with pytest.raises(ValueError, match="weights must be"):
        subject.factory(weights=weights)


@DIRECT
def test_a_module_can_be_copied_and_labels_may_ask_for_a_gradient(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=8))
    module = copy.deepcopy(subject.factory(weights=torch.ones(1, requires_grad=True)))
    labels = batch.labels.clone().requires_grad_()
    assert module(batch.first, batch.second, labels)[0].requires_grad
    fixed = (batch.first.detach(), batch.second.detach())
    assert not module(*fixed, labels)[0].requires_grad


@DIRECT
def test_a_second_derivative_is_refused(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=5))
    loss, _ = subject.factory()(batch.first, batch.second, batch.labels)
    (gradient,) = torch.autograd.grad(loss, batch.first, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated only once"):
        (loss + gradient.norm()).backward()


@DIRECT
def test_a_second_derivative_by_the_temperature_is_refused(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=5))
    tau = torch.tensor(0.2, requires_grad=True)
    module = subject.factory(temperature=tau)
    loss, _ = module(batch.first.detach(), batch.second.detach(), batch.labels)
    (slope,) = torch.autograd.grad(loss, tau, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated only once"):
        torch.autograd.grad(slope, tau)


@DIRECT
def test_a_learned_temperature_may_be_a_vector_of_one_number(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=5))
    slopes = []
    for shape in ((), (1,)):
        tau = torch.nn.Parameter(torch.full(shape, 0.2))
        subject.factory(temperature=tau)(batch.first, batch.second, batch.labels)[0].backward()
        assert tau.grad is not None
        assert tau.grad.shape == shape
        slopes.append(tau.grad.item())
    assert slopes[0] == slopes[1]


@DIRECT
def test_labels_that_changed_in_place_are_refused_by_a_backward_that_needs_them(
    subject: Subject,
) -> None:
    batch = make_leaves(Case(batch_size=6, dims=2))
    labels = batch.labels.clone()
    loss, parts = subject.factory()(batch.first, batch.second, labels)
    labels += torch.arange(12).view(6, 2)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="labels changed in place"):
        parts.mean().backward()


@DIRECT
def test_a_call_that_cannot_work_is_told_why(subject: Subject) -> None:
    first, second, labels = torch.randn(4, 3), torch.randn(4, 3), torch.rand(4)
    module = subject.factory()
    for arguments in ((), (first,), (first, second, [0.1, 0.2, 0.3, 0.4])):
        with pytest.raises(TypeError, match="tensors"):
            module(*arguments)
    with pytest.raises(ValueError, match="embeddings must be real"):
        module(first * 1j, second * 1j, labels)


@DIRECT
def test_weights_of_another_number_are_refused_when_they_are_set_later(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=4, dims=2))
    module: Any = subject.factory(weights=torch.ones(2))
    module.weights = torch.ones(3)
    with pytest.raises(ValueError, match="3 weights for 2 label dimensions"):
        module(batch.first, batch.second, batch.labels)


@DIRECT
@pytest.mark.parametrize(
    "choice",
    [
        {"similarity": "euclid"},
        {"views": "both"},
        {"self_candidate": "always"},
        {"label_distance": "l3"},
        {"nan_labels": "filled"},
        {"eps": 0.5, "eps_rule": "ratio"},
    ],
)
def test_a_choice_that_is_not_computed_is_refused(subject: Subject, choice: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{list(choice)[-1]} must be one of"):
        subject.factory(definition=replace(TORCHCELL, **choice))


@DIRECT
def test_the_rule_of_an_eps_that_is_not_used_is_not_looked_at(subject: Subject) -> None:
    of_a_ratio = replace(TORCHCELL, eps=None, eps_rule="ratio")
    subject.factory(definition=replace(of_a_ratio, eps=1e-3), eps=0.0)
    with pytest.raises(ValueError, match="eps_rule must be one of"):
        subject.factory(definition=of_a_ratio, eps=1e-3)


@DIRECT
def test_one_view_of_one_row_has_no_pair(subject: Subject) -> None:
    module = subject.factory(definition="rank-n-contrast")
    row = torch.randn(1, 4, requires_grad=True)
    loss = module(row, torch.rand(1))
    loss.backward()
    assert loss.item() == 0
    assert row.grad is not None
    assert not row.grad.any()


@EACH
def test_a_retained_graph_gives_the_same_gradient_again(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=9))
    loss, _ = subject.factory()(batch.first, batch.second, batch.labels)
    loss.backward(retain_graph=True)
    assert batch.first.grad is not None
    once = batch.first.grad.clone()
    for times in (2, 3):
        loss.backward(retain_graph=True)
        torch.testing.assert_close(batch.first.grad, times * once)
    batch.first.grad.zero_()
    (2 * loss).backward()
    torch.testing.assert_close(batch.first.grad, 2 * once)


@DIRECT
def test_a_batch_of_gradients_may_arrive(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=5))
    for factors in ([1.0, -2.0], [1.0]):
        loss, _ = subject.factory()(batch.first, batch.second, batch.labels)
        (once,) = torch.autograd.grad(loss, batch.first, retain_graph=True)
        several = torch.tensor(factors)
        (found,) = torch.autograd.grad(loss, batch.first, several, is_grads_batched=True)
        torch.testing.assert_close(found, several[:, None, None] * once)


@DIRECT
def test_only_the_view_that_asks_gets_a_gradient(subject: Subject) -> None:
    batch = make_leaves(Case(batch_size=5))
    fixed = batch.second.detach()
    loss, _ = subject.factory()(batch.first, fixed, batch.labels)
    loss.backward()
    assert batch.first.grad is not None
    assert fixed.grad is None


@DIRECT
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_the_value_is_the_same(subject: Subject, mode: Callable[[], Any]) -> None:
    batch = make_leaves(Case(batch_size=9, dims=2, nan_density=0.3))
    module = subject.factory()
    right = module(batch.first, batch.second, batch.labels)[0].detach()
    with mode():
        loss = module(batch.first, batch.second, batch.labels)[0]
    assert not loss.requires_grad
    assert torch.equal(loss, right)


@DIRECT
@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((4, 3), (4, 2), (4, 1)), "both views must be"),
        (((4, 3), (4, 3), (5, 1)), r"labels must be \[4, D\]"),
        (((4, 3), (4, 3), (4, 1, 1)), r"labels must be \[4, D\]"),
        (((4, 3, 3), (4, 2)), "embeddings must be"),
        (((6, 3), (4, 2)), r"labels must be \[6, D\]"),
        (((4, 3), (4, 3), (4, 3), (4, 2)), "embeddings must be"),
        (((4, 3), (4, 3), (4, 3)), "2 weights for 3 label dimensions"),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    subject: Subject, shapes: tuple[tuple[int, ...], ...], words: str
) -> None:
    module = subject.factory(weights=torch.ones(2))
    with pytest.raises(ValueError, match=words):
        module(*(torch.zeros(shape) for shape in shapes))


@DIRECT
@pytest.mark.parametrize(
    "arguments",
    [
        {"temperature": 0.0},
        {"temperature": NAN},
        {"temperature": torch.inf},
        {"temperature": torch.tensor(-0.1, requires_grad=True)},
        {"eps": -1.0},
        {"eps": torch.inf},
        {"definition": "other"},
    ],
)
def test_arguments_without_a_meaning_are_refused(
    subject: Subject, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="|".join(arguments)):
        subject.factory(**arguments)


@pytest.mark.parametrize(
    ("subject", "laws"),
    [
        *(pytest.param(*p.values, {"N^2 log N"}, id="batched") for p in with_marks(BATCHED)),
        *(pytest.param(*p.values, {"N^2", "N^2 log N"}, id="scan") for p in with_marks(SCAN)),
    ],
)
@pytest.mark.parametrize("pass_", PASSES)
def test_work_grows_alike_in_forward_and_training(
    subject: Subject, laws: set[str], pass_: Pass
) -> None:
    """Up to sizes of several blocks. What ``scan`` adds to N^2 is a binary search.

    Dispatch sees nothing of the loop of ``tiled``, whose steps a test of its own counts.
    """
    sizes = (16, 32, 64, 96, 128, 192, 256, 384, 512)
    work = [count_work(call_of(subject.name, n, pass_)).elements_processed for n in sizes]
    verdict = judge_counted(tuple(Size(n, n) for n in sizes), tuple(map(float, work)))
    assert set(verdict.candidates) == laws


@pytest.mark.parametrize("name", ["batched", "scan", "tiled"])
def test_what_is_beyond_the_note_says_so(name: str) -> None:
    if name == "tiled":
        pytest.importorskip("numba")
    found = implementation(name)
    assert found.name == name
    assert found.tags == ("beyond",)
    assert found.source.startswith("beyond the note")
