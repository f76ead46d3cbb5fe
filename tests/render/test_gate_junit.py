"""A gate's outcome as JUnit XML."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from supcr_bench.render.gate_files import gate_junit
from supcr_bench.values.gate import GateOutcome, GateVerdict
from tests.made_gate_outcomes import (
    ALL,
    ALL_UNDECIDED,
    LONG_NAME,
    NEW,
    NOTHING,
    PASS,
    REASONS,
    REGRESSION,
    UGLY,
    UNDECIDED,
    command_of,
)

ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "time", "tests", "failures", "errors", "skipped"},
    "properties": set[str](),
    "property": {"name", "value"},
    "testcase": {"name", "classname"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
}
"""Elements and attributes that the schemas of JUnit's readers agree on."""


def read(found: GateOutcome, undecided: Any = None) -> ET.Element:
    return ET.fromstring(gate_junit(found, undecided))


def cases(found: GateOutcome, undecided: Any = None) -> list[tuple[str, str, str]]:
    """Class, name, and what became of each test case."""
    return [
        (c.attrib["classname"], c.attrib["name"], c[0].tag if len(c) else "passed")
        for c in read(found, undecided).iter("testcase")
    ]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("undecided", [None, "pass", "fail"])
def test_every_outcome_keeps_to_what_readers_know_and_counts_right(
    name: str, undecided: Any
) -> None:
    root = read(ALL[name], undecided)
    (suite,) = root
    for element in root.iter():
        assert set(element.attrib) <= ALLOWED[element.tag]
    assert [child.tag for child in suite][:1] == ["properties"]
    for element in (root, suite):
        assert element.attrib["tests"] == str(len(list(root.iter("testcase"))))
        assert element.attrib["failures"] == str(len(list(root.iter("failure"))))
        assert element.attrib["errors"] == str(len(list(root.iter("error"))))
    assert suite.attrib["skipped"] == str(len(list(root.iter("skipped"))))
    named = [(c, n) for c, n, _ in cases(ALL[name])]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("name", ALL)
def test_every_regression_is_a_failure_with_its_reason_and_command(name: str) -> None:
    failures = [f.text or "" for f in read(ALL[name]).iter("failure")]
    worse = ALL[name].with_verdict(GateVerdict.REGRESSION)
    assert len(failures) == len(worse)
    assert all(str(j.command) in text for j, text in zip(worse, failures, strict=True))


def test_a_test_case_is_of_an_evidence_an_implementation_a_figure_and_a_case() -> None:
    found = cases(REGRESSION)
    assert found[1] == ("agreement.rowsort", "verification", "failure")
    assert found[7] == (f"time.{LONG_NAME}", "time, training N=64 D=2 NaN 20%", "failure")
    assert found[8] == ("agreement.broadcast", "agreement, training N=64 D=2 NaN 20%", "passed")
    (time,) = read(REGRESSION).findall("*/testcase[@classname='time.rowsort']/failure")
    assert time.attrib == {"type": "regression", "message": REASONS["time"]}
    assert time.text == (
        "the whole interval lies above 5% slower\n"
        "before 26.1 ms, after 29.3 ms, x1.12 [1.09, 1.15]\n"
        + command_of("rowsort", REGRESSION.changes[5].case)
    )


def test_what_is_undecided_is_no_pass() -> None:
    became = [end for _, _, end in cases(UNDECIDED)]
    assert became == ["skipped"] * 4 + ["passed"] * 5
    skipped = next(read(UNDECIDED).iter("skipped"))
    assert skipped.attrib["message"].startswith("undecided: [0.97, 1.08] reaches over 5%")
    assert [end for _, _, end in cases(UNDECIDED, "fail")] == ["failure"] * 4 + ["passed"] * 5
    assert cases(UNDECIDED, "pass") == cases(UNDECIDED)


@pytest.mark.parametrize("found", [NOTHING, ALL_UNDECIDED, NEW])
@pytest.mark.parametrize("undecided", [None, "pass", "fail"])
def test_a_gate_that_decided_nothing_is_an_error(found: GateOutcome, undecided: Any) -> None:
    *rest, last = cases(found, undecided)
    assert last == ("gate", "a figure was decided", "error")
    assert "passed" not in [end for _, _, end in rest]


def test_machine_and_software_are_properties() -> None:
    values = {p.attrib["name"]: p.attrib["value"] for p in read(PASS).iter("property")}
    assert values["ruling"] == "pass"
    assert values["against"] == "main (1a2b3c4d5e6f)"
    assert values["torch"] == "2.13.0"
    assert values["accelerators"] == "[]"
    assert "driver" not in {p.attrib["name"] for p in read(UGLY).iter("property")}


def test_what_xml_cannot_hold_is_written_out() -> None:
    (failure,) = read(UGLY).iter("failure")
    assert failure.attrib["message"] == ("died:\\x1b[31m\\x00 | `code` <b>bold</b> & ]]> \\xd800")
    assert gate_junit(PASS).startswith(b"<?xml version='1.0' encoding='utf-8'?>\n<testsuites ")
