"""Right losses of definitions drawn at random pass every check; what they pass says something."""

import random
from collections.abc import Collection
from typing import Any

import pytest

from supcr_bench.values.definition import Definition
from supcr_bench.verification.checks import all_checks
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.resolve import resolve
from tests.family import CHOICES, RATIO_EPS, definition_of, right_implementation

DRAWN = 12
"""A multiple of the number of values of each choice."""
QUICK = {check.name for check in all_checks() if not check.slow}


def drawn() -> list[tuple[Any, ...]]:
    """Definitions at random, in which each value of a choice occurs as often as the others."""
    bits = random.Random(0)
    values = [list(dict.fromkeys(column)) for column in zip(*CHOICES, strict=True)]
    return list(zip(*(bits.sample((own * DRAWN)[:DRAWN], DRAWN) for own in values), strict=True))


def covering(check: str) -> set[int]:
    """Drawn definitions, other ones for each check, in which each value of a choice occurs."""
    rows = [set(enumerate(choices)) for choices in drawn()]
    order, left = random.Random(check).sample(range(DRAWN), DRAWN), set().union(*rows)
    chosen = set()
    while left:
        chosen.add(max(order, key=lambda row: len(rows[row] & left)))
        left -= set().union(*(rows[row] for row in chosen))
    return chosen


@pytest.mark.parametrize("seed", range(DRAWN))
def test_a_right_loss_of_any_definition_passes_every_check(seed: int) -> None:
    """Each check is made of about half of the definitions."""
    passes(definition_of(*drawn()[seed]), seed, {c for c in QUICK if seed in covering(c)})


def test_each_check_is_made_of_each_value_of_each_choice() -> None:
    values = set(enumerate(map(frozenset, zip(*drawn(), strict=True))))
    for check in QUICK:
        made = zip(*(drawn()[seed] for seed in covering(check)), strict=True)
        assert set(enumerate(map(frozenset, made))) == values


def ratio(similarity: str, eps: tuple[float, str]) -> Definition:
    return definition_of(similarity, "l1", "unsupported", eps, "single", "never", "keeps_weight")


@pytest.mark.parametrize("eps", RATIO_EPS, ids=str)
@pytest.mark.parametrize("similarity", ["cosine", "negative_euclidean"])
def test_a_right_loss_with_eps_in_its_ratio_is_named(
    similarity: str, eps: tuple[float, str]
) -> None:
    found = resolve(right_implementation(ratio(similarity, eps)), "auto")[0].recognised
    assert found is not None
    assert found.faults == ()
    assert [words for words in found.choices if "ratio" in words and f"({eps[0]:g})" in words]


@pytest.mark.parametrize(
    ("similarity", "eps"),
    list(zip(("cosine", "negative_euclidean", "cosine"), RATIO_EPS, strict=True)),
    ids=str,
)
def test_a_right_loss_with_eps_in_its_ratio_passes(similarity: str, eps: tuple[float, str]) -> None:
    passes(ratio(similarity, eps), 1, QUICK)


def passes(definition: Definition, seed: int, checks: Collection[str]) -> None:
    session = LocalSession(right_implementation(definition), definition, seed=seed, only=checks)
    found = session.verified()
    assert [(o.check, o.case, o.finding) for o in found.findings] == [], definition.name
    assert found.passed
