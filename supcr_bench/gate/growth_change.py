"""Whether a figure that grew follows another growth law than before."""

from collections.abc import Mapping

from supcr_bench.gate.recorded import Recorded
from supcr_bench.values.gate import Figure
from supcr_bench.values.result import Key, Result

_NAMES: Mapping[Figure, str] = {
    "launches": "dispatched_ops",
    "element work": "elements_processed",
    "peak memory": "memory",
}


def growth_change(figure: Figure, key: Key, before: Recorded, after: Recorded) -> str | None:
    """What became of the law that a figure follows over the sizes of its series.

    Returns:
        a clause; ``None`` where the sizes leave a law open that would be the same on both sides.
    """
    was, is_ = (_laws(figure, key, side) for side in (before, after))
    if not was or not is_ or set(was) & set(is_):
        return None
    return (
        f"over the suite's sizes its growth is {' or '.join(is_)} now, and was "
        f"{' or '.join(was)} before"
    )


def _laws(figure: Figure, key: Key, side: Recorded) -> tuple[str, ...]:
    """The laws that the counts of a series leave open; none where they are too few."""
    # scipy takes a third of a second, and most gates find nothing that grew.
    from supcr_bench.analysis.growth import growth_of

    name, case = key
    members = [
        Result(
            implementation=name,
            case=other,
            status=found.status,
            dispatched_ops=found.launches,
            elements_processed=found.elements,
            peak_bytes=found.peak_bytes,
        )
        for (owner, other), found in side.cases.items()
        if (owner, other.pass_, other.series()) == (name, case.pass_, case.series())
    ]
    grown = [g for g in growth_of(members, {}) if g.metric.name == _NAMES[figure]]
    return grown[0].verdict.candidates if grown else ()
