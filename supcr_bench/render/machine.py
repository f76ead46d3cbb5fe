"""The machine and the software that figures were taken with, in words."""

from collections.abc import Mapping
from typing import Any

from supcr_bench.values.units import format_limit_bytes


def environments_line(environments: Mapping[str, Mapping[str, Any]]) -> str:
    """Every kind of machine in a line; named, where there are several, as results name it."""
    if len(environments) == 1:
        return environment_line(*environments.values())
    return "; ".join(f"{name}: {environment_line(e)}" for name, e in environments.items())


def environment_line(environment: Mapping[str, Any]) -> str:
    """Machine and software in a line."""
    accelerators = [a["name"] for a in environment["accelerators"]]
    parts = [
        f"{environment['cpu']}, {environment['cpus_usable']} CPUs",
        f"{environment['threads']} thread{'s' if environment['threads'] != 1 else ''}",
        format_limit_bytes(environment["memory_bytes"]),
        *accelerators,
        f"torch {environment['torch']}",
        f"Python {environment['python']}",
        environment["os"],
    ]
    return ", ".join(parts)
