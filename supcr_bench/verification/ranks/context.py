"""The context of a check over several ranks (processes): the ranks, the definition, the inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from supcr_bench.values.definition import Definition
from supcr_bench.values.implementation import Resolution
from supcr_bench.verification.context import fitting_spec
from supcr_bench.verification.outcome import CheckEndedError, NotApplicableError, Trial, outright
from supcr_bench.verification.ranks.judge import Aspect, expect, judge_step
from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion

Answers = list[list[RankAnswer]]
"""For each step, a list with the answer of each rank."""


class RanksRaisedError(Exception):
    """Some or all ranks raised an exception, which the message describes."""

    def __init__(self, finding: str, *, everyone: bool) -> None:
        super().__init__(finding)
        self.everyone = everyone


@dataclass(slots=True)
class RankContext:
    """An implementation on several ranks, its definition, and the answers to questions so far."""

    ranks: int
    resolution: Resolution
    seed: int
    put: Callable[[RankQuestion], Answers]
    left_out: int = 0
    answers: dict[RankQuestion, Answers] = field(default_factory=dict)

    @property
    def definition(self) -> Definition:
        return self.resolution.definition

    def question(self, rows: Sequence[int] | None = None, **given: Any) -> RankQuestion:
        """Make a question, by default with 5 rows on each rank.

        ``given`` holds fields of :class:`RankQuestion`; other keys describe its batch.
        """
        own = {n: given.pop(n) for n in tuple(given) if n in RankQuestion.__dataclass_fields__}
        split = tuple(rows or (5,) * self.ranks)
        spec = fitting_spec(self.resolution, self.seed, {"d": 4, "n": sum(split), **given})
        return RankQuestion(spec=spec, rows=split, definition=self.definition, **own)

    @property
    def missing(self) -> bool:
        return self.definition.nan_labels != "unsupported"

    def require_missing(self) -> None:
        if not self.missing:
            raise NotApplicableError(f"{self.definition.name} does not support missing labels")

    def ask(self, question: RankQuestion) -> Answers:
        if question not in self.answers:
            try:
                self.answers[question] = self.put(question)
            except CheckEndedError as end:
                finding = f"{end.finding} ({question.describe()})"
                raise CheckEndedError(finding, overdue=end.overdue) from end
        return self.answers[question]

    def trials(
        self, question: RankQuestion, aspects: Sequence[Aspect], *, must_raise: bool
    ) -> list[Trial]:
        try:
            steps = self.ask(question)
        except RanksRaisedError as error:
            right = must_raise and error.everyone
            return [outright(question.describe(), None if right else str(error))]
        if must_raise:
            return [outright(question.describe(), "no rank raises")]
        return [
            judge_step(question, answers, expect(question, step), aspects)
            for step, answers in enumerate(steps)
        ]
