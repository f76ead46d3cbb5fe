"""Right losses of definitions drawn at random pass every check; what they pass says something."""

import random

import pytest

from supcr_bench.verification.checks import all_checks
from supcr_bench.verification.local_session import LocalSession
from tests.family import CHOICES, definition_of, right_implementation

DRAWN = 25
QUICK = {check.name for check in all_checks() if not check.slow}


@pytest.mark.parametrize("seed", range(DRAWN))
def test_a_right_loss_of_any_definition_passes_every_check(seed: int) -> None:
    definition = definition_of(*random.Random(seed).choice(CHOICES))
    session = LocalSession(right_implementation(definition), definition, seed=seed, only=QUICK)
    found = session.verified()
    assert [(o.check, o.case, o.finding) for o in found.findings] == [], definition.name
    assert found.passed
