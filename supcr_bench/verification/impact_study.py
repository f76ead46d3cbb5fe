"""Measures how far a loss's gradient points away from a definition's, on a person's own labels."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean, median

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from supcr_bench.analysis.statistics import median_interval
from supcr_bench.inputs.label_file import read_label_file
from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.reference.reference import compute_reference
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import DEFINITIONS, Definition
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.evaluate import evaluate_large
from supcr_bench.verification.family import Member
from supcr_bench.verification.impact import FAULT_DEGREES, LOST, ROUNDING, Impact, ImpactQuestion
from supcr_bench.verification.phrases import CONSTANT_FACTOR
from supcr_bench.verification.reading import Reading, departures, member_of

Table = npt.NDArray[np.float64]
Sample = tuple[float | None, float | None, float | None]
"""In one batch: degrees between two gradients, the ratio of their lengths, the share of pairs."""
Ask = Callable[[Batch], Tensor]
AS_USUAL = 2.0
"""A choice may turn the gradient by this many times as much on a file's labels as on others."""
BATCHES, BUDGET_S = 8, 10.0
"""Most batches, and the seconds after which no further batch starts."""
SLOW_CALL_S, QUICK_CALL_S = 3.0, 0.02
"""Longest predicted seconds of a call: with labels from a file, and with generated ones, for which
nobody asked; a slower loss is not called."""
SAME_TERM = 1e-12
"""A pair's terms count as different above this relative difference."""
ARC, NOISE = 0.9 * math.pi, 0.3
"""The angle that rows ordered by label cover, and the length of their noise relative to theirs."""
SAME_DEGREES = 0.1
"""A member may stand in for a loss if their gradients are within this angle."""
_TOGETHER = {
    "similarity": ("similarity", "normalised"),
    "comparison": ("comparison", "keeps_partner"),
    "eps": ("eps", "eps_rule"),
    "ties": ("ties", "comparison"),
    "cut": ("low", "high"),
    "odd pairs": ("pairs",),
}
"""The fields of a member that change together in one departure, by the departure's name."""


def alone(departure: str, member: Member, plain: Member) -> Member:
    """The plain member with only one choice of another member, which ``departure`` names."""
    if departure == "sign":
        return plain._replace(temperature=-plain.temperature)
    names = [name for name in Member._fields if name in _TOGETHER.get(departure, (departure,))]
    return plain._replace(**{name: getattr(member, name) for name in names})


class ImpactStudy:
    """Compares the gradients of one loss, and of its departures, with those of definitions.

    The loss departs from the definition ``nearest``; ``reading`` holds its choices.
    """

    def __init__(
        self, context: CheckContext, reading: Reading, nearest: Definition, question: ImpactQuestion
    ) -> None:
        self._context, self._question, self._reading = context, question, reading
        own, takes = context.definition.temperature, context.own.temperature
        self._tau = (question.temperature or own) if takes else own
        others = (d for d in DEFINITIONS.values() if d.name != nearest.name)
        self._definitions = [self._at_study(d) for d in (nearest, *others)]
        self._near = self._definitions[0]
        self._plain = member_of(self._near)._replace(temperature=self._tau)
        self._member: Member | None = None
        self._departures: list[tuple[str, Member, Member]] = []  # each with what it departs from
        self._dims = 1
        if reading.member:
            signed = math.copysign(self._tau, reading.member.temperature)
            self._member = reading.member._replace(temperature=signed)
            for name, (words, _) in departures(reading, self._near).items():
                plain = self._plain
                if name == "eps":  # what it does depends on the size of the similarities
                    plain = alone("similarity", self._member, plain)._replace(temperature=signed)
                if name == "label_distance":
                    self._dims = 2
                if name != "temperature" and (one := alone(name, self._member, plain)) != plain:
                    self._departures.append((words, one, plain))

    def _at_study(self, definition: Definition) -> Definition:
        """A definition at the temperature of the study that drops rows without a label."""
        own = definition.at(self._question.temperature)
        if own.nan_labels == "unsupported":
            own = replace(own, nan_labels="drop_row")
        return replace(own, views="single") if self._context.definition.views == "single" else own

    def rows(self) -> Iterator[Impact]:
        """Yield the measured rows; :class:`ImpactQuestion` tells which labels are used."""
        if self._question.labels is None:
            for kind in ("continuous", "tied"):
                yield from self._measured(kind, None, ("ordered",))
            return
        file = read_label_file(self._question.labels)
        table: Table = file.table
        missing = np.isnan(table)
        whole_rows = self._near.nan_labels == "drop_row"
        kept = table[~(missing.any(axis=1) if whole_rows else missing.all(axis=1))]
        n, name = self._question.batch_size, f"{Path(file.path).name}:{','.join(file.columns)}"
        reason = ""
        if n > len(kept):
            reason = f"{len(kept)} rows have a label{' in every column' if whole_rows else ''}"
            reason += f", fewer than a batch of {n}"
        elif all(len(np.unique(column[~np.isnan(column)])) < 2 for column in kept.T):
            reason = "all labels are equal, which shows no difference between losses"
        if reason:
            yield Impact(definition=self._near.name, labels=name, batch_size=n, note=reason)
            return
        yield from self._measured(name, kept, ("random", "ordered"), file.rows - len(kept))

    def _measured(
        self, labels: str, table: Table | None, embeddings: Sequence[str], left_out: int = 0
    ) -> Iterator[Impact]:
        """Yield rows: the whole loss against each definition, and each departure."""
        batches = partial(self._batch, labels, table)
        ask, note = None, None
        one_is_the_whole = len(self._departures) == 1 and self._reading.sign > 0
        if table is not None or not one_is_the_whole:
            ask, note = self._way_to_ask(batches, QUICK_CALL_S if table is None else SLOW_CALL_S)
        about = Impact(
            definition=self._near.name,
            labels=labels,
            batch_size=self._question.batch_size,
            left_out=left_out,
            temperature=self._tau,
            note=note,
        )
        fault_degrees: dict[str, float] = {}
        samples: dict[tuple[str | None, str, str], list[Sample]] = {}
        began = time.thread_time()
        for at in range(BATCHES if ask or self._departures else 0):
            if at and time.thread_time() - began > BUDGET_S:
                break
            for how in embeddings:
                batch = batches(at, how)
                if table is not None and ask == self._by_call:
                    degrees = self._fault_degrees(batch, at, how)
                    fault_degrees[how] = max(degrees, fault_degrees.get(how, 0.0))
                for departure, name, sample in self._compared(batch, ask):
                    samples.setdefault((departure, name, how), []).append(sample)
        if not samples:
            yield about
        for (departure, name, how), found in samples.items():
            one = replace(about, departure=departure, definition=name, embeddings=how)
            if (departure, name) == (None, self._near.name):
                one = replace(one, fault_degrees=fault_degrees.get(how) or None)
            yield _summarised(found, one)

    def _fault_degrees(self, batch: Batch, at: int, how: str) -> float:
        """Degrees from the definition with the loss's choices; 0 if they are few, or as usual.

        A choice such as a tolerance of ties turns the gradient on generated labels too, where it is
        no fault: a file's labels may turn it ``AS_USUAL`` times as far.
        """
        definition = self._context.definition.at(self._tau)
        if definition.nan_labels == "unsupported" and bool(batch.labels.isnan().any()):
            return 0.0
        batch = replace(batch, labels=_on_grid(batch.labels))
        own = _apart(self._by_call(batch), _right(definition, batch))[0] or 0.0
        if own <= FAULT_DEGREES:
            return 0.0
        batch = self._batch("continuous", None, at, how, n=len(batch.labels))
        usual = _apart(self._by_call(batch), _right(definition, batch))[0]
        return own if usual is not None and own > AS_USUAL * usual else 0.0

    def _compared(self, batch: Batch, ask: Ask | None) -> Iterator[tuple[str | None, str, Sample]]:
        """Yield a departure (``None``: the whole loss), a definition's name, and their distance."""
        near, views = self._near, batch.views_of(self._near)
        own = ask(batch) if ask else None
        for definition in self._definitions if self._question.labels else [near]:
            if own is not None:
                angle, length = _apart(own, _right(definition, batch))
                known = ask == self._by_call or self._knows_factor
                yield None, definition.name, (angle, length if known else None, None)
        plain, terms = evaluate_large(self._plain, views, batch.labels)
        for words, member, base in self._departures:
            gradient, changed = evaluate_large(member, views, batch.labels)
            same = base == self._plain
            right, usual = (plain, terms) if same else evaluate_large(base, views, batch.labels)
            yield words, near.name, (*_apart(gradient, right), _changed_share(changed, usual))
        if self._tau != near.temperature:
            words = f"default temperature {self._tau:g}"
            yield words, near.name, (*_apart(plain, _right(near, batch)), 1.0)
        if self._question.labels:
            coarse, _ = evaluate_large(self._plain, views, batch.labels, torch.float32)
            yield ROUNDING, near.name, (*_apart(coarse, plain), None)

    def _batch(
        self, labels: str, table: Table | None, at: int, how: str = "random", n: int | None = None
    ) -> Batch:
        workload = Workload(
            batch_size=n or self._question.batch_size,
            dims=self._dims if table is None else table.shape[1],
            labels=labels,
            seed=1000 * self._context.seed + at,
        )
        batch = make_batch(workload, table)
        return batch if how == "random" else _ordered(batch)

    def _way_to_ask(
        self, batches: Callable[..., Batch], most_s: float
    ) -> tuple[Ask | None, str | None]:
        """A function that gives the loss's gradient, or ``None``; and a note for the user."""
        n, asked = self._question.batch_size, self._question.temperature
        context, stands = self._context, False
        try:
            case = Workload(batch_size=n, dims=batches(0).labels.shape[1])
            if reason := context.own.why_not(self._near.at(self._tau), case):
                return None, reason
            sizes = [2**e for e in range(4, 20) if 2**e < n] or [n]
            for size in sizes:
                if size > sizes[0] and not context.affordable(size, most_s):
                    break
                batch = batches(0, n=size)
                own = self._by_call(batch)
                if self._member is not None:
                    apart, _ = _apart(own, self._by_member(batch))
                    stands = apart is not None and apart < SAME_DEGREES
            if context.affordable(n, most_s):
                self._by_call(batches(0))
                note = f"it takes no temperature, so it is measured at {self._tau:g}"
                return self._by_call, note if asked and asked != self._tau else None
        except Exception as error:  # noqa: BLE001 - implementations may raise anything
            return None, f"{type(error).__name__}: {str(error)[:150]}"
        slow = f"a call of {n} rows takes too long"
        if stands:
            but = "" if self._knows_factor else ", which leaves the length unknown"
            return self._by_member, f"{slow}, so its recognised formula is used instead{but}"
        return None, f"{slow}; set a smaller --batch-size"

    def _by_call(self, batch: Batch) -> Tensor:
        answer = self._context.ask(replace(batch, temperature=self._tau))
        views = len(batch.views_of(self._near))
        return torch.cat([gradient.flatten() for gradient in answer.gradients[:views]])

    @property
    def _knows_factor(self) -> bool:
        """Whether the factor that was read on small batches is that of any batch."""
        words = self._reading.factor_words
        return not words or words.startswith(CONSTANT_FACTOR)

    def _by_member(self, batch: Batch) -> Tensor:
        assert self._member is not None
        gradient, _ = evaluate_large(self._member, batch.views_of(self._near), batch.labels)
        return gradient * (self._reading.factors or [1.0])[0] * self._reading.sign


def _on_grid(labels: Tensor) -> Tensor:
    """Labels at multiples of a power of two, about a 4096th of their range.

    Their differences are exact. Of decimal labels, rounding alone would part equal distances, which
    a loss with a tolerance takes as ties.
    """
    known = labels[~labels.isnan()]
    width = float(known.max() - known.min()) if len(known) else 0.0
    step = 2.0 ** (math.ceil(math.log2(width)) - 12) if width else 1.0
    return torch.round(labels / step) * step


def _ordered(batch: Batch) -> Batch:
    """The batch with rows ordered by label along half a circle, as a trained model has them.

    Each label dimension has a plane of its own; the original random rows are the noise.
    """
    y = batch.labels
    y = torch.where(y.isnan(), y.nanmean(dim=0), y).nan_to_num()
    low, high = y.amin(dim=0), y.amax(dim=0)
    turn = ARC * (y - low) / torch.where(high > low, high - low, 1.0)
    place = torch.cat((turn.cos(), turn.sin()), dim=1) * math.sqrt(1 / y.shape[1])

    def placed(noise: Tensor) -> Tensor:
        rows = NOISE * noise
        rows[:, : place.shape[1]] += math.sqrt(noise.shape[1]) * place
        return rows

    return batch.moved("ordered", placed)


def _summarised(found: Sequence[Sample], about: Impact) -> Impact:
    measured = [sample for sample in found if sample[0] is not None]
    if len(measured) < len(found):
        lost = f"{LOST} in {len(found) - len(measured)} of {len(found)} batches"
        about = replace(about, note="; ".join(filter(None, (about.note, lost))))
    if not measured:
        return replace(about, batches=len(found))
    angles, lengths, pairs = zip(*measured, strict=True)
    interval = median_interval(angles, independent=True)
    return replace(
        about,
        batches=len(measured),
        angle=interval.estimate,
        low=interval.low,
        high=interval.high,
        length=None if None in lengths else median(lengths),
        pairs=None if None in pairs else fmean(pairs),
    )


def _right(definition: Definition, batch: Batch) -> Tensor:
    """The gradient [V N d] of a definition."""
    right = compute_reference(definition, batch, method="fast")
    return torch.cat([g.flatten() for g in right.gradients])


def _apart(own: Tensor, right: Tensor) -> tuple[float | None, float | None]:
    """Degrees between two gradients, and the ratio of their lengths, if they have any."""
    lengths = float(own.double().norm()), float(right.norm())
    if not all(0 < length < math.inf for length in lengths):
        return None, None
    first, second = own.double() / lengths[0], right / lengths[1]
    # Unlike the arc cosine, this loses nothing where the angle is small.
    angle = 2 * math.atan2(float((first - second).norm()), float((first + second).norm()))
    return math.degrees(angle), lengths[0] / lengths[1]


def _changed_share(own: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    """Share of the pairs whose terms differ; 1 if the terms belong to other rows."""
    if [t.shape for t in own] != [t.shape for t in right]:
        return 1.0
    pairs = zip(own, right, strict=True)
    changed = sum(int(((a - b).abs() > SAME_TERM * b.abs().max()).sum()) for a, b in pairs)
    return min(1.0, changed / max(1, sum(len(t) * (len(t) - 1) for t in right)))
