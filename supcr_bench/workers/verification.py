"""Verifies one implementation in a worker, so that a hang or a crash becomes a finding."""

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Literal

from supcr_bench.subjects.compiler import COMPILATION
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Resolution
from supcr_bench.verification import session
from supcr_bench.verification.impact import Impact, ImpactQuestion
from supcr_bench.verification.outcome import CheckEndedError, Diagnosis, Outcome, Verdict
from supcr_bench.workers import messages
from supcr_bench.workers.worker_process import WorkerProcess

PROGRESS_S = 0.02
"""CPU time in seconds after which a worker counts as computing, on however busy a core."""
LAUNCHING_FACTOR = 4.0
"""The factor by which a limit grows for a Python loop that launches a kernel for each operation."""
CALLED = {"make": "the check", "diagnose": "the diagnosis", "measure_impact": "the study"}
"""The words that a finding uses for a method of the session."""


class IdleWorkers:
    """Workers that verify further implementations, as starting one takes 2 s of CPU time."""

    def __init__(self) -> None:
        self._workers: list[WorkerProcess] = []

    def take(self) -> WorkerProcess:
        with suppress(IndexError):  # several threads may take one
            return self._workers.pop()
        return WorkerProcess(threads=1)  # small problems need one thread

    def keep(self, worker: WorkerProcess) -> None:
        self._workers.append(worker)

    def close(self) -> None:
        while self._workers:
            self._workers.pop().close()


class WorkerVerification(session.Session):
    """The verification of one implementation in a worker, which is replaced when it ends.

    A worker goes back to ``idle`` after a registered subject that left it unchanged.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        strict: bool,
        seed: int,
        only: Collection[str] | None = None,
        device: str = "cpu",
        idle: IdleWorkers | None = None,
    ) -> None:
        super().__init__(subject.name, strict=strict, seed=seed, only=only)
        names = tuple(sorted(only)) if only is not None else None
        self._opening = subject, seed, names, device
        self._limit_factor = 1.0 if device == "cpu" else LAUNCHING_FACTOR
        self.total_limit_s *= self._limit_factor
        self._worker: WorkerProcess | None = None
        self._idle = idle or IdleWorkers()
        self._may_share = idle is not None and subject.kind == "folder" and subject.root is None
        self._spent_s = 0.0

    def open(self) -> session.Opened:
        self._worker = self._idle.take()
        limit_s = session.OPEN_LIMIT_S
        what = "loading and recognition"
        opened: session.Opened = self._ask(what, limit_s, "verify", *self._opening)
        return opened

    def recognise(self) -> Resolution:
        """How the subject is called, and its definition; raises like :meth:`open`."""
        self._worker = self._idle.take()
        subject, _, _, device = self._opening
        found = self._ask("recognition", session.OPEN_LIMIT_S, "preflight", subject, device)
        resolution: Resolution = found.resolution
        return resolution

    def make(self, check: str) -> Outcome:
        outcome: Outcome = self._call("make", check)
        return outcome

    def diagnose(self, outcomes: Sequence[Outcome]) -> Diagnosis | None:
        """Diagnose in the worker; the failing inputs are lost if it was replaced meanwhile."""
        return self._call("diagnose", outcomes) if self.only is None else None

    def measure_impact(self, question: ImpactQuestion) -> tuple[Impact, ...]:
        rows: tuple[Impact, ...] = self._call("measure_impact", question)
        return rows

    def _call(self, method: Literal["make", "diagnose", "measure_impact"], argument: object) -> Any:
        """Call a method of the session in the worker; start a new worker if the last has ended."""
        limit_s = session.STUDY_LIMIT_S if method == "measure_impact" else session.CHECK_LIMIT_S
        try:
            if self._worker is None:
                self.open()
            return self._ask(CALLED[method], limit_s, "ask_session", method, argument)
        except SubjectError as error:  # it loaded before, so a call has broken it
            raise CheckEndedError(str(error)) from error

    def _ask(self, what: str, limit_s: float, method: str, *arguments: Any) -> Any:
        """Get the worker's answer; raise an error if it failed, ended or took too long.

        The time that numba compiles counts towards no limit: it compiles once, and keeps the result
        on disk.
        """
        worker, limit_s = self._worker, limit_s * self._limit_factor
        assert worker is not None
        polled = moved = began = time.monotonic()
        polled_s = seen_s = used_s = worker.cpu_s()
        spent_s = self._spent_s
        worker.send(method, *arguments)
        for response in worker.responses():
            now, cpu_s = time.monotonic(), worker.cpu_s()
            activity = worker.activity()
            if activity is not None and activity.stage == COMPILATION:
                began, used_s, moved = began + now - polled, used_s + cpu_s - polled_s, now
            polled, polled_s = now, cpu_s
            if cpu_s - seen_s > PROGRESS_S:
                seen_s, moved = cpu_s, now
            self._spent_s = spent_s + session.own_time_s(now - began, cpu_s - used_s)
            if isinstance(response, messages.Failed):  # its process can go no further
                self.close()
                raise response.error or CheckEndedError(response.reason)
            if isinstance(response, messages.Returned):
                return response.value
            if max(self._spent_s - spent_s, now - moved) > limit_s:
                worker.kill()
                self.close()
                raise CheckEndedError(f"{what} took over {limit_s:.0f} s", overdue=True)
        finding = f"the worker ended: {worker.exit_description()}"
        self.close()
        raise CheckEndedError(finding)

    def spent_s(self) -> float:
        return self._spent_s

    def close(self) -> None:
        worker, self._worker = self._worker, None
        checked = {outcome.check: outcome.verdict for outcome in self.result().outcomes}
        if worker and self._may_share and checked.get("process settings") is Verdict.PASS:
            self._idle.keep(worker)
        elif worker:
            worker.close()
