"""What is only read may come from someone else: it runs nothing, and writes nowhere else."""

import gzip
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from supcr_bench.commands.options import read_run
from supcr_bench.commands.report_page import show_and_write
from supcr_bench.inputs.label_file import read_label_file
from supcr_bench.render.terminal import make_console
from supcr_bench.store.run import load_run
from supcr_bench.sweep.suite import load_suite
from supcr_bench.values import files
from supcr_bench.values.errors import UsageError
from tests.bad_input.label_files import Evil
from tests.bad_input.stored import HEAD, WHOLE, info, line, packed, page, write_run

MARKUP = '</a><script>alert(1)</script>[red]x[/red]\x1b[2J\x9b31m\u202e"&'
"""Would be markup of a page, of rich, and of a terminal; and would turn the text around."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_text_of_a_run_is_shown_as_text(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_run(place / "results", "run")
    for number in range(1, 5):
        line(number=number, implementation=MARKUP, session=MARKUP, machine=None)(path)
    line(number=4, status="failed", reason=MARKUP, time_samples_s=None)(path)
    suite = {"name": MARKUP, "purpose": MARKUP, "definition": MARKUP}
    environment = dict.fromkeys(("cpu", "os", "torch", "python"), MARKUP)
    environment |= {"cpus_usable": 1, "threads": 1, "memory_bytes": 1, "accelerators": []}  # type: ignore[dict-item]
    info(suite=suite, environment=environment, version=MARKUP, command=MARKUP, revision=MARKUP)(
        path
    )
    show_and_write(read_run(str(path)), make_console(), markdown=Path("summary.md"))
    made = [p for p in place.rglob("*") if p.suffix in (".html", ".svg")]
    assert len(made) >= 2
    for file in made:
        assert "<script>alert" not in file.read_text()
    printed = capsys.readouterr()
    assert "[red]x[/red]" in printed.out
    for text in (
        printed.out,
        printed.err,
        *(p.read_text() for p in (place / "results").rglob("*.csv")),
    ):
        assert not set("\x1b\x9b\u202e") & set(text)
    assert "<script>" not in Path("summary.md").read_text().replace("\\<", "")


@pytest.mark.parametrize("name", ["../../out", "/tmp/out", "..", "a/b", "a\\b"])
def test_an_id_does_not_lead_out_of_the_folder(place: Path, name: str) -> None:
    sent = place / "sent.html"
    sent.write_text(page(packed({**WHOLE, "run": {**HEAD, "id": name}})))
    path = write_run(place / "results", "run")
    info(id=name)(path)
    before = set(place.rglob("*"))
    for run in (sent, path):
        with pytest.raises(UsageError, match="is not the id of a run"):
            load_run(run)
    assert set(place.rglob("*")) == before


def test_a_run_that_names_code_is_read_without_importing_it(place: Path) -> None:
    (place / "evil.py").write_text("open('imported', 'w')\nclass Loss: ...\n")
    path = write_run(place / "results", "run")
    line(implementation="evil.py:Loss")(path)
    info(subjects=["evil.py:Loss"], implementations={"evil.py:Loss": {}})(path)
    show_and_write(load_run(path), make_console())
    (place / "evil.toml").write_text('purpose = "x"\nimplementations = ["evil.py:Loss"]\n')
    load_suite("evil.toml")
    assert not (place / "imported").exists()


def np_save(path: Path, value: Any) -> None:
    np.save(path, np.array([value, value], dtype=object), allow_pickle=True)


def pickled(path: Path, value: Any) -> None:
    path.write_bytes(pickle.dumps(value))


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("evil.pt", lambda path, value: torch.save(value, path)),
        ("nested.pt", lambda path, value: torch.save({"y": [value]}, path)),
        ("plain.pt", pickled),
        ("evil.npy", np_save),
        ("evil.npz", lambda path, value: np.savez(path, y=np.array([value, value], dtype=object))),
        ("evil.parquet", pickled),
        ("evil.xlsx", pickled),
        ("evil.csv", pickled),
    ],
)
def test_no_labels_file_is_unpickled(
    place: Path, name: str, save: Callable[[Path, Any], None]
) -> None:
    save(place / name, Evil())
    with pytest.raises(UsageError):
        read_label_file(name)
    assert not (place / "unpickled").exists()


def test_what_unpacks_to_more_than_the_bound_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from supcr_bench.inputs import label_file

    for module in (files, label_file):
        monkeypatch.setattr(module, "LARGEST_BYTES", 100_000)
    zeros = "0\n" * 200_000
    (place / "bomb.csv.gz").write_bytes(gzip.compress(f"y\n{zeros}".encode()))
    np.savez_compressed(place / "bomb.npz", y=np.zeros(200_000))
    np.save(place / "bomb.npy", np.zeros(200_000))
    torch.save(torch.zeros(200_000), place / "bomb.pt")
    (place / "bomb.toml").write_text("#" * 200_000)
    (place / "bomb.json").write_text(json.dumps("x" * 200_000))
    (place / "bomb.html").write_text(page(packed(json.dumps("x" * 200_000).encode())))
    path = write_run(place / "results", "run")
    (path / "measurements.jsonl").write_text("\n" * 200_000)
    reads: list[Callable[[], object]] = [
        *(
            lambda n=n: read_label_file(n)
            for n in ("bomb.csv.gz", "bomb.npz", "bomb.npy", "bomb.pt")
        ),
        lambda: load_suite("bomb.toml"),
        lambda: load_run("bomb.json"),
        lambda: load_run("bomb.html"),
        lambda: load_run(path),
    ]
    for read in reads:
        with pytest.raises(UsageError, match=r"100,000|larger|more than"):
            read()


def test_a_file_that_is_no_file_is_not_waited_for(place: Path) -> None:
    os.mkfifo(place / "pipe.csv")
    os.mkfifo(place / "pipe.toml")
    path = write_run(place / "results", "run")
    (path / "run.json").unlink()
    os.mkfifo(path / "run.json")
    for read in (
        lambda: read_label_file("pipe.csv"),
        lambda: load_suite("pipe.toml"),
        lambda: load_run(path),
    ):
        with pytest.raises(UsageError, match="no "):
            read()
