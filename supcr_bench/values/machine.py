"""Names kinds of machines: machines with equal names give comparable measurements.

Measurements on different devices are never fitted, paired or compared, and every table names the
device where it varies. So the machine becomes part of the device's name: ``cpu`` on two kinds of
machine becomes ``cpu@3f2a1b`` and ``cpu@9c0d4e``.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from supcr_bench.values.result import Result, grouped

SAME_MACHINE = ("cpu", "cpus_usable", "torch", "threads", "accelerators")
"""Facts of an environment that affect time and memory; machines of one kind agree in all."""
MACHINE = ("cpu", "cpus_usable", "threads", "accelerators", "os")
"""Facts of the environment; if two runs differ in one, their times are not compared."""
SOFTWARE = ("python", "torch")
"""Facts of the environment whose differences are reported, as they may explain a change."""
DIGITS = 6


def machine_of(environment: Mapping[str, Any]) -> str:
    facts = {key: environment.get(key) for key in SAME_MACHINE}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:DIGITS]


def usable_cpus() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def default_threads(cpus: int | None = None) -> int:
    """A thread for every core but one.

    A parallel loop waits for its slowest thread, so a core shared with another process, such as the
    parent, slows down every loop. On a two-core machine with one core busy, two threads took four
    times as long as one.
    """
    return max((cpus or usable_cpus()) - 1, 1)


def by_machine(results: Sequence[Result]) -> Sequence[Result]:
    """The results; if several kinds of machine share a device name, the kind is appended."""
    by_device = grouped(results, lambda r: r.case.device).items()
    several = {device for device, own in by_device if len({r.machine for r in own}) > 1}
    if not several:
        return results
    return [
        replace(r, case=replace(r.case, device=f"{r.case.device}@{r.machine or 'unknown'}"))
        if r.case.device in several
        else r
        for r in results
    ]


def of_the_machine(differences: Mapping[str, tuple[Any, Any]]) -> bool:
    return not differences.keys().isdisjoint(MACHINE)


def environment_differences(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    pairs = {key: (first.get(key), second.get(key)) for key in (*MACHINE, *SOFTWARE)}
    return {key: (one, other) for key, (one, other) in pairs.items() if one != other}
