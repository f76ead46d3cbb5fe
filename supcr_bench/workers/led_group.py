"""A group of ranks that is asked like one worker: rank 0 answers, and the others follow it."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from supcr_bench.values.result import Status
from supcr_bench.workers.activity import Activity
from supcr_bench.workers.rank_group import SETTLE_S, RankGroup
from supcr_bench.workers.worker_process import POLL_S, Message

PATIENCE_S = 3600.0
"""How long a rank waits for another in a collective: rank 0 may be busy with the reference. What
takes too long is ended from outside."""


class LedGroup:
    """W workers, in the place of a :class:`~supcr_bench.workers.worker_process.WorkerProcess`.

    Args:
        ranks: W.
        threads: of torch in each.

    Raises:
        WorkerError: a worker does not come up, or the ranks do not meet.
    """

    def __init__(self, ranks: int, threads: int = 1) -> None:
        self.ranks = ranks
        self._group = RankGroup(ranks, PATIENCE_S, threads, patience_s=PATIENCE_S)
        self._lead, *self._others = self._group.workers
        self.environment: dict[str, Any] = self._lead.environment
        self.resident_at_start_bytes = self.resident_bytes() or 0
        self._fallen: str | None = None
        self._ended = False
        self._waiting: deque[tuple[int, Message | None]] = deque()

    def send(self, message: Message) -> None:
        """Ask rank 0 for something, and the others to follow it."""
        follow = {**message, "do": "follow"}
        self._group.send([message, *(follow for _ in self._others)])

    def messages(self) -> Iterator[Message | None]:
        """Those of rank 0, and ``None`` several times a second, until it ends.

        When another rank ends or raises, rank 0 has a moment to say what became of it by itself,
        and is ended then.
        """
        deadline: float | None = None
        while True:
            received = self._waiting.popleft() if self._waiting else self._group.receive(POLL_S)
            if deadline is not None and time.monotonic() > deadline:
                self.kill()
            if received is None:
                yield None
                continue
            rank, message = received
            if rank > 0:
                self._note(rank, message)
                if self._fallen and deadline is None:
                    deadline = time.monotonic() + SETTLE_S
            elif message is None:
                return
            else:
                yield self._explained(message)

    def _note(self, rank: int, message: Message | None) -> None:
        """What another rank says, or that it has ended: the first is the reason for the others."""
        if self._fallen is not None:
            return
        if message is None:
            self._ended = True
            self._fallen = f"rank {rank} ended: {self._group.workers[rank].last_words()}"
        elif "raised" in message:
            self._fallen = f"rank {rank} raises {message['raised']}"

    def _explained(self, message: Message) -> Message:
        """A failure of rank 0 that another rank's end has brought about is put down to that.

        All that rank 0 itself knows is that a connection broke.
        """
        result = message.get("result")
        if result is None or result["status"] != Status.FAILED:
            return message
        deadline = time.monotonic() + POLL_S
        while not self._fallen and (received := self._group.receive(deadline - time.monotonic())):
            if received[0] > 0:
                self._note(*received)
            else:
                self._waiting.append(received)
        return {"result": {**result, "reason": self._fallen}} if self._ended else message

    def activity(self) -> Activity | None:
        """What rank 0 is doing right now."""
        return self._lead.activity()

    def resident_bytes(self) -> int | None:
        """Resident memory of the rank that holds most, while they live."""
        known = [b for w in (self._lead, *self._others) if (b := w.resident_bytes()) is not None]
        return max(known, default=None)

    def last_words(self) -> str:
        """How it ended."""
        return self._fallen or f"rank 0 {self._lead.last_words()}"

    def kill(self) -> None:
        """End all ranks at once."""
        for worker in self._group.workers:
            worker.kill()

    def close(self) -> None:
        """End all ranks, and remove what they left."""
        self._group.close()
