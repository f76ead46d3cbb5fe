"""``supcr-bench list``: shows the implementations and suites that are installed."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from supcr_bench.values.errors import SuiteError
from supcr_bench.values.units import MISSING

if TYPE_CHECKING:
    from supcr_bench.subjects.registry import Listing


def list_subjects(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
) -> None:
    """List implementations and suites; what cannot be imported is listed with the reason."""
    from supcr_bench.subjects.registry import list_all
    from supcr_bench.sweep.suite import load_suite, suite_names

    listings = list_all()
    purposes: dict[str, str | None] = {}
    errors: dict[str, str] = {}
    for name in suite_names():
        try:
            purposes[name] = load_suite(name).purpose
        except SuiteError as error:
            purposes[name], errors[name] = None, str(error)
    if as_json:
        values = {
            "implementations": [_as_mapping(listing) for listing in listings],
            "suites": [{"name": name, "purpose": p} for name, p in purposes.items()],
        }
        print(json.dumps(values, indent=2))
        return
    from rich.console import Console

    from supcr_bench.render.grid import Grid
    from supcr_bench.render.terminal import print_grid

    console = Console(highlight=False)
    print_grid(
        console,
        Grid(
            name="implementations",
            title="Implementations",
            note="or name your own as package.module:attribute or path/to/file.py:attribute",
            headers=("name", "what it is", "time claimed", "memory claimed", "tags"),
            rows=tuple(_as_row(listing) for listing in listings),
            left=5,
            wraps=frozenset({1}),
        ),
    )
    print_grid(
        console,
        Grid(
            name="suites",
            title="Suites",
            note="or give the path of a .toml file",
            headers=("name", "purpose"),
            rows=tuple((name, p or errors[name]) for name, p in purposes.items()),
            left=2,
            wraps=frozenset({1}),
        ),
    )


def _as_row(listing: "Listing") -> tuple[str, ...]:
    found = listing.implementation
    if found is None:
        return listing.name, f"unavailable: {listing.reason}", MISSING, MISSING, MISSING
    return (
        listing.name,
        found.title,
        found.claimed_time or MISSING,
        found.claimed_memory or MISSING,
        ", ".join(found.tags) or MISSING,
    )


def _as_mapping(listing: "Listing") -> dict[str, object]:
    found = listing.implementation
    return {
        "name": listing.name,
        "available": found is not None,
        "reason": listing.reason,
        "title": found.title if found else None,
        "source": found.source if found else None,
        "definition": found.definition if found else None,
        "definitions": list(found.definitions) if found else [],
        "device_specific": found.device_specific if found else None,
        "claimed_time": found.claimed_time if found else None,
        "claimed_memory": found.claimed_memory if found else None,
        "tags": list(found.tags) if found else [],
    }
