"""Reads eps, how the temperature enters, and what multiplies a loss; the last things to read."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import torch

from supcr_bench.verification.family import (
    Member,
    candidates,
    evaluate,
    label_columns,
    similarities,
    stacked_rows,
)
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import FITS, WIDTH, Fit, Probe, Prober, make_labels, make_rows
from supcr_bench.verification.reading import EPS, Reading

LAWS = {0.0: "missing", 2.0: "squared", -1.0: "multiplies", 0.5: "root"}
"""How the temperature enters, by the power of it that divides the similarity."""
FAR = 32.0
"""The similarity -32, whose exponential is 1e-14: less than the eps of nearly every loss."""
MEAN_OF_USED = "the mean is over the pairs that are left"
GROWS = "a factor that grows about as N^"
HALVED, DOUBLED = "a constant factor of 0.5", "a constant factor of 2"


def read_temperature(prober: Prober, reading: Reading, member: Member) -> bool:
    """Read how a given temperature enters, and its default; whether it divides the similarity."""
    own = abs(member.temperature)
    if prober.given is None:
        reading.default_temperature = own
        return True
    unit = replace(member, temperature=math.copysign(1.0, member.temperature))
    probe = prober.plain(prober.rows, 4, 0.6)
    there = own * 0.6
    if not _fits_at(prober, unit, there, probe):
        there = prober.nearest_temperature([unit], probe)
    power = math.log(there / own) / math.log(0.6)
    if abs(power - 1) > 1e-3:
        law = next((law for p, law in LAWS.items() if abs(power - p) < 1e-3), "other")
        if law == "other" or not _fits_at(prober, unit, there, probe):
            law = _half_divided(member, probe)
        words = PHRASES["temperature"][law]
        reading.faults.append(f"{words}: it is always {own:.4g}" if law == "missing" else words)
        return False
    if own != 1:
        reading.faults.append(f"divided by {own:.4g} times the temperature")
    with suppress(Exception):
        probe = prober.plain(prober.rows, 5, None)
        there = prober.nearest_temperature([unit], probe)
        if _fits_at(prober, unit, there, probe):
            reading.default_temperature = there / own
    return True


def _fits_at(prober: Prober, unit: Member, temperature: float, probe: Probe) -> bool:
    return bool(prober.fitting([replace(unit, temperature=unit.temperature * temperature)], probe))


def _half_divided(member: Member, probe: Probe) -> str:
    """Whether only the denominator's similarities, or only the partner's, have the temperature."""
    goal = probe.gradient[probe.reached]
    for temperature, ratio, law in ((0.6, 0.6, "partner"), (1.0, 1 / 0.6, "denominator")):
        at = replace(member, temperature=member.temperature * temperature)
        columns = evaluate([at], probe.views, probe.labels)[1][0].T[probe.reached]
        shares = torch.linalg.lstsq(columns, goal.unsqueeze(1)).solution[:, 0]
        rest = (columns @ shares - goal).norm() / goal.norm()
        if rest < FITS and math.isclose(float(shares[1] / shares[0]), ratio, rel_tol=1e-3):
            return law
    return "other"


def read_eps(prober: Prober, reading: Reading, member: Member, *, divides: bool) -> Member:
    """Read eps, on rows so far apart that it shows in a denominator.

    Args:
        prober: asks the loss.
        reading: gets the size of denominators.
        member: what was read so far.
        divides: whether a given temperature divides the similarity.
    """
    core = prober.plain(prober.rows, 0, prober.given)
    if smallest_denominator(member, core) == 0 and not member.eps:
        trials = [replace(member, eps=e, eps_rule=r) for e in EPS for r in ("added", "floor")]
        best = min(prober.fits(trials, core), key=lambda f: abs(f.value - core.loss))
        empty = abs(best.value - core.loss) < 1e-3 * abs(core.loss) and best.residual <= FITS
        return best.member if empty else member
    found = _eps_at(prober, reading, member, FAR, divides=divides)
    if not found:
        return member
    # Where eps is much larger than every sum, added and the floor are alike.
    low = -math.log(found.eps)
    again = _eps_at(prober, reading, found, low, divides=divides) if low < FAR else None
    return again or found


def _eps_at(
    prober: Prober, reading: Reading, member: Member, low: float, *, divides: bool
) -> Member | None:
    """The member with the eps that shows where similarities are -low; none where none shows."""
    temperature, asked = member.temperature, prober.given
    scale = 1.0
    if not member.normalised:
        far = low * abs(temperature)
        scale = {"dot": math.sqrt(2 * far), "squared": math.sqrt(far), "euclidean": far}[
            member.similarity
        ]
    elif asked and divides:
        asked, temperature = 0.5 / low, 0.5 / low * temperature  # cosines of -1/2
    corners = torch.eye(3, WIDTH, dtype=torch.float64)
    corners[:, :3] -= 1 / 3
    views = []
    for at, noise in enumerate(make_rows(3, prober.count, 3, 0.05)):
        views.append(scale * (corners.roll(at, 0) + noise))
    try:
        probe = prober.probe(tuple(views), make_labels(3, 1, 3), asked)
    except Exception:  # noqa: BLE001 - not finite there: a matter of robustness
        return None
    plain = replace(member, temperature=temperature)
    reading.smallest = smallest_denominator(plain, probe)
    if prober.fitting([replace(plain, eps=0.0)], probe):
        return None
    sizes: Sequence[float] = [member.eps] if member.eps else EPS
    best = Fit(plain, math.inf, 1.0, 0.0)
    for _ in range(4):
        # A partner with nothing farther adds 0 without eps, and more with it.
        skips = ["with candidates"] * (member.comparison == ">" and member.keeps_partner)
        trials = [
            replace(plain, eps=e, eps_rule=r, pairs=pairs)
            for pairs in (member.pairs, *skips)
            for e in sizes
            for r in ("added", "floor")
        ]
        # Where eps holds every denominator, the gradient is the same for all sizes of eps.
        found = [f for f in prober.fits(trials, probe) if f.factor > 0]
        if not found:
            return None
        goal = (probe.loss or 1.0) / prober.value_ratio
        best = min(found, key=lambda f: f.residual + abs(f.value / goal - 1))
        if best.residual <= FITS or len(sizes) == 1:
            break
        sizes = [best.member.eps * (1 + x * (sizes[-1] / sizes[-2] - 1) / 5) for x in range(-5, 6)]
    if best.residual > 10 * FITS:
        return None
    return replace(best.member, temperature=member.temperature)


def smallest_denominator(member: Member, probe: Probe) -> float:
    """The smallest sum over candidates of a probe's first label dimension; 0 for an empty one."""
    smallest = math.inf
    for rows, y in stacked_rows(member.views, probe.views, probe.labels):
        s = similarities(rows, member) / member.temperature
        chosen, weight = candidates(member, label_columns("first", y)[0])
        terms = s.unsqueeze(1).masked_fill(~chosen, -math.inf)
        smallest = min(smallest, float(terms.logsumexp(2)[weight > 0].exp().min()))
    return smallest


def read_factor(
    prober: Prober, reading: Reading, member: Member, *, divides: bool, counted: bool
) -> None:
    """Read what multiplies the mean over pairs, and whether the loss has its gradient.

    Args:
        prober: asks the loss.
        reading: where faults go.
        member: what was read so far.
        divides: whether a given temperature divides the similarity.
        counted: whether rows with a missing label are counted.
    """
    n = prober.rows

    def fit(rows: int, seed: int, temperature: float | None) -> tuple[Fit, Probe]:
        probe = prober.plain(rows, seed, temperature)
        at = replace(member, temperature=member.temperature * (temperature or 1.0))
        return prober.fits([at], probe)[0], probe

    def used(counting: Member, rows: int, seed: int) -> float:
        """The weights' sum over all pairs, 1 where each pair counts."""
        (_, y), *_ = stacked_rows(
            member.views, make_rows(rows, prober.count, seed), make_labels(rows, 1, seed)
        )
        return float(candidates(counting, label_columns("first", y)[0])[1].sum())

    def words_of(share: float = 1.0, share_of_more: float = 1.0, *, counts: bool = False) -> str:
        at, later = share / excess, share_of_more / excess
        factors = one.factor * at, more.factor * later, warmer * at
        return factor_words(*factors, n * (2 if member.joined else 1), counts_missing=counts)

    (one, at_one), (more, at_more) = fit(n, 0, prober.given), fit(2 * n, 5, prober.given)
    if more.residual > 10 * FITS:
        reading.faults.append(f"another loss on {2 * n} rows")
        return
    warmer = fit(n, 0, 1.7)[0].factor if prober.given and divides else one.factor
    reading.factor = one.factor
    values = [(f.value, p.loss) for f, p in ((one, at_one), (more, at_more))]
    wrong, excess = value_words(values)
    counts = [f.factor * mean_log_count(member, p) for f, p in ((one, at_one), (more, at_more))]
    shifted = [(value + c, own) for (value, own), c in zip(values, counts, strict=True)]
    if wrong and not value_words(shifted)[0]:
        wrong = "the mean over the candidates in place of their sum: the gradient is the same"
        excess = 1.0
    words = words_of()
    # A partner with nothing farther adds 0 to the sum: only the mean tells whether it counts.
    farther = replace(member, comparison=">", pairs="with candidates")
    skipped = f"{PHRASES['pairs']['with candidates']}, {MEAN_OF_USED}"
    means = [(member, "" if member.pairs == "once" else MEAN_OF_USED)]
    means += [(farther, skipped)] * (member.comparison in (">", ">="))
    for counting, told in means if words else []:
        shares = used(counting, n, 0), used(counting, 2 * n, 5)
        rest = words_of(*shares)
        if shares[0] < 0.999 and (not rest or (GROWS in words and GROWS not in rest)):
            words = ", ".join(filter(None, (told, rest)))
            break
    else:
        reading.counted = words_of(counts=True) if counted else ""
    parts = words.split(", ")
    twice = f"{member.views.removesuffix(' only')} twice"
    for constant, possible, views in (
        (HALVED, member.views == "separate", "mean"),
        (DOUBLED, twice in PHRASES["views"], twice),
    ):
        if possible and constant in parts:
            reading.views = views
            parts.remove(constant)
    reading.factor_words = words = ", ".join(parts)
    reading.faults += [fault for fault in (words, wrong) if fault]


def mean_log_count(member: Member, probe: Probe) -> float:
    """Minus the weighted sum over pairs of the logarithm of the number of candidates."""
    total = 0.0
    for _, y in stacked_rows(member.views, probe.views, probe.labels):
        chosen, weight = candidates(member, label_columns("first", y)[0])
        total -= float((weight * chosen.sum(2).clamp(min=1).log()).sum())
    return total


def read_upstream(prober: Prober, reading: Reading) -> None:
    """Read whether the gradient scales with the one that arrives at the loss."""
    rows, labels = make_rows(prober.rows, prober.count, 0), make_labels(prober.rows, 1, 0)
    one, three = (prober.probe(rows, labels, prober.given, arriving=a) for a in (1.0, 3.0))
    if not torch.allclose(three.gradient, 3 * one.gradient, rtol=1e-3):
        reading.faults.append(
            "the backward ignores the gradient that arrives: a loss that is multiplied by a weight "
            "trains as if it were not"
        )


def factor_words(
    at: float, more: float, warmer: float, n: int, *, counts_missing: bool = False
) -> str:
    """What multiplies the mean over pairs, in words; empty for nothing.

    Args:
        at: the factor at n rows and temperature 1.
        more: the factor at 2 n rows and temperature 1.
        warmer: the factor at n rows and temperature 1.7.
        n: rows.
        counts_missing: whether rows without a label are counted too.
    """
    words = []
    if math.isclose(warmer / at, 1.7, rel_tol=1e-3):
        words.append("times the temperature")
    elif math.isclose(at / warmer, 1.7, rel_tol=1e-3):
        words.append("divided by the temperature")
    elif not math.isclose(warmer, at, rel_tol=1e-3):
        words.append(f"a factor of {at:.4g} at temperature 1 and of {warmer:.4g} at 1.7")
    phrases = PHRASES["normaliser"]
    known: dict[str, Callable[[int], float]] = {
        phrases["batch_pairs"] if counts_missing else "": lambda _: 1.0,
        phrases["batch_squared" if counts_missing else "rows_squared"]: lambda n: (n - 1) / n,
        phrases["batch" if counts_missing else "rows"]: lambda n: n - 1.0,
        phrases["nothing"]: lambda n: n * (n - 1.0),
        "divided by M-1 in place of M(M-1)": lambda n: float(n),
        "divided by a further N^2": lambda n: 1 / n**2,
        "divided by a further N": lambda n: 1 / n,
        "divided by a further N-1": lambda n: 1 / (n - 1),
        "divided by a further N(N-1)": lambda n: 1 / n / (n - 1),
    }
    constants = {
        by_rows: at / formula(n)
        for by_rows, formula in known.items()
        if math.isclose(more / formula(2 * n), at / formula(n), rel_tol=1e-3)
    }
    grows = f"{GROWS}{math.log2(abs(more / at)):.2g}"
    by_rows, constant = next(iter(constants.items()), (grows, at))
    words += [by_rows] if by_rows else []
    if not math.isclose(constant, 1, rel_tol=1e-3):
        words.append(f"a constant factor of {constant:.4g}")
    return ", ".join(words)


def value_words(values: Sequence[tuple[float, float]]) -> tuple[str, float]:
    """How the loss's value departs from the one that its gradient belongs to; empty if not.

    Args:
        values: (the value that belongs to the gradient, the loss's own) on two probes.

    Returns:
        the words, and how many times the value's gradient the gradient is.
    """
    if all(math.isclose(own, right, rel_tol=1e-4, abs_tol=1e-5) for right, own in values):
        return "", 1.0
    ratios = [own / right if right else math.nan for right, own in values]
    if math.isclose(*ratios, rel_tol=1e-4):
        return f"the gradient is {1 / ratios[0]:.4g} times that of the loss", 1 / ratios[0]
    shifts = [own - right for right, own in values]
    if math.isclose(*shifts, rel_tol=1e-4):
        return f"a constant of {shifts[0]:.4g} is added to the loss, without a gradient", 1.0
    return "the loss is not the one that its gradient belongs to", 1.0
