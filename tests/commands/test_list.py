"""``supcr-bench list``."""

import json
from pathlib import Path

import pytest

from supcr_bench.commands.list_subjects import list_subjects
from supcr_bench.subjects import registry
from supcr_bench.sweep import suite
from tests.commands.conftest import Cli

pytestmark = pytest.mark.slow


def test_json_holds_every_file_of_the_folder(cli: Cli) -> None:
    listed = json.loads(cli("list", "--json").stdout)
    stems = {p.stem for p in registry.folder().glob("*.py") if not p.stem.startswith("_")}
    files = {stem.replace("_", "-") for stem in stems}
    assert {i["name"] for i in listed["implementations"]} == files
    assert all(i["available"] for i in listed["implementations"])
    assert {s["name"] for s in listed["suites"]} >= {
        "quick",
        "default",
        "scaling",
        "nan",
        "dimensions",
    }
    assert all(s["purpose"] for s in listed["suites"])


def test_tables_name_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    list_subjects(as_json=False)
    text = capsys.readouterr().out
    for name in ("loopy", "broadcast", "rowsort", "quick", "scaling"):
        assert name in text


def test_what_cannot_be_imported_is_listed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    subject = registry.Subject("broken", "file", str(tmp_path / "broken.py"), "IMPLEMENTATION")
    with monkeypatch.context() as patch:  # the suites' own stay registered
        patch.setattr(registry, "registered", lambda: {"broken": subject})
        listing = registry.list_all()
    monkeypatch.setattr(registry, "list_all", lambda: listing)
    monkeypatch.setattr(suite, "suite_names", lambda: ["quick"])
    list_subjects(as_json=False)
    assert "unavailable" in capsys.readouterr().out
    list_subjects(as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)["implementations"]
    assert listed["available"] is False
    assert "no_such_package" in listed["reason"]
