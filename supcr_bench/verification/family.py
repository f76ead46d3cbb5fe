"""The family of losses as data, right members and wrong ones.

A member is a weighted sum over pairs of an anchor i and a partner j,

    sum of W(i,j) (log(contrast(i,j)) - s(i,j)),  contrast(i,j) = eps + sum exp s(i,k), k in S(i,j)

with s the similarity over the temperature, and S(i,j) the candidates; or, with eps in the ratio,
log(exp s(i,j) + eps contrast(i,j)) for s(i,j). Every choice that implementations are known to make
is a field, so that a loss can be found among the members by its numbers. A constant factor changes
only the step size, so it is read last.
"""

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from supcr_bench.verification.phrases import PHRASES

SIMILARITIES: dict[tuple[str, bool | str], str] = {
    ("dot", True): "cosine",
    ("dot", False): "dot",
    ("euclidean", False): "negative_euclidean",
    ("squared", False): "negative_squared_euclidean",
    ("euclidean", True): "negative_euclidean_normalised",
    ("squared", True): "negative_squared_euclidean_normalised",
}
"""The name in a definition of each (similarity, normalised)."""
TWO_VIEWS = (
    "separate",
    "concatenated",
    "first only",
    "second only",
    "averaged rows",
    "interleaved rows",
    "interleaved labels",
    "across",
    "across both",
)
JOINS = ("concatenated", "interleaved")
PLAIN_VIEWS = ("single", "separate", "concatenated")
RULES = ("comparison", "keeps_partner", "pairs", "self_candidate", "measured", "ties")
"""The fields of a member that choose pairs and candidates."""
NUMBERS = ("temperature", "partner", "eps", "eps_rule", "odd")
"""The fields of a member that say what its terms are, of given similarities and candidates."""
rule_of = operator.attrgetter(*RULES[:-1])
"""The fields that choose pairs and candidates where labels do not tie."""
numbers_of = operator.attrgetter(*NUMBERS)
EARLY = ">= one place before"
"""A comparison of positions in a sort alone."""
COMPARISONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    ">=": torch.ge,
    ">": torch.gt,
    "<=": torch.le,
    "<": torch.lt,
    EARLY: lambda place, limit: place >= limit - 1,
}
STRICT = (">", "<")
WHOLE = ("truncated", "rounded")
"""What is measured where labels become whole numbers."""
DETACHED = "contrast_detached"
"""The gradient that goes through no denominator."""
NOTHING = -1e6
"""The logarithm of an empty sum, as a finite number."""
Views = Tensor | Sequence[Tensor]
"""The rows of each view."""


class Member(NamedTuple):
    """One member of the family; ``PHRASES`` says what each choice means.

    A tuple, since a reading makes and looks up tens of thousands.

    Attributes:
        similarity: ``dot``; a negative distance (``euclidean``, ``squared`` or ``manhattan``); or
            one of the odd similarities of ``PHRASES``.
        keeps_partner: whether j is in S(i,j), whatever the comparison says; if not, it is where
            label distances from the partner say so.
        normalised: whether rows are divided by their norms first; or ``columns`` are, or the
            ``views``, each element over both.
        eps: in the denominator; 0 for none.
        temperature: what s is divided by; negative where its sign is turned.
        partner: what multiplies the partner's s where that has another temperature.
        gradient: what it does not reach, a key of ``PHRASES``; empty if it reaches all.
        low, high: where similarities are cut, before the division by the temperature.
        odd: what is computed in place of log(contrast) - s, a key of ``PHRASES``; empty if that is.
    """

    similarity: str = "dot"
    normalised: bool | str = True
    views: str = "separate"
    comparison: str = ">="
    keeps_partner: bool = True
    pairs: str = "all"
    self_candidate: str = "never"
    measured: str = "anchor"
    ties: str = "by_value"
    label_distance: str = "per_dimension"
    eps: float = 0.0
    eps_rule: str = "added"
    temperature: float = 1.0
    partner: float = 1.0
    gradient: str = ""
    odd: str = ""
    low: float = -math.inf
    high: float = math.inf

    def faults(self) -> int:
        """The number of choices, also on ties and on the anchor, that are not the plain ones."""
        plain = Member()
        names = (*RULES, "gradient", "odd", "low", "high")
        odd = [n for n in names if getattr(self, n) != getattr(plain, n)]
        return len(odd) + (self.views not in PLAIN_VIEWS)

    @property
    def kind(self) -> "Member":
        """The plain member of the same similarities and label differences."""
        return _of_kind(*fields_of_kind(self))

    @property
    def joined(self) -> bool:
        """Whether the views are joined into one batch of 2N rows."""
        return self.views.startswith(JOINS)


KIND = [f for f in Member._fields if f not in {*RULES, *NUMBERS} or f == "measured"]
"""The fields that similarities and label differences depend on."""
fields_of_kind = operator.attrgetter(*KIND)


@functools.cache
def _of_kind(*values: Any) -> Member:
    own = Member()._replace(**dict(zip(KIND, values, strict=True)))
    own = own._replace(gradient="") if own.gradient == DETACHED else own
    return own if own.measured in CHANGED_LABELS else own._replace(measured="anchor")


def ranks_of(labels: Tensor) -> Tensor:
    """[N, D] ranks of labels among those of a dimension, the same for equal labels."""
    columns = [torch.unique(column, return_inverse=True)[1] for column in labels.T]
    return torch.stack(columns, 1).to(labels).where(~labels.isnan(), labels)


CHANGED_LABELS: dict[str, Callable[[Tensor], Tensor]] = {
    "truncated": torch.trunc,
    "rounded": torch.round,
    "ranked": ranks_of,
}
"""What is measured where labels are changed first, and how."""


@functools.cache
def _rules() -> list[tuple[tuple[Any, ...], str, int]]:
    """Each choice of candidates in one dimension, its rule for ties, and its number of faults."""
    values = list(itertools.product(*(PHRASES[name] for name in RULES)))
    return [(v, v[-1], Member("dot", True, "single", *v).faults()) for v in values]


@functools.cache
def structures(
    views: tuple[str, ...],
    similarities: tuple[tuple[str, bool | str], ...],
    most_faults: int = 99,
    *,
    tied: bool = True,
    temperature: float = 1.0,
) -> tuple[Member, ...]:
    """Members that differ in the views, the similarity and the candidates of one dimension.

    If labels are not ``tied`` and views not joined, members that differ only on ties are left out.
    """
    return tuple(
        Member(*similarity, how, *chosen)._replace(temperature=temperature)
        for how, similarity in itertools.product(views, similarities)
        for chosen, ties, faults in _rules()
        if faults + (how not in PLAIN_VIEWS) <= most_faults
        and (tied or ties == "by_value" or how.startswith(JOINS))
    )


def stacked_rows(
    how: str, first: Tensor, second: Tensor, labels: Tensor
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The anchors, other rows [..., n, d] and labels [n, D] of each batch of a member's loss."""
    both = torch.cat((first, second), dim=-2)
    mean = (first + second) / 2
    twice = torch.cat((labels, labels))
    interleaved = torch.stack((first, second), dim=-2).flatten(-3, -2)
    return {
        "single": [(first, first, labels)],
        "first only": [(first, first, labels)],
        "second only": [(second, second, labels)],
        "separate": [(first, first, labels), (second, second, labels)],
        "averaged rows": [(mean, mean, labels)],
        "concatenated": [(both, both, twice)],
        "concatenated first": [(torch.cat((first, first), dim=-2),) * 2 + (twice,)],
        "interleaved rows": [(interleaved, interleaved, twice)],
        "interleaved labels": [(both, both, labels.repeat_interleave(2, dim=0))],
        "across": [(first, second, labels)],
        "across both": [(first, second, labels), (second, first, labels)],
    }[how]


def label_difference(how: str, labels: Tensor) -> Tensor:
    """[n, n] signed label differences, or distances; with one label dimension, its differences."""
    difference = labels.unsqueeze(0) - labels.unsqueeze(1)
    joint: dict[str, Callable[[], Tensor]] = {
        "per_dimension": lambda: difference.squeeze(-1),
        "first": lambda: difference[..., 0],
        "last": lambda: difference[..., -1],
        "l1": lambda: difference.abs().sum(-1),
        "l2": lambda: difference.norm(dim=-1),
        "max": lambda: difference.abs().amax(-1),
        "sum": lambda: difference.sum(-1),
    }
    return joint[how]()


def similarities(rows: Tensor, others: Tensor, member: Member) -> Tensor:
    """[..., n, n] similarities before the division by the temperature."""
    if member.normalised in (True, "columns"):
        axis = -1 if member.normalised is True else -2
        rows, others = (x / x.norm(dim=axis, keepdim=True).clamp(min=1e-12) for x in (rows, others))
    of_product: dict[str, Callable[[Tensor], Tensor]] = {
        "dot": lambda x: x,
        "exponential": torch.exp,
        "absolute": torch.abs,
        "square": torch.square,
        "angle": lambda x: -x.clamp(-1 + 1e-12, 1 - 1e-12).acos(),
    }
    if member.similarity in of_product:
        return of_product[member.similarity](rows @ others.mT)
    power = 1.0 if member.similarity == "manhattan" else 2.0
    d = torch.cdist(rows, others, p=power, compute_mode="donot_use_mm_for_euclid_dist")
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "squared": lambda d: -d.square(),
        "gaussian": lambda d: (-d.square()).exp(),
        "student": lambda d: 1 / (1 + d.square()),
        "laplacian": lambda d: (-d).exp(),
        "inverse": lambda d: 1 / (1 + d),
    }
    return functions.get(member.similarity, torch.neg)(d)


def losses(member: Member, views: Views, labels: Tensor) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield the parts of a member's loss; its temperature, eps and candidates do not matter.

    The ``views`` are [..., N, d] each, one or two; of ``labels`` [N, D], a row without one is left
    out. A part has [..., n, n] similarities before the division by the temperature, [n, n] signed
    label differences or distances, and a weight.
    """
    first, second = views[0], views[-1]
    if member.normalised == "views":
        length = torch.stack((first, second)).norm(dim=0)
        first, second = first / length, second / length
    labels = CHANGED_LABELS.get(member.measured, torch.clone)(labels)
    for rows, others, y in stacked_rows(member.views, first, second, labels):
        rows = rows.detach() if member.gradient == "anchors_detached" else rows
        others = others.detach() if member.gradient == "others_detached" else others
        s = similarities(rows, others, member).clamp(member.low, member.high)
        groups = [*y.T.unsqueeze(2)] if member.label_distance == "per_dimension" else [y]
        for group in groups:
            kept = ~group.isnan().any(dim=1)
            if int(kept.sum()) > 1:
                difference = label_difference(member.label_distance, group[kept])
                left = s if bool(kept.all()) else s[..., kept, :][..., kept]
                yield left, difference, 1 / len(groups)


def places(member: Member, difference: Tensor) -> Tensor:
    """[n, n]: what a member compares: label distances, or their positions in each row's sort."""
    signs = {"signed": difference, "signed turned": -difference}
    place = signs.get(member.measured, difference.abs())
    if member.ties == "by_value":
        return place
    sign = 1 if member.ties == "by_position" else -1
    if member.comparison == EARLY:  # the sort leaves out the anchor
        place = place - torch.eye(len(place), dtype=place.dtype)
    return sign * (sign * place).argsort(dim=1, stable=True).argsort(dim=1)


def pair_weights(member: Member, others: Tensor, itself: Tensor) -> Tensor:
    """[B, n]: the weight W of each pair of B anchors.

    ``others`` [B, n] says whether a pair has candidates other than the anchor, and ``itself``
    [B, n] where a partner is the anchor itself.
    """
    n = itself.shape[1]
    partner = torch.arange(n)

    def anchor() -> Tensor:
        return itself.int().argmax(1, keepdim=True)

    odd: dict[str, Callable[[], Tensor]] = {
        "once, the later first": lambda: partner < anchor(),
        "anchors of the first view": lambda: (anchor() * 2 < n).expand_as(itself),
        "of one view": lambda: (anchor() * 2 < n) == (partner * 2 < n),
        "of two views": lambda: (anchor() * 2 < n) != (partner * 2 < n),
    }
    usual: dict[str, Callable[[], Tensor]] = {
        "with candidates": lambda: others,
        "by anchor": lambda: others,
        "once": lambda: partner > anchor(),
    }
    if member.pairs == "with itself":
        across = member.views.startswith("across")
        return torch.ones_like(itself).double() / (n * (n if across else n - 1))
    used = ~itself & (odd | usual).get(member.pairs, lambda: ~itself)()
    if member.pairs in odd:
        return used.double() / used.sum().clamp(min=1)
    if member.pairs == "by anchor":
        return used.double() / used.sum(1, keepdim=True).clamp(min=1) / n
    return used.double() / (n * (n - 1))


def candidates(
    member: Member, difference: Tensor, anchors: slice = slice(None)
) -> tuple[Tensor, Tensor]:
    """[i, j, k]: whether k is in S(i,j); and [i, j]: the weight W of each pair.

    ``difference`` holds [n, n] signed label differences, or distances; ``anchors`` are the rows i.
    """
    n, place = len(difference), places(member, difference)
    own = place[anchors]
    limit = place.unsqueeze(0) if member.measured == "candidate" else own.unsqueeze(2)
    place = place.unsqueeze(0) if member.measured == "partner" else own.unsqueeze(1)
    chosen = COMPARISONS[member.comparison](place, limit).expand(len(own), n, n)
    partner = _diagonal(n)
    itself = partner[anchors]
    if not member.keeps_partner and member.measured != "partner":
        chosen = chosen & ~partner
    others = chosen & ~itself.unsqueeze(1)
    if member.self_candidate == "never":
        chosen = others
    elif member.self_candidate == "always":
        chosen = chosen | itself.unsqueeze(1)
    if member.keeps_partner and (member.comparison in STRICT or member.measured == "partner"):
        chosen = chosen | partner
    return chosen, pair_weights(member, others.any(-1), itself)


@functools.cache
def _diagonal(n: int) -> Tensor:
    """[n, n]: where both rows are the same."""
    return torch.eye(n, dtype=torch.bool)


def pairs(member: Member, views: Views, labels: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the similarities, candidates and weights of each loss that a member adds up."""
    for s, difference, share in losses(member, views, labels):
        chosen, weight = candidates(member, difference)
        yield s / member.temperature, chosen, weight * share
