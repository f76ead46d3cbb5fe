"""Finds the rule on ties and the label distance of a loss whose structure is known."""

from contextlib import suppress

import torch

from supcr_bench.verification.family import CHANGED_LABELS, Member
from supcr_bench.verification.label_range import LabelRange
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import IN_FLOAT64, Probe, Prober, make_labels, make_rows
from supcr_bench.verification.reading import Reading

ORDER_DECIDES = "ties taken by an order of rows (of a sort): equal labels are not treated alike"
OFF = "on a small batch, its gradient is off by"
FURTHER = "a term is added to the loss that depends on"
WEIGHTED = "the losses of the two views are weighted"
ANOTHER_ON = "another loss on"
BATCH_SCALES = (
    "similarities divided by a number that each batch has of its own, such as the mean distance of "
    "its rows"
)
FAR = 1024.0
"""Labels times this are far apart, and divided by it they are near."""
UNEQUAL = torch.tensor([0.0, 1.0, 4.0, 9.0, 15.0, 22.0, 32.0, 34.0], dtype=torch.float64)
"""Labels for the whole numbers below 8, with all distances different."""
NEAR_SHARE = 2.0**-12
"""This share of ``UNEQUAL``, added to whole numbers, makes their equal distances nearly equal."""


def settle(prober: Prober, reading: Reading, alive: list[Member], core: Probe) -> None:
    """Find the rule on ties and the label distance, and take the simplest member left."""
    complete = reading.complete
    # On few rows, labels that are rounded may order as their ranks do.
    alive = prober.fitting(alive, prober.plain(2 * prober.rows + 1)) or alive
    there = prober.fitting(alive, core) if complete else []
    if there and there[0].measured != "ranked":
        LabelRange(prober, there).read(reading)
    alive = _read_ties(prober, reading, alive)
    probe = _of_several_dimensions(prober)
    if probe is not None and PHRASES["labels"]["outliers"] not in reading.faults:
        reading.several_dimensions = True
        alive = _read_label_distance(prober, reading, alive, probe)
    member = min(alive, key=plainness)
    if member.ties != "by_value" and not member.keeps_partner:  # without ties, > equals >=
        member = member._replace(comparison=member.comparison[0])
    reading.member = member
    if member.measured == "ranked":  # whether a sort takes equal labels alike changes nothing else
        reading.complete = complete
    reading.float32 = prober.is_quantised(core, IN_FLOAT64)


def is_off(reading: Reading) -> bool:
    """Whether the member that was read gives the gradient but for a part."""
    return any(fault.startswith((OFF, FURTHER, WEIGHTED)) for fault in reading.faults)


def _read_ties(prober: Prober, reading: Reading, alive: list[Member]) -> list[Member]:
    """The members that fit where many label distances are equal too."""
    tied = torch.tensor([0.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0])[: prober.rows + 2, None].double()
    for labels in (tied, torch.arange(8.0).roll(3)[:, None].double()):
        rows = make_rows(len(labels), prober.count, 1)
        probe = prober.probe(rows, labels)
        alive = _left(prober, reading, alive, probe, "equal labels")
        if f"{ANOTHER_ON} equal labels" in reading.faults:
            unequal = UNEQUAL[labels.long()]
            apart = (unequal, labels + NEAR_SHARE * unequal)
            fits = [bool(prober.fitting(alive, prober.probe(rows, y))) for y in apart]
            if any(fits):  # rounding does not change the order of distances that differ by more
                reading.faults[-1] = PHRASES["labels"]["scaled" if fits[1] else "transformed"]
            break
    return alive


def _of_several_dimensions(prober: Prober) -> Probe | None:
    """A probe with labels of three dimensions; ``None`` for a loss that takes one only."""
    if prober.several:
        n = prober.rows + 3
        labels = make_labels(n, 3, 2) * torch.tensor([4.0, 8.0, 16.0])
        with suppress(Exception):
            return prober.probe(make_rows(n, prober.count, 2), labels)
    return None


def _read_label_distance(
    prober: Prober, reading: Reading, alive: list[Member], probe: Probe
) -> list[Member]:
    """The members that fit on labels of several dimensions too."""
    labels = probe.labels
    ways = PHRASES["label_distance"]
    several = [m._replace(label_distance=way) for m in alive for way in ways]
    if not prober.fitting(several, probe):
        with suppress(Exception):  # it may refuse labels beyond a range
            farther = prober.probe(probe.views, 16 * labels)
            probe = farther if prober.fitting(several, farther) else probe  # for a tolerance
    before, complete = len(reading.faults), reading.complete
    alive = _left(prober, reading, several, probe, "several label dimensions")
    if len(reading.faults) > before:  # the rest is read with labels of one dimension
        n = len(labels)
        alike = torch.stack([labels[torch.arange(n).roll(k), 2] for k in range(3)], 1)
        if prober.fitting(several, prober.probe(probe.views, alike)):
            reading.faults[-1] = PHRASES["labels"]["rescaled"]  # dimensions spread alike
        reading.several_dimensions, reading.complete = False, complete
    elif not (BATCH_SCALES in reading.faults or is_off(reading)) and not prober.fitting(
        alive, prober.probe(probe.views, labels / 4)
    ):
        reading.faults.append(PHRASES["labels"]["small"])
    return alive


def plainness(m: Member) -> tuple[float, bool, bool]:
    """A sort key for members that give the same numbers, with the simplest first."""
    halved = bool(m.normalised) and m.similarity == "squared" and abs(m.temperature) != 1
    return m.faults() + 0.5 * (m.self_candidate == "always"), m.measured in CHANGED_LABELS, halved


def _left(
    prober: Prober, reading: Reading, alive: list[Member], probe: Probe, on: str
) -> list[Member]:
    """The members whose gradient fits this probe too; if none does, the simplest, with a fault."""
    left = prober.fitting(alive, probe)
    if left:
        return left
    plainest = min(alive, key=plainness)
    if is_off(reading):
        left = [prober.fits(alive, probe)[0].member]
    elif not any(words in reading.faults for words in PHRASES["precision"].values()):
        fault = f"{ANOTHER_ON} {on}"
        if not prober.keeps_order(probe):
            fault = ORDER_DECIDES
        elif left := _at_another_temperature(prober, alive, probe):
            fault = BATCH_SCALES
        reading.faults += [fault] if fault not in reading.faults else []
    reading.complete = False
    return left or [plainest]


def _at_another_temperature(prober: Prober, alive: list[Member], probe: Probe) -> list[Member]:
    """The members that fit a batch once its temperature is read from that batch alone."""
    some = sorted(alive, key=plainness)[:60]
    temperature = prober.nearest_temperature(some, probe)
    moved = {m._replace(temperature=m.temperature * temperature): m for m in some}
    return [moved[m] for m in prober.fitting(list(moved), probe)]
