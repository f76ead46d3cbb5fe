"""What a loss is read to be, with one or two departures; ``make recognition-study`` has all."""

from dataclasses import replace

import pytest

from supcr_bench.values.definition import AUTO
from supcr_bench.verification.resolve import resolve
from tests.examples import implementation
from tests.verification.judge_synthetic import judge

PAPER, NO_SELF = "rank-n-contrast", "no-self"


@pytest.mark.parametrize(
    ("base", "names"),
    [
        (PAPER, ["partner left out, mean by anchor"]),
        (PAPER, ["reversed", "similarity turned"]),
        (PAPER, ["rows interleaved"]),
        (PAPER, ["labels max"]),
        (PAPER, ["temperature over base"]),
        (PAPER, ["eps 1e-10 floor"]),
        (PAPER, ["maximum subtracted"]),
        (NO_SELF, ["anchor when tied"]),
        (NO_SELF, ["sort position"]),
        (NO_SELF, ["tolerance 1e-4"]),
        (NO_SELF, ["eps 0.0001 added"]),
        (NO_SELF, ["temperature root"]),
        (NO_SELF, ["missing: rows dropped"]),
        (PAPER, ["each label dimension", "denominator detached"]),
        (PAPER, ["views averaged", "over M^2"]),
        (PAPER, ["squared, raw", "measured from the candidate"]),
        (NO_SELF, ["single view", "eps 1e-06 added"]),
        (NO_SELF, ["temperature of the partner alone", "labels l2"]),
        (NO_SELF, ["strict, mean of pairs left", "default temperature 0.07"]),
        (NO_SELF, ["a constant added", "labels interleaved"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " + ".join(value),
)
def test_each_departure_is_named(base: str, names: list[str]) -> None:
    found = judge(base, names, all_show=True)
    assert found.unnamed == (), found.recognition
    assert found.right_verdict, found.recognition


@pytest.mark.parametrize("name", ["broadcast", "rowsort"])
def test_a_class_of_the_note_in_a_file_of_its_own_is_torchcell_for_several_dimensions(
    name: str,
) -> None:
    """Its default weights are those of two dimensions; the ones that it is given are of any."""
    alone = replace(implementation(name), definition=AUTO)
    found, _ = resolve(alone)
    assert found.recognised is not None
    assert (found.recognised.nearest, found.recognised.choices) == ("torchcell", ())
    assert found.recognised.faults == ()
    assert not found.one_dimension
