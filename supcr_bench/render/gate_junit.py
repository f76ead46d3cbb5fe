"""A gate's outcome as JUnit XML, one test case for each change.

How readers treat an element decides how a verdict is written:

- a regression is a ``failure``, which every reader shows in red;
- an undecided change is ``skipped``, with the reason. Readers count it apart from what passed, and
  it does not fail a build that the gate itself lets through. An ``error`` would: Jenkins and
  GitHub's test summaries count it as a failure. Where undecided counts as a failure, it is written
  as one;
- a new figure is ``skipped`` too, because there was nothing to compare it with;
- a gate that decided nothing adds an ``error`` of its own: a file in which everything is skipped
  would count as a pass.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from supcr_bench.render.gate_json import FIGURES
from supcr_bench.render.gate_words import (
    case_text,
    plain,
    printable,
    ratio_change_text,
    reason_text,
    value_text,
    verdict_sentence,
)
from supcr_bench.values.gate import CountsAs, GatedChange, GateOutcome, GateVerdict


def gate_junit(outcome: GateOutcome, undecided: CountsAs = None) -> bytes:
    """The outcome as a JUnit XML file, in UTF-8.

    Args:
        outcome: the outcome of the gate.
        undecided: what an undecided gate counts as; ``None`` for neither.
    """
    cases = [_case(change, undecided) for change in outcome.changes]
    if outcome.measured_nothing:
        cases.append(_nothing(outcome))
    children = Counter(child.tag for case in cases for child in case)
    counts = {
        "tests": str(len(cases)),
        "failures": str(children["failure"]),
        "errors": str(children["error"]),
        "time": f"{outcome.spent_s:.3f}",
    }
    name = plain(f"supcr-bench gate {outcome.suite}")
    root = ET.Element("testsuites", {"name": name, **counts})
    suite = ET.SubElement(
        root, "testsuite", {"name": name, **counts, "skipped": str(children["skipped"])}
    )
    suite.append(_properties(outcome))
    suite.extend(cases)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _properties(outcome: GateOutcome) -> ET.Element:
    values: Mapping[str, Any] = {
        "ruling": outcome.verdict,
        "against": outcome.against,
        "command": outcome.command,
        **outcome.environment,
    }
    found = ET.Element("properties")
    for name, value in values.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            ET.SubElement(found, "property", {"name": plain(name), "value": plain(text)})
    return found


def _case(change: GatedChange, undecided: CountsAs) -> ET.Element:
    where = f", {case_text(change.case)}" if change.case else ""
    case = ET.Element(
        "testcase",
        {
            "classname": plain(f"{change.evidence}.{change.implementation}"),
            "name": plain(f"{FIGURES.get(change.metric, change.metric)}{where}"),
        },
    )
    verdict, reason = change.verdict, reason_text(change)
    counts_as_failure = verdict is GateVerdict.UNDECIDED and undecided == "fail"
    if verdict is GateVerdict.REGRESSION or counts_as_failure:
        found = ET.SubElement(case, "failure", {"type": verdict, "message": reason})
        found.text = "\n".join(_details(change))
    elif verdict is GateVerdict.UNDECIDED:
        ET.SubElement(case, "skipped", {"message": f"undecided: {reason}"})
    elif verdict is GateVerdict.UNCHANGED:
        ET.SubElement(case, "skipped", {"message": f"no worse: {reason}"})
    elif verdict is GateVerdict.NEW:
        ET.SubElement(case, "skipped", {"message": "new: nothing was there before"})
    return case


def _details(change: GatedChange) -> list[str]:
    lines = [reason_text(change)]
    if change.before is not None or change.after is not None:
        before, after = (value_text(change, v) for v in (change.before, change.after))
        lines.append(f"before {before}, after {after}, {ratio_change_text(change)}")
    return [*lines, printable(change.command)] if change.command else lines


def _nothing(outcome: GateOutcome) -> ET.Element:
    case = ET.Element("testcase", {"classname": "gate", "name": "a figure was decided"})
    ET.SubElement(case, "error", {"type": "undecided", "message": verdict_sentence(outcome)})
    return case
