"""Describes the machine, the software and the measured code in words."""

from collections.abc import Mapping
from typing import Any

from supcr_bench.values.units import format_limit_bytes


def environments_line(environments: Mapping[str, Mapping[str, Any]]) -> str:
    """One line on the machines of a run; if there are several, each begins with its name."""
    if len(environments) == 1:
        return environment_line(*environments.values())
    return "; ".join(f"{name}: {environment_line(e)}" for name, e in environments.items())


def environment_line(environment: Mapping[str, Any]) -> str:
    """Machine and software in a line; a baseline file lacks the size of the memory."""
    memory = environment.get("memory_bytes")
    parts = [
        f"{environment['cpu']}, {environment['cpus_usable']} CPUs",
        f"{environment['threads']} thread{'s' if environment['threads'] != 1 else ''}",
        *([] if memory is None else [format_limit_bytes(memory)]),
        *(accelerator["name"] for accelerator in environment["accelerators"]),
        f"torch {environment['torch']}",
        f"Python {environment['python']}",
        environment["os"],
    ]
    return ", ".join(parts)


def environment_facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (key.removesuffix("_bytes").replace("_", " "), value_text(key, value))
        for key, value in environment.items()
        if value not in (None, [], "")
    ]


def value_text(key: str, value: Any) -> str:
    if key.endswith("_bytes"):
        return format_limit_bytes(value)
    if isinstance(value, list):
        return ", ".join(str(v.get("name", v)) if isinstance(v, dict) else str(v) for v in value)
    return str(value)


def origin_facts(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    keys = ("version", "revision", "seed", "started_at", "finished_at")
    names = ("supcr-bench", "revision", "seed", "started", "finished")
    return [(n, str(info[k])) for n, k in zip(names, keys, strict=True) if info.get(k) is not None]
