"""``supcr-bench list``: shows the implementations and suites that are installed."""

import json
from dataclasses import asdict, fields
from typing import Any

from supcr_bench.commands.options import flag
from supcr_bench.values.errors import SuiteError
from supcr_bench.values.units import MISSING


def list_subjects(as_json: bool = flag("--json", "Print JSON in place of tables.")) -> None:
    """List the implementations and suites, with import errors."""
    from supcr_bench.subjects.registry import list_all
    from supcr_bench.sweep.suite import load_suite, suite_names
    from supcr_bench.values.implementation import Description

    empty = dict.fromkeys(f.name for f in fields(Description)) | {"definitions": [], "tags": []}
    implementations: list[dict[str, Any]] = []
    for name, found in list_all().items():
        reason = found if isinstance(found, str) else None
        values = empty if isinstance(found, str) else asdict(found.description)
        own = {"name": name, "available": reason is None, "reason": reason, **values}
        implementations.append(own)
    suites: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    for name in suite_names():
        purpose: str | None = None
        try:
            purpose = load_suite(name).purpose
        except SuiteError as error:
            errors[name] = str(error)
        suites.append({"name": name, "purpose": purpose})
    if as_json:
        print(json.dumps({"implementations": implementations, "suites": suites}, indent=2))
        return
    from supcr_bench.render.terminal import make_console, print_table
    from supcr_bench.values.table import Table, prose, row, words

    console = make_console()
    costs = words("time claimed", "memory claimed", "tags")
    table = Table(
        name="implementations",
        title="Implementations",
        note="or name your own as package.module:attribute or path/to/file.py:attribute",
        columns=(*words("name"), *prose("description"), *costs),
        rows=tuple(
            row(
                own["name"],
                own["title"] or f"unavailable: {own['reason']}",
                own["claimed_time"] or MISSING,
                own["claimed_memory"] or MISSING,
                ", ".join(own["tags"]) or MISSING,
            )
            for own in implementations
        ),
    )
    print_table(console, table)
    table = Table(
        name="suites",
        title="Suites",
        note="or give the path of a .toml file",
        columns=(*words("name"), *prose("purpose")),
        rows=tuple(row(own["name"], own["purpose"] or errors[own["name"]]) for own in suites),
    )
    print_table(console, table)
