"""What an implementation file exports: one constant, ``IMPLEMENTATION``."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Self

from supcr_bench.values.definition import TORCHCELL, Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The metadata that an implementation declares.

    Attributes:
        title: one line for people.
        source: where the algorithm comes from.
        definition: the definition that it claims to compute; ``auto`` where it claims none, which
            is then recognised by its numbers.
        definitions: of all that it computes when its factory is called with ``definition=`` too;
            empty where the factory takes no such argument.
        claimed_time: growth law of the time that its author claims, if any.
        claimed_memory: growth law of the memory that its author claims, if any.
        device_specific: whether it takes another route on other devices, so that what is counted
            on one predicts nothing of another.
        tags: words to group by: ``note`` for the note's own three, ``beyond`` for what is not of
            the note.
    """

    title: str
    source: str
    definition: str = "torchcell"
    definitions: tuple[str, ...] = ()
    claimed_time: str | None = None
    claimed_memory: str | None = None
    device_specific: bool = False
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

    def under(self, definition: str) -> Self:
        """The same implementation as it computes that definition, if it says that it can."""
        if definition == self.definition or definition not in self.definitions:
            return self
        factory = partial(self.factory, definition=definition)
        return replace(self, definition=definition, factory=factory)

    @property
    def description(self) -> Description:
        return Description(**{f.name: getattr(self, f.name) for f in fields(Description)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How a subject is built and called, and the definition that it is compared with.

    Attributes:
        definition: the definition that it is compared with; its ``call`` is how the subject is
            called, and its ``temperature`` is used where a case sets none.
        temperature: the name of its temperature argument, ``None`` if it takes none.
        weights: whether it takes weights.
        eps: whether it takes eps.
        flat_labels: whether it takes labels [N] of one dimension.
        recognised: a line on the definition that its numbers follow, if it was looked for.
    """

    definition: Definition = TORCHCELL
    temperature: str | None = "temperature"
    weights: bool = True
    eps: bool = True
    flat_labels: bool = False
    recognised: str | None = None
