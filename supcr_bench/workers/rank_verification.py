"""One implementation verified across ranks, outcome by outcome."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace

from supcr_bench.subjects.registry import Subject
from supcr_bench.values.definition import DEFINITIONS, NO_SELF, Definition, get_definition
from supcr_bench.verification.candidate import Knobs
from supcr_bench.verification.outcome import (
    Diagnosis,
    NotApplicableError,
    Outcome,
    Trial,
    Verdict,
    outright,
    summarise,
)
from supcr_bench.verification.ranks.checks import RANK_CHECKS, RankCheck, Terms, plain
from supcr_bench.verification.ranks.diagnosis import RankProbe, explain_ranks, follows
from supcr_bench.verification.ranks.expected import expect
from supcr_bench.verification.ranks.judge import judge_step
from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.rank_group import RankEndedError, RankGroup
from supcr_bench.workers.verification import MOST_ENDS, NO_DEFINITION, TOTAL_LIMIT_S

LOAD_LIMIT_S = 60.0
"""Importing an implementation may import much else."""
STEP_LIMIT_S = 10.0
"""A question takes hundredths of a second. A hang is a finding within 30 s, the start included."""
AUTO = "auto"


class _RaisedError(Exception):
    """The ranks raised; says what."""


class RankVerification:
    """The verification of one implementation across W ranks.

    Args:
        subject: what to verify.
        definition: to hold it against; ``None`` for what it declares, and ``auto`` for the shipped
            one that its numbers follow.
        ranks: W.
        strict: whether findings on robustness fail it.
        seed: of the random cases.
        limit_s: how long the ranks may take over one question.
        only: names of the checks to make; ``None`` for all.
    """

    def __init__(
        self,
        subject: Subject,
        definition: Definition | str | None,
        *,
        ranks: int,
        strict: bool,
        seed: int,
        limit_s: float = STEP_LIMIT_S,
        only: Collection[str] | None = None,
    ) -> None:
        self._subject, self._definition = subject, definition
        self._ranks, self._strict, self._seed, self._limit_s = ranks, strict, seed, limit_s
        self._checks = [c for c in RANK_CHECKS if only is None or c.name in only]
        self._group: RankGroup | None = None
        self._outcomes: list[Outcome] = []
        self._answers: dict[RankQuestion, list[list[RankAnswer]]] = {}
        self._used: Definition | None = None
        self._recognised: str | None = None
        self._diagnosis: Diagnosis | None = None

    def run(self) -> Iterator[Outcome]:
        """Each check's outcome as soon as it is known; :meth:`result` afterwards."""
        began, ends = time.monotonic(), 0
        try:
            stage = "loading"
            try:
                knobs = self._load()
                stage = "recognition"
                terms = Terms(self._ranks, self._settle(knobs), knobs, self._seed)
            except (RankEndedError, _RaisedError) as error:
                yield self._add(_failed(stage, "definition", str(error)))
                return
            for check in self._checks:
                if ends >= MOST_ENDS or time.monotonic() - began > TOTAL_LIMIT_S:
                    reason = "the ranks did not survive" if ends >= MOST_ENDS else "the time was up"
                    yield self._add(
                        Outcome(
                            check=check.name,
                            group=check.group,
                            verdict=Verdict.NOT_RUN,
                            finding=reason,
                        )
                    )
                    continue
                try:
                    yield self._add(self._check(check, terms))
                except RankEndedError as error:
                    # A hang takes long to find out: one is enough.
                    ends += MOST_ENDS if error.overdue else 1
                    outcome = _failed(check.name, check.group, str(error))
                    yield self._add(replace(outcome, overdue=error.overdue))
            self._diagnosis = self._diagnose(terms)
        finally:
            self.close()

    def close(self) -> None:
        """End the ranks."""
        if self._group is not None:
            self._group.close()
            self._group = None

    def result(self) -> Verification:
        """All of it."""
        return Verification(
            implementation=self._subject.name,
            definition=self._used.name if self._used else NO_DEFINITION,
            recognised=self._recognised,
            strict=self._strict,
            seed=self._seed,
            outcomes=tuple(self._outcomes),
            diagnosis=self._diagnosis,
            ranks=self._ranks,
        )

    def _add(self, outcome: Outcome) -> Outcome:
        self._outcomes.append(outcome)
        return outcome

    def _request(self, question: RankQuestion | None) -> list[dict[str, object]]:
        """Put one question to every rank, in a new group where the last one ended."""
        if self._group is None:
            self._group = RankGroup(self._ranks, self._limit_s)
        common = {
            "do": "rank step",
            "subject": asdict(self._subject),
            "question": question.to_mapping() if question else None,
        }
        try:
            said = self._group.ask(
                [{**common, "rank": r} for r in range(self._ranks)],
                None if question else LOAD_LIMIT_S,
            )
            for rank, message in enumerate(said):
                if "refused" in message:
                    raise _RaisedError(message["refused"])
                if "raised" in message:
                    # Where each stopped is not known, and messages must match: they meet anew.
                    self._group.join()
                    everyone = all("raised" in m for m in said)
                    who = "every rank" if everyone else f"rank {rank}"
                    raise _RaisedError(f"{who} raises {message['raised']}")
        except RankEndedError:
            self._group = None
            raise
        return said

    def _load(self) -> Knobs:
        """What the implementation says of itself and takes."""
        said = self._request(None)[0]
        description, knobs = said["description"], said["knobs"]
        assert isinstance(description, dict)
        assert isinstance(knobs, dict)
        declares = self._subject.kind in ("folder", "entry point")
        if self._definition is None:
            self._definition = description["definition"] if declares else AUTO
        return Knobs(**knobs)

    def _settle(self, knobs: Knobs) -> Definition:
        """The definition to hold it against."""
        definition = self._definition
        if definition == AUTO:
            definition = self._recognise(knobs)
        elif not isinstance(definition, Definition):
            definition = get_definition(str(definition))
        self._used = definition
        return definition

    def _recognise(self, knobs: Knobs) -> Definition:
        """The shipped definition that gives its numbers, with a known mistake or none."""
        for definition in DEFINITIONS.values():
            terms = Terms(self._ranks, definition, knobs, self._seed)
            if follows(self._probes(terms)):
                self._recognised = f"its numbers follow {definition.name}"
                return definition
        self._recognised = "its numbers follow no shipped definition; held against `no-self`"
        return NO_SELF

    def _ask(self, question: RankQuestion) -> list[list[RankAnswer]]:
        """Each step's answers of all ranks; a question is put once."""
        if question not in self._answers:
            said = self._request(question)
            per_rank = [
                [RankAnswer.from_mapping(a) for a in m["answers"]]  # type: ignore[attr-defined]
                for m in said
            ]
            self._answers[question] = [list(step) for step in zip(*per_rank, strict=True)]
        return self._answers[question]

    def _check(self, check: RankCheck, terms: Terms) -> Outcome:
        """The outcome of one check; a RankEndedError where the ranks did not live through it."""
        began = time.monotonic()
        try:
            questions = check.questions(terms)
        except NotApplicableError as reason:
            return Outcome(
                check=check.name,
                group=check.group,
                verdict=Verdict.NOT_APPLICABLE,
                finding=str(reason),
            )
        trials: list[Trial] = []
        for question in questions:
            try:
                trials += self._trials(check, question)
            except RankEndedError as error:
                raise RankEndedError(
                    f"{error} ({question.describe()})", overdue=error.overdue
                ) from error
        return summarise(check.name, check.group, trials, 0, time.monotonic() - began)

    def _trials(self, check: RankCheck, question: RankQuestion) -> list[Trial]:
        try:
            steps = self._ask(question)
        except _RaisedError as error:
            raised_by_all = str(error).startswith("every rank")
            wrong = None if check.must_raise and raised_by_all else str(error)
            return [outright(question.describe(), wrong)]
        if check.must_raise:
            return [outright(question.describe(), "no rank raises")]
        return [
            judge_step(question, step, answers, expect(question, step), check.aspects)
            for step, answers in enumerate(steps)
        ]

    def _probes(self, terms: Terms) -> list[RankProbe]:
        """The plain questions that the ranks answer, with their answers."""
        probes = []
        for question in plain(terms):
            try:
                answers = self._ask(question)[0]
            except _RaisedError:
                continue
            probes.append(RankProbe(question, expect(question, 0), tuple(answers)))
        return probes

    def _diagnose(self, terms: Terms) -> Diagnosis | None:
        """What is most likely wrong, if anything that counts is."""
        wrong = [o for o in self._outcomes if o.verdict is Verdict.FAIL and o.group != "robustness"]
        if not wrong:
            return None
        probes = self._answered(terms)
        if not probes:
            return None  # there are no numbers to explain
        causes = explain_ranks(probes)
        where = f"no known mistake of gathering gives these numbers; fails: {_names(wrong)}"
        if not {"value", "gradient under DDP"} & {o.check for o in wrong}:
            where = f"right on plain batches, wrong only in: {_names(wrong)}"
        return Diagnosis(causes=causes, where=None if causes else where)

    def _answered(self, terms: Terms) -> list[RankProbe]:
        """Of the plain questions, those that were answered: nothing is asked any more."""
        return [
            RankProbe(q, expect(q, 0), tuple(self._answers[q][0]))
            for q in plain(terms)
            if q in self._answers
        ]


def _names(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(o.check for o in outcomes)


def _failed(check: str, group: str, finding: str) -> Outcome:
    return Outcome(
        check=check,
        group=group,  # type: ignore[arg-type]
        verdict=Verdict.FAIL,
        cases=1,
        failed=1,
        finding=finding,
    )
