"""What an implementation file exports: one constant, ``IMPLEMENTATION``."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What an implementation says of itself: everything but its code.

    Attributes:
        title: one line for people.
        source: where the algorithm comes from.
        definition: the definition that it claims to compute.
        claimed_time: growth law of the time that its author claims, if any.
        claimed_memory: growth law of the memory that its author claims, if any.
        tags: words to group by, such as ``seed`` for the note's own three.
    """

    title: str
    source: str
    definition: str = "torchcell"
    claimed_time: str | None = None
    claimed_memory: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation(Description):
    """An implementation of the loss.

    Attributes:
        name: how it is named; for a file in ``implementations/``, the file's name.
        factory: called as ``factory(temperature=, weights=, eps=)``; gives a module that is
            called as the definition says.
    """

    name: str
    factory: Callable[..., Any]

    @property
    def description(self) -> Description:
        """Without name and code."""
        return Description(**{f.name: getattr(self, f.name) for f in fields(Description)})
