"""Definitions: each describes, as data, one loss of the family; one reference computes them all.

Sources: torchcell's ``WeightedSupCRLoss`` (the note), and Zha et al., "Rank-N-Contrast: Learning
Continuous Representations for Regression", arXiv 2210.01189 (its first version is titled
"Supervised Contrastive Regression").

``no-self`` is the note's loss with the paper's rule for the anchor: never a candidate. Section 3 of
the paper defines ``rank-n-contrast``: it takes both views as 2N rows and names the negative
Euclidean distance as its similarity.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from supcr_bench.values.errors import UnknownNameError, UsageError

Similarity = Literal[
    "cosine",
    "dot",
    "negative_euclidean",
    "negative_squared_euclidean",
    "negative_euclidean_normalised",
    "negative_squared_euclidean_normalised",
]
NORMALISED = tuple(s for s in get_args(Similarity) if s == "cosine" or s.endswith("_normalised"))
"""The similarities of rows that are divided by their norms first."""
Views = Literal["sum", "mean", "concatenate", "single"]
SelfCandidate = Literal["when_tied", "never"]
LabelDistance = Literal["per_dimension", "l1", "l2", "max"]
NanLabels = Literal["drop_row_per_dimension", "drop_row", "unsupported"]
EpsRule = Literal[
    "floor",
    "added",
    "floor_below_maximum",
    "added_below_maximum",
    "floor_below_others",
    "added_below_others",
    "ratio",
    "ratio_floor",
    "added_and_ratio",
    "added_below_maximum_and_ratio",
]
EmptyDimension = Literal["keeps_weight", "renormalise"]
Call = Literal[
    "perturbed_intact_labels",
    "features_two_views",
    "features_single_view",
    "two_views",
    "views_first",
    "stacked_views",
    "stacked_views_labels_once",
    "mapping_of_views",
    "sequence_of_views",
    "labels_after_each_view",
    "labels_after_views",
]


@dataclass(frozen=True, slots=True)
class Definition:
    """One member of the SupCR / Rank-N-Contrast family.

    Attributes:
        name: its name on the command line.
        similarity: s(i,j) before the division by the temperature.
        views: how two views are combined: losses summed or averaged, rows joined, or one view.
        self_candidate: whether k = i is among the candidates S(i,j): never, or when
            delta(i,j) = 0, which is when the inequality delta(i,i) >= delta(i,j) holds.
        label_distance: one loss per label dimension, or one distance over all of them.
        nan_labels: a row with a missing label is dropped in that dimension, or in all; or missing
            labels are not supported.
        empty_dimension: a dimension with fewer than two valid rows keeps its weight and adds 0,
            or the weights are renormalised over the other dimensions.
        eps: in the denominator; ``None`` for none.
        temperature: the default tau.
        call: how an implementation of it is called.
        eps_rule: whether eps is the floor of the denominator or is added to it; and whether that is
            done after the anchor's largest similarity, to itself or to others alone, is subtracted.
            With ``ratio``, eps is added to the ratio of exponential and sum (or is its floor), too
            or alone, before the logarithm is taken.
    """

    name: str
    similarity: Similarity
    views: Views
    self_candidate: SelfCandidate
    label_distance: LabelDistance
    nan_labels: NanLabels
    empty_dimension: EmptyDimension
    eps: float | None
    temperature: float
    call: Call
    eps_rule: EpsRule = "floor"

    @property
    def log_eps(self) -> float:
        """The logarithm of eps; -inf for none."""
        return math.log(self.eps) if self.eps else -math.inf

    def at(self, temperature: float | None) -> "Definition":
        """The definition at that temperature; ``None`` keeps its own."""
        return self if temperature is None else replace(self, temperature=temperature)


TORCHCELL = Definition(
    name="torchcell",
    similarity="cosine",
    views="sum",
    self_candidate="when_tied",
    label_distance="per_dimension",
    nan_labels="drop_row_per_dimension",
    empty_dimension="keeps_weight",
    eps=1e-7,
    temperature=0.1,
    call="perturbed_intact_labels",
)

NO_SELF = replace(TORCHCELL, name="no-self", self_candidate="never", eps=None)

RANK_N_CONTRAST = Definition(
    name="rank-n-contrast",
    similarity="negative_euclidean",
    views="concatenate",
    self_candidate="never",
    label_distance="l1",
    nan_labels="unsupported",
    empty_dimension="keeps_weight",
    eps=None,
    temperature=2.0,
    call="features_two_views",
)

DEFINITIONS = {d.name: d for d in (TORCHCELL, NO_SELF, RANK_N_CONTRAST)}

AUTO = "auto"
"""The name that asks to recognise the definition from the implementation's values."""
DEPARTS = " but "
"""Stands in a custom definition's name between the nearest shipped one and the differences."""
RENAMED = {"paper": "no-self"}
"""Former names of definitions, which older runs and baselines contain."""


def current_name(name: str) -> str:
    """Today's name of a definition that a stored result, run or baseline names."""
    return RENAMED.get(name, name)


def short_name(name: str) -> str:
    """A name for tables: ``rank-n-contrast*`` for a custom variant of ``rank-n-contrast``."""
    nearest, departs, _ = name.partition(DEPARTS)
    return f"{nearest}*" if departs and nearest in DEFINITIONS else name


def get_definition(name: str, own: Mapping[str, Definition] | None = None) -> Definition:
    """The definition of that name: a shipped one, or one that a suite file declares.

    Raises:
        UsageError: the name is a former one; the message gives the current name.
        UnknownNameError: no definition has that name.
    """
    known = {**DEFINITIONS, **(own or {})}
    if name in known:
        return known[name]
    if name in RENAMED:
        raise UsageError(
            f"definition {name!r} is now called {RENAMED[name]!r}: it is the note's loss with the "
            "paper's rule for the anchor; the paper's own loss is 'rank-n-contrast'"
        )
    raise UnknownNameError("definition", name, known, "auto recognises what a loss computes")
