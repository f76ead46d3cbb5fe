"""The machine and the software that figures were taken with, in words."""

from collections.abc import Mapping
from typing import Any

from supcr_bench.values.units import format_limit_bytes


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
