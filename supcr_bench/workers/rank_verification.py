"""Verifies one implementation check by check across ranks (processes that share a batch)."""

from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.definition import DEFINITIONS, NO_SELF, Definition
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Recognition
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.context import tested_as
from supcr_bench.verification.outcome import CheckEndedError, Diagnosis, Outcome
from supcr_bench.verification.ranks import (
    RANK_CHECKS,
    RankContext,
    RankQuestion,
    RanksRaisedError,
    diagnose_ranks,
    follows,
)
from supcr_bench.verification.session import MOST_ENDS, TOTAL_LIMIT_S, Opened, Session
from supcr_bench.workers.messages import Failed
from supcr_bench.workers.rank_group import RankGroupWorker
from supcr_bench.workers.verification import WorkerVerification

LOAD_LIMIT_S = 60.0
"""Time limit in seconds to import an implementation."""
STEP_LIMIT_S = 10.0
"""Time limit of one question, which usually takes hundredths of a second: with the start of the
ranks, a hang is detected within 30 s."""


class RankVerification(Session):
    """The verification of one implementation across W ranks, which are replaced when one ends."""

    total_limit_s = 2 * TOTAL_LIMIT_S  # each question waits for every rank
    ends_of_a_hang = MOST_ENDS  # which takes long to detect
    _context: RankContext

    def __init__(
        self,
        subject: Subject,
        *,
        ranks: int,
        strict: bool,
        seed: int,
        limit_s: float = STEP_LIMIT_S,
        only: Collection[str] | None = None,
    ) -> None:
        super().__init__(subject.name, strict=strict, seed=seed, only=only)
        self._keep(ranks=ranks)
        self._subject = subject
        self._ranks, self._limit_s = ranks, limit_s
        self._checks = {c.name: c for c in RANK_CHECKS if only is None or c.name in only}
        self._group: RankGroupWorker | None = None
        self._recognised: Recognition | None = None

    def open(self) -> Opened:
        self._context = self._resolved(self._subject.definition) or self._recognise()
        checks = [(check.name, check.group) for check in self._checks.values()]
        recognised = self._recognised or tested_as(self._context.own)
        return checks, self._context.definition.name, recognised

    def make(self, check: str) -> Outcome:
        return self._checks[check].outcome(self._context)[0]

    def diagnose(self, outcomes: Sequence[Outcome]) -> Diagnosis | None:
        return diagnose_ranks(self._context, outcomes)

    def close(self) -> None:
        if self._group is not None:
            self._group.close()
            self._group = None

    def _resolved(self, definition: Definition | str | None) -> RankContext | None:
        """Load the subject for a definition; ``None`` if the definition is yet to be recognised."""
        self._subject = replace(self._subject, definition=definition, resolution=None)
        found = self._request(None, LOAD_LIMIT_S)[0]
        if found is None:
            return None
        self._subject = replace(self._subject, resolution=found)
        # If an attempt ends the ranks, the checks will show that, with the definition's usual call.
        with suppress(CheckEndedError):
            found = self._request(None)[0]
            self._subject = replace(self._subject, resolution=found)
        return RankContext(Adapter(self._request, found), self.seed, ranks=self._ranks)

    def _recognise(self) -> RankContext:
        """Find the definition of the loss: what it computes in one process, if it can be called so.

        Otherwise, a shipped one that the ranks compute together, correctly or with a known mistake.
        """
        with (
            suppress(SubjectError, CheckEndedError),
            closing(WorkerVerification(self._subject, strict=False, seed=self.seed)) as alone,
        ):
            found = alone.recognise()
            if found.recognised is not None and not found.recognised.faults:
                context = self._resolved(found.definition)
                if context is not None:
                    self._recognised = found.recognised
                    return context
        for definition in DEFINITIONS.values():
            context = self._resolved(definition)
            if context is not None and follows(context):
                return context
        context = self._resolved(NO_SELF)
        assert context is not None
        return context

    def _request(self, question: RankQuestion | None, limit_s: float | None = None) -> list[Any]:
        """Every rank's answer to a question; a new group is started if the last one has ended."""
        if self._group is None:
            self._group = RankGroupWorker(self._ranks, limit_s=self._limit_s)
        try:
            asked = "answer_on_rank", self._subject, question
            said: list[Any] = self._group.ask(*asked, limit_s=limit_s)
            for rank, response in enumerate(said):
                if isinstance(response, Failed):
                    if response.error and question is None:
                        raise response.error
                    # The ranks may have stopped at different messages, so they form a new group.
                    self._group.join()
                    everyone = all(isinstance(r, Failed) for r in said)
                    who = "every rank" if everyone else f"rank {rank}"
                    raise RanksRaisedError(f"{who} raises {response.reason}", everyone=everyone)
        except CheckEndedError:
            self._group = None
            raise
        return [response.value for response in said]


def bug_subject(bug: SeededBug) -> Subject:
    names = bug.factory.__module__, bug.factory.__qualname__
    return Subject(bug.name, "module", *names, definition=bug.definition)
