"""Losses that spoil or fool a careless harness, gated in one command beside honest ones."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.commands import gate_session
from supcr_bench.commands.app import app
from supcr_bench.gate.time_trial import TimeTrial
from supcr_bench.measure.version_times import VersionedCell, time_versions
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.case import Case, Workload
from supcr_bench.values.definition import TORCHCELL
from tests.gate.fake_sampler import FakeSampler
from tests.hostile import FOLDER, HOSTILE
from tests.repository import Repository

pytestmark = pytest.mark.slow

SUITE = """
purpose = "Small enough for a test."
implementations = ["rowsort"]
definition = "torchcell"

[[grid]]
batch_size = 10
pass = "training"
embedding_size = 8
dims = 2
nan_density = 0.2
"""
CHANGING = ("slow_exp", "bfloat16_products", "slow_operator")
"""One that replaces a function, one that changes a setting, one that cannot be undone. A cell of
each other one is in tests/measure/test_hostile.py, and the gate counts in such cells."""
BY_TIMES = ("last_answer_by_shape", "tires", "less_when_timed")
"""Their answers show when they are called several times, or timed."""
WRONG = ("fills_in_later", "changes_inputs")
HONESTLY = ["rowsort", "broadcast", "lazy_output.py:Loss"]
Judged = Mapping[tuple[str, str], Mapping[str, Any]]


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judged, set[str]]:
    """What the gate says by implementation and figure, and the implementations that it times."""
    folder, sampler = tmp_path_factory.mktemp("hostile"), FakeSampler()
    for file in FOLDER.glob("[a-z]*.py"):
        shutil.copy(file, folder)
    (folder / "suite.toml").write_text(SUITE)
    Repository(folder).commit()
    names = [*HONESTLY, *(f"{name}.py:Loss" for name in (*CHANGING, *WRONG))]
    arguments = ["gate", "suite.toml", "--against", "HEAD", "--json", "found.json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(
            gate_session,
            "TimeTrial",
            lambda cells, rule, _, budget_s: TimeTrial(
                cells, rule, sampler, budget_s, sampler.clock
            ),
        )
        app([*arguments, *(part for name in names for part in ("-i", name))], standalone_mode=False)
    found = json.loads((folder / "found.json").read_text())["judgements"]
    asked = {name for cells in sampler.asked for name in cells}
    return {(own["implementation"], own["figure"]): own for own in found}, asked


@pytest.mark.parametrize("name", CHANGING)
def test_what_changes_the_process_is_not_timed_and_the_gate_says_what(
    gated: tuple[Judged, set[str]], name: str
) -> None:
    judged, asked = gated
    time = judged[f"{name}.py:Loss", "time"]
    assert time["ruling"] == "undecided"
    change = HOSTILE[name].change or HOSTILE[name].lasting
    assert f"not timed: it {change}" in time["reason"]
    assert f"{name}.py:Loss" not in asked


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_in_both_versions_is_told(gated: tuple[Judged, set[str]], name: str) -> None:
    agreement = gated[0][f"{name}.py:Loss", "agreement"]
    assert str(HOSTILE[name].finding) in agreement["reason"]


def test_the_honest_beside_them_are_judged_as_ever(gated: tuple[Judged, set[str]]) -> None:
    judged, asked = gated
    assert asked == {*HONESTLY, "fills_in_later.py:Loss"}  # as wrong as before, and timed
    for name in HONESTLY:
        own = {figure: found["ruling"] for (of, figure), found in judged.items() if of == name}
        assert set(own.values()) == {"pass"}, own


@pytest.mark.parametrize("name", BY_TIMES)
def test_an_answer_that_changes_while_it_is_timed_ends_its_timing(name: str) -> None:
    own = locate(f"{FOLDER / name}.py:Loss")
    own = replace(own, resolution=Adapter.usual(load(own).factory).resolution)
    case = Case.of(Workload(batch_size=10, dims=2, embedding_size=8), "training", TORCHCELL)
    cell = VersionedCell(name, case, {"before": own, "after": own}, sampling_s=0.001)
    (found,) = time_versions([cell], seed="0")
    assert found.raised_by in ("before", "after")
    assert str(HOSTILE[name].finding) in str(found.reason)
