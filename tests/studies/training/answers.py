"""The sentences of the page, each made from figures."""

from collections.abc import Iterable, Sequence

import numpy as np

from tests.studies.training.arms import UNTRAINED
from tests.studies.training.figures import Figures
from tests.studies.training.statistics import ALIKE, Correlation, Paired
from tests.studies.training.summary import (
    JUMP,
    NOTE_PAIRS,
    ORDERED,
    RANDOM,
    TRAINED,
    Comparison,
    Networks,
    Orders,
)

VERDICTS = {
    "same": "the same",
    "alike": "no difference",
    "worse": "worse",
    "better": "better",
    "open": "cannot be told",
}


def join(parts: Iterable[str]) -> str:
    """``a``, ``a and b``, or ``a, b and c``."""
    *first, last = list(parts) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def points(cost: Paired) -> str:
    return f"{signed(cost.mean)} points ({signed(cost.low)} to {signed(cost.high)})"


def signed(value: float) -> str:
    """With two digits and a sign, but for what rounds to 0."""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text


def reach(cost: Paired) -> float:
    """The largest difference that the interval leaves possible."""
    return max(abs(cost.low), abs(cost.high))


def at_most(value: float) -> str:
    return f"{value:.2g}" if value < 0.01 else f"{value:.2f}"


def degrees(angle: float) -> str:
    return f"{angle:.0f}" if angle >= 9.95 else f"{angle:.2g}"


def cost_words(one: Comparison) -> str:
    """What the difference is, with its interval, and whether it can be told from 0."""
    cost = one.cost
    return {
        "same": "the errors are equal to the last digit",
        "alike": f"no difference ({at_most(reach(cost))} points at most)",
        "worse": f"worse: {points(cost)}",
        "better": f"better: {points(cost)}",
        "open": f"a difference cannot be told: {points(cost)}",
    }[cost.verdict]


def same_network(pairs: Sequence[Networks], orders: Orders, seeds: int) -> str:
    """The answer to the first question."""
    note = [n for n in pairs if (n.arm, n.base) in NOTE_PAIRS]
    step = max(orders.distances)
    if all(n.ratio.exact for n in note):
        return f"The three of the note train the same network to the last bit ({seeds} seeds)."
    farther = [n for n in note if n.ratio.low > 1]
    widest = max(reach(n.cost) for n in note)
    errors = f"differ by {at_most(widest)} points at most" if widest else "are equal"
    ends = [n.distances[step] for n in note]
    far = f"{min(ends):.1e} to {max(ends):.1e}"
    rest = (
        f"after {step} steps two of them are {far} apart, relative to how far training moved them "
        f"(medians of {seeds} seeds), and `broadcast` with a batch's rows in two orders "
        f"{orders.distances[step]:.1e}. Their probe errors {errors}."
    )
    if jumps := max(n.jumps for n in note):
        rest += (
            f" In {jumps} of {seeds} seeds a pair ends over {JUMP} times as far apart, "
            f"{max(n.largest for n in note):.1e}; two orders of the rows do so in {orders.jumps}."
        )
    if farther:
        names = join(
            f"`{n.arm}` and `{n.base}` end {n.ratio.mean:.1f} times "
            f"({n.ratio.low:.1f} to {n.ratio.high:.1f}) as far apart as two orders of the rows"
            for n in farther
        )
        return f"The three of the note differ by more than the order of a sum: {names}; {rest}"
    return f"The three of the note train the same network but for rounding: {rest}"


def networks(pairs: Sequence[Networks], orders: Orders, seeds: int) -> list[str]:
    """Details of the table of networks."""
    ratios = [n for n in pairs if not n.ratio.exact]
    lines = [
        f'Distances are medians over {seeds} seeds. The column "over that of two orders" divides '
        "the last distance by that of `broadcast` trained on the same batches with their rows in "
        "other orders (geometric mean, interval); 1 means: no farther apart than that."
    ]
    if ratios:
        open_ones = [n for n in ratios if n.ratio.low <= 1 <= n.ratio.high]
        farther = [n for n in ratios if n.ratio.low > 1]
        closer = [n for n in ratios if n.ratio.high < 1]
        said = []
        if open_ones:
            most = max(n.ratio.high for n in open_ones)
            said.append(
                f"Of {len(ratios)} pairs, {len(open_ones)} cannot be told from two orders of the "
                f"rows; the intervals end at {most:.2g} times their distance at most."
            )
        said += [
            f"{named(n)} are {word} than two orders of the rows, {n.ratio.mean:.2g} times "
            f"({n.ratio.low:.2g} to {n.ratio.high:.2g})."
            for some, word in ((farther, "farther apart"), (closer, "closer together"))
            for n in some
        ]
        lines.append(" ".join(said))
    return lines + jump_words(pairs, orders, seeds)


def jump_words(pairs: Sequence[Networks], orders: Orders, seeds: int) -> list[str]:
    """In how many seeds networks end far apart, if in any."""
    apart = [f"{named(n)} in {n.jumps}" for n in pairs if n.jumps]
    apart += [f"two orders of the rows in {orders.jumps}"] if orders.jumps else []
    if not apart:
        return [f"In no seed is a distance over {JUMP} times the median."]
    return [
        f"A distance of over {JUMP} times the median of two orders, out of {seeds} seeds: "
        f"{join(apart)}. Training can turn one rounding error into such a distance, where it puts "
        "a ReLU on the other side of 0, or where Adam scales up a gradient that is 0 but for "
        "rounding."
    ]


def named(pair: Networks) -> str:
    return f"`{pair.arm}` and `{pair.base}`"


def orders(found: Sequence[Comparison]) -> list[str]:
    """What rounding alone does in the longer training."""
    said = join(f"for `{c.base}`, {cost_words(c)}" for c in found)
    apart = join(f"{c.distance:.1e} (`{c.base}`)" for c in found if c.distance is not None)
    line = f"For scale, what the order of a batch's rows alone changes: {said}."
    return [f"{line} The networks end {apart} apart." if apart else line]


def definitions(found: Sequence[Comparison]) -> list[str]:
    return [f"`{c.arm}` in place of `{c.base}`: {cost_words(c)}." for c in found]


def faults(found: Sequence[Comparison]) -> list[str]:
    """One sentence for each verdict that occurs."""
    unsure = f"the interval contains 0 and reaches beyond {ALIKE} points"
    heads = {
        "worse": "Faults that cost",
        "better": "Faults after which the probe does better",
        "open": f"Faults whose cost cannot be told ({unsure})",
        "alike": f"Faults without a difference (surely below {ALIKE} points)",
        "same": "Faults that change nothing at all",
    }
    lines = []
    for verdict, head in heads.items():
        own = sorted((c for c in found if c.cost.verdict == verdict), key=lambda c: -c.cost.mean)
        if own:
            lines.append(f"{head}: {'; '.join(f'{c.arm} {points(c.cost)}' for c in own)}.")
    return lines


def regression(found: Sequence[Comparison]) -> list[str]:
    """Each base beside plain regression; the encoder that is not trained is left to the table."""
    by_base: dict[str, list[str]] = {}
    for c in found:
        if c.base.startswith("regression"):
            name = c.base.partition(", ")[2]
            by_base.setdefault(c.arm, []).append(f"{name}, {cost_words(c)}")
    return [
        f"`{arm}` against plain regression, under the same probe: {'; '.join(said)}."
        for arm, said in by_base.items()
    ]


def angle(
    ranks: dict[tuple[str, str], Correlation], faults_found: Sequence[Comparison]
) -> list[str]:
    """Whether the angle predicts the cost, and the network's distance."""
    lines = []
    for kind, words in ((ORDERED, "ordered by label"), (RANDOM, "drawn at random")):
        cost = correlation_words(ranks[kind, "cost"], "a larger cost")
        far = correlation_words(ranks[kind, "distance"], "a network farther from its base")
        angle = f"The angle that `verify --labels` measures on embeddings {words}"
        lines.append(f"{angle}: {cost}; {far}.")
    return lines + misled(faults_found)


def correlation_words(found: Correlation, what: str) -> str:
    """Whether a larger angle goes with more of something."""
    value = f"rank correlation {found.value:.2f}, {found.low:.2f} to {found.high:.2f}"
    if found.low > 0:
        return f"a larger angle goes with {what} ({value})"
    if found.high < 0:
        return f"a smaller angle goes with {what} ({value})"
    return f"whether a larger angle goes with {what} cannot be told ({value})"


def not_finite(figures: Figures) -> list[str]:
    """Which arms ended with a loss that is NaN or infinite, if any did."""
    runs = figures.runs[figures.runs.arm != UNTRAINED]
    ended = runs[~np.isfinite(runs.loss.astype(float))].groupby("arm").size()
    if ended.empty:
        return ["Every run ended with a finite loss."]
    named_arms = join(f"{arm} ({count})" for arm, count in ended.items())
    return [f"Runs that ended with a loss that is not finite: {named_arms}."]


def misled(found: Sequence[Comparison]) -> list[str]:
    """The largest angle without a cost beside the smallest angle with one, if that is smaller."""
    some = [c for c in found if ORDERED in c.angles]
    costly = [c for c in some if c.cost.verdict == "worse"]
    free = [c for c in some if c.cost.verdict in ("same", "alike", "open", "better")]
    if not costly or not free:
        return []
    least = min(costly, key=lambda c: c.angles[ORDERED])
    most = max(free, key=lambda c: c.angles[ORDERED])
    small, large = least.angles[ORDERED], most.angles[ORDERED]
    if small > large:
        return [
            f"Every fault above {degrees(large)} degrees (ordered) costs, and none below "
            f"{degrees(small)} is seen to."
        ]
    return [
        "The angle alone does not decide. Embeddings ordered by label: "
        f"{most.arm} turns the gradient by {degrees(large)} degrees, and {cost_words(most)}; "
        f"{least.arm} turns it by {degrees(small)} degrees, and is {cost_words(least)}."
    ]


def angle_details(found: Sequence[Comparison]) -> list[str]:
    """How the angle on made-up embeddings differs from that on those of a trained network."""
    both = [c for c in found if ORDERED in c.angles and TRAINED in c.angles]
    if not both:
        return []
    apart = max(both, key=lambda c: abs(c.angles[ORDERED] - c.angles[TRAINED]))
    closer = sum(
        abs(c.angles[ORDERED] - c.angles[TRAINED]) <= abs(c.angles[RANDOM] - c.angles[TRAINED])
        for c in both
    )
    return [
        f"`verify` makes up its embeddings. Beside the outputs of the trained base, the angle on "
        f"ordered ones is at least as close as that on random ones for {closer} of {len(both)} "
        f"faults; it is farthest off for {apart.arm}: {degrees(apart.angles[ORDERED])} degrees, "
        f"and {degrees(apart.angles[TRAINED])} on trained outputs."
    ]
