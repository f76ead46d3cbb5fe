"""What a gate's judgements come to: the ruling of the whole, and the exit status."""

import pytest

from supcr_bench.values.gate import GatedChange, GateOutcome, GateVerdict


def judgement(
    ruling: GateVerdict, figure: str = "agreement", low: float | None = None
) -> GatedChange:
    return GatedChange(
        metric=figure,
        implementation="one",
        case=None,
        verdict=ruling,
        low=low,
    )


PASSED = judgement(GateVerdict.PASS)
WORSE = judgement(GateVerdict.REGRESSION)
NEW = judgement(GateVerdict.NEW)
UNCHANGED = judgement(GateVerdict.UNCHANGED)
NOISE = judgement(GateVerdict.UNDECIDED, "time", low=0.9)
NOT_TIMED = judgement(GateVerdict.UNDECIDED, "time")
UNTOLD = judgement(GateVerdict.UNDECIDED, "dispatched_ops")


def outcome(*judgements: GatedChange) -> GateOutcome:
    return GateOutcome(suite="ci", against="main", changes=judgements)


@pytest.mark.parametrize(
    ("judgements", "plain", "as_pass", "as_fail"),
    [
        ((PASSED,), 0, 0, 0),
        ((PASSED, NEW, UNCHANGED), 0, 0, 0),
        ((PASSED, NOISE), 3, 0, 1),
        ((PASSED, NOISE, NOT_TIMED), 3, 3, 1),
        ((PASSED, UNTOLD), 3, 3, 1),
        ((PASSED, NOISE, WORSE), 1, 1, 1),
        ((), 3, 3, 1),
        ((NEW,), 3, 3, 1),
        ((UNCHANGED,), 3, 3, 1),
        ((NOISE,), 3, 3, 1),
    ],
)
def test_only_noise_is_excused_and_nothing_measured_never_passes(
    judgements: tuple[GatedChange, ...], plain: int, as_pass: int, as_fail: int
) -> None:
    found = outcome(*judgements)
    assert found.exit_status() == plain
    assert found.exit_status("pass") == as_pass
    assert found.exit_status("fail") == as_fail
