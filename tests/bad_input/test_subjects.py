"""Implementations that cannot be measured, each with a part of the answer; one worker for all."""

from dataclasses import replace
from pathlib import Path

import pytest

from supcr_bench.subjects.registry import locate
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.definition import TORCHCELL
from supcr_bench.workers.messages import Failed

SOURCE = """
import torch

NUMBER = 3
TEXT = "a loss"
NOTHING = None


class Needs:
    def __init__(self, encoder):
        self.encoder = encoder

    def __call__(self, perturbed, intact, labels):
        return perturbed.sum()


class Refuses:
    def __init__(self):
        raise RuntimeError("not today")

    def __call__(self, perturbed, intact, labels):
        return perturbed.sum()


class Nothing:
    pass


class OneArgument:
    def __call__(self, features):
        return features.sum()


class Text:
    def __call__(self, perturbed, intact, labels):
        return "a loss"


class Many:
    def __call__(self, perturbed, intact, labels):
        return perturbed


def leaves(perturbed, intact, labels):
    raise SystemExit(3)


def no_arguments():
    return torch.ones(())
"""
ROWS = {
    "subjects.py:Missing": "has no 'Missing'",
    "subjects.py:NUMBER": "neither an Implementation nor callable",
    "subjects.py:TEXT": "neither an Implementation nor callable",
    "subjects.py:NOTHING": "NOTHING",
    "subjects.py:Needs": "encoder",
    "subjects.py:Refuses": "not today",
    "subjects.py:Nothing": "Nothing",
    "subjects.py:OneArgument": "OneArgument",
    "subjects.py:Text": "Text",
    "subjects.py:Many": "Many",
    "subjects.py:no_arguments": "no_arguments",
    "broken.py:Loss": "SyntaxError",
    "raises.py:Loss": "ZeroDivisionError",
    "leaves.py:Loss": "SystemExit",
    "imports.py:Loss": "no_such_package",
    "binary.py:Loss": "binary.py",
    "no.such.module:Loss": "no",
    "json:nothing": "has no 'nothing'",
}


@pytest.mark.slow
def test_each_is_told_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "subjects.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("class Loss(\n")
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(1)\n")
    (tmp_path / "imports.py").write_text("import no_such_package\n")
    (tmp_path / "binary.py").write_bytes(b"\x00\xff\xfe")
    executor = LocalExecutor()
    try:
        subjects = [replace(locate(name), definition=TORCHCELL) for name in ROWS]
        found = executor.preflight(subjects, "cpu")
    finally:
        executor.close()
    for name, words in ROWS.items():
        checked = found[name]
        assert isinstance(checked, Failed), name
        finding = checked.reason
        assert words in finding, finding
        assert "Traceback" not in finding
        assert name.partition(":")[0] in finding or name in finding
