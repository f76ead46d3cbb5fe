"""What a run shows is drawn while verification goes on, and again if that changes the answer."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from supcr_bench.commands import report_page, run_sweep
from supcr_bench.commands.report_page import Shown, show_and_write
from supcr_bench.render.charts import charts_of
from supcr_bench.render.drawing import Chart
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run import RunWriter, load_run
from tests.commands.test_report import ENVIRONMENT
from tests.made_results import make_series
from tests.made_verifications import OFF, make_verification

RESULTS = make_series("rowsort", [8, 16, 32], lambda n: 1e-6 * n, pass_="training")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    info: dict[str, Any] = {
        "started_at": "2026-01-01T00:00:00+00:00",
        "suite": {"name": "made-up", "purpose": "To see.", "definition": "torchcell"},
        "subjects": ["rowsort"],
        "labels": None,
        "implementations": {"rowsort": {}},
        "environment": ENVIRONMENT,
        "version": "1.0",
        "command": "supcr-bench run",
    }
    with RunWriter.create(tmp_path, "run", info) as writer:
        for result in RESULTS:
            writer.append(result)
    return writer.path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Chart]:
    """The charts that are made, one for each run; drawing takes half a second each."""
    charts: list[Chart] = []

    def first_of(*given: Any, **options: Any) -> list[Chart]:
        charts.extend(charts_of(*given, **options)[:1])
        return charts[-1:]

    monkeypatch.setattr(report_page, "charts_of", first_of)
    return charts


def files_of(run: Run, shown: Shown | None) -> dict[str, bytes]:
    show_and_write(run, Console(file=io.StringIO()), page=Path("page.html"), shown=shown)
    plots = run.path / "plots"
    return {p.name: p.read_bytes() for p in (Path("page.html"), *plots.iterdir())}


def test_it_is_drawn_once_and_shown_as_it_would_be_later(path: Path, made: list[Chart]) -> None:
    shown = run_sweep.start_drawing(path)()
    assert shown is not None
    assert {"svg", "png"} <= vars(shown[1][0]).keys()
    early = files_of(load_run(path), shown)
    assert len(made) == 1
    assert files_of(load_run(path), None) == early
    assert len(made) == 2


def refute(path: Path) -> None:
    with RunWriter.resume(path) as writer:
        writer.store_verification(make_verification("rowsort", OFF))


def forget_one(path: Path) -> None:
    file = path / "measurements.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize("change", [refute, forget_one])
def test_it_is_drawn_again_if_the_run_has_changed(
    path: Path, made: list[Chart], change: Callable[[Path], object]
) -> None:
    shown = run_sweep.start_drawing(path)()
    change(path)
    run = load_run(path)
    assert files_of(run, shown) == files_of(run, None)
    assert len(made) == 3


def test_an_error_is_told_when_the_run_is_shown(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> list[Chart]:
        raise ValueError("no chart")

    monkeypatch.setattr(report_page, "charts_of", fail)
    assert run_sweep.start_drawing(path)() is None
    with pytest.raises(ValueError, match="no chart"):
        files_of(load_run(path), None)
