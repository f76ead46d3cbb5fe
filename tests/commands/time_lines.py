"""Decides whether the lines on the time of a run, taken and left, are true of what was recorded."""

import re
from collections.abc import Mapping

from supcr_bench.sweep.runner import SweepProgress


def seconds(clock: str) -> int:
    """Of ``4:05`` or ``1:02:03``."""
    found = 0
    for part in clock.split(":"):
        found = 60 * found + int(part)
    return found


def took_holds(text: str, accounting: Mapping[str, float], at_once: int = 1) -> bool:
    """Whether that is the wall time, and the part of it in calls, reference and inputs."""
    told = re.fullmatch(
        r"([\d:]+), (?:(\d+)% of it|([\d:]+)) in measured calls, reference and inputs"
        r"(?:, with up to (\d+) cells at once)?(?:; verification took ([\d:]+) more)?"
        r"(?:; caches .*)?",
        text,
    )
    assert told, text
    wall_s, verified_s = accounting["wall_s"], accounting.get("verification_s", 0.0)
    explained_s = sum(accounting[part] for part in ("inputs_s", "reference_s", "calls_s"))
    share = min(explained_s / wall_s, 1.0)
    return (
        abs(seconds(told[1]) - wall_s) <= 0.5
        and (abs(int(told[2]) - 100 * share) <= 0.501 if told[2] else at_once > 1)
        and (not told[3] or abs(seconds(told[3]) - explained_s) <= 0.5)
        and int(told[4] or 1) == at_once
        and (abs(seconds(told[5]) - verified_s) <= 0.5 if told[5] else verified_s < 1)
    )


def left_holds(line: str, event: SweepProgress, cells: int) -> bool:
    """Whether that cell begins, of so many and in that process, and so much time is left."""
    told = re.fullmatch(r"\[(\d+)/(\d+)\] (.*?)(?:, process (\d+))? \(about ([\d:]+) left\)", line)
    assert told, line
    assert event.started is not None and event.index is not None
    return (
        (int(told[1]), int(told[2])) == (event.index + 1, cells)
        and told[3] == event.started.workload.describe()
        and int(told[4] or 1) == event.started.process
        and abs(seconds(told[5]) - event.left_s) <= 0.5
    )
