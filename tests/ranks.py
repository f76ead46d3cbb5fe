"""What tests of a loss over several ranks build on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from supcr_bench.inputs.tensors import Stream
from supcr_bench.reference.compare import Trial
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import Subject, load
from supcr_bench.values.definition import Definition
from supcr_bench.values.implementation import Resolution
from supcr_bench.verification.ranks import RankContext, RankQuestion
from supcr_bench.workers.messages import Response, Returned
from supcr_bench.workers.rank_group import RankGroupWorker


def question_of(definition: Definition, rows: tuple[int, ...], **spec: Any) -> RankQuestion:
    """A batch for an implementation that takes every parameter."""
    own = Adapter(unanswered, Resolution(definition=definition))
    problem = RankContext(own, ranks=len(rows)).problem(n=sum(rows), **spec)
    return RankQuestion(problem=problem, rows=rows)


def unanswered(question: RankQuestion) -> None:
    raise AssertionError(f"nobody answers: {question}")


def put(
    group: RankGroupWorker, subject: Subject, definition: Definition, question: RankQuestion
) -> list[Response]:
    """One question to every rank, and what each says."""
    called = Adapter.usual(load(subject).factory, definition)
    called_so = replace(subject, resolution=called.resolution)
    return group.ask("answer_on_rank", called_so, question)


def context_of(group: RankGroupWorker, subject: Subject, definition: Definition) -> RankContext:
    """The context of checks that put their questions to a group."""
    own = Adapter.usual(load(subject).factory, definition).resolution

    def answers(question: RankQuestion) -> list[object]:
        said = put(group, subject, definition, question)
        assert all(isinstance(response, Returned) for response in said), said
        return [response.value for response in said if isinstance(response, Returned)]

    return RankContext(Adapter(answers, own), ranks=group.ranks)


def random_trials(context: RankContext, count: int) -> Iterator[tuple[Trial, tuple[int, ...]]]:
    """Trials on random splits, missing labels, ties and weights, each with its split.

    The temperature is that of the definition, or above it.
    """
    for i in range(count):
        u = Stream("rank cases", context.seed, context.ranks, i).uniform(7 + context.ranks)
        rows = [int(12 * share) for share in u[7:]]
        if sum(rows) < 2:
            rows[0] += 2
        problem = context.problem(
            n=sum(rows),
            seed=100 + i,
            d=2 + int(6 * u[1]),
            dims=1 + int(3 * u[2]),
            nan_density=float((0.0, 0.2, 0.5)[int(3 * u[3])]),
            labels=("continuous", "tied", "binary")[int(3 * u[4])],
            weights=("equal", "unequal", "unnormalised")[int(3 * u[5])],
            temperature=context.definition.temperature * (1, 3, 10)[int(3 * u[6])],
            dtype=("float32", "float64")[i % 2],
        )
        if u[0] < 0.3:
            rank = i % context.ranks
            labels = problem.labels.clone()
            labels[sum(rows[:rank]) : sum(rows[: rank + 1])] = torch.nan
            problem = problem.changed(f"no label on rank {rank}", labels=labels)
        yield context.compare(problem, rows=tuple(rows)), tuple(rows)
