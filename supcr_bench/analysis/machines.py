"""Keeps figures of different machines apart: the machine becomes part of the device's name.

Figures of different devices are never fitted, paired or compared with each other, and every table
names the device where it varies. So ``cpu`` on two kinds of machine becomes two devices:
``cpu@3f2a1b`` and ``cpu@9c0d4e``.
"""

from collections.abc import Sequence
from dataclasses import replace

from supcr_bench.values.result import Result

AT = "@"


def device_of(name: str) -> str:
    return name.split(AT)[0]


def by_machine(results: Sequence[Result]) -> Sequence[Result]:
    """The results, those of a device that several kinds of machine were measured on named by both.

    Results of one kind of machine come back as they are.
    """
    kinds: dict[str, set[str | None]] = {}
    for result in results:
        kinds.setdefault(result.case.device, set()).add(result.machine)
    several = {device for device, found in kinds.items() if len(found) > 1}
    if not several:
        return results
    return [_named(r) if r.case.device in several else r for r in results]


def _named(result: Result) -> Result:
    device = f"{result.case.device}{AT}{result.machine or 'unknown'}"
    return replace(result, case=replace(result.case, device=device))
