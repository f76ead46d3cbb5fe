"""What an implementation file exports: one constant, ``IMPLEMENTATION``."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from inspect import isfunction
from typing import Any, Literal, Self

from supcr_bench.values.case import Workload
from supcr_bench.values.definition import AUTO, DEFINITIONS, TORCHCELL, Definition
from supcr_bench.values.errors import NoImplementationError

ANY = "any"
"""Among the definitions of an implementation: a Definition that is not shipped."""
LabelLayout = Literal["columns", "column", "flat", "distances"]
"""Labels [N, D], [N, 1] or [N], or the matrix [N, N] of their distances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The metadata that an implementation declares.

    Attributes:
        source: where the algorithm comes from.
        definition: the definition (which loss of the family) that it claims to compute; ``auto``
            to recognise the definition by its values.
        definitions: the names that its factory accepts as ``definition=``, ``any`` among them where
            it takes a Definition too; empty where the factory takes no such argument.
        claimed_time: growth law of the time that its author claims, if any.
        claimed_memory: growth law of the memory that its author claims, if any.
        device_specific: whether it runs other code on other devices, so that counts on one
            device predict nothing about another.
        tags: words to group by: ``note`` for the three implementations of the note (torchcell's
            document), ``beyond`` for the others.
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
        name: its name; for a file in ``implementations/``, the file's name.
        factory: called as ``factory(temperature=, weights=, eps=)``; returns a module that takes
            the arguments that the definition prescribes.
        process_changes: what its import changed in the whole process, in words; it was undone.
    """

    name: str
    factory: Callable[..., Any]
    process_changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: object, source: str) -> "Implementation":
        """The implementation that a Python program gives, or an error if it cannot be one."""
        if isinstance(given, Implementation):
            return given
        if not callable(given):
            raise NoImplementationError(
                f"{given!r} is not an implementation: give a class, a function or a name"
            )
        if isfunction(given) and given.__code__.co_varnames[:1] == ("self",):
            owner, _, method = given.__qualname__.rpartition("<locals>.")[2].rpartition(".")
            if owner:
                raise NoImplementationError(
                    f"{owner}.{method} is a method without its object: give {owner}(...).{method}"
                )
        name = getattr(given, "__name__", type(given).__name__)
        return cls(name=name, title=name, source=source, definition=AUTO, factory=given)

    def under(self, definition: Definition | str) -> Self:
        """This implementation set to that definition, if it declares that it can compute it."""
        given = DEFINITIONS[definition] if isinstance(definition, str) else definition
        named = given.name in self.definitions
        own = ANY in self.definitions and given.name not in DEFINITIONS
        if given.name == self.definition or not (named or own):
            return self
        factory = partial(self.factory, definition=given.name if named else given)
        if given.label_distance != "per_dimension":
            factory = partial(factory, weights=None)  # there is one loss, and nothing to weigh
        return replace(self, definition=given.name, factory=factory)

    @property
    def description(self) -> Description:
        return Description(**{f.name: getattr(self, f.name) for f in fields(Description)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What an implementation computes, found from its losses and gradients.

    Attributes:
        nearest: name of the shipped definition that it is nearest to.
        call: how it was called, in words.
        dims: the numbers of label dimensions that were tried, in words.
        choices: where it departs from that definition by a choice that a definition can hold, such
            as another similarity.
        faults: where it departs in another way, such as a strict inequality.
    """

    nearest: str
    call: str
    dims: str = "one label dimension"
    choices: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How to build and call a subject (an implementation by name), and its definition.

    Attributes:
        definition: the definition that it is compared with; its ``call`` is how the subject is
            called, and its ``temperature`` is used where a case sets none.
        temperature: the name of its temperature argument; ``None`` if it has no such argument.
        weights, eps: whether it accepts them.
        labels: the layout of the labels that it takes.
        one_dimension: whether it takes one label dimension only: it says so, or raises on more.
        integer_labels: whether it refuses labels that are not integers.
        keywords: the names of its tensor arguments in the order of the call, if it takes them by
            name; empty if it takes them by position.
        keys: the names of the two views, if it takes a mapping of views.
        at_call: which of temperature, weights and eps are arguments of the call, by their names.
        recognised: what it computes, if that was found out from its numbers.
        compiled: whether its module is compiled by ``torch.compile`` before it is called.
        process_changes: what its import and its calls change in the whole process, in words.
        own_process: whether one of them cannot be undone, so that it is measured in a process of
            its own.
    """

    definition: Definition = TORCHCELL
    temperature: str | None = "temperature"
    weights: bool = True
    eps: bool = True
    labels: LabelLayout = "columns"
    one_dimension: bool = False
    integer_labels: bool = False
    keywords: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    at_call: tuple[str, ...] = ()
    recognised: Recognition | None = None
    compiled: bool = False
    process_changes: tuple[str, ...] = ()
    own_process: bool = False

    def why_not(self, definition: Definition, case: Workload) -> str | None:
        """The reason why the subject cannot run a case; ``None`` if it can."""
        if self.one_dimension and case.dims > 1:
            return f"takes labels of one dimension, and the case has D={case.dims}"
        if self.integer_labels and case.nan_density:
            return "takes integer labels, of which none can be missing"
        if not self.temperature and definition.temperature != self.definition.temperature:
            return (
                f"takes no temperature: it computes at {self.definition.temperature:g}, and the "
                f"case asks for {definition.temperature:g}"
            )
        if definition.nan_labels == "unsupported" and case.nan_density:
            return f"{definition.name} does not say what a missing label means"
        return None
