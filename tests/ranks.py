"""What tests of a loss over several ranks build on."""

from collections.abc import Sequence
from dataclasses import replace

from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import Subject, load
from supcr_bench.values.definition import Definition
from supcr_bench.values.implementation import Resolution
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.ranks.context import Answers, RankContext
from supcr_bench.verification.ranks.judge import expect, judge_step
from supcr_bench.verification.ranks.question import RankQuestion
from supcr_bench.workers.messages import AskRank, Response, Returned
from supcr_bench.workers.rank_group import RankGroupWorker


def unanswered(question: RankQuestion) -> Answers:
    raise AssertionError("no question is put through this context")


def rank_context(ranks: int, definition: Definition) -> RankContext:
    """For making questions to an implementation that takes every parameter."""
    return RankContext(ranks, Resolution(definition=definition), seed=0, put=unanswered)


def put(group: RankGroupWorker, subject: Subject, question: RankQuestion) -> list[Response]:
    """One question to every rank, and what each says."""
    called = Adapter.usual(load(subject).factory, question.definition)
    return group.ask(AskRank(replace(subject, resolution=called.resolution), question))


def judged(
    group: RankGroupWorker, subject: Subject, questions: Sequence[RankQuestion]
) -> list[Trial]:
    """Value and gradient of every question against one process."""
    trials = []
    for question in questions:
        said = put(group, subject, question)
        assert all(isinstance(response, Returned) for response in said)
        steps = zip(*(r.value for r in said if isinstance(r, Returned)), strict=True)
        for step, answers in enumerate(steps):
            right = expect(question, step)
            trials.append(judge_step(question, answers, right, ("value", "gradient")))
    return trials
