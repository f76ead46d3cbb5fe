"""Workers that form a group of ranks, and the parent's side of all of them together.

A collective waits for every rank, so that one rank's end is every rank's hang. The parent sees it
at once, since a worker that ends closes its pipe, and ends the others.
"""

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Self

from supcr_bench.values.errors import SupcrBenchError, WorkerError
from supcr_bench.workers.worker_process import WorkerProcess

Message = dict[str, Any]
JOIN_LIMIT_S = 60.0
"""A group of idle ranks meets in a fraction of a second; a busy machine takes longer."""
SETTLE_S = 2.0
"""Once a rank has ended or raised, how long the others may take to say what became of them."""


class RankEndedError(SupcrBenchError):
    """A group that cannot go on: a rank ended, or did not answer. It is closed.

    Args:
        finding: which, and how, in a sentence.
        overdue: whether it took too long.
    """

    def __init__(self, finding: str, *, overdue: bool = False) -> None:
        super().__init__(finding)
        self.overdue = overdue


class RankGroup:
    """W workers in one gloo group on this machine, which end with this object or its parent.

    Args:
        ranks: W.
        limit_s: how long a request may take.
        threads: of torch in each rank.
        patience_s: how long a rank waits for another in a collective.

    Raises:
        WorkerError: a worker does not come up, or the ranks do not meet.
    """

    def __init__(
        self, ranks: int, limit_s: float, threads: int = 1, *, patience_s: float = JOIN_LIMIT_S
    ) -> None:
        self.ranks = ranks
        self._limit_s, self._patience_s = limit_s, patience_s
        self._folder = tempfile.TemporaryDirectory(prefix="supcr-bench-ranks-")
        self._groups = 0
        self._inbox: SimpleQueue[tuple[int, Message | None]] = SimpleQueue()
        self._ended: list[int] = []  # the first may have taken others with it
        self._readers: list[Thread] = []
        self.workers: list[WorkerProcess] = []
        with ThreadPoolExecutor(ranks) as pool:  # importing torch is what takes the time
            starting = [pool.submit(WorkerProcess, threads) for _ in range(ranks)]
        self.workers = [s.result() for s in starting if s.exception() is None]
        failed = next((e for s in starting if (e := s.exception()) is not None), None)
        if failed is not None:
            self.close()
            raise failed
        self._readers = [Thread(target=self._read, args=(r,), daemon=True) for r in range(ranks)]
        for reader in self._readers:
            reader.start()
        try:
            self.join()
        except RankEndedError as error:
            raise WorkerError(f"the ranks did not meet: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The ranks' processes."""
        return tuple(w.pid for w in self.workers)

    def _read(self, rank: int) -> None:
        for message in self.workers[rank].messages():
            if message is not None:
                self._inbox.put((rank, message))
        self._inbox.put((rank, None))

    def join(self) -> None:
        """Have the ranks form a new group, as after one of them has raised.

        Raises:
            RankEndedError: see :meth:`ask`.
        """
        self._groups += 1
        store = Path(self._folder.name) / str(self._groups)
        common = {"do": "join", "ranks": self.ranks, "store": str(store)}
        common["limit_s"] = self._patience_s
        self.ask([{**common, "rank": r} for r in range(self.ranks)], JOIN_LIMIT_S)

    def send(self, requests: Sequence[Message]) -> None:
        """One request to each rank."""
        for worker, request in zip(self.workers, requests, strict=True):
            worker.send(request)

    def receive(self, timeout_s: float) -> tuple[int, Message | None] | None:
        """The next message of any rank, ``None`` where that rank has ended; or nothing in time."""
        try:
            return self._inbox.get(timeout=max(timeout_s, 0))
        except Empty:
            return None

    def ask(self, requests: Sequence[Message], limit_s: float | None = None) -> list[Message]:
        """One request to each rank, and one answer from each.

        Args:
            requests: [W].
            limit_s: how long it may take, if not what the group was made with.

        Raises:
            RankEndedError: a rank ended or did not answer in time, or not soon after another had
                raised. The group is closed.
        """
        limit_s = limit_s or self._limit_s
        self.send(requests)
        answers: dict[int, Message] = {}
        deadline = time.monotonic() + limit_s
        while len(answers) + len(self._ended) < self.ranks:
            received = self.receive(deadline - time.monotonic())
            if received is None:
                break
            rank, message = received
            if message is None:
                self._ended.append(rank)
            else:
                answers[rank] = message
            if message is None or "raised" in message:
                deadline = min(deadline, time.monotonic() + SETTLE_S)
        if len(answers) == self.ranks:
            return [answers[r] for r in range(self.ranks)]
        error = self._what_happened(answers, limit_s)
        for worker in self.workers:
            worker.kill()  # none of them can get on
        self.close()
        raise error

    def _what_happened(self, answers: dict[int, Message], limit_s: float) -> RankEndedError:
        """The rank that ended comes before one that raised, which comes before one that hangs."""
        if self._ended:
            rank = self._ended[0]
            return RankEndedError(f"rank {rank} ended: {self.workers[rank].last_words()}")
        places: dict[str, list[str]] = {}
        for rank in range(self.ranks):
            if rank not in answers:
                places.setdefault(self._place(rank), []).append(str(rank))
        waiting = " and ".join(f"rank {', '.join(r)}{place}" for place, r in places.items())
        for rank, message in sorted(answers.items()):
            if "raised" in message:
                return RankEndedError(
                    f"rank {rank} raises {message['raised']}, and {waiting} waits for it"
                )
        return RankEndedError(f"{waiting} did not answer within {limit_s:g} s", overdue=True)

    def _place(self, rank: int) -> str:
        """What a rank says that it is doing, if it does."""
        activity = self.workers[rank].activity()
        return f" ({activity.stage})" if activity else ""

    def close(self) -> None:
        """End the ranks, and remove what they left."""
        for worker in self.workers:
            worker.close()
        for reader in self._readers:
            reader.join()
        self.workers, self._readers = [], []
        self._folder.cleanup()
