"""``supcr-bench list``: shows the implementations and suites that are installed."""

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from supcr_bench.commands.options import flag
from supcr_bench.values.errors import SuiteError
from supcr_bench.values.units import MISSING

if TYPE_CHECKING:
    from supcr_bench.values.implementation import Implementation


def list_subjects(as_json: bool = flag("--json", "Print JSON in place of tables.")) -> None:
    """List the implementations and suites, with import errors."""
    from supcr_bench.subjects.registry import list_all
    from supcr_bench.sweep.suite import load_suite, suite_names

    implementations = [_as_mapping(*listing) for listing in list_all().items()]
    purposes: dict[str, str | None] = {}
    errors: dict[str, str] = {}
    for name in suite_names():
        try:
            purposes[name] = load_suite(name).purpose
        except SuiteError as error:
            purposes[name], errors[name] = None, str(error)
    if as_json:
        suites = [{"name": name, "purpose": purpose} for name, purpose in purposes.items()]
        print(json.dumps({"implementations": implementations, "suites": suites}, indent=2))
        return
    from supcr_bench.render.terminal import make_console, print_table
    from supcr_bench.values.table import Table, prose, row, words

    console = make_console()
    print_table(
        console,
        Table(
            name="implementations",
            title="Implementations",
            note="or name your own as package.module:attribute or path/to/file.py:attribute",
            columns=(
                *words("name"),
                *prose("description"),
                *words("time claimed", "memory claimed", "tags"),
            ),
            rows=tuple(
                row(
                    found["name"],
                    found["title"] or f"unavailable: {found['reason']}",
                    found["claimed_time"] or MISSING,
                    found["claimed_memory"] or MISSING,
                    ", ".join(found["tags"]) or MISSING,
                )
                for found in implementations
            ),
        ),
    )
    print_table(
        console,
        Table(
            name="suites",
            title="Suites",
            note="or give the path of a .toml file",
            columns=(*words("name"), *prose("purpose")),
            rows=tuple(row(name, p or errors[name]) for name, p in purposes.items()),
        ),
    )


def _as_mapping(name: str, found: "Implementation | str") -> dict[str, Any]:
    from supcr_bench.values.implementation import Description

    values = dict.fromkeys(f.name for f in fields(Description)) | {"definitions": [], "tags": []}
    if isinstance(found, str):
        return {"name": name, "available": False, "reason": found, **values}
    return {"name": name, "available": True, "reason": None, **asdict(found.description)}
