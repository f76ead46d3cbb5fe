"""The baseline: any run; what cannot be compared with it is said."""

from pathlib import Path

import pytest

from supcr_bench.gate.baseline import comparability_notes, load_baseline
from supcr_bench.store.run import load_run
from supcr_bench.values.case import Case
from supcr_bench.values.errors import StoreError, UsageError
from tests.gate.made_runs import made_run
from tests.made_results import make_result
from tests.made_verifications import make_verification

GOLDEN = Path(__file__).parents[1] / "golden"
SUITE = {"name": "ci", "seed": 0}
RUN = made_run(
    [make_result("one", n=16, times=[1.0] * 8), make_result("two", n=16)],
    [make_verification("one")],
    suite=SUITE,
)


def test_a_file_that_is_not_there_is_named_with_what_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "ci.json"
    with pytest.raises(
        UsageError, match=r"no baseline .*`supcr-bench gate --record .*ci\.json` writes it"
    ):
        load_baseline(str(path))


def test_a_run_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(StoreError, match="no run 'nonesuch'"):
        load_baseline("nonesuch")


def test_of_a_run_with_times_only_the_figures_without_noise_are_left() -> None:
    timed = load_run(GOLDEN / "quick")
    found = load_baseline(str(GOLDEN / "quick"))
    assert any(r.time_samples_s for r in timed.results)
    assert not any(r.time_samples_s for r in found.results)
    counts = [(r.key, r.status, r.dispatched_ops, r.peak_bytes) for r in timed.results]
    assert [(r.key, r.status, r.dispatched_ops, r.peak_bytes) for r in found.results] == counts
    assert found.verification == timed.verification


def test_the_suite_that_was_recorded_is_compared_without_a_word() -> None:
    keys = [r.key for r in RUN.results]
    assert comparability_notes(RUN, "ci.json", "ci", 0, keys) == []


def test_another_suite_or_seed_with_cases_in_common_is_compared_where_it_can_be() -> None:
    keys = [("one", Case(batch_size=16)), ("one", Case(batch_size=512))]
    assert comparability_notes(RUN, "ci.json", "mine", 5, keys) == [
        "About the baseline ci.json: it was recorded with suite ci, and the gate runs mine; it was "
        "recorded with seed 0, and the gate uses 5; 1 case is in both."
    ]


def test_nothing_in_common_is_refused_and_says_why() -> None:
    other_seed = [("one", Case(batch_size=16, seed=5))]
    with pytest.raises(
        UsageError, match=r"no case in common .* seed 0, and the gate uses 5.*--record"
    ):
        comparability_notes(RUN, "ci.json", "ci", 5, other_seed)
    with pytest.raises(UsageError, match="its cases are different ones"):
        comparability_notes(RUN, "ci.json", "ci", 0, [("one", Case(batch_size=512))])
    # What another suite recorded is not to be overwritten.
    with pytest.raises(UsageError, match=r"the gate runs mine; give another run or baseline$"):
        comparability_notes(RUN, "ci.json", "mine", 0, [("one", Case(batch_size=512))])


def test_implementations_that_the_baseline_does_not_know_are_named() -> None:
    keys = [(name, Case(batch_size=16)) for name in ("one", "three", "four")]
    assert comparability_notes(RUN, "ci.json", "ci", 0, keys) == [
        "The baseline ci.json has no results of four, three."
    ]
