"""Finds eps, the use of the temperature, and constant factors from a loss's numbers."""

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor

from supcr_bench.verification.context import LOSS_SCALE
from supcr_bench.verification.family import Member, pairs
from supcr_bench.verification.phrases import CONSTANT_FACTOR, PHRASES
from supcr_bench.verification.probes import (
    ASKED,
    FITS,
    WIDTH,
    Probe,
    Prober,
    make_labels,
    make_rows,
    shortest,
)
from supcr_bench.verification.reading import Reading
from supcr_bench.verification.structure import EPS

LAWS = {
    "": (1.0, 1.0),
    "missing": (0.0, 0.0),
    "squared": (2.0, 2.0),
    "multiplies": (-1.0, -1.0),
    "root": (0.5, 0.5),
    "partner": (1.0, 0.0),
    "denominator": (0.0, 1.0),
}
"""How the temperature enters: the powers of it that divide the similarities in denominators, and
the partner's similarity."""
WARMER = 1.7
"""The temperature that shows how it enters; a low one would show eps too."""
LOW = 0.1
"""In a low precision, factors within this share of 1 count as 1."""
FAR = 32.0
"""The similarity -32, whose exponential is 1e-14: less than the eps of nearly every loss."""
MEAN_OF_USED = "the mean is over the pairs that are left"
GROWS = "a factor that grows about as N^"
ByPair = Callable[[Tensor, Tensor], Tensor]
"""A number for each pair, [n, n] or [n, 1], of similarities [n, n] and candidates [n, n, n]."""
OTHER_SUMS: dict[str, ByPair] = {
    "the mean over the candidates in place of their sum": lambda _, chosen: (
        chosen.sum(2).clamp(min=1).log()
    ),
    "the mean over all rows in place of the sum over the candidates": lambda s, _: torch.full_like(
        s, len(s)
    ).log(),
    "the row's maximum subtracted in the denominator alone, detached": lambda s, _: s.masked_fill(
        torch.eye(len(s), dtype=torch.bool), -math.inf
    ).amax(1, keepdim=True),
}
"""What the logarithm of a denominator may be less by, without a gradient, in words."""
SCALED_BY = "similarities divided by"
"""How the words begin of a number beside the temperature."""


def read_temperature(prober: Prober, reading: Reading, member: Member) -> Member:
    """Find how the loss uses a given temperature; return ``member`` with its rule for pairs."""
    if prober.given is None:
        return member
    own, probe = abs(member.temperature), prober.plain(temperature=WARMER)
    # Where the partner's temperature is another, a pair without other candidates adds something.
    trials = [member]
    if member.pairs != "by anchor":  # which differs from it on ties alone, and was seen there
        trials.append(member._replace(pairs="with candidates"))
    for law, powers in LAWS.items():  # noqa: B007 - the law is used below
        prober.powers = powers
        if found := prober.fitting(trials, probe):
            member = min(found, key=Member.faults)
            break
    else:
        law, prober.powers = "other", (0.0, 0.0)
    if law:
        missing = law == "missing"
        reading.faults.append(_unread(own) if missing else PHRASES["temperature"][law])
    elif not math.isclose(own, 1, rel_tol=max(1e-4, prober.limit)):
        columns = {WIDTH: "the number of columns", WIDTH**0.5: "the root of the number of columns"}
        named = (words for n, words in columns.items() if math.isclose(own, n, rel_tol=1e-3))
        times = next(named, f"{own:.4g}")
        reading.faults.append(f"{SCALED_BY} {times} times the temperature")
    return member


def _unread(own: float) -> str:
    return f"{PHRASES['temperature']['missing']}: it is always {own:.4g}"


def read_default_temperature(prober: Prober, reading: Reading, member: Member) -> None:
    if member.odd in ("hardest", "mean"):
        return  # its temperature is a factor
    if prober.given is None:
        reading.default_temperature = abs(member.temperature)
    elif any(prober.powers):
        with suppress(Exception):  # it may be too low for numbers that are finite
            for scale in (1.0, 0.1):
                views = make_rows(prober.rows, prober.count, 5, scale)
                probe = prober.probe(views, make_labels(prober.rows, 1, 5), None)
                found = prober.nearest_temperature([member], probe)
                fit = prober.fits([prober.at(member, found)], probe)[0]
                rough = prober.limit + reading.value_error(fit, probe)
                if fit.residual <= prober.limit and rough < 0.1:
                    reading.default_temperature = found
                    return


def fill_empty_denominators(prober: Prober, member: Member) -> Member:
    """The member with the eps of its empty denominators, which only the loss's value shows."""
    lines = []
    for n in (prober.rows, prober.rows + 1, 2 * prober.rows):
        probe = prober.plain(n)
        ((rest, slope),) = prober.by_log_eps([member], probe).tolist()
        if not slope:
            return member
        lines.append((rest, slope, 1.0, probe.loss))
    rest, slope, one, own = torch.tensor(lines, dtype=torch.float64).T
    # The loss as its gradient says; or with a constant added; or another multiple of it.
    for goal, columns in ((own - rest, [slope]), (own - rest, [slope, one]), (own, [slope, rest])):
        matrix = torch.stack(columns, 1)
        found = torch.linalg.lstsq(matrix, goal.unsqueeze(1)).solution[:, 0]
        if torch.allclose(matrix @ found, goal, rtol=1e-4, atol=0.0):
            log_eps = found[0] / found[1] if columns[-1] is rest else found[0]
            return member._replace(eps=shortest(float(log_eps.exp()), 1e-3))
    return member


def read_eps(prober: Prober, reading: Reading, member: Member) -> Member:
    """Find eps, on rows so far apart that eps changes a denominator; return ``member`` with it."""
    core = prober.plain()
    probe = _far_apart(prober, member, FAR)
    if probe is None or (smallest_denominator(member, core) == 0 and not member.eps):
        return member
    reading.smallest = smallest_denominator(prober.at(member, probe.temperature), probe)
    plain = prober.fits([member._replace(eps=0.0)], probe)[0]
    if plain.residual <= prober.limit and plain.factor > 0:
        return _read_eps_of_ratio(prober, reading, member) if prober.limit == FITS else member
    sizes: Sequence[float] = EPS if prober.limit == FITS else [10.0**-x for x in range(15, 1, -1)]
    sizes = [member.eps] if member.eps else sizes
    rules = [rule for rule in PHRASES["eps"] if rule != "none"]
    # If no row is farther than the partner, its term is 0 without eps, and larger with eps.
    strict = member.comparison == ">" and member.keeps_partner and member.pairs != "by anchor"
    skips = ["with candidates"] * strict
    best = plain
    for _ in range(4):
        choices = itertools.product((member.pairs, *skips), sizes, rules)
        trials = [member._replace(pairs=p, eps=e, eps_rule=r) for p, e, r in choices]
        found = [f for f in prober.fits(trials, probe) if f.factor > 0]
        if not found:
            return member
        # If every denominator is floored at eps, the gradient is the same for all sizes of eps.
        best = min(found, key=lambda f: f.residual + reading.value_error(f, probe))
        if best.residual <= prober.limit or len(sizes) < len(EPS):
            break
        sizes = [best.member.eps * (1 + x * (sizes[-1] / sizes[-2] - 1) / 5) for x in range(-5, 6)]
    if best.residual > min(10 * prober.limit, plain.residual / 4):
        return member
    # If eps is much larger than every sum, adding it equals taking it as floor.
    own = best.member
    if "ratio" in own.eps_rule:
        return own
    parts = (1.0, 0.3) if "below" in own.eps_rule else (1.0,)
    nearer = [_far_apart(prober, own, -part * math.log(own.eps)) for part in parts]

    def error(trial: Member) -> float:
        fits = [(prober.fits([trial], p)[0], p) for p in (probe, *nearer) if p]
        return sum(fit.residual + reading.value_error(fit, p) for fit, p in fits)

    _, _, scale = own.eps_rule.partition("_")
    alike = ["_".join(filter(None, (rule, scale))) for rule in ("added", "floor")]
    return min((own._replace(eps_rule=rule) for rule in alike), key=error)


def _read_eps_of_ratio(prober: Prober, reading: Reading, member: Member) -> Member:
    """Find an eps that is added to the ratio only, from a near row among far candidates."""
    rules = ("ratio", "ratio_floor")
    trials = [member._replace(eps=e, eps_rule=rule) for e in EPS for rule in rules]
    for far in (FAR, 2 * FAR):  # of a smaller one, only rows that are farther apart tell
        probe = _far_apart(prober, member, far, label_of_alike=200.0)
        if probe is None or prober.fits([member], probe)[0].residual <= prober.limit:
            continue
        fits = prober.fits(trials, probe)
        best = min(fits, key=lambda f: f.residual + reading.value_error(f, probe))
        if best.residual <= 10 * prober.limit:
            return best.member
    return member


def _far_apart(
    prober: Prober, member: Member, low: float, label_of_alike: float = 1.0
) -> Probe | None:
    """A probe whose similarities are about -low, except one; ``None`` if the loss is not finite.

    The last row has that label and resembles the first, whose label is 0; others are 40 and 100.
    """
    asked, power, scale = ASKED, prober.powers[0], 1.0
    if not member.normalised:
        far = low * abs(member.temperature)
        scale = {"dot": math.sqrt(2 * far), "squared": math.sqrt(far)}.get(member.similarity, far)
    elif prober.given and power:
        asked = (0.5 / low / abs(member.temperature)) ** (1 / power)  # cosines of -1/2
    corners = torch.eye(3, WIDTH, dtype=torch.float64)[[0, 1, 2, 0]]
    corners[:, :3] -= 1 / 3
    labels = torch.tensor([[0.0], [40.0], [100.0], [label_of_alike]], dtype=torch.float64)
    turned = torch.stack([corners.roll(at, 0) for at in range(prober.count)])
    views = scale * (turned + make_rows(4, prober.count, 3, 0.05))
    with suppress(Exception):  # not finite there: a matter of robustness
        return prober.probe(views, labels, asked)
    return None


def smallest_denominator(member: Member, probe: Probe) -> float:
    smallest = math.inf
    for s, chosen, weight in pairs(member, probe.views, probe.labels):
        sums = s.unsqueeze(1).masked_fill(~chosen, -math.inf).logsumexp(2)
        smallest = min(smallest, float(sums[weight > 0].exp().min()))
    return smallest


def read_value(prober: Prober, reading: Reading, member: Member) -> None:
    """Find how the loss's value departs from the value that fits its gradient."""
    probes = prober.plain(), prober.plain(2 * prober.rows, 5)
    fits = [prober.fits([member], probe)[0] for probe in probes]
    for probe, fit in zip(probes, fits, strict=True):
        if fit.residual > 10 * prober.limit:
            reading.faults.append(f"another loss on {len(probe.labels)} rows")
            reading.complete = False
            return
        reading.factors.append(fit.factor)
    own, goals = [probe.loss for probe in probes], [fit.value for fit in fits]
    rough = 1e-4 if prober.limit == FITS else LOW
    close = partial(math.isclose, rel_tol=rough, abs_tol=rough / 10)
    if all(map(close, own, goals)):
        return
    ratios = [a / b if b else math.nan for a, b in zip(own, goals, strict=True)]
    shifts = [a - b for a, b in zip(own, goals, strict=True)]
    for low, dtype in (("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        if own == torch.tensor(goals).to(dtype).tolist():
            reading.faults.append(f"the loss is rounded to {low} at the end, its gradient is not")
            return
    if math.isclose(*ratios, rel_tol=rough):
        reading.ratio = ratios[0]
        if ratios[0] < 0:
            reading.faults.append("the value of the loss is negated, its gradient is not")
        if not math.isclose(abs(ratios[0]), 1, rel_tol=rough):
            times = f"{1 / abs(ratios[0]):.4g} times"
            reading.faults.append(f"the gradient is {times} that of the loss")
    elif math.isclose(*shifts, rel_tol=rough):
        reading.shift = shifts[0]
        added = prober.value_sign * shifts[0]
        reading.faults.append(f"a constant of {added:.4g} is added to the loss, without a gradient")
    else:
        for words, by_pair in OTHER_SUMS.items():
            means = [mean_over_pairs(member, probe, by_pair) for probe in probes]
            if all(map(close, shifts, (f.factor * -m for f, m in zip(fits, means, strict=True)))):
                reading.faults.append(f"{words}: the gradient is the same")
                return
        reading.ratio = math.nan
        reading.faults.append("the loss is not the one that its gradient belongs to")


def read_factor(prober: Prober, reading: Reading, member: Member, *, counted: bool) -> None:
    """Find the factor of the mean over pairs; rows with a missing label may be ``counted``."""
    n = prober.rows
    if len(reading.factors) < 2:
        return

    def used(counting: Member, probe: Probe) -> float:
        """The sum of weights over all pairs, with weight 1 for each pair that counts."""
        return float(next(pairs(counting, probe.views, probe.labels))[2].sum())

    def words_of(share: float = 1.0, share_of_more: float = 1.0, **how: bool) -> list[str]:
        factors = one * share, more * share_of_more, warmer * share
        rough = 1e-3 if prober.limit == FITS else LOW
        return factor_words(*factors, n * (1 + member.joined), rough, **how)

    ratio = 1.0 if math.isnan(reading.ratio) else abs(reading.ratio)
    one, more = (factor * ratio for factor in reading.factors)
    warmer = one
    if prober.given:
        fit = prober.fits([member], prober.plain(temperature=WARMER))[0]
        warmer = fit.factor * ratio if fit.residual <= 10 * prober.limit else one
    own = abs(member.temperature)
    unread = reading.faults.index(_unread(own)) if _unread(own) in reading.faults else None
    for power, verb in ((1.0, "multiplies"), (-1.0, "divides")):
        if unread is not None and math.isclose(warmer, one * WARMER**power, rel_tol=1e-3):
            told = f"the temperature {verb} the loss, not the similarities"
            told += "" if math.isclose(own, 1, rel_tol=1e-4) else f", where it is always {own:.4g}"
            reading.faults[unread], warmer = told, one
            break
    words, others = words_of(), list[str]()
    # A partner with no farther row adds 0 to the sum: only the mean shows whether it counts.
    farther = member._replace(comparison=">", pairs="with candidates")
    skipped = [PHRASES["pairs"]["with candidates"], MEAN_OF_USED]
    if member.ties != "by_value":  # by position, strict shows only in what is left out
        skipped.insert(0, PHRASES["comparison"][">"])
    means = [(member, [] if member.pairs == "once" else [MEAN_OF_USED])]
    means += [(farther, skipped)] * (member.comparison in (">", ">="))
    for counting, own_words in means if words else []:
        shares = used(counting, prober.plain()), used(counting, prober.plain(2 * n, 5))
        rest = words_of(*shares)
        grows, still_grows = (any(w.startswith(GROWS) for w in told) for told in (words, rest))
        if shares[0] < 0.999 and (not rest or (grows and not still_grows)):
            words = [*own_words, *rest]
            break
    else:
        others = words_of(counts_missing=True) if counted else []
    twice = f"{member.views.removesuffix(' only')} twice"
    for constant, possible, views in (
        (f"{CONSTANT_FACTOR} 0.5", member.views in ("separate", "across both"), "mean"),
        (f"{CONSTANT_FACTOR} 2", twice in PHRASES["views"], twice),
    ):
        if possible and constant in words:
            reading.views = views if member.views != "across both" else ""
            words, others = ([w for w in some if w != constant] for some in (words, others))
    reading.factor_words, reading.counted = ", ".join(words), ", ".join(others)
    reading.faults += filter(None, [reading.factor_words])


def mean_over_pairs(member: Member, probe: Probe, by_pair: ByPair) -> float:
    """The weighted sum over pairs of what ``by_pair`` gives."""
    parts = pairs(member, probe.views, probe.labels)
    return sum(float((weight * by_pair(s, chosen)).sum()) for s, chosen, weight in parts)


def read_upstream(prober: Prober, reading: Reading) -> None:
    """Find out whether the gradient scales with the gradient passed to ``backward``."""
    one = prober.plain()
    more = prober.probe(one.views, one.labels, arriving=LOSS_SCALE)
    off = (more.slopes - LOSS_SCALE * one.slopes).norm()
    if off > max(1e-3, prober.limit) * more.slopes.norm():
        reading.faults.append(
            "the backward ignores the gradient that arrives: a loss that is multiplied by a weight "
            "trains as if it were not"
        )


def factor_words(
    at: float, more: float, warmer: float, n: int, rough: float, *, counts_missing: bool = False
) -> list[str]:
    """The factor of the mean over pairs, in words; none if there is none.

    The factor is ``at`` for n rows at temperature 1, ``more`` for 2 n rows, and ``warmer`` for n
    rows at 1.7; ``rough`` is the relative difference of factors that count as equal.
    """
    words, over_base = [], "the loss multiplied by the temperature"
    if math.isclose(warmer / at, WARMER, rel_tol=rough):
        words.append(over_base)
    elif math.isclose(at / warmer, WARMER, rel_tol=rough):
        words.append("the loss divided by the temperature")
    elif not math.isclose(warmer, at, rel_tol=rough):
        words.append(f"a factor of {at:.4g} at temperature 1 and of {warmer:.4g} at {WARMER}")
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
    about, digits = ("", ".4g") if rough < LOW else ("about ", ".2g")
    ratios = ((own, at / by(n), more / by(2 * n)) for own, by in known.items())
    steady = (own[:2] for own in ratios if math.isclose(own[1], own[2], rel_tol=rough))
    by_rows, constant = next(steady, ("", 0.0))
    if not constant:
        grows = f"{GROWS}{math.log2(abs(more / at)):.2g}"
        return [*words, f"{grows} ({at:{digits}} for {n} rows)"]
    of_constant = f"{CONSTANT_FACTOR} {about}{constant:{digits}}"
    if math.isclose(constant, 1, rel_tol=rough):
        of_constant = ""
    elif words == [over_base]:  # over a base temperature
        words, of_constant = [f"{over_base} over {1 / constant:{digits}}"], ""
    return [w for w in (*words, by_rows, of_constant) if w]
