from datetime import date, timedelta
from pathlib import Path

import pytest

from supcr_bench.gate.accepted import apply_accepted, read_accepted, write_accepted
from supcr_bench.values.errors import UsageError
from supcr_bench.values.gate import GateVerdict
from tests.made_gate_outcomes import CASE, judge

TODAY = date(2026, 11, 26)
ENTRY = """
[[accepted]]
implementation = "rowsort"
case = "training-N64-D2-nan0.2"
figure = "dispatched operations"
from = 5292
to = 6086
reason = "checks for NaN"
expires = 2027-03-01
"""


def applied(tmp_path: Path, text: str = ENTRY, **fields: object) -> tuple[GateVerdict, list[str]]:
    (tmp_path / "accepted.toml").write_text(text)
    change = judge("dispatched_ops", GateVerdict.REGRESSION, **fields)  # type: ignore[arg-type]
    entries = read_accepted(tmp_path / "accepted.toml")
    changes, notes = apply_accepted([change], entries, TODAY)
    return changes[0].verdict, notes


def test_an_accepted_cost_passes_and_says_why_and_until_when(tmp_path):
    assert CASE.id == "training-N64-D2-nan0.2"
    assert applied(tmp_path) == (
        GateVerdict.ACCEPTED,
        [
            "Accepted: dispatched operations of rowsort training-N64-D2-nan0.2 from 5,292 to "
            "6,086, until 2027-03-01 (checks for NaN)."
        ],
    )


@pytest.mark.parametrize(
    ("fields", "text", "note"),
    [
        ({"after": 6087.0}, ENTRY, "Void, since it no longer fits"),
        ({"before": 6086.0, "after": 7000.0}, ENTRY, "it went from 6,086 to 7,000; delete it."),
        ({}, ENTRY.replace("2027-03", "2026-03"), "Accepted until 2026-03-01, and judged again"),
        ({"name": "scan"}, ENTRY, None),
        ({}, ENTRY.replace("nan0.2", "nan0.5"), None),
        ({}, ENTRY.replace("dispatched operations", "peak memory"), None),
    ],
)
def test_what_an_entry_does_not_fit_stays_a_regression(tmp_path, fields, text, note):
    verdict, notes = applied(tmp_path, text, **fields)
    assert verdict is GateVerdict.REGRESSION
    assert (note is None and not notes) or (note is not None and note in notes[0])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("figure = ", "figur = ", "unknown key 'figur'; known: implementation, case, figure"),
        ('"dispatched operations"', '"launchs"', "'launchs' is not a figure; known: agreement"),
        ('reason = "checks for NaN"', "", "say the reason"),
        ("expires = 2027-03-01", "", "say until when"),
        ("from = 5292", 'from = "some"', "from and to are numbers"),
        ("[[accepted]]", "[accepted]", "write entries as"),
        ("[[accepted]]", "[[accepted", "cannot be read"),
    ],
)
def test_an_entry_that_is_not_valid_says_what_to_write(tmp_path, old, new, words):
    assert old in ENTRY
    path = tmp_path / "accepted.toml"
    path.write_text(ENTRY.replace(old, new))
    with pytest.raises(UsageError, match=r"accepted\.toml") as caught:
        read_accepted(path)
    assert words in str(caught.value)


def test_what_the_gate_writes_is_what_it_accepts(tmp_path):
    path = tmp_path / "accepted.toml"
    path.write_text("# kept\n")
    figures = ("dispatched_ops", "memory", "time", "default call", "agreement", "verification")
    changes = [judge(figure, GateVerdict.REGRESSION) for figure in figures]
    assert write_accepted(path, changes, 'the "guard"', TODAY) == 4
    assert path.read_text().startswith("# kept\n")
    entries = read_accepted(path)
    assert {e.expires for e in entries} == {TODAY + timedelta(days=90)}
    found, _ = apply_accepted(changes, entries, TODAY)
    assert [c.verdict is GateVerdict.ACCEPTED for c in found] == [True] * 4 + [False] * 2
