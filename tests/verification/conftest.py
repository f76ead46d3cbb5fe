"""A slow machine leaves nothing out here: what is tested is what is found, not how fast."""

import math

import pytest

from supcr_bench.verification import context


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No case is too slow."""
    monkeypatch.setattr(context, "SLOWEST_CALL_S", math.inf)
    monkeypatch.setattr(context, "BUDGET_S", math.inf)
