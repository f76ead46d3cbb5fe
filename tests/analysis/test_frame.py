from dataclasses import fields

import pandas as pd

from supcr_bench.analysis.summary import DERIVED, columns, results_frame
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, Status, stored_name
from tests.examples import measured


def test_columns_are_the_fields_of_result_and_case_and_the_derived() -> None:
    expected = {stored_name(f.name) for f in fields(Case)}
    expected |= {stored_name(f.name) for f in fields(Result)} - {"case"}
    assert set(columns()) == expected | set(DERIVED)
    assert len(columns()) == len(set(columns()))


def test_there_is_one_row_a_result_in_their_order() -> None:
    frame = results_frame([measured(n) for n in (64, 16, 32)])
    assert list(frame.columns) == columns()
    assert frame["batch_size"].tolist() == [64, 16, 32]
    assert frame["pass"].tolist() == ["forward"] * 3


def test_the_derived_columns_are_the_median_and_its_interval() -> None:
    samples = (3.0, 1.0, 2.0, 4.0, 6.0, 5.0)
    few = (3.0, 1.0, 2.0)
    frame = results_frame([measured(8, samples), measured(16, few)])
    assert frame["time_s"].tolist() == [3.5, 2.0]
    assert frame["time_low_s"].iloc[0] == 1.0
    assert frame["time_high_s"].iloc[0] == 6.0
    assert frame[["time_low_s", "time_high_s"]].iloc[1].isna().all()


def test_what_is_missing_is_nan_in_numeric_columns() -> None:
    skipped = Result(
        implementation="a",
        case=Case(batch_size=8, nan_density=None),
        status=Status.SKIPPED,
        reason="too long",
        predicted_s=3.0,
    )
    frame = results_frame([skipped])
    numeric = ["time_s", "loss", "peak_bytes", "nan_density", "gradient_error", "spent_s"]
    numeric += ["dispatch_peak_bytes", "predicted_cuda_peak_bytes"]
    assert (frame[numeric].dtypes == "float64").all()
    assert frame[numeric].isna().all(axis=None)
    assert frame["predicted_s"].tolist() == [3.0]
    assert frame["reason"].tolist() == ["too long"]


def test_the_status_is_plain_text() -> None:
    frame = results_frame([measured(8)])
    assert frame["status"].tolist() == ["measured"]
    assert type(frame["status"].iloc[0]) is str


def test_no_results_give_an_empty_table_with_all_columns() -> None:
    frame = results_frame([])
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 0
    assert list(frame.columns) == columns()
