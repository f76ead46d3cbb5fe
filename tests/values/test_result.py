import json
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.values.axes import DEFAULTS_OF_ADDED
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.result import Result, Status, stored_name
from tests.values.test_case import SHIPPED, WORKLOADS

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.none() | st.integers(0, 2**60)
TEXTS = st.none() | st.text(max_size=20)
DIFFERENCES = st.none() | st.dictionaries(st.text(min_size=1, max_size=8), NUMBERS, max_size=3)
SECONDS = st.floats(0, 1e6)
SAMPLES = st.none() | st.lists(SECONDS, max_size=5).map(tuple)
RESULTS = st.builds(
    Result,
    implementation=st.text(min_size=1, max_size=20),
    case=st.builds(Case.of, WORKLOADS, st.sampled_from(PASSES), SHIPPED),
    status=st.sampled_from(Status),
    reason=TEXTS,
    session=TEXTS,
    loss=NUMBERS,
    reference_loss=NUMBERS,
    value_error=NUMBERS,
    value_tolerances=NUMBERS,
    gradient_error=NUMBERS,
    gradient_tolerances=NUMBERS,
    reference=st.none() | st.sampled_from(["direct", "fast"]),
    value_difference=DIFFERENCES,
    gradient_difference=DIFFERENCES,
    time_samples_s=SAMPLES,
    device_samples_s=SAMPLES,
    aa_samples_s=SAMPLES,
    repetitions=COUNTS,
    time_stopped_by=st.none() | st.sampled_from(["precision", "budget"]),
    peak_bytes=COUNTS,
    reserved_bytes=COUNTS,
    memory_method=TEXTS,
    dispatched_ops=COUNTS,
    elements_processed=COUNTS,
    dispatch_peak_bytes=COUNTS,
    predicted_cuda_peak_bytes=COUNTS,
    predicted_s=NUMBERS,
    time_limit_s=NUMBERS,
    memory_limit_bytes=COUNTS,
    spent_s=NUMBERS,
)


@given(RESULTS)
@settings(deadline=None, derandomize=True, max_examples=100)
def test_a_result_survives_json(result: Result) -> None:
    line = json.dumps(result.to_mapping(), allow_nan=False)
    assert Result.from_mapping(json.loads(line)) == result


@given(RESULTS)
@settings(deadline=None, derandomize=True, max_examples=20)
def test_the_mapping_is_flat_and_holds_every_field_once(result: Result) -> None:
    mapping = result.to_mapping()
    own = [stored_name(f.name) for f in fields(Result) if f.name != "case"]
    case = [stored_name(f.name) for f in fields(Case)]
    assert sorted(mapping) == sorted(own + case)
    assert mapping["pass"] == result.case.pass_


def test_fields_that_were_renamed_are_stored_under_their_first_name() -> None:
    case = Case(batch_size=4)
    found = Result(
        implementation="a",
        case=case,
        status=Status.MEASURED,
        dispatched_ops=3,
        elements_processed=5,
        aa_samples_s=(0.1,),
    )
    stored = found.to_mapping()
    assert (stored["launches"], stored["elements"]) == (3, 5)
    assert stored["again_samples_s"] == (0.1,)
    assert Result.from_mapping(stored) == found


def test_a_result_from_before_a_field_was_added_has_none_there() -> None:
    mapping = Result(implementation="a", case=Case(batch_size=4), status=Status.FAILED).to_mapping()
    added = ("spent_s", "time_samples_s", "device_samples_s", "aa_samples_s")
    for name in added:
        del mapping[stored_name(name)]
    read = Result.from_mapping(mapping)
    assert all(getattr(read, name) is None for name in added)


def test_a_result_from_before_an_axis_was_added_has_its_default_there() -> None:
    case = Case(batch_size=4, embedding_norm=2.0, ranks=3)
    mapping = Result(implementation="a", case=case, status=Status.FAILED).to_mapping()
    assert (mapping["embedding_norm"], mapping["ranks"]) == (2.0, 3)
    for name in DEFAULTS_OF_ADDED:
        del mapping[name]
    assert Result.from_mapping(mapping).case == Case(batch_size=4)


def test_what_is_missing_is_none_and_never_zero() -> None:
    result = Result(implementation="a", case=Case(batch_size=4), status=Status.SKIPPED)
    optional = [f.name for f in fields(Result) if f.name not in ("implementation", "case")]
    assert all(getattr(result, name) is None for name in optional if name != "status")


def test_the_key_is_the_implementation_and_the_case() -> None:
    case = Case(batch_size=4)
    assert Result(implementation="a", case=case, status=Status.FAILED).key == ("a", case)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.MEASURED, True),
        (Status.WRONG, True),
        (Status.OUT_OF_MEMORY, False),
        (Status.TIMED_OUT, False),
        (Status.SKIPPED, False),
        (Status.FAILED, False),
    ],
)
def test_only_measured_and_wrong_results_have_figures(status: Status, expected: bool) -> None:
    assert status.has_figures is expected
    assert len(Status) == 6


def test_an_unknown_status_is_refused() -> None:
    mapping = Result(implementation="a", case=Case(batch_size=4), status=Status.FAILED).to_mapping()
    with pytest.raises(ValueError, match="exploded"):
        Result.from_mapping({**mapping, "status": "exploded"})


def test_a_result_of_an_older_run_is_read_by_the_names_of_its_time() -> None:
    stored = Result(
        implementation="a",
        case=Case(batch_size=8, definition="no-self"),
        status=Status.MEASURED,
        no_self_error=0.25,
    )
    older = stored.to_mapping()
    older["no_self_error"] = older.pop("paper_error")
    older["definition"] = "paper"
    assert Result.from_mapping(older) == stored
