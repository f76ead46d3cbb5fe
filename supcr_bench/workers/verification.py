"""One implementation verified in a worker, so that a hang or a crash is a finding and no more."""

import time
from collections.abc import Collection, Generator, Iterator
from dataclasses import asdict

from supcr_bench.subjects.registry import Subject
from supcr_bench.values.definition import Definition
from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.worker_process import WorkerProcess

CHECK_LIMIT_S = 20.0
"""A single check takes a second or two of a usable implementation."""
TOTAL_LIMIT_S = 55.0
"""After this the rest is left out: an implementation is verified within a minute."""
STAGES = ("loading", "recognition", "diagnosis")
"""What stands in the place of a check where the worker ends, or refuses, outside of all checks."""
NO_DEFINITION = "none"
"""Of an implementation that could not be loaded."""
MOST_ENDS = 2
"""An implementation that has ended two workers is not asked any further."""


class WorkerVerification:
    """The verification of one implementation, outcome by outcome.

    Args:
        subject: what to verify.
        definition: to hold it against; ``None`` for what it declares, and ``auto`` to recognise.
        strict: whether findings on robustness fail it.
        seed: of the random cases.
        only: names of the checks to make, and nothing is diagnosed; ``None`` for all.
    """

    def __init__(
        self,
        subject: Subject,
        definition: Definition | str | None,
        *,
        strict: bool,
        seed: int,
        only: Collection[str] | None = None,
    ) -> None:
        self._subject = subject
        self._definition = definition
        self._strict, self._seed = strict, seed
        self._only = None if only is None else sorted(only)
        self._outcomes: list[Outcome] = []
        self._left: list[tuple[str, str]] = []
        self._used: str | None = None
        self._recognised: str | None = None
        self._diagnosis: Diagnosis | None = None

    def run(self) -> Iterator[Outcome]:
        """Each check's outcome as soon as it is known; :meth:`result` afterwards."""
        began = time.monotonic()
        ends = 0
        while ends < MOST_ENDS:
            worker = WorkerProcess(threads=1)  # small problems; threads would only add noise
            try:
                finished = yield from self._in_worker(worker, began)
            finally:
                worker.close()
            if finished:
                break
            ends += 1
        done = {o.check for o in self._outcomes}
        for name, group in self._left:
            if name not in done:
                reason = "the time was up" if ends < MOST_ENDS else "it ended too many workers"
                yield self._add(
                    Outcome(
                        check=name,
                        group=group,  # type: ignore[arg-type]
                        verdict=Verdict.NOT_RUN,
                        finding=reason,
                    )
                )

    def _add(self, outcome: Outcome) -> Outcome:
        self._outcomes.append(outcome)
        return outcome

    def _in_worker(self, worker: WorkerProcess, began: float) -> Generator[Outcome, None, bool]:
        """Run what is left in one worker; returns whether it came to its end."""
        definition = self._definition
        worker.send(
            {
                "do": "verify",
                "subject": asdict(self._subject),
                "definition": asdict(definition)
                if isinstance(definition, Definition)
                else definition,
                "seed": self._seed,
                "skip": [o.check for o in self._outcomes],
                "only": self._only,
            }
        )
        check_began, killed = time.monotonic(), ""
        for message in worker.messages():
            now = time.monotonic()
            if message is None:
                if now - check_began > CHECK_LIMIT_S:
                    killed = f"a check took over {CHECK_LIMIT_S:.0f} s"
                    worker.kill()
                continue
            check_began = now
            if "checks" in message:
                self._left = [tuple(pair) for pair in message["checks"]]
                self._used, self._recognised = message["definition"], message["recognised"]
            elif "outcome" in message:
                yield self._add(Outcome.from_mapping(message["outcome"]))
                if now - began > TOTAL_LIMIT_S:
                    return True
            elif "diagnosis" in message:
                said = message["diagnosis"]
                if said:
                    self._diagnosis = Diagnosis.from_mapping(said)
                return True
            elif "refused" in message:
                yield self._add(
                    Outcome(
                        check="loading",
                        group="definition",
                        verdict=Verdict.FAIL,
                        cases=1,
                        failed=1,
                        finding=message["refused"],
                    )
                )
                return True
        activity = worker.activity()
        running = activity.stage if activity else "recognition"
        groups = dict(self._left)
        if running in {o.check for o in self._outcomes}:
            running = "diagnosis"
        yield self._add(
            Outcome(
                check=running,
                group=groups.get(running, "definition"),  # type: ignore[arg-type]
                verdict=Verdict.FAIL,
                cases=1,
                failed=1,
                finding=killed or f"the worker ended: {worker.last_words()}",
                overdue=bool(killed),
            )
        )
        return False

    def result(self) -> Verification:
        """All of it."""
        return Verification(
            implementation=self._subject.name,
            definition=self._used or NO_DEFINITION,
            recognised=self._recognised,
            strict=self._strict,
            seed=self._seed,
            outcomes=tuple(self._outcomes),
            diagnosis=self._diagnosis,
        )
