"""Tables of what an axis changes."""

import io

import pytest
from rich.console import Console

from supcr_bench.analysis.findings import find
from supcr_bench.render.run_tables import axis_tables, run_tables
from supcr_bench.render.terminal import print_table
from supcr_bench.values.axes import PASSES, get_axis
from supcr_bench.values.result import Result, Status
from supcr_bench.values.table import Table
from tests.made_results import make_result, make_series
from tests.table_marks import group_starts, toned

DENSITIES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.97)


def nan_run() -> list[Result]:
    return [
        make_result(
            name,
            n=n,
            pass_=pass_,
            times=[1e-3 * n * (1 - density) ** 3] * 6,
            peak_bytes=round(1e6 * n * (1 - density) ** 3),
            value_tolerances=0.5 if n == 32 else 0.001,
            case={"nan_density": density, "dims": 2},
        )
        for density in DENSITIES
        for n in (32, 512)
        for name in ("loopy", "broadcast")
        for pass_ in PASSES
    ]


def named(results: list[Result]) -> dict[str, Table]:
    return {table.name: table for table in axis_tables(results)}


def test_a_run_shows_its_axis_on_agreement_time_and_memory_of_each_pass() -> None:
    tables = named(nan_run())
    assert list(tables) == [
        f"nan-density-{figure}-{pass_}"
        for figure in ("agreement", "time", "memory")
        for pass_ in PASSES
    ]
    table = tables["nan-density-time-training"]
    assert table.title == "Along missing labels: time, training"
    assert table.headers == ("implementation", "N", "0%", "25%", "50%", "75%", "90%", "97%")
    assert table.texts[0] == (
        *("loopy", "32"),
        *("32.0 ms", "x0.42", "x0.12", "x0.02", "x1e-03", "x3e-05"),
    )
    assert group_starts(table) == {2}
    memory = tables["nan-density-memory-forward"].texts[0]
    assert memory[2:5] == ("32.0 MB", "x0.42", "x0.12")
    agreement = tables["nan-density-agreement-forward"].texts
    assert [row[2] for row in agreement[:2]] == ["0.5", "<0.01"]


def test_an_axis_that_does_not_vary_has_no_table() -> None:
    assert axis_tables(make_series("rowsort", [8, 16], lambda n: n * 1e-6)) == []


def test_the_tables_of_a_run_hold_them() -> None:
    names = [table.name for table in run_tables(find(nan_run(), {}))]
    assert "nan-density-memory-training" in names


def test_what_was_not_measured_steps_back_and_what_is_wrong_alarms() -> None:
    results = [
        make_result(times=[1.0] * 6, value_tolerances=0.2, case={"dtype": "float64"}),
        make_result(
            times=[1.0] * 6, value_tolerances=4e6, status=Status.WRONG, case={"dtype": "float32"}
        ),
        make_result(times=[12.0] * 6, status=Status.WRONG, case={"dtype": "float16"}),
        make_result(status=Status.OUT_OF_MEMORY, case={"dtype": "bfloat16"}),
    ]
    tables = named(results)
    agreement = tables["dtype-agreement-forward"]
    assert agreement.headers[2:] == ("float64", "float32", "float16", "bfloat16")
    assert agreement.texts[0][2:] == ("0.2", "4e+06", "broken", "OOM")
    assert toned(agreement, "bad") == {(0, 3), (0, 4)}
    assert toned(agreement, "quiet") == {(0, 5)}
    assert tables["dtype-time-forward"].texts[0][2:] == ("1.00 s", "x1.00", "x12.0", "OOM")
    assert tables["dtype-memory-forward"].texts[0][2:] == ("-", "-", "-", "OOM")


def test_another_axis_that_varies_beside_is_a_column() -> None:
    results = [
        make_result(times=[1.0], case={"dtype": dtype, "temperature": temperature})
        for dtype in ("float64", "bfloat16")
        for temperature in (1.0, 0.3, 0.1, 0.05, 0.02, 0.01)
    ]
    tables = named(results)
    assert tables["temperature-time-forward"].headers[:3] == ("implementation", "dtype", "N")
    assert len(tables["temperature-time-forward"].texts) == 2
    assert tables["dtype-time-forward"].headers[:3] == ("implementation", "tau", "N")
    assert len(tables["dtype-time-forward"].texts) == 6


def test_six_values_fit_eighty_columns() -> None:
    results = [*nan_run(), *(r for r in nan_run() if r.implementation == "broadcast")]
    results += [make_result("broadcast", n=512, times=[1.0], case={"dtype": "bfloat16", "dims": 2})]
    for table in axis_tables(results):
        console = Console(file=io.StringIO(), width=80, color_system=None)
        print_table(console, table)
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        assert all(header in text for header in table.headers)
        assert all(cell in text for row in table.texts for cell in row)


@pytest.mark.parametrize(
    ("value", "axis", "text"),
    [
        (0.97, "nan_density", "97%"),
        (0.125, "nan_density", "12.5%"),
        (4, "dims", "4"),
        (0.02, "temperature", "0.02"),
        ("float16", "dtype", "float16"),
    ],
)
def test_values_are_written_as_people_write_them(value: float | str, axis: str, text: str) -> None:
    assert get_axis(axis).text(value) == text
