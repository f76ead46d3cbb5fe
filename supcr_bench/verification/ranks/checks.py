"""What is asked of a loss over several ranks, and why each of it matters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.values.definition import Definition
from supcr_bench.verification.candidate import Knobs
from supcr_bench.verification.outcome import Group, NotApplicableError
from supcr_bench.verification.problem import ProblemSpec
from supcr_bench.verification.ranks.judge import Aspect
from supcr_bench.verification.ranks.question import RankQuestion

RANDOM_CASES = 50


@dataclass(frozen=True, slots=True)
class Terms:
    """What questions are made from.

    Attributes:
        ranks: W.
        definition: what the implementation is held against.
        knobs: what its factory takes; the rest stays at its default.
        seed: of everything random.
    """

    ranks: int
    definition: Definition
    knobs: Knobs
    seed: int

    def ask(self, rows: Sequence[int], *, seed: int = 0, **given: Any) -> RankQuestion:
        """A question; what is not of :class:`RankQuestion` is of its batch."""
        own = {n: given.pop(n) for n in tuple(given) if n in RankQuestion.__dataclass_fields__}
        spec = {"d": 4, "temperature": self.definition.temperature, **given}
        if not self.knobs.temperature:
            spec["temperature"] = self.definition.temperature
        if not self.knobs.weights or self.definition.label_distance != "per_dimension":
            spec["weights"] = "equal"
        return RankQuestion(
            spec=ProblemSpec(n=sum(rows), seed=1000 * self.seed + seed, **spec),
            rows=tuple(rows),
            definition=self.definition,
            **own,
        )

    @property
    def even(self) -> tuple[int, ...]:
        """Five rows on each rank."""
        return (5,) * self.ranks

    @property
    def missing(self) -> bool:
        """Whether the definition says what a NaN label means."""
        return self.definition.nan_labels != "unsupported"

    def require_missing(self) -> None:
        """Leave a check that needs NaN labels where they mean nothing."""
        if not self.missing:
            raise NotApplicableError("the definition does not support missing labels")


@dataclass(frozen=True, slots=True)
class RankCheck:
    """One check.

    Attributes:
        name: short, as findings carry it.
        group: which kind of failure it is.
        why: why it matters, in a sentence.
        questions: what is asked.
        aspects: what of the answers is judged.
        must_raise: whether the right answer is an error on every rank.
    """

    name: str
    group: Group
    why: str
    questions: Callable[[Terms], list[RankQuestion]]
    aspects: tuple[Aspect, ...] = ("value", "gradient")
    must_raise: bool = False


def plain(terms: Terms) -> list[RankQuestion]:
    """Batches split evenly, with labels on every rank: also what a fault is recognised by."""
    asked = [
        terms.ask(terms.even, seed=1),
        terms.ask(terms.even, seed=2, labels="tied"),
        terms.ask(terms.even, seed=3, dims=2, weights="unnormalised"),
    ]
    if terms.missing:
        asked.append(terms.ask(terms.even, seed=4, dims=2, nan_density=0.2))
    return asked


def _ragged(terms: Terms) -> list[RankQuestion]:
    few = [
        tuple(1 if r == 0 else 3 + r for r in range(terms.ranks)),
        tuple(2 + 3 * (r == 0) for r in range(terms.ranks)),
        tuple(0 if r == terms.ranks - 1 else 6 for r in range(terms.ranks)),
        (1,) * terms.ranks,
    ]
    return [terms.ask(rows, seed=10 + i, labels="tied") for i, rows in enumerate(few)]


def _unlabelled_rank(terms: Terms) -> list[RankQuestion]:
    terms.require_missing()
    return [
        terms.ask(terms.even, seed=20 + rank, dims=2, unlabelled=(rank,))
        for rank in (0, terms.ranks - 1)
    ]


def _no_label(terms: Terms) -> list[RankQuestion]:
    terms.require_missing()
    return [terms.ask(terms.even, seed=30, dims=2, unlabelled=tuple(range(terms.ranks)))]


def _random(terms: Terms) -> list[RankQuestion]:
    return random_questions(terms, RANDOM_CASES)


def random_questions(terms: Terms, count: int) -> list[RankQuestion]:
    """Ragged, unlabelled, tied and weighted by chance, at the definition's temperature or above."""
    asked = []
    for i in range(count):
        stream = Stream("rank cases", terms.seed, terms.ranks, i)
        u = stream.uniform(7 + terms.ranks)
        rows = [int(12 * share) for share in u[7:]]
        if sum(rows) < 2:
            rows[0] += 2
        gone = terms.missing and u[0] < 0.3
        asked.append(
            terms.ask(
                rows,
                seed=100 + i,
                d=2 + int(6 * u[1]),
                dims=1 + int(3 * u[2]),
                nan_density=float((0.0, 0.2, 0.5)[int(3 * u[3])]) if terms.missing else 0.0,
                labels=("continuous", "tied", "binary")[int(3 * u[4])],
                weights=("equal", "unequal", "unnormalised")[int(3 * u[5])],
                temperature=terms.definition.temperature * (1, 3, 10)[int(3 * u[6])],
                dtype=("float32", "float64")[i % 2],
                unlabelled=(i % terms.ranks,) if gone else (),
            )
        )
    return asked


def _no_grad(terms: Terms) -> list[RankQuestion]:
    return [terms.ask(terms.even, seed=40, training=False)]


def _second_step(terms: Terms) -> list[RankQuestion]:
    return [
        terms.ask(terms.even, seed=50, steps=3),
        terms.ask(terms.even, seed=60, dims=2, steps=2),
    ]


def _arriving(terms: Terms) -> list[RankQuestion]:
    asked = [terms.ask(terms.even, seed=70, upstream=(256.0,))]
    if terms.definition.label_distance == "per_dimension":
        asked.append(terms.ask(terms.even, seed=71, dims=2, upstream=(0.5, 2.0, -1.0)))
    return asked


def _low_temperature(terms: Terms) -> list[RankQuestion]:
    if not terms.knobs.temperature:
        raise NotApplicableError("it takes no temperature")
    tau = terms.definition.temperature
    return [terms.ask(terms.even, seed=80 + i, temperature=tau / 10**i) for i in (1, 2)]


def _misfit(terms: Terms) -> list[RankQuestion]:
    return [replace(terms.ask(terms.even, seed=90), misfit=True)]


RANK_CHECKS = (
    RankCheck(
        "value",
        "definition",
        "A rank whose loss is that of its own rows trains against few candidates, and its curves "
        "still fall.",
        plain,
        ("value",),
    ),
    RankCheck(
        "gradient under DDP",
        "definition",
        "What all_gather returns has no gradient, and sums and means over ranks are easily "
        "confused: the loss is right and what is trained is not.",
        plain,
        ("gradient",),
    ),
    RankCheck(
        "ragged ranks",
        "definition",
        "The last batch of an epoch is rarely a multiple of the ranks, and all_gather wants equal "
        "shapes.",
        _ragged,
    ),
    RankCheck(
        "rank without labels",
        "definition",
        "Where labels are sparse a rank comes to have none; if it leaves early the others wait.",
        _unlabelled_rank,
    ),
    RankCheck(
        "no label at all",
        "definition",
        "A batch without a pair must give 0 with a graph on every rank, or DDP waits for ever.",
        _no_label,
    ),
    RankCheck(
        "random cases",
        "definition",
        "What no one thought of: any split, any missing labels, ties and weights.",
        _random,
    ),
    RankCheck(
        "no_grad",
        "conduct",
        "Validation runs without gradients, and the collectives must still match.",
        _no_grad,
        ("value",),
    ),
    RankCheck(
        "next steps",
        "conduct",
        "What is kept from one step, such as gathered labels, spoils the next.",
        _second_step,
    ),
    RankCheck(
        "arriving gradient",
        "conduct",
        "Loss scaling multiplies the loss before backward(), and the parts may be weighted anew.",
        _arriving,
    ),
    RankCheck(
        "low temperature",
        "robustness",
        "Exponentials that overflow on one rank spoil the gradient on all.",
        _low_temperature,
    ),
    RankCheck(
        "ranks that do not fit",
        "robustness",
        "Embeddings of another size on one rank should be an error on every rank; else the job "
        "hangs, or reads what is not there.",
        _misfit,
        must_raise=True,
    ),
)
"""In the order in which they are made: what may end the ranks comes last."""
