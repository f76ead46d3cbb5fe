"""What was read of a loss: the member of the family that it is, and what departs from it."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from supcr_bench.values.definition import DEFINITIONS, DEPARTS, TORCHCELL, Call, Definition
from supcr_bench.values.units import listed
from supcr_bench.verification.family import EARLY, SIMILARITIES, Member
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import Fit, Probe

JOINED = {"sum": "separate", "mean": "separate", "concatenate": "concatenated", "single": "single"}
"""A member's word for the use of views, for each word of a definition."""
FAULTS = ("odd", "comparison", "pairs", "measured", "ties", "gradient")
"""Fields of a member that have only one right value, for all definitions."""
LARGE_EPS = 0.1
"""A larger eps is no choice, but a fault."""
ONE_ADDED = "exp(0) = 1 in the denominator, as eps of 1 or a mask that multiplies logits adds it"
WEIGHTS = {"self_candidate": 2.0, "eps": 0.5, "nan_labels": 0.25, "temperature": 0.25}
"""The weight of a departure in the search for the nearest definition; others have weight 1."""


@dataclass(slots=True)
class Reading:
    """The choices that a loss was found to make.

    Attributes:
        member: the choices, with the given or the default temperature; ``None`` if none fits.
        default_temperature: the loss's temperature if none is given.
        factors: factor of the gradient of the mean over pairs: on a batch of few rows, and on one
            of twice as many.
        sign: -1 if the gradient points the wrong way.
        ratio: the loss divided by the loss that fits its gradient; NaN if unknown.
        shift: constant added to the loss.
        factor_words: the factor in words, which are among the faults too.
        counted: the factor in words if missing labels are counted; else empty.
        views: the views, where the factor tells more than the member: their mean, or one twice.
        nan_labels: rule for missing labels, a key of ``PHRASES``; empty if unknown.
        renormalises: whether a dimension without a pair gives its weight to the others.
        choices: what else departs from a plain member by choice, in words.
        faults: what departs in another way than by a field of the member, in words.
        smallest: about the smallest denominator that was seen; a much smaller eps stays unknown.
        complete: whether all was read; if not, ties, eps and missing labels are unknown.
        float32: whether it computes float64 inputs in float32.
    """

    member: Member | None = None
    default_temperature: float | None = None
    factors: list[float] = field(default_factory=list)
    sign: int = 1
    ratio: float = 1.0
    shift: float = 0.0
    factor_words: str = ""
    counted: str = ""
    views: str = ""
    several_dimensions: bool = False
    nan_labels: str = ""
    renormalises: bool = False
    choices: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    smallest: float = 0.0
    complete: bool = False
    float32: bool = False

    def value_error(self, fit: Fit, probe: Probe) -> float:
        """Relative difference of a loss and the loss that its gradient implies; 0 if unknown."""
        right = fit.value * self.ratio + self.shift
        return 0.0 if math.isnan(right) else abs(right - probe.loss) / abs(probe.loss or 1.0)


def member_of(definition: Definition) -> Member:
    kind = next(kind for kind, name in SIMILARITIES.items() if name == definition.similarity)
    return Member(
        similarity=kind[0],
        normalised=kind[1],
        views=JOINED[definition.views],
        self_candidate=definition.self_candidate,
        label_distance=definition.label_distance,
        eps=definition.eps or 0.0,
        eps_rule=definition.eps_rule if definition.eps else "added",
        temperature=definition.temperature,
    )


def views_of(reading: Reading) -> str:
    """The use of views, in a definition's word if there is one, else in the member's."""
    assert reading.member is not None
    usual = {"separate": "sum", "concatenated": "concatenate"}
    return reading.views or usual.get(reading.member.views, reading.member.views)


Departures = dict[str, tuple[str, object]]
"""Choices in which a loss departs from a definition, by the name of a definition's field or of a
member's: what it does in words, and the value of the definition's field that describes it; ``None``
for a fault, which no definition describes."""


def departures(reading: Reading, definition: Definition) -> Departures:
    m = reading.member
    if m is None:
        return {}
    found: Departures = {}

    def depart(field: str, choice: Any, value: object = None) -> None:
        found[field] = PHRASES[field][choice], value

    similarity = SIMILARITIES.get((m.similarity, m.normalised))
    if similarity is None:
        odd = PHRASES["normalised"].get(m.normalised)
        of_rows = " of normalised rows" if m.normalised else ""
        found["similarity"] = odd or PHRASES["odd similarity"][m.similarity] + of_rows, None
    elif similarity != definition.similarity:
        depart("similarity", similarity, similarity)
    if m.temperature < 0:
        depart("sign", True)
    views = views_of(reading)
    if views != definition.views:
        depart("views", views, views if views in JOINED else None)
    joint = m.label_distance
    signed = m.measured.startswith("signed") and joint == "sum"  # which is said there
    if reading.several_dimensions and joint != definition.label_distance and not signed:
        depart("label_distance", joint, None if joint in ("first", "last", "sum") else joint)
    strict = m.comparison == ">" and m.self_candidate != "always"  # the anchor is nearest
    across = m.views.startswith("across")  # where i is the partner in the other view
    # As far from the partner as itself, it is a candidate, which is said there.
    counted = m.measured == "partner" and m.self_candidate == "when_tied" and m.comparison == ">="
    own = m.self_candidate == definition.self_candidate or strict or across or counted
    if not own and reading.complete:
        depart("self_candidate", m.self_candidate)
        if m.self_candidate == "always" and m.similarity != "dot":
            found["self_candidate"] = f"{found['self_candidate'][0]} ({ONE_ADDED})", None
    plain = Member(pairs=m.pairs if across else "all")
    for name in FAULTS:
        chosen = getattr(m, name)
        if chosen != getattr(plain, name) and chosen != EARLY:
            depart("odd pairs" if chosen in PHRASES["odd pairs"] else name, chosen)
    if counted:
        found["measured"] = f"{found['measured'][0]}, which is itself a candidate then", None
    for where, limit in (("below", m.low), ("above", m.high)):
        if math.isfinite(limit):
            found["cut"] = f"similarities cut {where} {limit:.3g}", None
    if m.ties != "by_value" and m.comparison == ">" and not m.keeps_partner:
        del found["ties"]
        found["comparison"] = PHRASES["sort"]["late"], None
    elif m.comparison == EARLY:
        found["ties"] = PHRASES["sort"]["early"], None
    elif not m.keeps_partner and m.measured != "partner":
        before = f"{found['comparison'][0]}, " if "comparison" in found else ""
        found["comparison"] = before + PHRASES["keeps_partner"][False], None
    eps = (m.eps, m.eps_rule if m.eps else "")
    right = (definition.eps or 0.0, definition.eps_rule if definition.eps else "")
    hidden = not m.eps and (definition.eps or 0.0) < 1e-2 * reading.smallest
    if reading.complete and eps != right and not hidden:
        words = PHRASES["eps"][m.eps_rule if m.eps else "none"]
        found["eps"] = words + (f" ({m.eps:.3g})" if m.eps else ""), m.eps
        if m.eps > LARGE_EPS:
            one = f", {ONE_ADDED}" if math.isclose(m.eps, 1, rel_tol=1e-2) else ""
            found["eps"] = f"{found['eps'][0]}{one}, which ordinary denominators show", None
    rule, missing = reading.nan_labels, definition.nan_labels
    joins = joint in ("l1", "l2", "max") and rule == "drop_row" and missing != "unsupported"
    if rule and not reading.counted:
        if reading.renormalises and definition.empty_dimension != "renormalise":
            depart("empty_dimension", "renormalise", "renormalise")
        elif missing == "unsupported" and rule.startswith("drop_row"):
            found["nan_labels"] = "rows with a missing label dropped", rule
        elif missing != "unsupported" and rule != missing and not joins:
            rule = "unsupported" if rule in ("zero", "other") else rule
            value = {"drop_row": None, "nan": "unsupported"}.get(rule, rule)
            depart("nan_labels", rule, value)
    default = reading.default_temperature
    if default is not None and abs(default / definition.temperature - 1) > 1e-3:
        words = f"a default temperature of {default:g} (not {definition.temperature:g})"
        found["temperature"] = words, default
    return found


def nearest_definition(reading: Reading) -> Definition:
    m = reading.member
    assert m is not None
    # The note counts the anchor, whose cosine is 1; with a distance, that is a fault of its own.
    known = [d for d in DEFINITIONS.values() if m.similarity == "dot" or d is not TORCHCELL]

    def distance(definition: Definition) -> float:
        found = departures(reading, definition)
        total = sum(WEIGHTS.get(name, 1.0) for name in found)
        if m.views.startswith("interleaved") and definition.views == "concatenate":
            total -= 1.0  # they are concatenated in the wrong order
        if "similarity" in found:
            total += 0.0 if m.similarity == "dot" and definition.similarity == "cosine" else 0.5
        return total

    return min(known, key=distance)


def nearest_words(member: Member) -> str:
    """The nearest definition to a member, and how the member departs from it."""
    reading = Reading(member)
    near = nearest_definition(reading)
    found = departures(reading, near)
    words = [said for said, _ in found.values() if said != PHRASES["views"]["single"]]
    return near.name + (f" with {listed(words)}" if words else "")


def definition_of(reading: Reading, call: Call) -> tuple[Definition, list[str], list[str]]:
    """The definition that a loss is compared with, its choices, and its faults.

    The definition has the loss's choices; in place of faults, those of the nearest shipped one.
    """
    m = reading.member
    if m is None:
        near = DEFINITIONS["no-self" if call == "perturbed_intact_labels" else "rank-n-contrast"]
        views = "single" if call == "features_single_view" else near.views
        return replace(near, call=call, views=views), [], list(reading.faults)
    near = nearest_definition(reading)
    found = departures(reading, near)
    choices = {name: words for name, (words, value) in found.items() if value is not None}
    faults = [words for words, value in found.values() if value is None]
    values: dict[str, object] = {"views": views_of(reading)}
    if "views" in found:
        values["views"] = near.views
    values |= {name: found[name][1] for name in choices}
    if "eps" in choices:
        values |= {"eps": m.eps or None, "eps_rule": m.eps_rule if m.eps else "floor"}
    if reading.default_temperature:
        values["temperature"] = reading.default_temperature
    numbers = [words for n, words in choices.items() if n not in ("temperature", "nan_labels")]
    name = DEPARTS.join((near.name, *([" and ".join(numbers)] if numbers else [])))
    own = replace(near, name=name, call=call, **values)  # type: ignore[arg-type]
    return own, [*choices.values(), *reading.choices], [*faults, *_other_faults(reading, near)]


def _other_faults(reading: Reading, definition: Definition) -> list[str]:
    """The faults that no member's fields describe; a definition may allow missing labels or not."""
    if not reading.counted or definition.nan_labels == "unsupported":
        return reading.faults
    return [w for w in reading.faults if w != reading.factor_words] + [reading.counted]


def causes(reading: Reading, definition: Definition) -> list[str]:
    """Every departure from a definition that was asked for, in words."""
    found = departures(reading, definition)
    found.pop("temperature", None)
    words = [said for said, _ in found.values()]
    if definition.nan_labels != "unsupported" and reading.nan_labels in ("zero", "other"):
        words = [w for w in words if w != PHRASES["nan_labels"]["unsupported"]]
        words.append(PHRASES["nan_labels"][reading.nan_labels])
    words += _other_faults(reading, definition)
    return words or [PHRASES["precision"]["float32"]] * reading.float32
