"""Words for the choices that losses of the family make, right and wrong."""

import re
from collections.abc import Iterable
from typing import Any

CONSTANT_FACTOR = "a constant factor of"
"""How the words of a factor begin that is the same for any batch."""
ROUNDED = "labels rounded to steps of"
"""How the words of labels rounded by choice begin."""
NEAR_TIES = "counted as ties"
"""How the words of a tolerance of ties end."""
FOREIGN = "no loss of this family"
"""How the words begin that are said of a loss that follows no member."""
PHRASES: dict[str, dict[Any, str]] = {
    "views": {
        "single": "a single view",
        "sum": "the views' losses summed",
        "mean": "the mean of the views' losses",
        "concatenate": "the views concatenated into one batch",
        "first twice": "the first view used twice",
        "second twice": "the second view used twice",
        "first only": "only the first view used",
        "second only": "only the second view used",
        "concatenated first": "the first view concatenated with itself in place of the second",
        "averaged rows": "the two views of a row averaged into one",
        "interleaved rows": "rows interleaved (a0 b0 a1 b1 ...) while labels are concatenated, so "
        "that a row gets the label of another row",
        "interleaved labels": "labels interleaved (y0 y0 y1 y1 ...) while rows are concatenated, "
        "so that a row gets the label of another row",
        "across": "the candidates of an anchor in the first view taken from the other view only",
        "across both": "the candidates of an anchor taken from the other view only",
    },
    "comparison": {
        ">=": "candidates at least as far as the partner",
        ">": "strict inequality: candidates farther than the partner only",
        "<=": "reversed inequality: candidates at most as far as the partner",
        "<": "reversed and strict inequality: candidates nearer than the partner only",
    },
    "keeps_partner": {
        True: "the partner kept in its own denominator",
        False: "the partner itself left out of its denominator",
    },
    "pairs": {
        "all": "every pair counted",
        "with candidates": "pairs with no other candidate left out",
        "by anchor": "pairs with no other candidate left out, and a mean taken for each anchor",
        "with itself": "the anchor counted as its own partner (the diagonal is not removed)",
        "once": "each pair counted once, with its first row as the anchor",
    },
    "odd pairs": {
        "once, the later first": "each pair counted once, with its second row as the anchor",
        "anchors of the first view": "anchors of the first view only",
        "of one view": "partners of the anchor's own view only",
        "of two views": "partners of the other view only",
    },
    "self_candidate": {
        "never": "the anchor itself never among the candidates",
        "when_tied": "the anchor itself among the candidates when the partner's label ties with it",
        "always": "the anchor itself always among the candidates",
    },
    "measured": {
        "anchor": "label distances from the anchor",
        "partner": "candidates' label distances measured from the partner in place of the anchor",
        "candidate": "the partner's label distance measured from the candidate in place of the "
        "anchor, as a sum over the wrong axis does",
        "signed": "signed label differences y_k - y_i in place of absolute ones",
        "signed turned": "signed label differences y_i - y_k in place of absolute ones, which is a "
        "reversed inequality of y_k - y_i",
        "truncated": "labels cut to whole numbers",
        "rounded": "labels rounded to whole numbers",
        "ranked": "labels replaced by their ranks: only their order counts, not how far apart "
        "they are",
    },
    "ties": {
        "by_value": "ties by value",
        "by_position": "ties taken by sort position: equal label distances are not treated alike",
        "by_position_from_the_end": "ties taken by sort position from the far end: equal label "
        "distances are not treated alike",
    },
    "sort": {
        "early": "candidates begin one place too early in a sort (off by one): the next nearer row "
        "counts too, and equal label distances are not treated alike",
        "late": "candidates begin one place too late in a sort (off by one): the partner itself "
        "left out of its denominator, and equal label distances not treated alike",
    },
    "odd": {
        "multiplied": "a mask multiplies logits in place of removing them: exp(0) = 1 stays in the "
        "denominator for each row that is no candidate",
        "multiplied others": "a mask of labels multiplies logits in place of removing them: "
        "exp(0) = 1 stays in the denominator for each row that is no candidate",
        "twice": "the partner counted twice in its own denominator",
        "no logarithm": "the logarithm is missing: the mean of ratios in place of that of "
        "logarithms",
        "sum": "the logarithm of the denominator is missing",
        "exponential": "the exponential of the partner's similarity in place of the similarity",
        "squared": "the term of each pair is squared",
        "from the partner": "candidates' similarities taken from the partner's row in place of the "
        "anchor's",
        "mean of an anchor": "the logarithm of the mean of an anchor's ratios in place of the mean "
        "of their logarithms",
        "mean of all": "the logarithm of the mean of all ratios in place of the mean of their "
        "logarithms",
        "maximum": "the row's maximum subtracted in the denominator alone",
        "turned": "the partner's similarity has the wrong sign, that of the others has not",
        "detached": "the partner's gradient detached: it reaches denominators alone",
        "hardest": "the largest similarity of the candidates in place of the sum of exponentials",
        "mean": "the mean of the candidates' similarities in place of the sum of exponentials",
        "logistic": "a logistic loss of each candidate in place of one denominator for all",
    },
    "label_distance": {
        "per_dimension": "one loss for each label dimension",
        "l1": "one L1 label distance over all dimensions",
        "l2": "one Euclidean label distance over all dimensions",
        "max": "the largest label difference over the dimensions",
        "first": "reads the first label dimension only",
        "last": "reads the last label dimension only",
        "sum": "the difference of the summed labels in place of a label distance",
    },
    "similarity": {
        "cosine": "cosine similarity",
        "dot": "dot product without normalisation",
        "negative_euclidean": "negative Euclidean distance",
        "negative_squared_euclidean": "negative squared Euclidean distance",
        "negative_euclidean_normalised": "negative Euclidean distance of normalised rows",
        "negative_squared_euclidean_normalised": "negative squared Euclidean distance of "
        "normalised rows",
    },
    "odd similarity": {
        "manhattan": "negative Manhattan (L1) distance",
        "gaussian": "exp(-d^2) as the similarity, with d the distance",
        "laplacian": "exp(-d) as the similarity, with d the distance",
        "student": "1/(1 + d^2) as the similarity, with d the distance",
        "inverse": "1/(1 + d) as the similarity, with d the distance",
        "exponential": "exp(s) in place of the similarity s, the dot product",
        "absolute": "the size of the similarity in place of the similarity",
        "square": "the square of the similarity in place of the similarity",
        "angle": "the negative angle as the similarity",
    },
    "normalised": {
        "columns": "columns normalised over the batch in place of rows (the wrong axis)",
        "views": "each element normalised over the two views in place of rows (the wrong axis)",
    },
    "sign": {
        True: "the similarity with its sign turned (negated)",
        "loss": "the loss is negated: training goes the wrong way",
        "gradient": "the gradient has the wrong sign",
    },
    "normaliser": {
        "rows_squared": "divided by M^2 in place of M(M-1)",
        "batch_pairs": "divided by N(N-1) in place of M(M-1): missing labels are counted",
        "batch_squared": "divided by N^2 in place of M(M-1): missing labels are counted",
        "rows": "divided by M in place of M(M-1)",
        "batch": "divided by N in place of M(M-1): missing labels are counted",
        "nothing": "not divided by the number of pairs",
    },
    "batch": {"two refused": "batches of two rows refused"},
    "labels": {
        "transformed": "labels are transformed inside, by more than a factor and a shift: equal "
        "distances between them come apart",
        "far": "labels far apart count otherwise: their distance wraps around, as that of angles, "
        "or stops growing, or their pairs are left out",
        "dropped": "rows with a label {} left out, as if it were missing",
        "clipped": "labels {} clipped, so that they tie",
        "signless": "labels taken without their sign, so that -1 and 1 tie",
        "not finite": "labels {} make the loss or its gradient NaN",
        "beyond": "labels {} count otherwise",
        "digits": "labels lose digits, so that near ones tie the sooner the larger they are (a "
        "cast to float16 or bfloat16, for example)",
        "outliers": "rows left out whose label is far from the others (as an outlier)",
        "reserved": "rows with the label {} left out, as if it were missing",
        "otherwise": "the label {} counts otherwise",
        "small": "on several label dimensions, small label differences count otherwise than large "
        "ones (a Huber or log-cosh distance, for example)",
        "rescaled": "each label dimension rescaled to its own spread before distances are taken",
        "scaled": "equal label distances come apart by rounding, since labels are moved or "
        "scaled inside",
    },
    "nan_labels": {
        "drop_row_per_dimension": "rows without a label dropped per dimension",
        "drop_row": "rows dropped where any dimension is missing, not per dimension",
        "zero": "NaN labels filled with zero instead of dropped",
        "other": "a missing label gives a plausible number",
        "unsupported": "missing labels not supported",
        "nan": "missing labels not supported (one makes the loss or its gradient NaN)",
    },
    "weights": {
        "ignored": "the dimension weights ignored",
        "summed": "the dimension weights not normalised",
        "other": "the dimension weights used in another way",
    },
    "empty_dimension": {
        "renormalise": "weights renormalised over the dimensions with a valid pair"
    },
    "eps": {
        "none": "no floor in the denominator",
        "floor": "denominator clamped at eps",
        "added": "eps added to the denominator",
        "floor_below_maximum": "denominator clamped at eps after the row's maximum is subtracted",
        "added_below_maximum": "eps added to the denominator after the row's maximum is subtracted",
        "floor_below_others": "denominator clamped at eps after the maximum over the other rows is "
        "subtracted",
        "added_below_others": "eps added to the denominator after the maximum over the other rows "
        "is subtracted",
        "ratio": "eps added to the ratio inside the logarithm",
        "ratio_floor": "the ratio inside the logarithm clamped at eps",
        "added_and_ratio": "eps added to the denominator, and to the ratio inside the logarithm",
        "added_below_maximum_and_ratio": "eps added to the denominator after the row's maximum is "
        "subtracted, and to the ratio inside the logarithm",
    },
    "temperature": {
        "missing": "the temperature argument is not read",
        "squared": "similarities divided by the temperature squared",
        "multiplies": "similarities multiplied by the temperature in place of divided",
        "root": "similarities divided by the root of the temperature",
        "partner": "the partner's similarity is not divided by the temperature",
        "denominator": "only the partner's similarity is divided by the temperature",
        "other": "the temperature enters in another way than by dividing the similarity",
    },
    "precision": {
        "float32": "computed in float32 inside",
        "bfloat16": "computed in bfloat16 inside",
        "float16": "computed in float16, or partly in bfloat16, inside",
    },
    "gradient": {
        "first_detached": "the first (perturbed) view's gradient detached",
        "second_detached": "the second (intact) view's gradient detached",
        "contrast_detached": "the denominator's gradient detached",
        "anchors_detached": "the anchors' gradient detached: it reaches partners and candidates",
        "others_detached": "the gradient of partners and candidates detached: it reaches anchors",
    },
}
"""A phrase for each choice; M counts the rows with a label, N all rows."""


def is_foreign(fault: str) -> bool:
    return fault.startswith(FOREIGN)


def compared_with_none(faults: Iterable[str]) -> bool:
    """Whether a loss is none of the family for certain: then no definition says what is right."""
    return any(fault.startswith(f"{FOREIGN}:") for fault in faults)


def _one_of(keys: Iterable[str]) -> re.Pattern[str]:
    return re.compile(
        "|".join(re.escape(PHRASES["labels"][key]).replace(r"\{\}", ".+") for key in keys)
    )


OF_LABELS = _one_of(PHRASES["labels"])
"""What is done to labels before their distances are taken."""
OF_SOME_LABELS = _one_of(
    ("far", "dropped", "clipped", "not finite", "beyond", "reserved", "otherwise")
)
"""What is done to some labels, and not to others."""
