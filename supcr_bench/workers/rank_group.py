"""Workers that form a group of ranks (processes that share a batch), used like one worker.

A collective waits for every rank, so when one rank ends, all others hang. A worker that ends closes
its pipe, so the parent notices at once and ends the others.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from supcr_bench.values.errors import WorkerError
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import CheckEndedError
from supcr_bench.workers.messages import Activity, Failed, Response
from supcr_bench.workers.worker_process import POLL_S, WorkerProcess

JOIN_LIMIT_S = 60.0
"""Seconds for the ranks to form a group; on an idle machine it takes a fraction of a second."""
MEASURE_LIMIT_S = 3600.0
"""Limit while a cell (the implementations on one workload) is measured: rank 0 may compute the
reference for long, and the executor ends a call that takes too long."""
SETTLE_S = 2.0
"""Seconds that the other ranks have to answer after one has ended or raised."""


class RankGroupWorker:
    """W worker processes, each with ``threads`` threads, in one gloo group on this machine.

    Rank 0 measures cells and the other ranks make each call with it, so that the group can stand in
    for a :class:`~supcr_bench.workers.worker_process.WorkerProcess`. :meth:`ask` gets an answer
    from every rank within ``limit_s``, which limits collectives too, though not below
    ``JOIN_LIMIT_S``.
    """

    def __init__(self, ranks: int, threads: int = 1, *, limit_s: float = MEASURE_LIMIT_S) -> None:
        self.ranks, self._limit_s = ranks, limit_s
        self._joins = 0
        self._inbox: SimpleQueue[tuple[int, Response | None]] = SimpleQueue()
        self._ended: list[int] = []
        self._other_ended = Event()
        self._failure: str | None = None
        with ThreadPoolExecutor(ranks) as pool:  # each start imports torch, which is slow
            starting = [
                pool.submit(WorkerProcess, threads, partial(self._deliver, rank))
                for rank in range(ranks)
            ]
        self._workers = [start.result() for start in starting if start.exception() is None]
        try:
            for start in starting:
                start.result()
            self.join()
        except WorkerError:
            self.close()
            raise
        except CheckEndedError as error:
            raise WorkerError(f"the ranks did not form a group: {error}") from error
        self.environment = self._workers[0].environment
        self.resident_at_start_bytes = self.resident_bytes() or 0

    def _deliver(self, rank: int, response: Response | None) -> None:
        if response is None:
            self._ended.append(rank)
            if rank > 0:
                self._other_ended.set()
        self._inbox.put((rank, response))

    def join(self) -> None:
        """Have the ranks form a new group, as they must after one raised; raises like ask()."""
        self._joins += 1
        store = str(self._workers[0].scratch / str(self._joins))
        limit_s = max(self._limit_s, JOIN_LIMIT_S)
        for rank, worker in enumerate(self._workers):
            worker.send("join_ranks", rank, self.ranks, store, limit_s)
        self._answers(JOIN_LIMIT_S)

    def ask(self, method: str, *arguments: Any, limit_s: float | None = None) -> list[Response]:
        """Send a request to all ranks, and collect one answer from each, by rank.

        A CheckEndedError, and the end of the group, if a rank ends, or does not answer within
        ``limit_s`` (by default the group's limit) or soon after another has failed.
        """
        self.send(method, *arguments)
        return self._answers(limit_s or self._limit_s)

    def _answers(self, limit_s: float) -> list[Response]:
        answers: dict[int, Response] = {}
        deadline = time.monotonic() + limit_s
        while len(answers.keys() | self._ended) < self.ranks and time.monotonic() < deadline:
            received = self._receive(min(deadline - time.monotonic(), POLL_S))
            if received is None:
                continue
            rank, response = received
            if response is not None:
                answers[rank] = response
            if response is None or isinstance(response, Failed):
                deadline = min(deadline, time.monotonic() + SETTLE_S)
        if len(answers) == self.ranks:
            return [answers[rank] for rank in range(self.ranks)]
        error = self._why_unanswered(answers, limit_s)
        self.kill()  # ranks cannot continue after a failure
        self.close()
        raise error

    def _why_unanswered(self, answers: dict[int, Response], limit_s: float) -> CheckEndedError:
        """An error that names a rank that ended, else one that failed, else those that hang."""
        if self._ended:
            return CheckEndedError(self._how_ended(self._ended[0]))
        stages: dict[str, list[str]] = {}
        for rank in set(range(self.ranks)) - answers.keys():
            activity = self._workers[rank].activity()
            stages.setdefault(f" ({activity.stage})" if activity else "", []).append(str(rank))
        waiting = " and ".join(f"rank {', '.join(r)}{stage}" for stage, r in stages.items())
        for rank, response in sorted(answers.items()):
            if isinstance(response, Failed):
                return CheckEndedError(
                    f"rank {rank} raises {response.reason}, and {waiting} waits for it"
                )
        return CheckEndedError(f"{waiting} did not answer within {limit_s:g} s", overdue=True)

    def _receive(self, timeout_s: float) -> tuple[int, Response | None] | None:
        """Get a rank and its next response (``None`` if it ended); ``None`` after the timeout."""
        try:
            return self._inbox.get(timeout=max(timeout_s, 0))
        except Empty:
            return None

    def _how_ended(self, rank: int) -> str:
        return f"rank {rank} ended: {self._workers[rank].exit_description()}"

    def send(self, method: str, *arguments: Any) -> None:
        for worker in self._workers:
            worker.send(method, *arguments)

    def responses(self) -> Iterator[Response | None]:
        """Rank 0's responses, and ``None`` several times a second, until it ends.

        When another rank ends or raises, rank 0 is killed if it does not end within ``SETTLE_S``.
        """
        deadline: float | None = None
        while True:
            received = self._receive(POLL_S)
            if deadline is not None and time.monotonic() > deadline:
                self.kill()
            if received is None:
                yield None
                continue
            rank, response = received
            if rank == 0:
                if response is None:
                    return
                yield self._explained(response)
            elif self._failure is None and (response is None or isinstance(response, Failed)):
                raised = f"rank {rank} raises {response.reason}" if response else None
                self._failure = raised or self._how_ended(rank)  # it causes later failures
                deadline = time.monotonic() + SETTLE_S

    def _explained(self, response: Response) -> Response:
        """The response of rank 0, with the end of another rank as the reason if that caused it."""
        if not isinstance(response, Result) or response.status is not Status.FAILED:
            return response
        if not self._other_ended.wait(POLL_S):
            return response
        reason = self._failure or self._how_ended(next(rank for rank in self._ended if rank > 0))
        return replace(response, reason=reason)

    def activity(self) -> Activity | None:
        return self._workers[0].activity()

    def resident_bytes(self) -> int | None:
        """Return the largest resident memory of any rank; ``None`` once all have ended."""
        known = [b for w in self._workers if (b := w.resident_bytes()) is not None]
        return max(known, default=None)

    def exit_description(self) -> str:
        return self._failure or f"rank 0 {self._workers[0].exit_description()}"

    def kill(self) -> None:
        for worker in self._workers:
            worker.kill()

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._workers = []
