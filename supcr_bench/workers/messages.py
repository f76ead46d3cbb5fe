"""Requests to a worker and its responses, and a page on which the worker shows what it is doing.

Requests and responses travel through pipes as pickles. A message per timed call would wake the
parent while a call is being timed; instead, the worker overwrites one small page of shared memory,
which costs a microsecond and wakes no process.
"""

import json
import mmap
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from supcr_bench.values.cell import Arm, Took
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.result import Result


@dataclass(frozen=True, slots=True)
class Request:
    """Call a method of :class:`~supcr_bench.workers.worker.Worker`, which says what it returns.

    The last response is Returned, or Failed.
    """

    method: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Returned:
    """The result of a request; a worker that has started reports its environment."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A request failed: its subject raised, or cannot be loaded (then ``error`` says why)."""

    reason: str
    error: SubjectError | None = None


Response = Returned | Failed | Result | Took


def write_message(message: Request | Response, pipe: IO[bytes]) -> None:
    pickle.dump(message, pipe)
    pipe.flush()


def read_message(pipe: IO[bytes]) -> Any:
    """Read a message from a process of this user, or ``None`` if the other end was closed."""
    try:
        return pickle.load(pipe)  # noqa: S301 - the other end runs with the same rights
    except Exception:  # noqa: BLE001 - it ended in a message, or something else was printed
        return None


PAGE_BYTES = 1024
SETUP = "setup"
"""The stage of a worker that has not yet begun with a request."""
RECOGNITION = "recognition"
"""The stage that recognises an implementation's definition, on batches of several sizes."""


@dataclass(frozen=True, slots=True)
class Activity:
    """A worker's stage, its arm (implementation and pass), and the monotonic time of its start."""

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
