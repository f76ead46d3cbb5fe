"""``supcr-bench report`` on runs that were written down."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import supcr_bench
from supcr_bench.commands.app import app
from supcr_bench.store.run import RunWriter
from supcr_bench.values.errors import StoreError
from supcr_bench.values.result import Result
from tests.made_results import make_series
from tests.made_verifications import DIAGNOSIS, OFF, make_verification
from tests.outline import outline

ENVIRONMENT: dict[str, Any] = {
    "cpu": "a CPU",
    "cpus_usable": 2,
    "threads": 1,
    "memory_bytes": 2**34,
    "accelerators": [],
    "os": "an OS",
    "python": "3.11",
    "torch": "2.6",
}
RESULTS = make_series("rowsort", [8, 16, 32], lambda n: 1e-6 * n, pass_="training")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, day: int = 1, results: Sequence[Result] = RESULTS) -> None:
    """A run of that id in ``results/``."""
    info: dict[str, Any] = {
        "started_at": f"2026-01-{day:02}T00:00:00+00:00",
        "suite": {"name": "made-up", "purpose": "To see.", "definition": "torchcell"},
        "subjects": ["rowsort"],
        "labels": None,
        "implementations": {},
        "environment": ENVIRONMENT,
        "version": "1.0",
        "command": "supcr-bench run",
    }
    with RunWriter.create(Path("results"), name, info) as writer:
        writer.store_verification(make_verification("rowsort", OFF, diagnosis=DIAGNOSIS))
        for result in results:
            writer.append(result)


def report(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["report", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0
    return done.output


def test_a_report_holds_its_run_and_makes_the_same_report_elsewhere(folder: Path) -> None:
    write("one")
    assert "Report  reports/one/index.html" in report("one")
    page = folder / "reports" / "one" / "index.html"
    made = page.read_bytes()
    run, stored = supcr_bench.load(page), supcr_bench.load("one")
    assert (run.id, run.results, run.info) == ("one", stored.results, stored.info)
    assert run.verification == stored.verification
    assert "the loss is off (N=4)" in page.read_text()
    assert "print(1 &lt; 2)" in page.read_text()

    sent = folder / "sent.html"
    shutil.move(page, sent)
    shutil.rmtree(folder / "results")
    text = report("sent.html")
    assert "Results sent.html" in text
    assert page.read_bytes() == made
    assert {p.name for p in folder.iterdir()} == {"sent.html", "reports"}
    assert CliRunner().invoke(app, ["compare", "sent.html", "reports/one"]).exit_code == 0
    asked = ["recommend", "--batch-size", "16", "--from", "sent.html"]
    assert "rowsort: verification found it wrong" in CliRunner().invoke(app, asked).output


@pytest.mark.usefixtures("without_charts")
def test_a_comparison_is_a_page_beside_the_reports_of_both(folder: Path) -> None:
    write("one")
    write("two", day=2)
    report("one")
    text = report("two", "--against", "one")
    assert "Comparison reports/two-against-one/index.html" in text
    assert "Nothing got worse, as far as these runs can tell." in text
    page = folder / "reports" / "two-against-one" / "index.html"
    addresses = [a for a in outline(page.read_text()).addresses if not a.startswith("#")]
    assert addresses == ["../one/index.html"]
    with pytest.raises(StoreError, match="holds no data of a run"):
        supcr_bench.load(page)

    report("two", "--against", "reports/one", "--out", "there.html", "--markdown", "there.md")
    addresses = outline((folder / "there.html").read_text()).addresses
    assert "reports/one/index.html" in addresses
    assert "two against one" in (folder / "there.md").read_text()


@pytest.mark.usefixtures("without_charts")
def test_the_list_of_reports_follows_what_lies_there(folder: Path) -> None:
    for day, name in enumerate(("one", "two", "three"), start=1):
        write(name, day)
        report(name)
    report("three", "--against", "one")
    index = folder / "reports" / "index.html"

    def listed() -> list[str]:
        return [a for a in outline(index.read_text()).addresses if a.startswith("./")]

    assert listed() == [
        "./three-against-one/index.html",
        "./three/index.html",
        "./two/index.html",
        "./one/index.html",
    ]
    assert "WRONG: rowsort is not right" in index.read_text()
    before = index.read_bytes()
    report("one")
    assert index.read_bytes() == before
    shutil.rmtree(folder / "reports" / "two")
    report("one", "--out", "elsewhere.html")
    assert index.read_bytes() == before  # that was no place of the list
    report("two", "--out", "reports/other/index.html")
    assert outline(index.read_text()).addresses.count("./other/index.html") == 1
    assert ": a CPU, 2 CPUs" in index.read_text()
    report("one")
    assert "./two/index.html" not in listed()


@pytest.mark.usefixtures("without_charts")
def test_a_run_elsewhere_keeps_its_page_and_is_not_listed(folder: Path) -> None:
    write("one")
    shutil.move("results", "elsewhere")
    report("elsewhere/one")
    assert (folder / "elsewhere" / "one" / "index.html").is_file()
    assert not (folder / "reports").exists()


@pytest.mark.usefixtures("without_charts")
def test_the_findings_in_short_are_written_beside_the_report(folder: Path) -> None:
    write("one")
    report("one", "--markdown", "summary.md")
    text = (folder / "summary.md").read_text()
    assert text.startswith("## supcr-bench: made-up\n")
    assert "rowsort is not right: torchcell, but the wrong sign" in text
    assert "a CPU, 2 CPUs" in text
    assert (folder / "reports" / "one" / "index.html").is_file()


def test_a_baseline_is_reported_as_the_run_that_it_is(folder: Path) -> None:
    baseline = Path(__file__).parents[1] / "golden" / "paper-baseline.json"
    assert f"Results {baseline}" in report(str(baseline))
    (page,) = folder.glob("reports/*/index.html")
    assert supcr_bench.load(page).results == supcr_bench.load(baseline).results
