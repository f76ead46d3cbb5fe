"""What an implementation file exports: one constant, ``IMPLEMENTATION``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """An implementation of the loss, and what it says of itself.

    Attributes:
        name: how it is named; for a file in ``implementations/``, the file's name.
        title: one line for people.
        source: where the algorithm comes from.
        factory: called as ``factory(temperature=, weights=, eps=)``; gives a module that is
            called as the definition says.
        definition: the definition that it claims to compute.
        claimed_time: growth law of the time that its author claims, if any.
        claimed_memory: growth law of the memory that its author claims, if any.
        tags: words to group by, such as ``seed`` for the note's own three.
    """

    name: str
    title: str
    source: str
    factory: Callable[..., Any]
    definition: str = "torchcell"
    claimed_time: str | None = None
    claimed_memory: str | None = None
    tags: tuple[str, ...] = ()
