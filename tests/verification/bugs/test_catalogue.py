from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from supcr_bench.inputs.tensors import Batch, make_problem
from supcr_bench.reference.compare import Answer, reference_of
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.definition import DEFINITIONS
from supcr_bench.verification.bugs.catalogue import BUGS, RIGHT
from supcr_bench.verification.bugs.right import RankedContrast
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.phrases import PHRASES
from tests.batches import Wanted, wanted

SHOWS = 1e-3
"""A relative difference that nobody could take for rounding."""
ORDINARY = wanted(n=12, d=4, dims=2, nan_density=0.2, weights="unnormalised")
TIED = wanted(n=17, d=3, dims=3, nan_density=0.25, labels="tied", weights="unnormalised")
SEEN_AT = {
    "temperature-hard-coded": (replace(ORDINARY[0], temperature=0.2), ORDINARY[1]),
    "labels-in-bfloat16": wanted(n=64, d=8),
    "labels-in-float16": wanted(n=128, d=8),
    "ranks-in-eight-bits": wanted(n=264, d=8),
    "candidates-capped": wanted(n=264, d=8),
    "last-chunk-dropped": wanted(n=70, d=8),
    "last-chunk-counted-full": wanted(n=70, d=8),
}
"""Where a bug shows that is right on the two problems above."""
SEEN_IN_PARTS = {"parts-detached"}
"""The loss and its gradient are right: it shows only in what comes through the parts."""
SEEN_WITHOUT_PAIRS = {"weights-renormalised", "mean-over-no-pairs"}
"""What shows where a dimension has no valid pair."""
OTHERS = [bug for bug in BUGS if bug.caught_by != "definition"]
NOT_SILENT = {"noisy-loss", "ties-broken-at-random", "embeddings-normalised-in-place"}
"""Outside of the definition's group, but not right to rounding on an ordinary problem either."""


def ids(bug: SeededBug) -> str:
    return bug.name


EACH = pytest.mark.parametrize("bug", BUGS, ids=ids)
NAMEABLE = [bug for bug in BUGS if bug.named is not None]


def candidate(bug: SeededBug) -> Adapter:
    return Adapter.usual(bug.factory, DEFINITIONS[bug.definition])


@cache
def posed(spec: Wanted, definition: str) -> Batch:
    """At the definition's scale of temperatures, without what it does not support."""
    claimed = DEFINITIONS[definition]
    workload, weights = spec
    assert workload.temperature is not None
    workload = replace(workload, temperature=workload.temperature / 0.1 * claimed.temperature)
    if claimed.nan_labels == "unsupported":
        workload = replace(workload, nan_density=0.0)
    return make_problem(workload, weights)


def without_pairs(problem: Batch) -> Batch:
    labels = problem.labels.clone()
    labels[1:, -1] = torch.nan
    return problem.changed("a dimension without a pair", labels=labels)


def distance(own: Tensor, right: Tensor) -> float:
    """Relative to the largest; infinite where the answer is not finite."""
    if not torch.isfinite(own).all():
        return float("inf")
    return float((own - right).abs().max() / right.abs().max().clamp(min=1e-6))


def deviations(bug: SeededBug, problem: Batch, upstream: Tensor | None = None) -> list[float]:
    answer: Answer = candidate(bug).answer(problem, upstream)
    arriving = None if answer.parts is None or upstream is None else tuple(upstream.tolist())
    right = reference_of(DEFINITIONS[bug.definition], problem, arriving)
    found = [distance(answer.loss, right.loss)]
    if answer.parts is not None:
        found.append(distance(answer.parts, right.per_dimension))
    found += map(distance, answer.gradients, right.gradients)
    return found


def showing(bug: SeededBug) -> Sequence[Batch]:
    if bug.name in SEEN_AT:
        return [posed(SEEN_AT[bug.name], bug.definition)]
    problems = [posed(spec, bug.definition) for spec in (ORDINARY, TIED)]
    if bug.name in SEEN_WITHOUT_PAIRS:
        problems.append(without_pairs(problems[0]))
    return problems


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(BUGS) >= 36
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert len({bug.factory for bug in BUGS}) == len(BUGS)
    assert not {bug.name for bug in BUGS} & {factory.__name__ for factory in RIGHT}


def test_every_group_of_checks_has_bugs() -> None:
    # Most of what relations find, the numbers of a definition show too; CATCHES has a bug for each.
    assert {bug.caught_by for bug in BUGS} == {"definition", "relations", "robustness", "conduct"}


def test_every_definition_has_bugs_and_a_right_implementation() -> None:
    assert {bug.definition for bug in BUGS} == set(DEFINITIONS)
    assert {factory.DEFINITION for factory in RIGHT} == set(DEFINITIONS)


def test_every_diagnosis_is_a_phrase() -> None:
    phrases = {text for choices in PHRASES.values() for text in choices.values()}
    assert {bug.named for bug in NAMEABLE} <= phrases


@EACH
def test_it_is_built_and_called_like_the_right_one(bug: SeededBug) -> None:
    problem = posed((replace(ORDINARY[0], nan_density=0.0), ORDINARY[1]), bug.definition)
    asked = candidate(bug)
    assert asked.resolution.temperature == "temperature"
    module = asked.build(asked.resolution.definition.at(problem.temperature), problem.weights)
    assert isinstance(module, nn.Module)
    assert asked.answer(problem, module=module).loss.ndim == 0


@pytest.mark.parametrize("bug", [b for b in BUGS if b.caught_by == "definition"], ids=ids)
def test_a_bug_of_the_definition_shows_beyond_all_rounding(bug: SeededBug) -> None:
    upstream = None
    if bug.name in SEEN_IN_PARTS or bug.name == "upstream-ignored":
        upstream = torch.tensor([0.5, 1.0, -1.0])
    problems = showing(bug)[: 1 if upstream is not None else None]
    assert max(max(deviations(bug, problem, upstream)) for problem in problems) > SHOWS


@pytest.mark.parametrize("bug", [b for b in OTHERS if b.name not in NOT_SILENT], ids=ids)
def test_the_other_bugs_are_right_on_an_ordinary_problem(bug: SeededBug) -> None:
    assert max(deviations(bug, posed(ORDINARY, bug.definition))) < 1e-4


@pytest.mark.parametrize("factory", RIGHT)
def test_the_right_ones_are_right_on_every_problem_here(factory: type[RankedContrast]) -> None:
    bug = SeededBug(factory, "definition", None)
    specs = {ORDINARY, TIED, *SEEN_AT.values()}
    for spec in specs:
        if bug.definition == "rank-n-contrast" and spec[0].batch_size > 100:
            continue  # twice the rows there, and no bug of it needs so many
        assert max(deviations(bug, posed(spec, bug.definition))) < 1e-4


@pytest.mark.parametrize("name", sorted(SEEN_AT))
def test_the_bugs_of_size_are_right_on_small_problems(name: str) -> None:
    (bug,) = (b for b in BUGS if b.name == name)
    problem = posed(wanted(n=8, d=8, dims=2, labels="tied"), bug.definition)
    assert max(deviations(bug, problem)) < 1e-4
