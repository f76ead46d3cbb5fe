"""The notebook runs from its first cell to its last, and shows what is stored in it."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.docs.notebook import NOTEBOOK, code_cells, read_notebook, run_cell, shown_text
from tests.docs.pages import CHECKOUT
from tests.forked.start import Servers

pytestmark = pytest.mark.slow


def test_every_cell_runs_and_shows_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    """Cells whose times, figures or training differ between machines are marked."""

    def forked(command: str) -> "subprocess.CompletedProcess[str]":
        program, *arguments = shlex.split(command)
        assert program == "supcr-bench"
        return servers.run_command(arguments, Path.cwd())

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")  # as a cell sets it; this restores it
    names: dict[str, Any] = {}
    for number, cell in enumerate(code_cells(read_notebook()), 1):
        ran = {"outputs": run_cell("".join(cell["source"]), names, number, forked)}
        assert [o["output_type"] for o in ran["outputs"]] == [
            o["output_type"] for o in cell["outputs"]
        ]
        if "varies" not in cell["metadata"].get("tags", []):
            assert shown_text(ran) == shown_text(cell)
    assert names["r_squared"](names["encoder"]) > 0.5


def test_an_error_in_a_cell_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_cell("1 / 0", {}, 1)
    with pytest.raises(RuntimeError, match="exit status 3"):
        run_cell("print(1)\n!exit 3", {}, 1)


def test_the_stored_notebook_is_small_whole_and_of_no_machine() -> None:
    assert NOTEBOOK.stat().st_size < 300_000
    cells = code_cells(read_notebook())
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    text = NOTEBOOK.read_text("utf-8")
    assert not re.search(r"/(tmp|home|root|work)/", text)
    for link in re.findall(r"\[[^\]]*\]\((\w+\.md)\)", text):
        assert (CHECKOUT / "docs" / link).exists()
