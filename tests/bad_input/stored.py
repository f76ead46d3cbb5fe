"""Damaged runs, pages and baselines, each with a part of the answer."""

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supcr_bench.store.run import RunWriter
from tests.made_results import make_series
from tests.made_runs import ENVIRONMENT

SIZES = [16, 32, 64, 128]
INFO: dict[str, Any] = {
    "suite": {"name": "made", "purpose": "x", "implementations": ["broadcast"]},
    "subjects": ["broadcast"],
    "labels": None,
    "implementations": {"broadcast": {"claimed_time": None, "claimed_memory": None}},
    "environment": ENVIRONMENT,
    "seed": 0,
    "version": "1.0",
    "revision": None,
}


def write_run(root: Path, name: str, sizes: list[int] = SIZES, **case: Any) -> Path:
    """A run as supcr-bench writes it."""
    with RunWriter.create(root, name, INFO) as writer:
        for result in make_series(
            "broadcast", sizes, lambda n: 1e-7 * n**2, pass_="training", case=case
        ):
            writer.append(result)
    return writer.path


Change = Callable[[Path], object]


def content(file: str, text: str | bytes) -> Change:
    def change(run: Path) -> None:
        (run / file).write_bytes(text if isinstance(text, bytes) else text.encode())

    return change


def info(**values: Any) -> Change:
    """``run.json`` with other values; ``...`` removes a key."""

    def change(run: Path) -> None:
        stored = {**json.loads((run / "run.json").read_text()), **values}
        stored = {key: value for key, value in stored.items() if value is not ...}
        (run / "run.json").write_text(json.dumps(stored))

    return change


def line(*, number: int = 2, **values: Any) -> Change:
    """A line of the measurements with other values; ``...`` removes a key."""

    def change(run: Path) -> None:
        file = run / "measurements.jsonl"
        lines = file.read_text().splitlines()
        changed = {key.rstrip("_"): value for key, value in values.items()}
        stored = {**json.loads(lines[number - 1]), **changed}
        stored = {key: value for key, value in stored.items() if value is not ...}
        lines[number - 1] = json.dumps(stored)
        file.write_text("\n".join(lines) + "\n")

    return change


def text_of_line(text: str, number: int = 2) -> Change:
    def change(run: Path) -> None:
        file = run / "measurements.jsonl"
        lines = file.read_text().splitlines()
        lines[number - 1] = text
        file.write_text("\n".join(lines) + "\n")

    return change


def gone(file: str) -> Change:
    return lambda run: (run / file).unlink()


def folder(file: str) -> Change:
    def change(run: Path) -> None:
        (run / file).unlink(missing_ok=True)
        (run / file).mkdir()

    return change


VERIFIED = '{"schema_version": 1, "implementations": {"broadcast": %s}}'

RUN_ROWS: list[tuple[str, Change, str]] = [
    ("run-json-empty", content("run.json", ""), "run.json cannot be read: line 1 is not JSON"),
    ("run-json-cut", content("run.json", '{\n"id": "x",\n"su'), "line 3 is not JSON"),
    ("run-json-binary", content("run.json", b"\xff\xfe\x00"), "it is not UTF-8 text"),
    ("run-json-list", content("run.json", "[]"), "run.json cannot be read"),
    ("run-json-text", content("run.json", '"x"'), "run.json cannot be read"),
    ("run-json-none", content("run.json", "{}"), "key 'schema_version' is missing"),
    ("run-json-nan", content("run.json", '{"schema_version": NaN}'), "NaN is not a JSON number"),
    ("run-json-deep", content("run.json", "[" * 100_000), "run.json cannot be read"),
    ("schema-newer", info(schema_version=99), "has schema 99, and this supcr-bench reads"),
    ("schema-text", info(schema_version="x"), "run.json cannot be read"),
    ("schema-null", info(schema_version=None), "run.json cannot be read"),
    ("no-suite", info(suite=...), "lacks suite, so `supcr-bench run` did not write it"),
    ("no-environment", info(environment=...), "lacks environment"),
    ("no-subjects", info(subjects=..., labels=...), "lacks subjects, labels"),
    ("no-id", info(id=...), "lacks id"),
    ("id-number", info(id=3), "3 is not the id of a run"),
    ("id-empty", info(id=""), "'' is not the id of a run"),
    ("id-path", info(id="../../outside"), "'../../outside' is not the id of a run"),
    ("id-absolute", info(id="/tmp/outside"), "is not the id of a run"),
    ("id-parent", info(id=".."), "'..' is not the id of a run"),
    ("id-backslash", info(id="..\\outside"), "is not the id of a run"),
    ("id-long", info(id="x" * 5000), "is not the id of a run"),
    ("id-newline", info(id="a\nb"), "is not the id of a run"),
    ("suite-text", info(suite="made"), "key 'suite' holds"),
    ("suite-no-name", info(suite={}), "key 'suite.name'"),
    ("suite-name", info(suite={"name": 3}), "key 'suite.name' holds '3'"),
    ("subjects-text", info(subjects="broadcast"), "key 'subjects' holds 'broadcast'"),
    ("subjects-number", info(subjects=[1]), "key 'subjects.0' holds '1'"),
    ("labels-text", info(labels="x.csv"), "key 'labels' holds 'x.csv'"),
    ("implementations", info(implementations=["a"]), "key 'implementations' holds"),
    ("implementations-of", info(implementations={"a": 1}), "key 'implementations.a' holds '1'"),
    ("environment-text", info(environment="here"), "key 'environment' holds 'here'"),
    ("environments", info(environments={"a": 1, "b": 2}), "environments"),
    ("measurements-gone", gone("measurements.jsonl"), "measurements.jsonl cannot be read: No such"),
    (
        "measurements-folder",
        folder("measurements.jsonl"),
        "measurements.jsonl cannot be read: Is a",
    ),
    ("line-not-json", text_of_line("not JSON"), "measurements.jsonl line 2 is not JSON; remove"),
    ("line-cut", text_of_line('{"implementation": "a'), "line 2 is not JSON"),
    ("line-empty", text_of_line(""), "line 2 is not JSON"),
    ("line-list", text_of_line("[1, 2]"), "line 2 is not a valid result"),
    ("line-number", text_of_line("3"), "line 2 is not a valid result"),
    ("line-null", text_of_line("null"), "line 2 is not a valid result"),
    ("line-nothing", text_of_line("{}"), "key 'batch_size' is missing"),
    ("line-nan", line(loss=float("nan")), "line 2 is not JSON"),
    ("line-deep", text_of_line("[" * 100_000), "line 2 is not JSON"),
    ("no-implementation", line(implementation=...), "key 'implementation' is missing"),
    ("no-status", line(status=...), "key 'status' is missing"),
    ("no-pass", line(pass_=...), "key 'pass' is missing"),
    ("status", line(status="fine"), "'fine' is not a valid Status"),
    ("pass", line(pass_="../../x"), "key 'pass' holds '../../x'"),
    ("implementation-number", line(implementation=3), "key 'implementation' holds '3'"),
    ("batch-size-text", line(batch_size="x"), "key 'batch_size' holds 'x'"),
    ("batch-size-digits", line(batch_size="32"), "a value has the wrong type for its key"),
    ("batch-size-zero", line(batch_size=0), "0 is not valid; use whole numbers of 2 or more"),
    ("batch-size-negative", line(batch_size=-32), "-32 is not valid; use whole numbers"),
    ("batch-size-endless", line(batch_size=10**400), "line 2 is not a valid result"),
    ("batch-size-huge", line(batch_size=10**30), "out of range"),
    ("dims-zero", line(dims=0), "0 is not valid; use whole numbers of 1 or more"),
    ("density", line(nan_density=7), "7 is not valid; use numbers from 0 to 1"),
    ("dtype", line(dtype="int8"), "'int8' is not valid; use float32"),
    ("device", line(device="../x"), "'../x' is not valid; use names such as cpu"),
    ("temperature", line(temperature=0), "0 is not valid; use numbers above 0"),
    ("labels", line(labels="odd"), "'odd' is not valid; use"),
    ("definition-number", line(definition=3), "line 2 is not a valid result"),
    ("definition-list", line(definition=["a"]), "line 2 is not a valid result"),
    ("times-text", line(time_samples_s="abc"), "time_samples_s"),
    ("times-number", line(time_samples_s=3), "line 2 is not a valid result"),
    ("times-zero", line(time_samples_s=[0.0] * 8), "'time_samples_s' holds a number out of range"),
    ("times-negative", line(time_samples_s=[-1.0] * 8), "holds a number out of range"),
    ("times-huge", line(time_samples_s=[1e300] * 8), "holds a number out of range"),
    ("bytes-negative", line(peak_bytes=-5), "'peak_bytes' holds a number out of range"),
    ("bytes-text", line(peak_bytes="much"), "key 'peak_bytes' holds 'much'"),
    ("bytes-huge", line(peak_bytes=10**300), "out of range"),
    ("tolerances-text", line(value_tolerances="x"), "key 'value_tolerances' holds 'x'"),
    ("reason-number", line(reason=3), "key 'reason' holds '3'"),
    ("difference-list", line(value_difference=[1]), "key 'value_difference' holds"),
    ("session-list", line(session=["a"]), "key 'session' holds"),
    ("verification-empty", content("verification.json", ""), "verification.json cannot be read"),
    ("verification-none", content("verification.json", "{}"), "key 'schema_version' is missing"),
    (
        "verification-list",
        content("verification.json", '{"schema_version": 1, "implementations": [1]}'),
        "it has no implementations by name",
    ),
    ("verified-number", content("verification.json", VERIFIED % 3), "of 'broadcast' is not valid"),
    ("verified-none", content("verification.json", VERIFIED % "{}"), "is not valid: key"),
    ("verification-folder", folder("verification.json"), "verification.json cannot be read"),
]
"""A name, what is done to a whole run, and a part of the answer; the status is 2."""


def packed(values: Any) -> str:
    data = values if isinstance(values, bytes) else json.dumps(values).encode()
    return "data:application/gzip;base64," + base64.b64encode(gzip.compress(data, mtime=0)).decode()


def page(address: str) -> str:
    return f'<!doctype html><a id="run-data" href="{address}">data</a>'


HEAD = {**INFO, "schema_version": 1, "id": "sent"}
WHOLE: dict[str, Any] = {"run": HEAD, "results": {}, "verification": None}

PAGE_ROWS: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "holds no data of a run"),
    ("text", "<p>hello", "holds no data of a run; give a report"),
    ("binary", b"\xff\xfe\x00", "it is not UTF-8 text"),
    ("address", page("https://example.org/data"), "holds no data of a run"),
    ("not-base64", page("data:application/gzip;base64,&&&"), "are damaged"),
    ("not-gzip", page("data:application/gzip;base64,AAAA"), "are damaged"),
    ("cut", page(packed(WHOLE)[:-40]), "are damaged"),
    ("not-json", page(packed(b"{")), "line 1 is not JSON"),
    ("deep", page(packed(b"[" * 100_000)), "are damaged"),
    ("list", page(packed([])), "are damaged"),
    ("keys", page(packed({"run": HEAD})), "key 'results' is missing"),
    ("no-id", page(packed({**WHOLE, "run": {"schema_version": 1}})), "key 'id' is missing"),
    ("newer", page(packed({**WHOLE, "run": {**HEAD, "schema_version": 9}})), "install a newer"),
    ("path", page(packed({**WHOLE, "run": {**HEAD, "id": "../x"}})), "'../x' is not the id"),
    ("lengths", page(packed({**WHOLE, "results": {"a": [1], "b": []}})), "are damaged"),
    ("rows", page(packed({**WHOLE, "results": {"a": [1]}})), "result 1 is not a valid result"),
    ("verified", page(packed({**WHOLE, "verification": {"a": 1}})), "verification of 'a' is not"),
    ("no-suite", page(packed({**WHOLE, "run": {**HEAD, "suite": 3}})), "key 'suite' holds '3'"),
]
"""A name, the content of a page, and a part of the answer; the status is 2."""

BASE: dict[str, Any] = {
    **{key: HEAD[key] for key in ("id", "suite", "subjects", "labels", "implementations")},
    "version": "1",
    "revision": None,
    "seed": 0,
    "started_at": "2026-01-01",
    "environment": ENVIRONMENT,
    "memory_limit_bytes": None,
    "results": [],
    "checks": [],
    "schema_version": 2,
}
BASELINE_ROWS: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "is not a run in one file"),
    ("binary", b"\xffx", "it is not UTF-8 text"),
    ("cut", json.dumps(BASE)[:-9], "line 1 is not JSON"),
    ("list", "[]", "is not a run in one file"),
    ("none", "{}", "key 'schema_version' is missing"),
    ("newer", json.dumps({**BASE, "schema_version": 9}), "has schema 9"),
    ("schema", json.dumps({**BASE, "schema_version": [1]}), "has schema [1]"),
    ("results", json.dumps({**BASE, "results": 3}), "is not a run in one file"),
    ("result", json.dumps({**BASE, "results": [{}]}), "result 1 is not a valid result"),
    ("rows", json.dumps({**BASE, "results": [3]}), "is not a run in one file"),
    ("checks", json.dumps({**BASE, "checks": [{}]}), "is not a run in one file"),
    ("id", json.dumps({**BASE, "id": "../../x"}), "is not the id of a run"),
    ("no-results", json.dumps({k: v for k, v in BASE.items() if k != "results"}), "'results'"),
    ("environment", json.dumps({**BASE, "environment": 3}), "key 'environment' holds '3'"),
]
"""A name, the content of a baseline, and a part of the answer; the status is 2."""
