"""Writes a gate's outcome for other programs: JSON without NaN and infinity, and JUnit XML.

In JUnit XML every change is a test case:

- a regression is a ``failure``, which every reader shows in red;
- an undecided change is ``skipped``, because an ``error`` would fail a build that the gate passes;
  with ``--undecided fail`` it is a ``failure``;
- a new figure is ``skipped`` too;
- a gate that decided nothing adds an ``error``, because readers count a file in which everything is
  skipped as a pass.

"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any
from xml.etree import ElementTree as ET

from supcr_bench.render import gate_words
from supcr_bench.render.gate_words import plain
from supcr_bench.values.case import Case
from supcr_bench.values.gate import CountsAs, GatedChange, GateOutcome, GateVerdict

SCHEMA_VERSION = 1
FIGURES: Mapping[str, str] = {
    "dispatched_ops": "launches",
    "elements_processed": "element work",
    "memory": "peak memory",
}
"""Names of metrics in schema 1 that differ from today's; JUnit files use the old names too."""
UNITS: Mapping[str, str] = {
    "dispatched_ops": "operations",
    "elements_processed": "elements",
    "memory": "bytes",
    "python_instructions": "instructions",
    "time": "seconds",
}
"""The unit of ``before`` and ``after``; a metric of agreement has none."""
KEYS = {"metric": "figure", "verdict": "ruling"}
"""Keys of schema 1 that differ from the names of attributes."""


def gate_json(outcome: GateOutcome, undecided: CountsAs = None) -> str:
    kept = ("suite", "against", "started_at", "command", "spent_s", "notes", "environment", "code")
    values = {
        "schema_version": SCHEMA_VERSION,
        "ruling": outcome.verdict,
        "exit_status": outcome.exit_status(undecided),
        "undecided_counts_as": undecided,
        "measured_nothing": outcome.measured_nothing,
        **{name: getattr(outcome, name) for name in kept},
        "time": asdict(outcome.time) if outcome.time else None,
        "judgements": [_change(change) for change in outcome.changes],
    }
    # What is not finite becomes null.
    finite = json.loads(json.dumps(values, default=dict), parse_constant=lambda _: None)
    return json.dumps(finite, indent=2, allow_nan=False) + "\n"


def _change(change: GatedChange) -> dict[str, Any]:
    own = {KEYS.get(f.name, f.name): getattr(change, f.name) for f in fields(GatedChange)}
    own["figure"] = FIGURES.get(change.metric, change.metric)
    del own["case"]
    own |= {"evidence": change.evidence, "unit": UNITS.get(change.metric)}
    case = {f.name.rstrip("_"): getattr(change.case, f.name, None) for f in fields(Case)}
    return {**own, **case}


def gate_junit(outcome: GateOutcome, undecided: CountsAs = None) -> bytes:
    cases = [_case(change, undecided) for change in outcome.changes]
    if outcome.measured_nothing:
        nothing = ET.Element("testcase", {"classname": "gate", "name": "a figure was decided"})
        said = {"type": "undecided", "message": gate_words.verdict_sentence(outcome).text}
        ET.SubElement(nothing, "error", said)
        cases.append(nothing)
    children = Counter(child.tag for case in cases for child in case)
    head = {
        "name": plain(f"supcr-bench gate {outcome.suite}"),
        "tests": str(len(cases)),
        "failures": str(children["failure"]),
        "errors": str(children["error"]),
        "time": f"{outcome.spent_s:.3f}",
    }
    root = ET.Element("testsuites", head)
    suite = ET.SubElement(root, "testsuite", head | {"skipped": str(children["skipped"])})
    properties = {"ruling": outcome.verdict, "against": outcome.against, "command": outcome.command}
    found = ET.SubElement(suite, "properties")
    for key, value in (properties | dict(outcome.environment)).items():
        if value is not None:
            words = value if isinstance(value, str) else json.dumps(value)
            ET.SubElement(found, "property", {"name": plain(key), "value": plain(words)})
    suite.extend(cases)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(change: GatedChange, undecided: CountsAs) -> ET.Element:
    where = f", {gate_words.case_text(change.case)}" if change.case else ""
    metric = FIGURES.get(change.metric, change.metric)
    names = {"classname": f"{change.evidence}.{change.implementation}", "name": f"{metric}{where}"}
    case = ET.Element("testcase", {key: plain(name) for key, name in names.items()})
    verdict, reason = change.verdict, gate_words.reason_text(change)
    skipped = {
        GateVerdict.UNDECIDED: f"undecided: {reason}",
        GateVerdict.UNCHANGED: f"no worse: {reason}",
        GateVerdict.NEW: f"new: {(change.reason and reason) or 'nothing was there before'}",
    }
    failure = GateVerdict.UNDECIDED if undecided == "fail" else GateVerdict.REGRESSION
    if verdict in (GateVerdict.REGRESSION, failure):
        lines = [reason]
        if change.before is not None or change.after is not None:
            before, after = (
                gate_words.value_text(change, v) for v in (change.before, change.after)
            )
            lines.append(f"before {before}, after {after}, {gate_words.ratio_change_text(change)}")
        lines += [gate_words.printable(change.command)] if change.command else []
        found = ET.SubElement(case, "failure", {"type": verdict, "message": reason})
        found.text = "\n".join(lines)
    elif verdict in skipped:
        ET.SubElement(case, "skipped", {"message": skipped[verdict]})
    return case
