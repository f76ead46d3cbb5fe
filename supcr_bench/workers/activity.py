"""Shows the parent what a worker is doing, on a page of shared memory.

A message per timed call would wake the parent while a call is being timed. The worker instead
overwrites one small shared page, which costs it a microsecond and wakes nobody.
"""

import json
import mmap
import time
from dataclasses import dataclass
from pathlib import Path

from supcr_bench.values.cell import Arm

PAGE_BYTES = 1024
RECOGNITION = "recognition"
"""The stage that recognises an implementation's definition, on batches of several sizes."""


@dataclass(frozen=True, slots=True)
class Activity:
    """A worker's stage, its arm (implementation and pass), and the monotonic time of the start."""

    stage: str
    arm: Arm | None
    since_s: float

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.since_s


class ActivityPage:
    """The shared page, which parent and worker map from one file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(b"\0" * PAGE_BYTES)
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), PAGE_BYTES)

    def write(self, stage: str, arm: Arm | None) -> None:
        fields = [time.monotonic(), stage, *((arm.implementation, arm.pass_) if arm else ())]
        line = json.dumps(fields).encode() + b"\n"
        if len(line) > PAGE_BYTES:  # paths used as names can be long
            line = json.dumps(fields[:2]).encode() + b"\n"
        self._page[: len(line)] = line

    def read(self) -> Activity | None:
        """The activity; ``None`` before the first write and in the middle of a write."""
        line = bytes(self._page[:]).split(b"\n", 1)[0]
        try:
            since_s, stage, *arm = json.loads(line)
        except ValueError:
            return None
        return Activity(stage, Arm(*arm) if arm else None, since_s)

    def close(self) -> None:
        self._page.close()
