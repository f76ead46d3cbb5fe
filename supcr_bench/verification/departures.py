"""Compares the recognised choices of a loss with a definition: departures and faults."""

from dataclasses import replace
from typing import NamedTuple

from supcr_bench.values.definition import DEFINITIONS, DEPARTS, TORCHCELL, Call, Definition
from supcr_bench.verification.family import SIMILARITIES, Member
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.reading import Reading

JOINED = {"sum": "separate", "mean": "separate", "concatenate": "concatenated", "single": "single"}
"""A member's word for the use of views, by the word of a definition."""
FAULTS = ("comparison", "pairs", "measured", "ties", "gradient")
"""Fields of a member that have one right value for all definitions."""
DROPPED = "rows with a missing label dropped"
WEIGHTS = {"self_candidate": 2.0, "eps": 0.5, "nan_labels": 0.25, "temperature": 0.25}
"""How much a departure counts in the search for the nearest definition; others count 1."""


def member_of(definition: Definition) -> Member:
    """The member that a definition describes."""
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
    """The use of views, by a definition's word if one has it, else by the member's."""
    assert reading.member is not None
    usual = {"separate": "sum", "concatenated": "concatenate"}
    return reading.views or usual.get(reading.member.views, reading.member.views)


class Departure(NamedTuple):
    """One choice in which a loss departs from a definition.

    Attributes:
        words: what it does.
        value: that of the definition's field of this name which describes it; ``None`` for a fault,
            which no definition describes.
    """

    words: str
    value: object = None


def departures(reading: Reading, definition: Definition) -> dict[str, Departure]:
    """The departures from a definition, each by the name of a field of a definition or member."""
    m = reading.member
    if m is None:
        return {}
    found: dict[str, Departure] = {}
    similarity = SIMILARITIES.get((m.similarity, m.normalised))
    if similarity is None:
        odd = PHRASES["normalised"].get(m.normalised)
        of_rows = " of normalised rows" if m.normalised else ""
        found["similarity"] = Departure(odd or PHRASES["odd similarity"][m.similarity] + of_rows)
    elif similarity != definition.similarity:
        found["similarity"] = Departure(PHRASES["similarity"][similarity], similarity)
    if m.temperature < 0:
        found["sign"] = Departure(PHRASES["sign"][True])
    views = views_of(reading)
    if views != definition.views:
        found["views"] = Departure(PHRASES["views"][views], views if views in JOINED else None)
    joint = m.label_distance
    if reading.several_dimensions and joint != definition.label_distance:
        known = None if joint in ("first", "last", "sum") else joint
        found["label_distance"] = Departure(PHRASES["label_distance"][joint], known)
    strict = m.comparison == ">" and m.self_candidate != "always"  # the anchor is nearest
    across = m.views.startswith("across")  # where i is the partner in the other view
    own = m.self_candidate == definition.self_candidate or strict or across
    if not own and reading.complete:
        found["self_candidate"] = Departure(PHRASES["self_candidate"][m.self_candidate])
    plain = Member(pairs=m.pairs if across else "all")
    for name in FAULTS:
        if getattr(m, name) != getattr(plain, name):
            found[name] = Departure(PHRASES[name][getattr(m, name)])
    if not m.keeps_partner and m.measured != "partner":
        before = f"{found['comparison'].words}, " if "comparison" in found else ""
        found["comparison"] = Departure(before + PHRASES["keeps_partner"][False])
    eps = (m.eps, m.eps_rule if m.eps else "")
    right = (definition.eps or 0.0, definition.eps_rule if definition.eps else "")
    hidden = not m.eps and (definition.eps or 0.0) < 1e-2 * reading.smallest
    if reading.complete and eps != right and not hidden:
        rule = m.eps_rule if m.eps else "none"
        words = PHRASES["eps"][rule] + (f" ({m.eps:.3g})" if m.eps else "")
        found["eps"] = Departure(words, m.eps)
    if reading.nan_labels and not reading.counted:
        found |= _of_missing_labels(reading, definition)
    default = reading.default_temperature
    if default is not None and abs(default / definition.temperature - 1) > 1e-3:
        words = f"a default temperature of {default:g} (not {definition.temperature:g})"
        found["temperature"] = Departure(words, default)
    return found


def _of_missing_labels(reading: Reading, definition: Definition) -> dict[str, Departure]:
    assert reading.member is not None
    rule, right = reading.nan_labels, definition.nan_labels
    joint = reading.member.label_distance in ("l1", "l2", "max")
    if reading.renormalises and definition.empty_dimension != "renormalise":
        words = PHRASES["empty_dimension"]["renormalise"]
        return {"empty_dimension": Departure(words, "renormalise")}
    if rule == right or (joint and rule == "drop_row" and right != "unsupported"):
        return {}
    if right == "unsupported":
        return {"nan_labels": Departure(DROPPED, rule)} if rule.startswith("drop_row") else {}
    if rule in ("zero", "other"):
        rule = "unsupported"
    known = None if rule == "drop_row" else rule
    return {"nan_labels": Departure(PHRASES["nan_labels"][rule], known)}


def nearest_definition(reading: Reading) -> Definition:
    """The shipped definition with the fewest and lightest departures."""
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


def definition_of(reading: Reading, call: Call) -> tuple[Definition, list[str], list[str]]:
    """The definition that a loss is compared with, its choices, and its faults.

    The definition has the loss's choices, and the nearest shipped definition's in place of faults.
    """
    m = reading.member
    if m is None:
        near = DEFINITIONS["no-self" if call == "perturbed_intact_labels" else "rank-n-contrast"]
        views = "single" if call == "features_single_view" else near.views
        return replace(near, call=call, views=views), [], list(reading.faults)
    near = nearest_definition(reading)
    found = departures(reading, near)
    choices = {name: one for name, one in found.items() if one.value is not None}
    faults = [one.words for one in found.values() if one.value is None]
    values: dict[str, object] = {"views": views_of(reading)}
    if "views" in found:
        values["views"] = near.views
    values |= {name: one.value for name, one in choices.items()}
    if "eps" in choices:
        values |= {"eps": m.eps or None, "eps_rule": m.eps_rule if m.eps else "floor"}
    if reading.default_temperature:
        values["temperature"] = reading.default_temperature
    numbers = [one.words for n, one in choices.items() if n not in ("temperature", "nan_labels")]
    name = DEPARTS.join((near.name, *([" and ".join(numbers)] if numbers else [])))
    own = replace(near, name=name, call=call, **values)  # type: ignore[arg-type]
    told = [one.words for one in choices.values()] + reading.choices
    return own, told, [*faults, *_other_faults(reading, near)]


def _other_faults(reading: Reading, definition: Definition) -> list[str]:
    """The faults that no member's fields describe; a definition may allow missing labels or not."""
    if not reading.counted or definition.nan_labels == "unsupported":
        return reading.faults
    return [w for w in reading.faults if w != reading.factor_words] + [reading.counted]


def causes(reading: Reading, definition: Definition) -> list[str]:
    """Every departure from a definition that was asked for, in words."""
    found = departures(reading, definition)
    found.pop("temperature", None)
    words = [one.words for one in found.values()]
    if definition.nan_labels != "unsupported" and reading.nan_labels in ("zero", "other"):
        words = [w for w in words if w != PHRASES["nan_labels"]["unsupported"]]
        words.append(PHRASES["nan_labels"][reading.nan_labels])
    words += _other_faults(reading, definition)
    return words or [PHRASES["precision"]["float32"]] * reading.float32
