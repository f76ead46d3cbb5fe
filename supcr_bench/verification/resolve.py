"""Resolves how to call an implementation (subject) and which definition of the loss it follows."""

from dataclasses import replace

from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.find_call import RaisingCallError, find_call, find_calls
from supcr_bench.subjects.registry import Subject, load
from supcr_bench.values.definition import AUTO, NO_SELF, Definition, get_definition
from supcr_bench.values.implementation import Implementation, Resolution
from supcr_bench.verification.formula import Formula
from supcr_bench.verification.recognise import nearest_definition, recognise


def resolve(
    implementation: Implementation,
    definition: Definition | str | None = None,
    *,
    device: str = "cpu",
    seed: int = 0,
) -> Resolution:
    """Resolve how to call an implementation, and its definition.

    Args:
        implementation: the implementation to call.
        definition: the definition to compare with, or its name; ``auto`` to recognise it, and
            ``None`` for the declared one.
        device: where to try the calls.
        seed: random seed for the inputs of these calls.

    Raises:
        SubjectError: it cannot be built, or no call gives a loss; the message lists the calls.
        UsageError: no definition has that name.
    """
    if definition is None:
        definition = implementation.definition
    if isinstance(definition, Definition):
        return find_call(implementation, definition, device)[0]
    if definition != AUTO:
        return find_call(implementation, get_definition(definition), device)[0]
    find_calls(implementation, NO_SELF, device)
    taken, own, line = recognise(implementation.factory, seed, device)
    nearest, _ = nearest_definition(Formula.of(own))
    if not Formula.of(replace(own, nan_labels=nearest.nan_labels)).differences(Formula.of(nearest)):
        own = replace(
            own, name=nearest.name
        )  # unsupported labels are left out, not counted as wrong
    if taken.temperature:
        own = own.at(nearest.temperature)
    return replace(taken, definition=own, recognised=line)


def resolved(subject: Subject, device: str = "cpu") -> tuple[Implementation, Adapter]:
    """Return a subject's implementation and adapter, and resolve them first if that is not done.

    Raises:
        SubjectError: it cannot be loaded, built or called.
    """
    found = load(subject)
    try:
        own = subject.resolution or resolve(found, subject.definition, device=device)
    except RaisingCallError as error:  # measured like any other, it gives the reason in its row
        own = error.resolution
    return found, Adapter.of(found, own)
