"""Seeded bugs in the sums: candidate sets, counts, missing labels and weights; of rank-n-contrast.

The loss is a sum over pairs of rows, an anchor and a partner. The candidates of a pair are the rows
in its denominator. M of the N rows have a label.
"""

from functools import partial

from supcr_bench.verification.bugs.right import RightRankNContrast
from supcr_bench.verification.bugs.seeded_bug import no_self, wrong

rnc = partial(wrong, right=RightRankNContrast)
FARTHER = ">= place"
CHOSEN = "chosen if self.SELF_WHEN_TIED else chosen & ~mine.unsqueeze(1)"
ALWAYS = {CHOSEN: "chosen | mine.unsqueeze(1)"}
WHEN_TIED = {CHOSEN: "chosen"}
PLACE = "place = delta"
POSITIONS = {PLACE: "place = delta.argsort(dim=1, stable=True).argsort(dim=1)"}
DISTANCE = "(y[rows].unsqueeze(1) - y[rows].unsqueeze(0)).abs()"
PAIRS = "(m * (m - 1))"
MISSING = "torch.isnan(y))"
LABELS = "labels.reshape(len(labels), -1)"
OWN_LOGITS = "self.logits(view[rows])"
WEIGHTS = "else self.weights.to(parts)"
NORMALISED = " / weights.sum()"
RESULT = "return loss, parts"
RNC_DISTANCE = '-torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")'
RNC_ROWS = "torch.cat(features.unbind(dim=1))"
RNC_LABELS = "y = y.repeat(2, 1)"
BUGS = (
    wrong("strict-inequality", {FARTHER: "> place"}, "comparison: >"),
    wrong("reversed-inequality", {FARTHER: "<= place"}, "comparison: <="),
    wrong("reversed-strict-inequality", {FARTHER: "< place"}, "comparison: <"),
    wrong("self-always", ALWAYS, "self_candidate: always"),
    wrong("self-never", {CHOSEN: "chosen & ~mine.unsqueeze(1)"}, "self_candidate: never"),
    no_self("no-self-but-when-tied", WHEN_TIED, "self_candidate: when_tied"),
    no_self("no-self-but-always", ALWAYS, "self_candidate: always"),
    # Sums over sorted rows from the middle of a tie, so that the order of the rows matters.
    wrong("ties-by-position", POSITIONS, "ties: by_position"),
    no_self("no-self-ties-by-position", POSITIONS, "ties: by_position"),
    no_self(
        "labels-ignored: Takes every other row as a candidate, as InfoNCE does.",
        {PLACE: "place = torch.zeros_like(delta)"},
    ),
    wrong(
        "signed-label-distance: Omits the absolute value of label differences.",
        {DISTANCE: "y[rows].unsqueeze(0) - y[rows].unsqueeze(1)"},
    ),
    wrong(
        "relative-label-distance: Divides each label distance by the size of the two labels.",
        {DISTANCE: f"{DISTANCE} / (abs(y[rows, None]) + abs(y[rows])).clamp(min=1e-6)"},
    ),
    wrong(
        "diagonal-summed: Adds the pairs of a row with itself to the sum, but not to their number.",
        {".masked_fill(mine, 0.0)": ""},
    ),
    # ``divided-by-rows-squared`` also counts each row paired with itself.
    wrong("divided-by-rows-squared", {PAIRS: "m**2"}, "normaliser: rows_squared"),
    wrong("divided-by-batch-pairs", {PAIRS: "(len(y) * (len(y) - 1))"}, "normaliser: batch_pairs"),
    # ``divided-by-batch-squared`` counts unlabelled rows too.
    no_self("divided-by-batch-squared", {PAIRS: "len(y) ** 2"}, "normaliser: batch_squared"),
    wrong("divided-by-rows", {PAIRS: "m"}, "normaliser: rows"),
    no_self("divided-by-batch", {PAIRS: "len(y)"}, "normaliser: batch"),
    wrong("not-divided", {f" / {PAIRS}": ""}, "normaliser: nothing"),
    wrong("nan-filled-with-zero", {LABELS: f"{LABELS}.nan_to_num(0.0)"}, "nan_labels: zero"),
    wrong("rows-dropped-anywhere", {MISSING: "labels.isnan().any(dim=1))"}, "nan_labels: drop_row"),
    wrong(
        "count-of-the-first-dimension: Divides each dimension's sum by the pairs in the first.",
        {PAIRS: "max((k := int((~labels[:, 0].isnan()).sum())) * (k - 1), 1)"},
    ),
    wrong(
        "mean-over-no-pairs: Divides 0 by 0 in a label dimension without pairs.",
        {"torch.stack(zeros).sum()": "torch.stack(zeros).sum() / 0"},
    ),
    wrong(
        "zero-taken-for-missing: Treats a label of exactly 0 as missing.",
        {MISSING: "(y.nan_to_num(0.0) == 0))"},
    ),
    wrong(
        "selected-after-normalising: Drops unlabelled rows after normalising, so NaN in them "
        "reaches the gradient.",
        {OWN_LOGITS: "self.logits(view)[rows][:, rows]"},
        caught_by="robustness",
    ),
    wrong(
        "selected-by-multiplication: Multiplies unlabelled rows by 0, but 0 times NaN is NaN.",
        {OWN_LOGITS: "self.logits(torch.eye(len(view)).to(view)[rows] @ view)"},
        caught_by="robustness",
    ),
    wrong("weights-ignored", {WEIGHTS: "else torch.ones_like(parts)"}, "weights: ignored"),
    wrong("weights-not-normalised", {NORMALISED: ""}, "weights: summed"),
    wrong(
        "weights-renormalised",
        {NORMALISED: " / (weights * ((~labels.isnan()).sum(dim=0) > 1)).sum().clamp(min=1e-30)"},
        "empty_dimension: renormalise",
    ),
    wrong(
        "weights-through-softmax: Normalises weights with a softmax: 0.7, 0.3 become 0.6, 0.4.",
        {WEIGHTS: f"{WEIGHTS}.softmax(dim=0)"},
    ),
    wrong(
        "averaged-twice: Divides the weighted mean of the per-dimension losses by their number.",
        {NORMALISED: f"{NORMALISED} / len(parts)"},
    ),
    wrong(
        "parts-returned-weighted: Returns per-dimension losses that are multiplied by weights.",
        {RESULT: f"{RESULT} * (weights / weights.sum()).to(parts)"},
    ),
    wrong(
        "parts-detached: Returns per-dimension losses without a gradient.",
        {RESULT: f"{RESULT}.detach()"},
    ),
    wrong(
        "two-dimensions-by-default: Uses two equal weights by default, whatever D is.",
        {"torch.ones_like(parts) if": "torch.ones(2).to(parts) if"},
        caught_by="robustness",
    ),
    # Of losses that follow rank-n-contrast and are called with [N, 2, d] features.
    rnc(
        "rnc-cosine", {RNC_DISTANCE: "super().similarity(rows)"}, "similarity: cosine"
    ),  # temperatures suit distances
    rnc(
        "rnc-squared-distance",
        {RNC_DISTANCE: f"{RNC_DISTANCE}.square()"},
        "similarity: negative_squared_euclidean",
    ),
    rnc("rnc-euclidean-labels", {"abs().sum(dim=2)": "norm(dim=2)"}, "label_distance: l2"),
    rnc("rnc-self-always", ALWAYS, "self_candidate: always"),
    rnc("rnc-self-when-tied", WHEN_TIED, "self_candidate: when_tied"),
    rnc("rnc-divided-by-rows", {" * (len(view) - 1)": ""}, "normaliser: rows"),
    rnc(
        "rnc-first-view-only", {RNC_ROWS: "features[:, 0]", RNC_LABELS: "pass"}, "views: first only"
    ),
    rnc(
        "rnc-labels-interleaved: Repeats the labels in another order than the rows of both views.",
        {RNC_LABELS: "y = y.repeat_interleave(2, dim=0)"},
    ),
    rnc(
        "rnc-root-of-zero: Uses a square root, whose infinite derivative at 0 makes gradients NaN.",
        {RNC_DISTANCE: "-(rows.unsqueeze(1) - rows).square().sum(dim=2).sqrt()"},
    ),
    rnc("rnc-first-label-only: Uses only the first label dimension.", {LABELS: f"{LABELS}[:, :1]"}),
    rnc(
        "rnc-missing-label-as-zero: Takes a missing label for 0 instead of raising an error.",
        {LABELS: f"{LABELS}.nan_to_num(0.0)"},
        caught_by="robustness",
    ),
    rnc("rnc-temperature-missing", {" / self.temperature": ""}, "temperature: missing"),
    rnc(
        "rnc-gradient-of-one-side: Detaches the candidates: a row gets a gradient as anchor only.",
        {"cdist(rows, rows,": "cdist(rows, rows.detach(),"},
    ),
)
