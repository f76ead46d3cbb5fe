"""One implementation verified in a worker, so that a hang or a crash is a finding and no more."""

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict

from supcr_bench.subjects.registry import Subject
from supcr_bench.values.definition import Definition
from supcr_bench.values.errors import SubjectError
from supcr_bench.verification.outcome import CheckEndedError, Diagnosis, Outcome
from supcr_bench.verification.session import (
    CHECK_LIMIT_S,
    CheckName,
    NamedCheck,
    Opened,
    Session,
)
from supcr_bench.workers.worker_process import Message, WorkerProcess


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
        self._request = {
            "do": "verify",
            "subject": asdict(subject),
            "definition": asdict(definition) if isinstance(definition, Definition) else definition,
            "seed": seed,
            "only": None if only is None else sorted(only),
            "device": device,
        }
        self._worker: WorkerProcess | None = None

    def open(self) -> Opened:
        """Start a worker that loads the subject and keeps the session."""
        self._worker = WorkerProcess(threads=1)  # small problems; threads would only add noise
        said = self._ask(self._request)
        if "refused" in said:
            raise SubjectError(said["refused"])
        checks = [CheckName(*pair) for pair in said["checks"]]
        return Opened(said["definition"], said["recognised"], checks)

    def make(self, check: NamedCheck) -> Outcome:
        """Have the worker make one check, a new one if the last has ended."""
        self._reopen()
        said = self._ask({"do": "make check", "check": check.name, "group": check.group})
        return Outcome.from_mapping(said["outcome"])

    def diagnose(self, outcomes: Sequence[Outcome]) -> Diagnosis | None:
        """From the worker; the inputs that failed in one that has ended are lost."""
        if self.only is not None:
            return None
        self._reopen()
        said = self._ask({"do": "diagnose", "outcomes": [asdict(o) for o in outcomes]})
        return Diagnosis.from_mapping(said["diagnosis"]) if said["diagnosis"] else None

    def _reopen(self) -> None:
        """A new worker, where the last has ended."""
        if self._worker is None:
            try:
                self.open()
            except SubjectError as error:  # it could be loaded before
                raise CheckEndedError(str(error)) from error

    def _ask(self, request: Message) -> Message:
        """The worker's answer; a CheckEndedError where it ended or took too long."""
        worker = self._worker
        assert worker is not None
        began = time.monotonic()
        worker.send(request)
        for message in worker.messages():
            if message is not None:
                return message
            if time.monotonic() - began > CHECK_LIMIT_S:
                worker.kill()
                self.close()
                raise CheckEndedError(f"a check took over {CHECK_LIMIT_S:.0f} s", overdue=True)
        finding = f"the worker ended: {worker.last_words()}"
        self.close()
        raise CheckEndedError(finding)

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
