"""``supcr-bench list``."""

import json

from rich.console import Console

from supcr_bench.render.grid import Grid
from supcr_bench.render.terminal import print_grid
from supcr_bench.subjects.registry import Listing, list_all
from supcr_bench.sweep.suite import Suite, load_suite, suite_names
from supcr_bench.values.errors import SuiteError
from supcr_bench.values.units import MISSING


def list_subjects(*, as_json: bool) -> None:
    """Print implementations and suites."""
    listings = list_all()
    suites: list[tuple[str, Suite | str]] = []
    for name in suite_names():
        try:
            suites.append((name, load_suite(name)))
        except SuiteError as error:
            suites.append((name, str(error)))
    if as_json:
        print(
            json.dumps(
                {
                    "implementations": [_as_mapping(listing) for listing in listings],
                    "suites": [
                        {"name": name, "purpose": s.purpose if isinstance(s, Suite) else None}
                        for name, s in suites
                    ],
                },
                indent=2,
            )
        )
        return
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
            rows=tuple((n, s.purpose if isinstance(s, Suite) else s) for n, s in suites),
            left=2,
            wraps=frozenset({1}),
        ),
    )


def _as_row(listing: Listing) -> tuple[str, ...]:
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


def _as_mapping(listing: Listing) -> dict[str, object]:
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
