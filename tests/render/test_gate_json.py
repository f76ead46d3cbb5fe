"""A gate's outcome for machines."""

import json
from dataclasses import fields
from typing import Any

import pytest

from supcr_bench.render.gate_files import SCHEMA_VERSION, gate_json
from supcr_bench.values.case import Case
from supcr_bench.values.gate import GatedChange, GateOutcome, GateVerdict, TimeStudy
from tests.made_gate_outcomes import ALL, NOTHING, PASS, REGRESSION, UGLY, UNDECIDED


def no_constant(text: str) -> None:
    pytest.fail(f"{text} is not JSON")


def read(text: str) -> Any:
    return json.loads(text, parse_constant=no_constant)


@pytest.mark.parametrize("name", ALL)
def test_every_outcome_is_json_that_any_reader_takes(name: str) -> None:
    found = ALL[name]
    values = read(gate_json(found))
    assert values["schema_version"] == SCHEMA_VERSION == 1
    assert values["ruling"] == found.verdict
    assert values["exit_status"] == found.exit_status()
    assert len(values["judgements"]) == len(found.changes)
    worse = [j for j in values["judgements"] if j["ruling"] == "regression"]
    assert [j["command"] for j in worse] == [
        j.command for j in found.with_verdict(GateVerdict.REGRESSION)
    ]


def test_nothing_that_is_known_is_left_out() -> None:
    values = read(gate_json(PASS))
    names = {"changes": "judgements", "metric": "figure", "verdict": "ruling"}
    assert {names.get(f.name, f.name) for f in fields(GateOutcome)} <= set(values)
    assert {f.name for f in fields(TimeStudy)} == set(values["time"])
    own = values["judgements"][0]
    assert {names.get(f.name, f.name) for f in fields(GatedChange)} - {"case"} <= set(own)
    assert {f.name.rstrip("_") for f in fields(Case)} <= set(own)


def test_a_change_is_flat_and_has_a_unit() -> None:
    agreement, verification, *_, time = read(gate_json(REGRESSION))["judgements"][:6]
    assert (time["figure"], time["evidence"], time["unit"]) == ("time", "time", "seconds")
    assert (time["before"], time["ratio"], time["low"]) == (0.0261, 1.123, 1.087)
    assert (time["pass"], time["batch_size"], time["nan_density"]) == ("training", 64, 0.2)
    assert (agreement["unit"], agreement["before"]) == (None, None)
    assert verification["batch_size"] is verification["pass"] is None
    assert not [v for v in time.values() if isinstance(v, dict | list)]


def test_numbers_that_json_does_not_have_are_missing() -> None:
    values = read(gate_json(UGLY))
    own = values["judgements"][0]
    assert (own["before"], own["after"], own["ratio"]) == (0.0, None, None)
    assert values["environment"]["free"] is None


@pytest.mark.parametrize(
    ("undecided", "status", "of_nothing"), [(None, 3, 3), ("pass", 0, 3), ("fail", 1, 1)]
)
def test_the_exit_status_follows_what_undecided_counts_as(
    undecided: Any, status: int, of_nothing: int
) -> None:
    values = read(gate_json(UNDECIDED, undecided))
    assert values["exit_status"] == status
    assert values["undecided_counts_as"] == undecided
    assert values["ruling"] == "undecided"
    assert read(gate_json(NOTHING, undecided))["exit_status"] == of_nothing
    assert read(gate_json(NOTHING, undecided))["measured_nothing"]
