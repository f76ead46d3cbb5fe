"""What a bug outside of the definition's group does, each shown at its own place."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.compare import Answer
from supcr_bench.subjects.process_state import changes_by
from supcr_bench.values.definition import DEFINITIONS
from supcr_bench.verification.bugs.catalogue import BUGS, RIGHT
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from tests.batches import loss_dtype
from tests.batches import problem as made
from tests.examples import NAN
from tests.verification.bugs.test_catalogue import candidate, deviations

PLAIN = made(n=9, d=6, dims=2, nan_density=0.2, weights="unnormalised")
COMPLETE = made(n=9, d=6, dims=2)
OTHER = made(n=9, d=6, dims=2, nan_density=0.2, seed=1)
Symptom = Callable[[SeededBug], bool]


def ask(bug: SeededBug, problem: Batch = PLAIN, module: nn.Module | None = None) -> Answer:
    return candidate(bug).answer(problem, module=module)


def built(bug: SeededBug) -> nn.Module:
    definition = DEFINITIONS[bug.definition].at(PLAIN.temperature)
    module = candidate(bug).build(definition, PLAIN.weights)
    assert isinstance(module, nn.Module)
    return module


def value(module: nn.Module, first: Tensor, second: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float(module(first, second, labels)[0])


def raises(call: Callable[[], object], message: str = "") -> bool:
    with pytest.raises(RuntimeError, match=message):
        call()
    return True


def with_unlabelled_nan_row() -> Batch:
    row = torch.full((1, 6), NAN)
    return PLAIN.changed(
        "a NaN row",
        first=torch.cat((PLAIN.first, row)),
        second=torch.cat((PLAIN.second, row)),
        labels=torch.cat((PLAIN.labels, torch.full((1, 2), NAN))),
    )


def wrong(bug: SeededBug, problem: Batch, by: float = 1e-3) -> bool:
    return max(deviations(bug, problem)) > by


def spoils_the_gradient_alone(bug: SeededBug) -> bool:
    answer = ask(bug, with_unlabelled_nan_row())
    return math.isfinite(float(answer.loss)) and bool(torch.isnan(answer.gradients[0]).any())


def spoils_the_value(bug: SeededBug) -> bool:
    return math.isnan(float(ask(bug, with_unlabelled_nan_row()).loss))


def wrong_when_cold(bug: SeededBug) -> bool:
    return wrong(bug, made(n=8, d=2, dims=2, temperature=0.04, seed=1))


def overflows(bug: SeededBug) -> bool:
    return not math.isfinite(float(ask(bug, made(n=8, d=2, temperature=0.005)).loss))


def accurate_to_float32_only(bug: SeededBug) -> bool:
    problem = made(n=9, dtype="float64")
    return loss_dtype(candidate(bug), problem) == torch.float64 and wrong(bug, problem, by=1e-10)


def wrong_on_close_float64_labels(bug: SeededBug) -> bool:
    problem = made(n=13, dtype="float64")
    labels = 1 + torch.round(problem.labels * 1024) * 2.0**-40
    return wrong(bug, problem.changed("labels 2^-40 apart", labels=labels))


def wrong_on_far_labels(bug: SeededBug) -> bool:
    return max(deviations(bug, PLAIN.changed("far", labels=1024 * PLAIN.labels))) > 1e-2


def wrong_on_large_labels(bug: SeededBug) -> bool:
    labels = torch.round(COMPLETE.labels * 64) + 2.0**20
    return wrong(bug, COMPLETE.changed("labels of about 1e6", labels=labels))


def fails_for_three_dimensions(bug: SeededBug) -> bool:
    problem = made(n=6, dims=3)
    return raises(lambda: bug.factory()(problem.first, problem.second, problem.labels), "size")


def number_for_a_nan_embedding(bug: SeededBug) -> bool:
    first = PLAIN.first.clone()
    first[2, 1] = NAN
    return math.isfinite(float(ask(bug, PLAIN.changed("NaN", first=first)).loss))


def number_for_an_infinite_label(bug: SeededBug) -> bool:
    labels = COMPLETE.labels.clone()
    labels[2, 1] = math.inf
    return math.isfinite(float(ask(bug, COMPLETE.changed("inf", labels=labels)).loss))


def no_backward_without_labels(bug: SeededBug) -> bool:
    labels = torch.full_like(PLAIN.labels, NAN)
    return raises(lambda: ask(bug, PLAIN.changed("no labels", labels=labels)), "does not require")


def fails_in_half(bug: SeededBug) -> bool:
    halves = [made(n=5, dtype=dtype) for dtype in ("float16", "bfloat16")]
    return all(raises(partial(ask, bug, problem), "not implemented") for problem in halves)


def fails_under_autocast(bug: SeededBug) -> bool:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return raises(lambda: ask(bug), "dtypes match")


def second_question_answered_wrongly(bug: SeededBug) -> bool:
    module = built(bug)
    ask(bug, module=module)
    fresh, used = ask(bug, OTHER, built(bug)), ask(bug, OTHER, module)
    return abs(float(used.loss / fresh.loss) - 1) > 1e-3


def answers_differ(bug: SeededBug) -> bool:
    module = built(bug)
    return not torch.equal(ask(bug, module=module).loss, ask(bug, module=module).loss)


def remembers_addresses(bug: SeededBug) -> bool:
    module = built(bug)
    tensors = [x.clone() for x in (PLAIN.first, PLAIN.second, PLAIN.labels)]
    before = value(module, *tensors)
    for own, new in zip(tensors, (OTHER.first, OTHER.second, OTHER.labels), strict=True):
        own.copy_(new)
    return value(module, *tensors) == before


def keeps_graphs(bug: SeededBug) -> bool:
    module = built(bug)
    for _ in range(3):
        ask(bug, module=module)
    kept = vars(module)["history"]
    return len(kept) == 3 and all(loss.grad_fn is not None for loss, _ in kept)


def changes(position: int) -> Symptom:
    def changed(bug: SeededBug) -> bool:
        tensors = [x.clone() for x in (PLAIN.first, PLAIN.second, PLAIN.labels)]
        before = tensors[position].clone()
        value(built(bug), *tensors)
        return not torch.equal(before.nan_to_num(7.5), tensors[position].nan_to_num(7.5))

    return changed


def touches_the_generator(bug: SeededBug) -> bool:
    before = torch.get_rng_state()
    torch.manual_seed(12345)
    known = torch.get_rng_state()
    ask(bug)
    touched = not torch.equal(known, torch.get_rng_state())
    torch.set_rng_state(before)
    return touched


def sets_benchmark_mode(bug: SeededBug) -> bool:
    return changes_by(lambda: ask(bug)) == ["changes the cudnn.benchmark"]


def number_for_a_missing_label(bug: SeededBug) -> bool:
    problem = replace(COMPLETE, labels=COMPLETE.labels.clone())
    problem.labels[2, 1] = NAN
    return math.isfinite(float(ask(bug, problem).loss))


def sliced(x: Tensor) -> Tensor:
    wide = torch.zeros(2 * x.shape[0], 2 * x.shape[1])
    wide[::2, ::2] = x
    return wide[::2, ::2]


def wrong_on_slices(bug: SeededBug) -> bool:
    module = built(bug)
    right = value(module, PLAIN.first, PLAIN.second, PLAIN.labels)
    found = value(module, sliced(PLAIN.first), sliced(PLAIN.second), PLAIN.labels)
    return abs(found / right - 1) > 1e-3


def fails_on_slices(bug: SeededBug) -> bool:
    return raises(lambda: built(bug)(sliced(PLAIN.first), PLAIN.second, PLAIN.labels), "view")


def fails_without_gradients(bug: SeededBug) -> bool:
    return raises(lambda: value(built(bug), PLAIN.first, PLAIN.second, PLAIN.labels), "grad")


def leaves_weights_behind(bug: SeededBug) -> bool:
    module = built(bug).to("meta")
    return any(isinstance(x, Tensor) and x.device.type == "cpu" for x in vars(module).values())


def wrong_in_evaluation(bug: SeededBug) -> bool:
    module = built(bug)
    right = value(module, PLAIN.first, PLAIN.second, PLAIN.labels)
    found = value(module.eval(), PLAIN.first, PLAIN.second, PLAIN.labels)
    return abs(found / right - 1) > 1e-3


SYMPTOMS: dict[str, Symptom] = {
    "selected-after-normalising": spoils_the_gradient_alone,
    "selected-by-multiplication": spoils_the_value,
    "colder-in-evaluation": wrong_in_evaluation,
    "eps-added": wrong_when_cold,
    "no-floor": wrong_when_cold,
    "no-self-eps-added": wrong_when_cold,
    "no-self-floor": wrong_when_cold,
    "exponentials-overflow": overflows,
    "float32-inside": accurate_to_float32_only,
    "labels-in-float32": wrong_on_close_float64_labels,
    "label-distance-expanded": wrong_on_large_labels,
    "label-distance-wraps-around": wrong_on_far_labels,
    "label-distance-clipped": wrong_on_far_labels,
    "two-dimensions-by-default": fails_for_three_dimensions,
    "nan-embeddings-hidden": number_for_a_nan_embedding,
    "infinite-labels-accepted": number_for_an_infinite_label,
    "no-graph-without-pairs": no_backward_without_labels,
    "half-unsupported": fails_in_half,
    "autocast-mixes-dtypes": fails_under_autocast,
    "candidates-of-the-first-call": second_question_answered_wrongly,
    "labels-of-the-first-call": second_question_answered_wrongly,
    "temperature-drifts": second_question_answered_wrongly,
    "loss-smoothed-over-calls": second_question_answered_wrongly,
    "output-by-address": remembers_addresses,
    "outputs-kept": keeps_graphs,
    "labels-filled-in-place": changes(2),
    "embeddings-normalised-in-place": changes(0),
    "ties-broken-at-random": touches_the_generator,
    "rows-shuffled": touches_the_generator,
    "generator-seeded": touches_the_generator,
    "noisy-loss": answers_differ,
    "process-setting-changed": sets_benchmark_mode,
    "rnc-missing-label-as-zero": number_for_a_missing_label,
    "contiguity-assumed": wrong_on_slices,
    "contiguity-required": fails_on_slices,
    "gradient-in-forward": fails_without_gradients,
    "weights-stay-behind": leaves_weights_behind,
}


def test_every_bug_outside_of_the_definition_has_its_symptom_here() -> None:
    assert set(SYMPTOMS) == {bug.name for bug in BUGS if bug.caught_by != "definition"}


@pytest.mark.parametrize("name", SYMPTOMS)
def test_the_bug_shows_at_its_place(name: str) -> None:
    (bug,) = (bug for bug in BUGS if bug.name == name)
    assert SYMPTOMS[name](bug)


@pytest.mark.parametrize("name", SYMPTOMS)
def test_the_right_implementation_shows_none_of_it(name: str) -> None:
    (bug,) = (bug for bug in BUGS if bug.name == name)
    (factory,) = (f for f in RIGHT if bug.definition == f.DEFINITION)
    right = replace(bug, factory=factory)
    try:
        shown = SYMPTOMS[name](right)
    except (pytest.fail.Exception, ValueError, KeyError):
        shown = False  # it raises nothing, refuses the input, or has nothing to look at
    assert not shown
