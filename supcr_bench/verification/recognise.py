"""Which member of the family an implementation is, by its numbers.

Every call is tried, and on what answers, every combination of the table of choices; what gives the
implementation's numbers on all probes is its definition. Where nothing does, the combination that
does with one fault in it is taken, so that the fault can be named.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from supcr_bench.values.definition import NO_SELF, Call, Definition, Views
from supcr_bench.verification.bench import Bench
from supcr_bench.verification.candidate import Candidate, find_knobs
from supcr_bench.verification.diagnosis import Probe, ask_all, fits, reproduces
from supcr_bench.verification.formula import PHRASES, Formula
from supcr_bench.verification.problem import Problem

CALLS: tuple[Call, ...] = (
    "perturbed_intact_labels",
    "features_two_views",
    "features_single_view",
)
"""``two_views`` has the tensors of the first: they differ in how the views are joined."""
TWO_VIEWS: tuple[Views, ...] = ("sum", "mean", "concatenate")
EPS = 1e-7


@dataclass(frozen=True, slots=True)
class Recognised:
    """What an implementation was found to follow.

    Attributes:
        candidate: with its call.
        definition: to verify against.
        line: what was found, and where it departs from ``no-self``.
    """

    candidate: Candidate
    definition: Definition
    line: str


def combinations(call: Call) -> Iterator[Definition]:
    """Every combination of the table of choices under a call, the shipped ones' choices first."""
    views: tuple[Views, ...] = ("single",) if call == "features_single_view" else TWO_VIEWS
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
        yield Definition(
            name="auto",
            similarity=similarity,  # type: ignore[arg-type]
            views=view,
            self_candidate=own,  # type: ignore[arg-type]
            label_distance=distance,  # type: ignore[arg-type]
            nan_labels="drop_row_per_dimension",
            empty_dimension=empty,  # type: ignore[arg-type]
            eps=eps,
            temperature=NO_SELF.temperature,
            call=call,
        )


def recognise(
    name: str, factory: Callable[..., Any], seed: int = 0, tags: Sequence[str] = ()
) -> Recognised:
    """Find the call and the choices that an implementation follows.

    Its default temperature is taken to be that of ``no-self`` if it takes one; otherwise it is
    looked for among the usual defaults.
    """
    knobs = find_knobs(factory)
    temperatures = [NO_SELF.temperature] if knobs.temperature else [0.1, 2.0, 0.07, 0.5, 1.0, 0.05]
    answering: list[tuple[Bench, list[Probe]]] = []
    for call, flat, tau in itertools.product(CALLS, (False, True), temperatures):
        candidate = Candidate(name, factory, call, EPS, knobs, flat, tuple(tags))
        bench = Bench(candidate, replace(NO_SELF, call=call, temperature=tau), seed)
        asked = _probes(bench)
        if not asked:
            continue
        answering.append((bench, asked))
        for definition in combinations(call):
            tuned = replace(definition, temperature=tau)
            if fits(Formula.of(tuned), asked):
                return _settle(bench, tuned)
    for bench, asked in answering:
        found = _with_one_fault(bench, asked)
        if found is not None:
            return _settle(bench, found)
    for bench, asked in answering:  # right values, whatever is wrong with the gradients
        for definition in combinations(bench.candidate.call):
            tuned = replace(definition, temperature=bench.definition.temperature)
            if all(reproduces(Formula.of(tuned), probe, gradient=False) for probe in asked):
                return _settle(bench, tuned)
    bench = (
        answering[0][0]
        if answering
        else Bench(Candidate(name, factory, CALLS[0], EPS, knobs, tags=tuple(tags)), NO_SELF, seed)
    )
    line = (
        "its numbers follow no combination of the family's choices; held against `no-self`"
        if answering
        else "no call of the family gives a loss; held against `no-self`"
    )
    definition = replace(NO_SELF, call=bench.candidate.call, views=_views_of(bench.candidate.call))
    return Recognised(bench.candidate, definition, line)


def _views_of(call: Call) -> Views:
    return "single" if call == "features_single_view" else "sum"


def _probes(bench: Bench) -> list[Probe]:
    """Problems without missing labels, of which all that can be answered must be."""
    tau = bench.definition.temperature
    specs: list[dict[str, Any]] = [
        {"n": 7, "d": 4, "dims": 1},
        {"n": 8, "d": 4, "dims": 1, "labels": "tied", "seed": 1},
        {"n": 8, "d": 5, "dims": 2, "labels": "tied", "weights": "unequal", "seed": 2},
        {"n": 8, "d": 4, "dims": 1, "temperature": 3 * tau, "seed": 3},
        {"n": 8, "d": 4, "dims": 1, "temperature": tau / 2.5, "seed": 4},
    ]
    problems = [bench.problem(**spec) for spec in specs]
    return ask_all(bench, problems)


def _with_one_fault(bench: Bench, asked: Sequence[Probe]) -> Definition | None:
    """A combination that, with one fault in it, gives the numbers."""
    tau = bench.definition.temperature
    for definition in combinations(bench.candidate.call):
        for faulty in Formula.of(definition).variations():
            if faulty.precision != "own":
                continue
            if reproduces(faulty, asked[0], gradient=False) and fits(faulty, asked):
                return replace(definition, temperature=tau)
    return None


def _settle(bench: Bench, definition: Definition) -> Recognised:
    """Find out about missing labels, and say what was found."""
    missing = _missing_labels(bench, definition)
    definition = replace(
        definition, nan_labels="drop_row_per_dimension" if missing else "unsupported"
    )
    calls = {
        "perturbed_intact_labels": "(perturbed, intact, labels)",
        "features_two_views": "(features [N,2,d], labels)",
        "features_single_view": "(features [N,d], labels)",
    }
    formula, no_self = Formula.of(definition), Formula.of(NO_SELF)
    line = f"called as {calls[bench.candidate.call]}; " + ", ".join(_choices(formula))
    departures = formula.differences(no_self)
    default = _default_temperature(bench, definition)
    if default is not None and default != NO_SELF.temperature:
        departures.append(f"its default temperature is {default:g}, not {NO_SELF.temperature:g}")
    if departures:
        line += f"; departs from `no-self`: {', '.join(departures)}"
    else:
        line += "; as in `no-self`"
    bench.definition = definition
    return Recognised(bench.candidate, definition, line)


DEFAULT_TEMPERATURES = (0.1, 2.0, 0.07, 0.05, 0.2, 0.5, 1.0, 0.01, 0.02)


def _default_temperature(bench: Bench, definition: Definition) -> float | None:
    """The temperature of a module built without one, among those in use; ``None`` if another."""
    trial = Bench(bench.candidate, definition, bench.seed)
    problem = trial.problem(n=6, d=4, dims=1, seed=9)
    silent = replace(bench.candidate, knobs=replace(bench.candidate.knobs, temperature=None))
    with suppress(Exception):
        answer = silent.answer(problem)
        for tau in DEFAULT_TEMPERATURES:
            probe = Probe(replace(problem, temperature=tau), answer)
            if reproduces(Formula.of(definition), probe, gradient=False):
                return tau
    return None


def _choices(formula: Formula) -> list[str]:
    shown = ("similarity", "views", "self_candidate", "label_distance")
    return [PHRASES[f.name][getattr(formula, f.name)] for f in fields(formula) if f.name in shown]


def _missing_labels(bench: Bench, definition: Definition) -> bool:
    """Whether rows without a label are dropped; an answer that is anything else is no support."""
    trial = Bench(bench.candidate, definition, bench.seed)
    problem: Problem = trial.problem(n=9, d=4, dims=1, seed=5)
    labels = problem.labels.clone()
    labels[3] = torch.nan
    with suppress(Exception):
        (probe,) = ask_all(trial, [problem.changed("one label missing", labels=labels)])
        return bool(torch.isfinite(probe.answer.loss))
    return False
