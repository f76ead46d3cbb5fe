"""Verifies one implementation in a worker, so that a hang or a crash becomes a finding."""

import time
from collections.abc import Collection, Sequence

from supcr_bench.subjects.registry import Subject
from supcr_bench.values.definition import Definition
from supcr_bench.values.errors import SubjectError
from supcr_bench.verification.outcome import CheckEndedError, Diagnosis, Group, Outcome
from supcr_bench.verification.session import (
    CHECK_LIMIT_S,
    Session,
)
from supcr_bench.workers.messages import (
    Diagnose,
    Diagnosed,
    Failed,
    MakeCheck,
    Request,
    Response,
    VerificationStarted,
    VerifySubject,
)
from supcr_bench.workers.worker_process import WorkerProcess


class WorkerVerification(Session):
    """The verification of one implementation in a worker, which is replaced when it ends.

    Args:
        subject: what to verify.
        definition: the definition; ``None`` for the one that it declares, ``auto`` to find it out.
        strict: whether robustness findings count as failures.
        seed: random seed for the inputs.
        only: names of the checks to make, and nothing is diagnosed; ``None`` for all.
        device: where inputs and module live.
    """

    def __init__(
        self,
        subject: Subject,
        definition: Definition | str | None,
        *,
        strict: bool,
        seed: int,
        only: Collection[str] | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(subject.name, strict=strict, seed=seed, only=only)
        names = None if only is None else tuple(sorted(only))
        self._request = VerifySubject(subject, definition, seed, names, device)
        self._worker: WorkerProcess | None = None

    def open(self) -> Sequence[tuple[str, Group]]:
        """Start a worker that loads the subject and keeps the session."""
        self._worker = WorkerProcess(threads=1)  # small problems; threads would only add noise
        started = self._ask(self._request)
        if isinstance(started, Failed):
            raise SubjectError(started.reason)
        assert isinstance(started, VerificationStarted)
        self.definition, self.recognised = started.definition, started.recognised
        return started.checks

    def make(self, check: str) -> Outcome:
        """Have the worker make one check; start a new worker if the last has ended."""
        self._reopen()
        outcome = self._ask(MakeCheck(check))
        assert isinstance(outcome, Outcome)
        return outcome

    def diagnose(self, outcomes: Sequence[Outcome]) -> Diagnosis | None:
        """Diagnose in the worker; failing inputs of a worker that has ended are lost."""
        if self.only is not None:
            return None
        self._reopen()
        diagnosed = self._ask(Diagnose(tuple(outcomes)))
        assert isinstance(diagnosed, Diagnosed)
        return diagnosed.diagnosis

    def _reopen(self) -> None:
        if self._worker is None:
            try:
                self.open()
            except SubjectError as error:  # it could be loaded before
                raise CheckEndedError(str(error)) from error

    def _ask(self, request: Request) -> Response:
        """The worker's answer; a CheckEndedError where it ended or took too long."""
        worker = self._worker
        assert worker is not None
        began = time.monotonic()
        worker.send(request)
        for response in worker.responses():
            if response is not None:
                return response
            if time.monotonic() - began > CHECK_LIMIT_S:
                worker.kill()
                self.close()
                raise CheckEndedError(f"a check took over {CHECK_LIMIT_S:.0f} s", overdue=True)
        finding = f"the worker ended: {worker.exit_description()}"
        self.close()
        raise CheckEndedError(finding)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None
