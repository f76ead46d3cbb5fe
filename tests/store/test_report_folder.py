"""What lies in a folder of reports."""

import json
from pathlib import Path

import pytest

from supcr_bench.store.report_file import SUMMARY_FILE, SUMMARY_KEYS, reports_in


def report(folder: Path, name: str, started_at: str, summary: str | None = None) -> dict[str, str]:
    (folder / name).mkdir()
    (folder / name / "index.html").write_text("")
    found = {"id": name, "suite": "quick", "started_at": started_at, "headline": "Well."}
    (folder / name / SUMMARY_FILE).write_text(json.dumps(found) if summary is None else summary)
    return found


def test_the_latest_run_comes_first_whatever_the_folders_are_called(tmp_path: Path) -> None:
    old = report(tmp_path, "c", "2026-01-01")
    new = report(tmp_path, "a", "2026-01-03")
    mid = report(tmp_path, "b", "2026-01-02")
    (tmp_path / "index.html").write_text("")
    (tmp_path / "notes").mkdir()
    assert reports_in(tmp_path) == [("a", new), ("b", mid), ("c", old)]
    (tmp_path / "a" / "index.html").unlink()
    assert [name for name, _ in reports_in(tmp_path)] == ["b", "c"]


@pytest.mark.parametrize("summary", ["", "[]", "{}", '{"id": "x"}'])
def test_a_report_without_a_usable_summary_is_known_by_its_folder(
    tmp_path: Path, summary: str
) -> None:
    known = report(tmp_path, "a", "2026-01-01")
    report(tmp_path, "b", "", summary)
    assert reports_in(tmp_path) == [
        ("a", known),
        ("b", dict.fromkeys(SUMMARY_KEYS, "") | {"id": "b"}),
    ]


def test_no_folder_holds_no_reports(tmp_path: Path) -> None:
    assert reports_in(tmp_path / "nowhere") == []


def test_newer_summaries_have_the_machine_and_its_figures(tmp_path: Path) -> None:
    known = report(tmp_path, "a", "2026-01-01")
    more = {"machine": "ee24d4", "environment": "AMD EPYC", "figures": {"tiled": 0.5}}
    (tmp_path / "a" / SUMMARY_FILE).write_text(json.dumps(known | more))
    assert reports_in(tmp_path) == [("a", known | more)]
    del more["environment"]
    (tmp_path / "a" / SUMMARY_FILE).write_text(json.dumps(known | more))
    assert reports_in(tmp_path) == [("a", known | more | {"environment": ""})]
    (tmp_path / "a" / SUMMARY_FILE).write_text(json.dumps(known | {"figures": "none"}))
    assert reports_in(tmp_path) == [("a", dict.fromkeys(SUMMARY_KEYS, "") | {"id": "a"})]
