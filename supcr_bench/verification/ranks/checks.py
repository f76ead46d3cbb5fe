"""The checks of a loss over several ranks, and why each of them matters."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.verification.check import Check
from supcr_bench.verification.outcome import NotApplicableError, Trial
from supcr_bench.verification.ranks.context import RankContext
from supcr_bench.verification.ranks.judge import Aspect
from supcr_bench.verification.ranks.question import RankQuestion

RANDOM_CASES = 50


def asked(
    questions: Callable[[RankContext], list[RankQuestion]],
    aspects: tuple[Aspect, ...] = ("value", "gradient"),
    *,
    must_raise: bool = False,
) -> Callable[[RankContext], Iterator[Trial]]:
    """The trials of a check.

    Args:
        questions: what to ask the ranks.
        aspects: what of their answers is compared with one process.
        must_raise: whether the right answer is an error on every rank.
    """

    def run(context: RankContext) -> Iterator[Trial]:
        for question in questions(context):
            yield from context.trials(question, aspects, must_raise=must_raise)

    return run


def plain(context: RankContext) -> list[RankQuestion]:
    """Batches split evenly, with labels on every rank: also what a fault is recognised by."""
    asked = [
        context.question(context.even, seed=1),
        context.question(context.even, seed=2, labels="tied"),
        context.question(context.even, seed=3, dims=2, weights="unnormalised"),
    ]
    if context.missing:
        asked.append(context.question(context.even, seed=4, dims=2, nan_density=0.2))
    return asked


def _ragged(context: RankContext) -> list[RankQuestion]:
    few = [
        tuple(1 if r == 0 else 3 + r for r in range(context.ranks)),
        tuple(2 + 3 * (r == 0) for r in range(context.ranks)),
        tuple(0 if r == context.ranks - 1 else 6 for r in range(context.ranks)),
        (1,) * context.ranks,
    ]
    return [context.question(rows, seed=10 + i, labels="tied") for i, rows in enumerate(few)]


def _unlabelled_rank(context: RankContext) -> list[RankQuestion]:
    context.require_missing()
    return [
        context.question(context.even, seed=20 + rank, dims=2, unlabelled=(rank,))
        for rank in (0, context.ranks - 1)
    ]


def _no_label(context: RankContext) -> list[RankQuestion]:
    context.require_missing()
    return [context.question(context.even, seed=30, dims=2, unlabelled=tuple(range(context.ranks)))]


def _random(context: RankContext) -> list[RankQuestion]:
    return random_questions(context, RANDOM_CASES)


def random_questions(context: RankContext, count: int) -> list[RankQuestion]:
    """Ragged, unlabelled, tied and weighted by chance, at the definition's temperature or above."""
    asked = []
    for i in range(count):
        stream = Stream("rank cases", context.seed, context.ranks, i)
        u = stream.uniform(7 + context.ranks)
        rows = [int(12 * share) for share in u[7:]]
        if sum(rows) < 2:
            rows[0] += 2
        gone = context.missing and u[0] < 0.3
        asked.append(
            context.question(
                rows,
                seed=100 + i,
                d=2 + int(6 * u[1]),
                dims=1 + int(3 * u[2]),
                nan_density=float((0.0, 0.2, 0.5)[int(3 * u[3])]) if context.missing else 0.0,
                labels=("continuous", "tied", "binary")[int(3 * u[4])],
                weights=("equal", "unequal", "unnormalised")[int(3 * u[5])],
                temperature=context.definition.temperature * (1, 3, 10)[int(3 * u[6])],
                dtype=("float32", "float64")[i % 2],
                unlabelled=(i % context.ranks,) if gone else (),
            )
        )
    return asked


def _no_grad(context: RankContext) -> list[RankQuestion]:
    return [context.question(context.even, seed=40, training=False)]


def _second_step(context: RankContext) -> list[RankQuestion]:
    return [
        context.question(context.even, seed=50, steps=3),
        context.question(context.even, seed=60, dims=2, steps=2),
    ]


def _arriving(context: RankContext) -> list[RankQuestion]:
    asked = [context.question(context.even, seed=70, upstream=(256.0,))]
    if context.definition.label_distance == "per_dimension":
        asked.append(context.question(context.even, seed=71, dims=2, upstream=(0.5, 2.0, -1.0)))
    return asked


def _low_temperature(context: RankContext) -> list[RankQuestion]:
    if not context.parameters.temperature:
        raise NotApplicableError("it takes no temperature")
    tau = context.definition.temperature
    return [context.question(context.even, seed=80 + i, temperature=tau / 10**i) for i in (1, 2)]


def _misfit(context: RankContext) -> list[RankQuestion]:
    return [replace(context.question(context.even, seed=90), misfit=True)]


RANK_CHECKS: tuple[Check[RankContext], ...] = (
    Check(
        "value",
        "definition",
        "A rank whose loss is that of its own rows trains against few candidates, and its "
        "curves still fall.",
        asked(plain, ("value",)),
    ),
    Check(
        "gradient under DDP",
        "definition",
        "What all_gather returns has no gradient, and sums and means over ranks are easily "
        "confused: the loss is right and what is trained is not.",
        asked(plain, ("gradient",)),
    ),
    Check(
        "ragged ranks",
        "definition",
        "The last batch of an epoch is rarely a multiple of the ranks, and all_gather wants "
        "equal shapes.",
        asked(_ragged),
    ),
    Check(
        "rank without labels",
        "definition",
        "Where labels are sparse a rank comes to have none; if it leaves early the others wait.",
        asked(_unlabelled_rank),
    ),
    Check(
        "no label at all",
        "definition",
        "A batch without a pair must give 0 with a graph on every rank, or DDP waits for ever.",
        asked(_no_label),
    ),
    Check(
        "random cases",
        "definition",
        "What no one thought of: any split, any missing labels, ties and weights.",
        asked(_random),
    ),
    Check(
        "no_grad",
        "conduct",
        "Validation runs without gradients, and the collectives must still match.",
        asked(_no_grad, ("value",)),
    ),
    Check(
        "next steps",
        "conduct",
        "What is kept from one step, such as gathered labels, spoils the next.",
        asked(_second_step),
    ),
    Check(
        "arriving gradient",
        "conduct",
        "Loss scaling multiplies the loss before backward(), and the parts may be weighted anew.",
        asked(_arriving),
    ),
    Check(
        "low temperature",
        "robustness",
        "Exponentials that overflow on one rank spoil the gradient on all.",
        asked(_low_temperature),
    ),
    Check(
        "ranks that do not fit",
        "robustness",
        "Embeddings of another size on one rank should be an error on every rank; else the job "
        "hangs, or reads what is not there.",
        asked(_misfit, must_raise=True),
    ),
)
"""In the order in which they are made: what may end the ranks comes last."""
