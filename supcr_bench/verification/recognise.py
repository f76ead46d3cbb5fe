"""Recognises from its numbers which definition of the loss an implementation follows.

It tries every call, and for those that work, every combination of a definition's choices. The one
that gives the implementation's numbers on all probes (small problems) is its definition. If none
does, it looks for a combination with one fault, to name the fault.
"""

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import CALLS
from supcr_bench.subjects.find_call import find_calls
from supcr_bench.values.definition import (
    AUTO,
    DEFINITIONS,
    DEPARTS,
    NO_SELF,
    Call,
    Definition,
    Views,
)
from supcr_bench.values.implementation import Implementation, Resolution
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.diagnosis import Probe, ask_all, fits, reproduces
from supcr_bench.verification.formula import PHRASES, Formula

TWO_VIEWS: tuple[Views, ...] = ("sum", "mean", "concatenate")
EPS = 1e-7


Recognised = tuple[Resolution, Definition, str]
"""How to call an implementation, its definition, and a line that describes call and definition."""


def nearest_definition(formula: Formula) -> tuple[Definition, list[str]]:
    """Return the most similar shipped definition, and how the formula departs from it."""
    return min(
        ((d, formula.differences(Formula.of(d))) for d in DEFINITIONS.values()),
        key=lambda pair: len(pair[1]),
    )


def named_after_nearest(definition: Definition) -> Definition:
    """Name a custom definition after the nearest shipped one and its departures from that."""
    nearest, departures = nearest_definition(Formula.of(definition))
    name = DEPARTS.join((nearest.name, *([" and ".join(departures)] if departures else [])))
    return replace(definition, name=name)


def combinations(call: Call) -> list[Definition]:
    """List the definitions that a call allows, those nearest to a shipped one first.

    :func:`_settle` tests later whether missing labels are supported.
    """
    views: tuple[Views, ...] = ("single",) if call == "features_single_view" else TWO_VIEWS
    found = []
    for similarity, view, own, distance, empty, eps in itertools.product(
        ("cosine", "negative_euclidean"),
        views,
        ("never", "when_tied"),
        ("per_dimension", "l1", "l2"),
        ("keeps_weight", "renormalise"),
        (None, EPS),
    ):
        if distance != "per_dimension" and (empty == "renormalise" or eps is not None):
            continue
        choices: dict[str, Any] = {
            "similarity": similarity,
            "views": view,
            "self_candidate": own,
            "label_distance": distance,
            "empty_dimension": empty,
            "eps": eps,
        }
        plain = replace(NO_SELF, name="", call=call, **choices)
        missing = "drop_row_per_dimension" if distance == "per_dimension" else "unsupported"
        alike = Formula.of(replace(plain, nan_labels=missing))  # type: ignore[arg-type]
        found.append((len(nearest_definition(alike)[1]), plain))
    return [plain for _, plain in sorted(found, key=lambda pair: pair[0])]


def recognise(target: Callable[..., Any], seed: int = 0, device: str = "cpu") -> Recognised:
    """Find the call and the choices that an implementation follows.

    An implementation that takes a temperature gets that of ``no-self``; for others, the usual
    defaults are tried.
    """
    mine = Implementation(name="", title="", source="", definition=AUTO, factory=target)
    calls = find_calls(mine, NO_SELF, device)
    usual = [0.1, 2.0, 0.07, 0.5, 1.0, 0.05]
    temperatures = [NO_SELF.temperature] if calls[0].temperature else usual
    answering: list[tuple[CheckContext, list[Probe]]] = []
    for own, tau in itertools.product(calls, temperatures):
        call, definition = own.definition.call, own.definition.at(tau)
        called = Adapter(target, replace(own, definition=definition))
        context = CheckContext(called, definition, seed, device=device)
        asked = _probes(context)
        if not asked:
            continue
        answering.append((context, asked))
        for definition in combinations(call):
            if fits(Formula.of(definition), asked):
                return _settle(context, definition)
    for context, asked in answering:
        found = _with_one_fault(context, asked)
        if found is not None:
            return _settle(context, found)
    for context, asked in answering:  # the values alone must match
        for definition in combinations(_call_of(context)):
            if all(reproduces(Formula.of(definition), probe, gradient=False) for probe in asked):
                return _settle(context, definition)
    if answering:
        own = answering[0][0].subject.resolution
        line = "its numbers follow no combination of the family's choices"
    else:
        line = "no call of the family gives a loss"
    call = own.definition.call
    views: Views = "single" if call == "features_single_view" else "sum"
    definition = named_after_nearest(replace(NO_SELF, call=call, views=views))
    return own, definition, f"{line}; verified against {definition.name}"


def _call_of(context: CheckContext) -> Call:
    return context.subject.resolution.definition.call


def _probes(context: CheckContext) -> list[Probe]:
    """Ask problems without missing labels, and leave out those that raise."""
    tau = context.definition.temperature
    specs: list[dict[str, Any]] = [
        {"n": 7, "d": 4, "dims": 1},
        {"n": 8, "d": 4, "dims": 1, "labels": "tied", "seed": 1},
        {"n": 8, "d": 5, "dims": 2, "labels": "tied", "weights": "unequal", "seed": 2},
        {"n": 8, "d": 4, "dims": 1, "temperature": 3 * tau, "seed": 3},
        {"n": 8, "d": 4, "dims": 1, "temperature": tau / 2.5, "seed": 4},
    ]
    problems = [context.problem(**spec) for spec in specs]
    return ask_all(context, problems)


def _with_one_fault(context: CheckContext, asked: Sequence[Probe]) -> Definition | None:
    """Return a definition that, with one fault added, gives the implementation's numbers."""
    for definition in combinations(_call_of(context)):
        for faulty in Formula.of(definition).variations():
            if faulty.precision != "own":
                continue
            if reproduces(faulty, asked[0], gradient=False) and fits(faulty, asked):
                return definition
    return None


def _settle(context: CheckContext, definition: Definition) -> Recognised:
    """Test whether missing labels are supported, and describe the definition in a line."""
    definition = replace(definition, temperature=context.definition.temperature)
    missing = _missing_labels(context, definition)
    definition = replace(
        definition, nan_labels="drop_row_per_dimension" if missing else "unsupported"
    )
    definition = named_after_nearest(definition)
    formula = Formula.of(definition)
    nearest, departures = nearest_definition(formula)
    default = _default_temperature(context, definition)
    if default is not None and default != nearest.temperature:
        departures.append(f"its default temperature is {default:g}, not {nearest.temperature:g}")
    line = f"called as {CALLS[_call_of(context)]}; {', '.join(_choices(formula))}; "
    if departures:
        line += f"departs from `{nearest.name}`: {', '.join(departures)}"
    else:
        line += f"as in `{nearest.name}`"
    return context.subject.resolution, definition, line


DEFAULT_TEMPERATURES = (0.1, 2.0, 0.07, 0.05, 0.2, 0.5, 1.0, 0.01, 0.02)


def _default_temperature(context: CheckContext, definition: Definition) -> float | None:
    """Return the common default temperature that the module uses; ``None`` if it uses another."""
    trial = replace(context, definition=definition)
    problem = trial.problem(n=6, d=4, dims=1, seed=9)
    own = context.subject.resolution
    silent = replace(context.subject, resolution=replace(own, temperature=None))
    with suppress(Exception):
        answer = silent.answer(problem, device=context.device)
        for tau in DEFAULT_TEMPERATURES:
            probe = (replace(problem, temperature=tau), answer)
            if reproduces(Formula.of(definition), probe, gradient=False):
                return tau
    return None


def _choices(formula: Formula) -> list[str]:
    shown = ("self_candidate", "views", "similarity", "label_distance")
    return [PHRASES[name][getattr(formula, name)] for name in shown]


def _missing_labels(context: CheckContext, definition: Definition) -> bool:
    """Whether rows without a label are dropped; any other behaviour counts as unsupported."""
    trial = replace(context, definition=definition)
    problem = trial.problem(n=9, d=4, dims=1, seed=5)
    labels = problem.labels.clone()
    labels[3] = torch.nan
    with suppress(Exception):
        (probe,) = ask_all(trial, [problem.changed("one label missing", labels=labels)])
        return bool(torch.isfinite(probe[1].loss))
    return False
