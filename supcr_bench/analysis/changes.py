"""How figures without noise changed, and how the status of a case changed.

``compare`` and the gate both judge by these rules.
"""

from supcr_bench.values.change import Change, Direction
from supcr_bench.values.result import Result, Status

BROKEN = (Status.WRONG, Status.FAILED)
"""The statuses of a case that is not right."""


def count_change(
    metric: str, before: float | None, after: float | None, allowance: float = 0.0
) -> Change | None:
    """How a count changed; ``None`` where one side is unknown.

    Args:
        metric: the name of the figure.
        before: the count before.
        after: the count after.
        allowance: share of ``before`` by which the two may differ and count as the same.
    """
    if before is None or after is None:
        return None
    direction = Direction.SAME
    if abs(after - before) > allowance * before:
        direction = Direction.MORE if after > before else Direction.LESS
    ratio = after / before if before else None
    return Change(metric=metric, before=before, after=after, ratio=ratio, direction=direction)


def outcome_change(before: Result, after: Result) -> tuple[str | None, str | None]:
    """How the status of a case changed; time limits are not judged here.

    Returns:
        what got worse, in a sentence, or ``None``; and any other remark, or ``None``.
    """
    why = after.reason
    if after.status in BROKEN and before.status not in BROKEN:
        return f"became {after.status}: {why}", None
    if after.status is Status.OUT_OF_MEMORY and before.status.has_figures:
        was, now = before.memory_limit_bytes, after.memory_limit_bytes
        if now is None or (was is not None and now >= was):
            return f"ran out of memory: {why}", None
        return None, f"under a lower memory limit: {why}"
    return None, why
