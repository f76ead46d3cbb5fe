"""Finds labels that count otherwise than others: beyond a range, far apart, or reserved."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from supcr_bench.verification.family import WHOLE, Member
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import (
    LABEL_STEPS,
    NotFiniteError,
    Prober,
    make_labels,
    make_rows,
    shortest,
)
from supcr_bench.verification.reading import Reading

RESERVED = (
    (-1.0, -100.0, -999.0, 255.0, 0.0, -9999.0, -9.0, 1000.0, -32768.0),
    (999.0, -99.0, 99.0, 9999.0, -2.0, 9.0, -1000.0, 127.0, -500.0),
    (-200.0, -10.0, 500.0),
)
"""Numbers that stand for a missing label in some data sets, and some between them, in groups in
which no two distances are equal."""
ORDINARY = 10.0
"""Labels up to this are in nearly any data set; a number beyond it may be reserved by choice."""
ROUGHLY = 1e-2
"""The relative error of a place where labels begin to count otherwise."""
START = 0.057
"""The first step of labels that are moved, which reaches no whole number."""
FARTHEST = 2.0**15
"""Labels are moved by up to this much."""
WIDEST = 256.0
"""The probes' largest label, as a multiple of the label unit."""
ROWS = 17
"""Rows of a batch with one label that is far from the others."""

PLACE = torch.tensor(3)
"""The row of a batch that gets such a label."""
Beyond = tuple[float, str]
"""How far labels count as they should, and what becomes of others, in words, which may be empty."""


class LabelRange:
    """Tries labels that no other probe has; ``alive`` are members that fit all probes so far."""

    def __init__(self, prober: Prober, alive: Sequence[Member]) -> None:
        self._prober, self._alive, unit = prober, list(alive), prober.label_unit
        n = 2 * prober.rows + 1
        steps = make_labels(n, 1, 0)
        steps[2] = steps[1] + 4 / LABEL_STEPS  # both are moved, and tie where they are clipped
        self._base, self._width = unit * steps + prober.label_shift, 8.0 * unit
        self._moved = torch.isin(torch.arange(n), torch.tensor([1, 2])).unsqueeze(1)

    def read(self, reading: Reading) -> None:
        """Add what is found to the faults and choices of ``reading``; keep later probes within."""
        prober, phrases = self._prober, PHRASES["labels"]
        if self._loses_digits():
            reading.faults.append(phrases["digits"])
            return
        groups = [g for g in RESERVED if not self._fits(torch.tensor(g).double().unsqueeze(1))]
        near = prober.label_unit * make_labels(ROWS, 1, 4) + prober.label_shift
        outlier, dropped = (near.index_fill(0, PLACE, x) for x in (100 * self._width, math.nan))
        outliers = not self._fits(outlier) and self._fits(outlier, dropped)
        if not groups or self._state(0.0) != "fits":
            reading.faults += [phrases["outliers"]] * (outliers and not groups)
            return
        (high, above), (low, below) = self._beyond(1), self._beyond(-1)
        if high == low == math.inf and outliers:
            reading.faults.append(phrases["outliers"])
            return
        both_far = all(words.startswith(phrases["far"]) for words in (above, below))
        reading.faults += filter(None, (above, "" if both_far else below))
        having = partial(self._base.index_fill, 0, PLACE)
        within = [
            v for g in groups for v in sorted(g) if self._width - low < v < high - self._width
        ]
        reserved = [v for v in within if not self._fits(having(v))]
        left_out = [v for v in reserved if self._fits(having(v), having(math.nan))]
        reading.faults += [
            phrases["otherwise"].format(f"{v:g}") for v in reserved if v not in left_out
        ]
        for words, ordinary in ((reading.faults, True), (reading.choices, False)):
            some = [f"{v:g}" for v in left_out if (abs(v) <= ORDINARY) is ordinary]
            words += [phrases["reserved"].format(" or ".join(some))] if some else []
        prober.most_label = min(high, low if low > self._width else math.inf)
        whole = prober.label_unit > 1 or min(self._alive, key=Member.faults).measured in WHOLE
        if prober.most_label < WIDEST * prober.label_unit and not whole:
            prober.label_unit = 2.0 ** math.floor(math.log2(prober.most_label / WIDEST))
        if any(abs(v) <= ORDINARY for v in reserved) and not prober.label_shift:
            prober.label_shift = 3.0 if whole else prober.label_unit / 2

    def _beyond(self, sign: int) -> Beyond:
        """Where labels that are moved up, or down, begin to count otherwise, and how."""
        inside, size, state = 0.0, START * self._width, "fits"
        while size <= FARTHEST and (state := self._state(sign * size)) == "fits":
            inside, size = size, 2 * size
        if state == "fits":
            return math.inf, ""
        outside = size
        for _ in range(12):
            middle = (inside + outside) / 2
            fits = self._state(sign * middle) == "fits"
            inside, outside = (middle, outside) if fits else (inside, middle)
        low, high = sorted(sign * float(y) for y in self._base[self._moved])
        far = sign * (1.5 * outside + self._width)
        state, given, phrases = self._state(far), self._base + far * self._moved, PHRASES["labels"]
        if state == "raises":
            return outside + high, ""
        meanings = {
            "signless": given.abs(),
            "dropped": torch.where(self._moved, math.nan, given),
            "clipped": torch.where(self._moved, sign * (outside + low), given),
        }
        fitting = [key for key, y in meanings.items() if state == "other" and self._fits(given, y)]
        bound = outside + (low if "clipped" in fitting else high)
        # Labels that are all moved are as near to one another as before.
        across = self._state(sign * bound - float(self._base.median()), everywhere=True)
        if not fitting and across == "fits":
            apart = shortest(bound - min(sign * y for y in self._base[:, 0].tolist()), ROUGHLY)
            return apart, f"{phrases['far']} (from about {apart:.6g} on)"
        key = next(iter(fitting), "not finite" if "nan" in (state, across) else "beyond")
        near = 0.0 if abs(bound) < self._width / 64 else shortest(sign * bound, ROUGHLY)
        return bound, phrases[key].format(f"{'above' if sign > 0 else 'below'} about {near:.6g}")

    def _loses_digits(self) -> bool:
        """Whether near labels tie where they are large, and far ones do not."""
        given = self._base + 64 * self._width * self._moved
        tied = torch.where(self._moved, given[1], given)
        wide = torch.where(given == given[1], 2 * given, given)
        return not self._fits(given) and self._fits(given, tied) and self._fits(wide)

    def _state(self, by: float, *, everywhere: bool = False) -> str:
        labels = self._base + by * (self._moved | everywhere)
        try:
            return "fits" if self._fits(labels, refused=True) else "other"
        except NotFiniteError:
            return "nan"
        except Exception:  # noqa: BLE001 - its author may mean it
            return "raises"

    def _fits(self, given: Tensor, meaning: Tensor | None = None, *, refused: bool = False) -> bool:
        """Whether labels count as their ``meaning``, by default as they are.

        ``refused``: whether to raise what the loss raises.
        """
        unit, rows = self._prober.label_unit, make_rows(len(given), self._prober.count, 0)
        given = given.round() if unit > 1 else given
        try:
            probe = self._prober.probe(rows, (given - self._prober.label_shift) / unit)
        except Exception:
            if refused:
                raise
            return False
        meant = (given if meaning is None else meaning) / unit
        return bool(self._prober.fitting(self._alive, replace(probe, labels=meant)))
