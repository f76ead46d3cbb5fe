"""The result of a call without options, and how the same call differs later."""

import math
from typing import NamedTuple

ROWS = 4
"""Rows of the batch: as few as in trial calls, since some losses hang on more."""
SAME = 1e-4
"""Two float32 values of one loss, computed in two ways, differ by less than this share."""


class DefaultCall(NamedTuple):
    """The result of a loss for one fixed batch if every option has its default value.

    ``loss`` is ``None`` if the loss cannot be called so, which ``error`` explains, or if it differs
    from call to call. ``parameters`` are the names of its parameters and their defaults, in order.
    """

    loss: float | None
    error: str | None
    parameters: tuple[tuple[str, str], ...]


def changes_of_call(before: DefaultCall, now: DefaultCall) -> list[str]:
    """How the same call differs now, in words; empty if its result is the same."""
    found = []
    after = dict(now.parameters)
    for name, default in before.parameters:
        if name not in after:
            found.append(f"the argument {name} is gone")
        elif default and default != after[name]:
            found.append(f"the default of {name} was {default} and is {after[name] or 'none'}")
    kept = [name for name, _ in before.parameters if name in after]
    if kept != [name for name, _ in now.parameters if name in kept]:
        found.append(f"its arguments come in another order: {', '.join(after)}")
    if before.loss is not None and now.loss is None and now.error:
        return [f"the same call now raises {now.error}", *found]
    both = before.loss, now.loss
    if None not in both and not math.isclose(*both, rel_tol=SAME, abs_tol=SAME):  # type: ignore[arg-type]
        value = f"{now.loss:.6g} where it gave {before.loss:.6g} for one batch of {ROWS}"
        return [f"the same call now computes another loss: {value}", *found]
    return found
