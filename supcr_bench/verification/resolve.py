"""Finds how a subject is called and which definition it follows: declared, given or recognised."""

from dataclasses import replace

from supcr_bench.subjects.adapter import Adapter, find_call
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
    """Find out how an implementation is called, once.

    Args:
        implementation: what to call.
        definition: the definition to compare with, or its name; ``auto`` to recognise that, and
            ``None`` for what it declares.
        device: where it is tried.
        seed: random seed for the inputs that it is recognised by.

    Raises:
        SubjectError: it cannot be built, or no call gives a loss; says what was tried.
        UsageError: there is no such definition.
    """
    if definition is None:
        definition = implementation.definition
    if isinstance(definition, Definition):
        return find_call(implementation, definition, device)[0]
    if definition != AUTO:
        return find_call(implementation, get_definition(definition), device)[0]
    usual, answers = find_call(implementation, NO_SELF, device)
    if not answers:
        return usual
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
    """A subject's implementation, and its adapter, by a resolution that is known or found now.

    Raises:
        SubjectError: it cannot be loaded, built or called.
    """
    found = load(subject)
    own = subject.resolution or resolve(found, subject.definition, device=device)
    return found, Adapter.of(found, own)
