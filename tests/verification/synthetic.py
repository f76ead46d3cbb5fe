"""A synthetic family of losses, with the departures that people make, one or several at once.

The losses choose the candidates of each pair in plain loops and share no code with the product, so
that they test what recognition says of them.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Rules:
    """How a loss is computed; the values are those of the paper's loss.

    Attributes:
        compared: how d(i,k) compares with d(i,j) for a candidate k.
        kept: whether the partner is a candidate under a strict comparison.
        pairs: ``all``, ``with candidates``, ``once``, or ``with itself`` for the diagonal too.
        mean: over all ``pairs``, over the pairs ``left``, or first over those of each ``anchor``.
        tolerance: the largest difference of label distances that counts as a tie.
        temperature: (partner's similarity, others) are divided by these.
        factor: of the number of rows and the temperature.
    """

    similarity: str = "euclidean"
    normalised: bool = False
    sign: float = 1.0
    views: str = "concatenated"
    compared: str = ">="
    kept: bool = True
    pairs: str = "all"
    mean: str = "pairs"
    anchor: str = "never"
    measured: str = "anchor"
    ties: str = "value"
    tolerance: float = 0.0
    labels: str = "l1"
    signed: bool = False
    whole: bool = False
    eps: float = 0.0
    clamped: bool = False
    temperature: Callable[[float], tuple[float, float]] = lambda t: (t, t)
    default: float = 2.0
    factor: Callable[[int, float], float] = lambda n, t: 1.0
    precision: torch.dtype | None = None
    detached: str = ""
    maximum: bool = False
    missing: str = "refused"
    added: float = 0.0
    gradient: float = 1.0


PAPER = Rules()
NO_SELF = Rules(
    similarity="dot",
    normalised=True,
    views="sum",
    labels="each",
    default=0.1,
    missing="dropped per dimension",
)
BASES = {"rank-n-contrast": PAPER, "no-self": NO_SELF}
DEFINED: dict[str, dict[str, Any]] = {
    "rank-n-contrast": {"similarity": "euclidean", "normalised": False, "views": "concatenated"}
    | {"labels": "l1", "default": 2.0, "missing": "refused"},
    "no-self": {"similarity": "dot", "normalised": True, "views": "sum", "labels": "each"}
    | {"default": 0.1, "missing": "dropped per dimension"},
    "torchcell": {"similarity": "dot", "normalised": True, "views": "sum", "labels": "each"}
    | {"default": 0.1, "missing": "dropped per dimension", "anchor": "tied"}
    | {"eps": 1e-7, "clamped": True},
}
"""What each shipped definition says by its name alone."""
BEYOND: dict[str, Callable[[float, float, float], bool]] = {
    ">=": lambda a, b, tolerance: a >= b - tolerance,
    ">": lambda a, b, tolerance: a > b + tolerance,
    "<=": lambda a, b, tolerance: a <= b + tolerance,
    "<": lambda a, b, tolerance: a < b - tolerance,
}
"""How two label distances compare, up to a tolerance."""


class _Loss:
    """A loss with the temperature of its constructor."""

    rules: Rules

    def __init__(self, temperature: float) -> None:
        self.tau = temperature

    def of_views(self, first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
        r = self.rules
        labels = labels.reshape(len(labels), -1)
        if r.missing == "refused" and labels.isnan().any():
            raise ValueError("a label is missing")
        if r.missing == "zero":
            labels = labels.nan_to_num(0.0)
        if r.missing == "dropped":
            valid = ~labels.isnan().any(1)
            first, second, labels = first[valid], second[valid], labels[valid]
        if r.whole:
            labels = labels.trunc()
        first = first.detach() if r.detached == "first" else first
        second = second.detach() if r.detached == "second" else second
        batches = {
            "single": [first],
            "first only": [first],
            "second only": [second],
            "averaged": [(first + second) / 2],
            "sum": [first, second],
            "mean": [first, second],
            "interleaved rows": [torch.stack((first, second), 1).flatten(0, 1)],
        }.get(r.views, [torch.cat((first, second))])
        if len(batches[0]) == 2 * len(labels):
            interleaved = r.views == "interleaved labels"
            labels = labels.repeat_interleave(2, 0) if interleaved else torch.cat((labels, labels))
        loss = torch.stack([self.of_batch(rows, labels) for rows in batches]).sum()
        loss = loss / 2 if r.views == "mean" else loss
        return r.gradient * loss + (1 - r.gradient) * loss.detach() + r.added

    def of_batch(self, rows: Tensor, labels: Tensor) -> Tensor:
        dtype = rows.dtype
        rows = rows.to(self.rules.precision or dtype)
        each = self.rules.labels == "each"
        columns = [labels[:, c : c + 1] for c in range(labels.shape[1])] if each else [labels]
        losses = []
        for column in columns:
            valid = ~column.isnan().any(1)
            losses.append(self.of_labels(rows[valid], column[valid]))
        return torch.stack(losses).mean().to(dtype)

    def label_distances(self, y: Tensor) -> list[list[float]]:
        difference = y[None] - y[:, None]
        if self.rules.signed:
            one = {"first": slice(1), "last": slice(-1, None)}.get(self.rules.labels, slice(None))
            return difference[..., one].sum(-1).tolist()
        how: dict[str, Callable[[], Tensor]] = {
            "first": lambda: difference[..., 0].abs(),
            "last": lambda: difference[..., -1].abs(),
            "sum": lambda: difference.sum(-1).abs(),
            "l2": lambda: difference.square().sum(-1).sqrt(),
            "max": lambda: difference.abs().amax(-1),
        }
        return how.get(self.rules.labels, lambda: difference.abs().sum(-1))().tolist()

    def ranks(self, distances: list[list[float]]) -> list[list[float]]:
        ranks = [list(row) for row in distances]
        for row, own in zip(distances, ranks, strict=True):
            if self.rules.ties == "position":
                for place, k in enumerate(sorted(range(len(row)), key=lambda k: row[k])):
                    own[k] = place
            elif self.rules.ties == "from the end":
                for place, k in enumerate(sorted(range(len(row)), key=lambda k: -row[k])):
                    own[k] = -place
        return ranks

    def candidates(self, rank: list[list[float]], i: int, j: int) -> tuple[list[bool], bool]:
        """Which rows are candidates of a pair, and whether the pair counts."""
        r = self.rules
        chosen = []
        for k in range(len(rank)):
            near = rank[j][k] if r.measured == "partner" else rank[i][k]
            limit = rank[k][j] if r.measured == "candidate" else rank[i][j]
            inside = BEYOND[r.compared](near, limit, r.tolerance)
            if k == i:
                inside = r.anchor == "always" or (r.anchor == "tied" and inside)
            chosen.append(inside)
        counts = r.pairs != "with candidates" or any(chosen[:i]) or any(chosen[i + 1 :])
        counts = counts and (i != j or r.pairs == "with itself") and (r.pairs != "once" or j > i)
        chosen[j] = chosen[j] or (r.compared in (">", "<") and r.kept)
        return chosen, counts

    def similarities(self, rows: Tensor) -> Tensor:
        r = self.rules
        if r.normalised:
            rows = functional.normalize(rows, dim=1)
        if r.similarity == "dot":
            return r.sign * (rows @ rows.T)
        squares = (rows[:, None] - rows[None]).square().sum(-1)
        if r.similarity == "squared":
            return -r.sign * squares
        apart = squares > 0
        return -r.sign * torch.where(apart, squares.where(apart, squares + 1).sqrt(), 0.0)

    def of_labels(self, rows: Tensor, y: Tensor) -> Tensor:
        r, n = self.rules, len(rows)
        if n < 2:
            return rows.sum() * 0.0
        plain, rank = self.similarities(rows), self.ranks(self.label_distances(y))
        of_partner, of_others = r.temperature(self.tau)
        s = plain / of_others
        shift = s.detach().max() if r.maximum else 0.0
        e = (s - shift).exp()
        pairs = [self.candidates(rank, i, j) for i, j in itertools.product(range(n), repeat=2)]
        chosen = torch.tensor([rows for rows, _ in pairs]).view(n, n, n)
        counted = torch.tensor([counts for _, counts in pairs]).view(n, n)
        if not counted.any():
            return rows.sum() * 0.0
        contrast = torch.where(chosen, e[:, None], 0.0)[counted].sum(1)
        contrast = contrast.clamp(min=r.eps) if r.clamped else contrast + r.eps
        contrast = contrast.detach() if r.detached == "denominator" else contrast
        every = contrast.log() + shift - plain[counted] / of_partner
        if r.mean == "anchor":
            of_anchor = counted.sum(1, keepdim=True).expand(n, n)[counted]
            loss = (every / of_anchor).sum() / n
        else:
            loss = every.sum() / (len(every) if r.mean == "left" else n * (n - 1))
        return loss * r.factor(n, self.tau)


def make_loss(rules: Rules) -> type[_Loss]:
    """A class of losses that takes two views, or one where its rules say so."""

    class TwoViews(_Loss):
        def __init__(self, temperature: float = rules.default) -> None:
            super().__init__(temperature)

        def __call__(self, z1: Tensor, z2: Tensor, labels: Tensor) -> Tensor:
            return self.of_views(z1, z2, labels)

    class OneView(_Loss):
        def __init__(self, temperature: float = rules.default) -> None:
            super().__init__(temperature)

        def __call__(self, features: Tensor, labels: Tensor) -> Tensor:
            return self.of_views(features, features, labels)

    made = OneView if rules.views == "single" else TwoViews
    made.rules = rules
    return made


@dataclass(frozen=True)
class Departure:
    """One departure.

    Attributes:
        words: regular expressions for what must be said; some of ``PART_OF`` a bundle only where
            that part of it changes a number.
        fault: whether it is a fault, by the rules of the whole loss.
        changes: fields of ``Rules``.
        bases: the bases that it departs from.
    """

    words: tuple[str, ...]
    fault: Callable[[Rules], bool]
    changes: dict[str, Any]
    bases: tuple[str, ...] = tuple(BASES)

    def departs(self, base: str) -> bool:
        changed = any(getattr(BASES[base], n) != value for n, value in self.changes.items())
        return changed and base in self.bases


def _choice(*words: str, **changes: Any) -> Departure:
    return Departure(words, lambda _: False, changes)


def _fault(*words: str, **changes: Any) -> Departure:
    return Departure(words, lambda _: True, changes)


def _powers(partner: float, others: float) -> Callable[[float], tuple[float, float]]:
    return lambda t: (t**partner, t**others)


def _temperature_departures() -> dict[str, Departure]:
    laws = {
        "squared": ("similarities divided by the temperature squared", _powers(2, 2)),
        "multiplies": ("similarities multiplied by the temperature", _powers(-1, -1)),
        "root": ("similarities divided by the root of the temperature", _powers(0.5, 0.5)),
        "of the denominator alone": ("partner's similarity is not divided", _powers(0, 1)),
        "of the partner alone": ("only the partner's similarity is divided", _powers(1, 0)),
        "ignored": ("temperature argument is not read", lambda t: (0.5, 0.5)),
    }
    return {
        f"temperature {name}": _fault(words, temperature=law) for name, (words, law) in laws.items()
    }


def _similarity_departures() -> dict[str, Departure]:
    names = {
        ("dot", True): "cosine similarity",
        ("dot", False): "dot product without normalisation",
        ("euclidean", False): "negative Euclidean distance$",
        ("squared", False): "negative squared Euclidean distance$",
        ("euclidean", True): "negative Euclidean distance of normalised rows",
        # At twice the temperature, it is the cosine, but for a constant that cancels.
        ("squared", True): "negative squared Euclidean distance of normalised rows|cosine",
    }
    made = {}
    for (kind, normalised), words in names.items():
        name = f"{kind}, {'normalised' if normalised else 'raw'}"
        same = {"similarity": kind, "normalised": normalised}
        made[name] = _choice(words, **same)
    return made


def _factor_departures() -> dict[str, Departure]:
    squared, rows = "divided by M\\^2 in place", "divided by M in place"
    factors: dict[str, tuple[tuple[str, ...], Callable[[int, float], float]]] = {
        "over M^2": ((squared,), lambda n, t: (n - 1) / n),
        "over M": ((rows,), lambda n, t: n - 1),
        "a sum": (("not divided by the number of pairs",), lambda n, t: n * (n - 1)),
        "over a further N": (("a further N($|,)",), lambda n, t: 1 / n),
        "over a further N^2": (("a further N\\^2",), lambda n, t: 1 / n**2),
        "twice": (("factor of 2($|,)|losses summed",), lambda n, t: 2.0),
        "a third": (("factor of 0.3333",), lambda n, t: 1 / 3),
        "times the temperature": (("the loss multiplied by the temperature",), lambda n, t: t),
        "over the temperature": (("the loss divided by the temperature",), lambda n, t: 1 / t),
        "temperature over base": (
            ("the loss multiplied by the temperature over 0.07",),
            lambda n, t: t / 0.07,
        ),
    }
    return {name: _fault(*words, factor=law) for name, (words, law) in factors.items()}


STRICT, REVERSED = "strict inequality", "reversed inequality|reversed and strict"
OUT, SKIPPED = "partner itself left out", "no other candidate left out"
LEFT = "the mean is over the pairs that are left"
BY_ANCHOR = "a mean taken for each anchor"
SKIPS: dict[str, Any] = {"pairs": "with candidates"}
PART_OF = {STRICT: "compared", OUT: "kept", SKIPPED: "pairs", LEFT: "mean", "eps": "eps"}
"""The field of ``Rules`` that each of these words is about."""
DEPARTURES: dict[str, Departure] = {
    "strict": _fault(STRICT, compared=">"),
    "strict, skips": _fault(STRICT, compared=">", **SKIPS),
    "strict, mean of pairs left": _fault(STRICT, LEFT, compared=">", mean="left", **SKIPS),
    "strict, mean by anchor": _fault(STRICT, BY_ANCHOR, compared=">", mean="anchor", **SKIPS),
    "partner left out": _fault(STRICT, OUT, SKIPPED, compared=">", kept=False, **SKIPS),
    "partner left out, mean of pairs left": _fault(
        STRICT, OUT, LEFT, compared=">", kept=False, mean="left", **SKIPS
    ),
    "partner left out, mean by anchor": _fault(
        STRICT, OUT, BY_ANCHOR, compared=">", kept=False, mean="anchor", **SKIPS
    ),
    "partner left out, eps": _fault(STRICT, OUT, "eps", compared=">", kept=False, eps=1e-8),
    "partner left out, log of 0": _fault(f"{OUT}|not finite", compared=">", kept=False),
    "reversed": _fault(REVERSED, compared="<="),
    "reversed strict": _fault(REVERSED, compared="<"),
    "reversed strict, partner left out": _fault(REVERSED, OUT, compared="<", kept=False, **SKIPS),
    "diagonal kept": _fault("diagonal is not removed", pairs="with itself"),
    "each pair once": _fault("each pair counted once", pairs="once"),
    **_similarity_departures(),
    "similarity turned": _fault("sign turned|wrong sign", sign=-1.0),
    "views summed": _choice("losses summed", views="sum"),
    "views averaged": _choice("mean of the views' losses", views="mean"),
    "views concatenated": _choice("views concatenated", views="concatenated"),
    "single view": _choice("a single view", views="single"),
    "first view only": _fault("only the first view|no gradient reaches", views="first only"),
    "second view only": _fault("only the second view|no gradient reaches", views="second only"),
    "rows averaged": _fault("averaged into one", views="averaged"),
    "rows interleaved": _fault("rows interleaved", views="interleaved rows"),
    "labels interleaved": _fault("labels interleaved", views="interleaved labels"),
    "each label dimension": _choice("one loss for each label dimension", labels="each"),
    "labels l1": _choice("L1 label distance", labels="l1"),
    "labels l2": _choice("Euclidean label distance", labels="l2"),
    "labels max": _choice("largest label difference", labels="max"),
    "first label": _fault("first label dimension only", labels="first"),
    "last label": _fault("last label dimension only", labels="last"),
    "labels summed": _fault("summed labels", labels="sum"),
    "labels signed": _fault("with their sign|signed label differences", signed=True),
    "labels whole": _fault("cut to whole numbers", whole=True),
    # The note counts the anchor, whose cosine is 1: with a dot product that is a choice.
    "anchor when tied": Departure(
        ("itself among the candidates when",),
        lambda rules: rules.similarity != "dot",
        {"anchor": "tied"},
    ),
    "anchor always": _fault("itself always among", anchor="always"),
    "sort position": _fault("ties taken by sort position:", ties="position"),
    "sort position from the end": _fault("position from the far end", ties="from the end"),
    "tolerance 1e-6": _choice("below about 1e-06 counted as ties", tolerance=1e-6),
    "tolerance 1e-4": _choice("below about 0.0001 counted as ties", tolerance=1e-4),
    # Where the views are apart and the anchor is left out, some of its sums are empty.
    "measured from the partner": _fault("measured from the partner|not finite", measured="partner"),
    "measured from the candidate": _fault("measured from the candidate", measured="candidate"),
    **_factor_departures(),
    **{
        f"eps {size:g} {rule}": _choice(
            f"{'clamped at eps' if rule == 'floor' else 'eps added'}[^(]*\\({size:.3g}",
            eps=size,
            clamped=rule == "floor",
        )
        for size in (1e-12, 1e-10, 1e-8, 1e-6, 1e-4)
        for rule in ("added", "floor")
    },
    **_temperature_departures(),
    "default temperature 0.5": _choice("default temperature of 0.5", default=0.5),
    "default temperature 0.07": _choice("default temperature of 0.07", default=0.07),
    "float32": _choice(precision=torch.float32),
    "bfloat16": _fault("computed in bfloat16", precision=torch.bfloat16),
    "denominator detached": _fault("denominator's gradient detached", detached="denominator"),
    "first view detached": _fault(
        "first .* gradient detached|no gradient reaches", detached="first"
    ),
    "second view detached": _fault(
        "second .* gradient detached|no gradient reaches", detached="second"
    ),
    "maximum subtracted": _choice(maximum=True),
    "missing: rows dropped": Departure(
        ("missing label dropped|missing, not per dimension",),
        lambda rules: rules.labels == "each",
        {"missing": "dropped"},
    ),
    "missing: zeros": Departure(
        ("missing labels not supported",), lambda _: False, {"missing": "zero"}, ("no-self",)
    ),
    "missing: refused": _choice("missing labels not supported", missing="refused"),
    "a constant added": _fault("constant of 0.7 is added", added=0.7),
    "gradient of twice the loss": _fault("gradient is 2 times", gradient=2.0),
}


def depart(base: str, names: Iterable[str]) -> Rules:
    """The rules of a base with the departures of these names."""
    rules = BASES[base]
    for name in names:
        rules = replace(rules, **DEPARTURES[name].changes)
    return rules


def clash(a: str, b: str) -> bool:
    """Whether two departures change the same field."""
    return bool(DEPARTURES[a].changes.keys() & DEPARTURES[b].changes.keys())
