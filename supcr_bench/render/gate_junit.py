"""A gate's outcome as JUnit XML, one test case for each change.

How readers treat an element decides how a verdict is written:

- a regression is a ``failure``, which every reader shows in red;
- an undecided change is ``skipped``, which fails no build that the gate itself lets through; an
  ``error`` would. Where undecided counts as a failure, it is written as one;
- a new figure is ``skipped`` too;
- a gate that decided nothing adds an ``error`` of its own: a file in which everything is skipped
  would count as a pass.
"""

import json
from collections import Counter
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
    """The outcome as JUnit XML in UTF-8; ``undecided`` is what an undecided gate counts as."""
    cases = [_case(change, undecided) for change in outcome.changes]
    if outcome.measured_nothing:
        nothing = ET.Element("testcase", {"classname": "gate", "name": "a figure was decided"})
        said = {"type": "undecided", "message": verdict_sentence(outcome)}
        ET.SubElement(nothing, "error", said)
        cases.append(nothing)
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
    properties = {"ruling": outcome.verdict, "against": outcome.against, "command": outcome.command}
    found = ET.SubElement(suite, "properties")
    for key, value in (properties | dict(outcome.environment)).items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            ET.SubElement(found, "property", {"name": plain(key), "value": plain(text)})
    suite.extend(cases)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


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
    skipped = {
        GateVerdict.UNDECIDED: f"undecided: {reason}",
        GateVerdict.UNCHANGED: f"no worse: {reason}",
        GateVerdict.NEW: "new: nothing was there before",
    }
    if verdict is GateVerdict.REGRESSION or counts_as_failure:
        lines = [reason]
        if change.before is not None or change.after is not None:
            before, after = (value_text(change, v) for v in (change.before, change.after))
            lines.append(f"before {before}, after {after}, {ratio_change_text(change)}")
        lines += [printable(change.command)] if change.command else []
        found = ET.SubElement(case, "failure", {"type": verdict, "message": reason})
        found.text = "\n".join(lines)
    elif verdict in skipped:
        ET.SubElement(case, "skipped", {"message": skipped[verdict]})
    return case
