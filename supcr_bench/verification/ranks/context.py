"""The context of a check over several ranks (processes that share a batch)."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.answer import Answer
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import CheckEndedError, FindingError
from supcr_bench.verification.ranks.step import RankQuestion


class RanksRaisedError(FindingError):
    """Some or all ranks raised an exception, which the message describes."""

    def __init__(self, finding: str, *, everyone: bool) -> None:
        super().__init__(finding)
        self.everyone = everyone


@dataclass(slots=True)
class RankContext(CheckContext):
    """An implementation on several ranks, each of which must answer as one process does.

    A check of one process runs here too, if it only asks for answers: its batches are split at
    random, so that ranks have different numbers of rows, or none. The target of the ``subject``
    puts a :class:`RankQuestion` to all ranks, and returns their answers in order.

    Attributes:
        ranks: how many there are.
        known: the answers to questions on batches of that many rows each, for the diagnosis.
    """

    ranks: int = 2
    known: dict[Batch, list[Answer]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def evenly(self, **spec: Any) -> Batch:
        """Generate a batch of which each rank gets five rows; see :meth:`problem`."""
        return self.problem(n=5 * self.ranks, d=4, **spec)

    @property
    def even(self) -> tuple[int, ...]:
        return (5,) * self.ranks

    def build(self, problem: Batch, *, weights: bool = True) -> Any:
        """The number of a module that each rank builds when it is first called."""
        del problem, weights
        return next(self._numbers)

    def answers(
        self, problem: Batch, upstream: Tensor | None = None, module: Any = None, **how: Any
    ) -> dict[str, Answer]:
        """Each rank's answer; ``how`` holds other fields of :class:`RankQuestion`.

        Raises:
            FindingError: a rank raises, or its loss has no graph.
            CheckEndedError: a rank has ended, or takes too long.
        """
        how.setdefault("rows", self._split(len(problem.labels)))
        question = RankQuestion(problem=problem, upstream=upstream, module=module, **how)
        split = f"rows {'+'.join(map(str, question.rows))}"
        try:
            found: list[Answer] = self.subject.target(question)
        except CheckEndedError as end:
            finding = f"{end.finding} ({split}, {problem.name})"
            raise CheckEndedError(finding, overdue=end.overdue) from end
        if how == {"rows": self.even} and upstream is module is None:
            self.known[problem] = found
        for rank, answer in enumerate(found):
            if question.training and not answer.gradients:
                raise FindingError(f"rank {rank}: the loss has no graph: backward() raises")
        return {f"rank {rank} ({split}): ": answer for rank, answer in enumerate(found)}

    def _split(self, n: int) -> tuple[int, ...]:
        uniform = Stream("rows", self.seed, self.ranks, next(self._numbers)).uniform(self.ranks - 1)
        ends = [0, *sorted(int((n + 1) * u) for u in uniform), n]
        return tuple(end - start for start, end in itertools.pairwise(ends))
