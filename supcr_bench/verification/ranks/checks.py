"""The checks of a loss over several ranks (processes that share a batch); each says why."""

from collections.abc import Callable, Iterator

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.verification.check import Check
from supcr_bench.verification.outcome import Group, NotApplicableError, Trial
from supcr_bench.verification.ranks.context import RankContext
from supcr_bench.verification.ranks.judge import Aspect
from supcr_bench.verification.ranks.question import RankQuestion

RANDOM_CASES = 50


Questions = Callable[[RankContext], list[RankQuestion]]


def rank_check(
    name: str,
    group: Group,
    aspects: tuple[Aspect, ...] = ("value", "gradient"),
    *,
    must_raise: bool = False,
) -> Callable[[Questions], Check]:
    """Turn a function that returns the questions for the ranks into a check.

    The check compares the ``aspects`` of the answers with those of one process; with
    ``must_raise``, every rank must raise an error.
    """

    def make(questions: Questions) -> Check:
        def run(context: RankContext) -> Iterator[Trial]:
            for question in questions(context):
                yield from context.trials(question, aspects, must_raise=must_raise)

        return Check(name, group, run)

    return make


def plain(context: RankContext) -> list[RankQuestion]:
    """Batches are split evenly, with labels on every rank; the diagnosis uses them too."""
    asked = [
        context.question(seed=1),
        context.question(seed=2, labels="tied"),
        context.question(seed=3, dims=2, weights="unnormalised"),
    ]
    if context.missing:
        asked.append(context.question(seed=4, dims=2, nan_density=0.2))
    return asked


# A rank that uses only its own rows trains against few candidates, and still learns.
value = rank_check("value", "definition", ("value",))(plain)
# The result of all_gather has no gradient, and sums and means over ranks are easily confused.
gradient = rank_check("gradient under DDP", "definition", ("gradient",))(plain)


@rank_check("ragged ranks", "definition")
def ragged(context: RankContext) -> list[RankQuestion]:
    """The last batch is rarely a multiple of the ranks, and all_gather wants equal shapes."""
    few = [
        tuple(1 if r == 0 else 3 + r for r in range(context.ranks)),
        tuple(2 + 3 * (r == 0) for r in range(context.ranks)),
        tuple(0 if r == context.ranks - 1 else 6 for r in range(context.ranks)),
        (1,) * context.ranks,
    ]
    return [context.question(rows, seed=10 + i, labels="tied") for i, rows in enumerate(few)]


@rank_check("rank without labels", "definition")
def unlabelled_rank(context: RankContext) -> list[RankQuestion]:
    """With sparse labels a rank may have none; if it returns early, the others wait for ever."""
    context.require_missing()
    return [
        context.question(seed=20 + rank, dims=2, unlabelled=(rank,))
        for rank in (0, context.ranks - 1)
    ]


@rank_check("no label at all", "definition")
def no_label(context: RankContext) -> list[RankQuestion]:
    """A batch without a pair must give 0 with a graph on every rank, or DDP waits for ever."""
    context.require_missing()
    return [context.question(seed=30, dims=2, unlabelled=tuple(range(context.ranks)))]


@rank_check("random cases", "definition")
def random(context: RankContext) -> list[RankQuestion]:
    """Random splits, missing labels, ties and weights find bugs that the other checks miss."""
    return random_questions(context, RANDOM_CASES)


def random_questions(context: RankContext, count: int) -> list[RankQuestion]:
    """Draw splits, missing labels, ties and weights, at the definition's temperature or above."""
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


@rank_check("no_grad", "conduct", ("value",))
def no_grad(context: RankContext) -> list[RankQuestion]:
    """Validation computes no gradients, and there too all ranks must make matching collectives."""
    return [context.question(seed=40, training=False)]


@rank_check("next steps", "conduct")
def second_step(context: RankContext) -> list[RankQuestion]:
    """State kept from one step, such as gathered labels, makes the next one wrong."""
    return [context.question(seed=50, steps=3), context.question(seed=60, dims=2, steps=2)]


@rank_check("arriving gradient", "conduct")
def arriving(context: RankContext) -> list[RankQuestion]:
    """Users may scale the loss, or weight the per-dimension losses, before backward()."""
    asked = [context.question(seed=70, upstream=(256.0,))]
    if context.definition.label_distance == "per_dimension":
        asked.append(context.question(seed=71, dims=2, upstream=(0.5, 2.0, -1.0)))
    return asked


@rank_check("low temperature", "robustness")
def low_temperature(context: RankContext) -> list[RankQuestion]:
    """Exponentials that overflow on one rank spoil the gradient on all."""
    if not context.resolution.temperature:
        raise NotApplicableError("it takes no temperature")
    tau = context.definition.temperature
    return [context.question(seed=80 + i, temperature=tau / 10**i) for i in (1, 2)]


@rank_check("ranks that do not fit", "robustness", must_raise=True)
def misfit(context: RankContext) -> list[RankQuestion]:
    """Embeddings of another width on one rank must raise an error on every rank, not hang."""
    return [context.question(seed=90, misfit=True)]


RANK_CHECKS = tuple(value for value in list(globals().values()) if isinstance(value, Check))
"""The checks in the order they run; those that may end the ranks come last."""
