"""A suite whose calls are counted and not timed, from its cells to every page made of it."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from supcr_bench.analysis.recommend import Question, recommend
from supcr_bench.commands import report_page
from supcr_bench.commands.compared_runs import compare_loaded
from supcr_bench.commands.report_page import show_and_write
from supcr_bench.measure.cell import CellRun
from supcr_bench.measure.device import Cpu
from supcr_bench.measure.environment import collect_environment
from supcr_bench.render.charts import charts_of
from supcr_bench.render.drawing import Chart
from supcr_bench.render.recommendation import explanation
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run import RunWriter, load_run
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.plan import make_plan
from supcr_bench.sweep.runner import Event, SweepEvent, SweepProgress, run_sweep
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.cell import Budget, Cell
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.messages import Failed
from tests.examples import implementation
from tests.measure.fake_meter import FakeMeter
from tests.one_machine import OneMachine

NAMES = ("broadcast", "rowsort")
SIZES = [4, 6, 8, 10, 12, 16]
SUITE = Suite.model_validate(
    {
        "name": "counted",
        "purpose": "To count.",
        "implementations": NAMES,
        "grid": [
            {"batch_size": SIZES, "nan_density": [0.0, 0.25], "timed": False},
            {"batch_size": [4, 6, 8], "dims": [1, 2], "timed": False},
        ],
        "axes": {"embedding_size": 8},
    }
)
METER = FakeMeter(
    bytes={name: lambda arm, w: 8.0 * w.batch_size**3 for name in NAMES},
    elements={name: lambda arm, w: float(w.batch_size**3) for name in NAMES},
)


class InProcess(OneMachine):
    """Cells run here and now, metered by formula."""

    def preflight(self, subjects: Sequence[Subject], device: str) -> Mapping[str, Subject | Failed]:
        return {}

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        adapters = {name: Adapter.usual(implementation(name).factory) for name in NAMES}
        METER.workload = cell.workload
        yield from CellRun(cell, adapters, Cpu(), METER, budget).results()

    def close(self) -> None:
        pass


def counted_events(finished: Sequence[Result] = ()) -> Iterator[SweepEvent]:
    plan = make_plan(SUITE, NAMES)
    return run_sweep(plan, InProcess(), (), Forecast(Budget()), finished)


@pytest.fixture(scope="module")
def counted() -> list[Result]:
    return [e for e in counted_events() if isinstance(e, Result)]


@pytest.fixture
def run(tmp_path: Path, counted: list[Result]) -> Run:
    info = {
        "suite": SUITE.model_dump(mode="json", by_alias=True, exclude_none=True),
        "subjects": NAMES,
        "labels": None,
        "implementations": {n: asdict(implementation(n).description) for n in NAMES},
        "version": "1",
        "command": "supcr-bench run",
        "seed": 0,
        "budget": asdict(Budget()),
        "revision": None,
        "environment": collect_environment(),
    }
    with RunWriter.create(tmp_path, "counted", info) as writer:
        for result in counted:
            writer.append(result)
        writer.finish({"wall_s": 1.0, "calls_s": 1.0})
    return load_run(writer.path)


def test_everything_but_time_is_measured(counted: list[Result]) -> None:
    assert len(counted) == len({r.key for r in counted}) == 60
    for result in counted:
        assert result.status is Status.MEASURED
        assert result.time_samples_s is None
        assert result.aa_samples_s is None
        assert result.repetitions is None
        assert result.time_stopped_by is None
        assert result.value_tolerances is not None
        assert result.peak_bytes == 8 * result.case.batch_size**3
        assert result.dispatched_ops == 1


def test_the_time_left_is_that_of_a_few_calls() -> None:
    started = next(e for e in counted_events() if isinstance(e, SweepProgress))
    assert 0 < started.left_s < 60 * Budget().sampling_s


def test_what_was_counted_is_not_counted_again(counted: list[Result]) -> None:
    assert list(counted_events(counted)) == []


def test_it_is_reported_without_a_time(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def first_of(*given: Any, **options: Any) -> list[Chart]:
        made = charts_of(*given, **options)
        titles.extend(chart.title for chart in made)
        return list(made[:1])

    monkeypatch.setattr(report_page, "charts_of", first_of)
    out, short = io.StringIO(), tmp_path / "short.md"
    show_and_write(run, Console(file=out, width=160), markdown=short, verbose=True)
    page = (run.path / "index.html").read_text()
    assert "N^3" in page
    assert "N^3" in out.getvalue()
    assert "rowsort" in short.read_text()
    assert {p.name for p in (run.path / "tables").iterdir()} >= {"cost.csv", "agreement.csv"}
    assert titles
    for text in (page, out.getvalue(), short.read_text(), *titles):
        for of_time in ("Time per call", "Along label dimensions: time", "What to use in"):
            assert of_time not in text
    assert run.frame["peak_bytes"].notna().all()


def test_it_is_compared_by_what_was_counted(run: Run) -> None:
    comparison = compare_loaded(run, run)
    assert not comparison.finding
    assert not comparison.nothing_compared
    assert {row.time for row in comparison.rows} == {None}


def test_nothing_is_recommended_from_it_and_the_reason_is_said(run: Run) -> None:
    found = recommend(run.results, Question(batch_size=8))
    assert found.implementation is None
    assert "its calls were only counted" in explanation(found)
