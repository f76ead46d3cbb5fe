"""Every command and program of README and docs/ is run, or parsed by the real command line."""

import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

import supcr_bench
from supcr_bench.commands.app import app
from supcr_bench.store.run import load_run
from supcr_bench.sweep.suite import load_suite
from supcr_bench.verification.local_session import verify
from tests.docs.pages import CHECKOUT, PAGES, Block, anchors, blocks, commands, links
from tests.forked.start import Servers
from tests.made_verifications import make_verification

RUN_FILES = ("run.json", "measurements.jsonl", "verification.json")
PROGRAMS = blocks("python")
SHOWN = list({b.text: b for b in blocks("console")}.values())


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: a wrong loss and the run `reference`."""
    folder = tmp_path_factory.mktemp("docs")
    bugs = CHECKOUT / "supcr_bench" / "verification" / "bugs"
    shutil.copy(bugs / "demo_loss.py", folder / "my_loss.py")
    run = folder / "results" / "reference"
    run.mkdir(parents=True)
    for name in RUN_FILES:
        shutil.copy(CHECKOUT / "results" / "reference" / name, run)
    return folder


@pytest.fixture(scope="module")
def printed(workplace: Path, servers: Servers) -> dict[str, str]:
    """What each command that is shown with its output prints, run once."""
    wanted = {block.text.splitlines()[0] for block in SHOWN}
    found: dict[str, str] = {}
    for line in sorted(wanted):
        assert line.startswith("$ supcr-bench ")
        found[line] = servers.run_command(line.split()[2:], workplace).stdout
    return found


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.slow
@pytest.mark.parametrize("block", SHOWN, ids=[f"{b.page}: {b.text[:60]}" for b in SHOWN])
def test_a_command_prints_what_the_page_shows(block: Block, printed: dict[str, str]) -> None:
    """Line breaks apart; a line of three dots stands for what is left out."""
    line, _, shown = block.text.partition("\n")
    parts = [re.escape(words(part)) for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)]
    assert re.fullmatch(r".*?".join(f" ?{part} ?" for part in parts), words(printed[line]))


@pytest.mark.parametrize(
    ("page", "arguments"), commands(), ids=[f"{p}: {' '.join(a)}" for p, a in commands()]
)
def test_a_command_is_one_that_there_is(
    page: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("results/baselines", "before", "after"):
        (tmp_path / name).mkdir(parents=True)
    program, *rest = arguments
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in rest if "=" not in word} <= set(targets)
    elif program == "supcr-bench" and rest and rest[0] != "--install-completion":
        group: Any = typer.main.get_command(app)
        with group.make_context("supcr-bench", list(rest), resilient_parsing=True) as context:
            command = group.get_command(context, rest[0])
            assert command is not None, f"{page}: no command {rest[0]}"
            command.make_context(rest[0], rest[1:], parent=context)
    else:
        assert program in ("supcr-bench", "pip", "pytest", ".venv/bin/pre-commit")


@pytest.mark.parametrize("block", PROGRAMS, ids=[f"{b.page}: {b.text[:40]}" for b in PROGRAMS])
def test_a_program_runs(block: Block, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the tensors that it names; a verification is made up, and its arguments are checked."""

    def verified(*given: Any, **options: Any) -> object:
        inspect.signature(verify).bind(*given, **options)
        return make_verification()

    monkeypatch.setattr(supcr_bench, "verify", verified, raising=False)
    stored = workplace / "results" / "reference"
    monkeypatch.setattr(supcr_bench, "load", lambda _: load_run(str(stored)), raising=False)
    compiled = compile(block.text, block.page, "exec")
    if "supcr_benchmark" in block.text or "distributed" in block.text or "<name>" in block.text:
        return  # run by tests of the fixture, of ranks and of the registry
    torch.manual_seed(0)
    labels = torch.randn(6, 2)
    first, second = (torch.randn(6, 4, requires_grad=True) for _ in range(2))
    names = {
        "features": torch.stack((first, second), 1),
        "perturbed": first,
        "intact": second,
        "labels": labels,
        "MyLoss": object,
    }
    exec(compiled, names)  # the pages are of this repository


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.page)
def test_a_suite_file_is_valid(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(block.text)
    assert load_suite(str(file)).purpose


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_names_every_page_and_the_readme_stays_short() -> None:
    index = links(CHECKOUT / "docs" / "README.md")
    assert set(index) == {p.name for p in (CHECKOUT / "docs").iterdir()} - {"README.md"}
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= 150
