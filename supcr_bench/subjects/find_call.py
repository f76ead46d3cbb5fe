"""Finds how to call a subject: reads its signature and documentation, then tries small calls."""

import functools
import inspect
import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from traceback import walk_tb
from typing import Any

import torch
from torch import nn

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.reference.reference import compute_reference
from supcr_bench.subjects import signature
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import CALLS, NotALossError, loss_of
from supcr_bench.subjects.uncallable import (
    is_on_another_device,
    needs_more,
    not_called,
    not_constructed,
    only_methods,
    takes_no_labels,
)
from supcr_bench.values.case import Workload
from supcr_bench.values.default_call import ROWS, SAME, DefaultCall
from supcr_bench.values.definition import AUTO, NO_SELF, Call, Definition, Views
from supcr_bench.values.errors import UncallableError
from supcr_bench.values.implementation import Implementation, LabelLayout, Resolution

TRIED: tuple[Call, ...] = tuple(CALLS)[:3]
"""The calls that are tried where the parameters suggest none. ``two_views`` takes the tensors of
the first call, but joins the views in another way."""
LAYOUTS: tuple[LabelLayout, ...] = ("columns", "column", "flat")
SMALL = Workload(batch_size=3, embedding_size=7, dims=4)
"""The workload of trial calls; its sizes differ, so that a wrong layout raises."""
RIGHT = 1e-3
"""In trial calls, losses with at most this relative difference count as equal."""
Answers = list[tuple[Resolution, float]]
Failures = list[tuple[Resolution, Exception]]


class RaisingCallError(UncallableError):
    """The intended call, ``resolution``, raises; a sweep measures it, and reports the error."""

    resolution: Resolution


def find_calls(implementation: Implementation, device: str = "cpu") -> list[Resolution]:
    """Find every call that gives a loss: the documented ones, or else all, the likeliest first.

    Raises an UncallableError if it cannot be constructed, or if no call gives a loss; of a
    documented call, if that one does not.
    """
    return [own for own, _ in _answers(implementation, NO_SELF, device)]


def find_call(
    implementation: Implementation, definition: Definition, device: str = "cpu"
) -> Resolution:
    """Find how to call a subject as an implementation of a definition, or raise an UncallableError.

    A call that gives the right loss is preferred. A declared implementation may raise on the
    trial's inputs, so a call that accepts the arguments suffices; the sweep measures it.
    """
    if implementation.definition == AUTO:
        answering, raising = _answers(implementation, definition, device), []
    else:
        subject = Adapter.usual(implementation.under(definition).factory, definition)
        told = signature.read_call(subject.target, construct(implementation, subject, device))
        answering, failed = _try_calls(subject, told, device, declared=True)
        raising = [own for own, e in failed if not isinstance(e, TypeError | NotALossError)]
        if not answering and not raising:
            raise not_called(implementation, failed[0], [own for own, _ in failed], None, device)
    for own, loss in answering:
        if any(abs(loss - right) <= RIGHT * abs(right) for right in _right_losses(own.definition)):
            return own
    return [*(own for own, _ in answering), *raising][0]


def _answers(implementation: Implementation, definition: Definition, device: str) -> Answers:
    subject = Adapter.usual(implementation.under(definition).factory, definition, declared=False)
    loss = construct(implementation, subject, device)
    told = signature.read_call(subject.target, loss)
    subject = _with_arguments_at_call(subject, loss)
    if signature.are_views(told.unlabelled):
        raise takes_no_labels(implementation, subject.resolution, told)
    if told.extra:
        raise needs_more(implementation, subject.resolution, told, loss)
    answering, failed = _try_calls(subject, told, device, declared=False)
    work = [own.definition.call for own, _ in answering]
    if any(call.startswith("stacked") for call in work):  # one layout of the labels will do
        work += ["stacked_views", "stacked_views_labels_once"]
    broken = [call for call in told.documented if call not in work]
    if broken or not answering:
        calls = broken or [*told.documented, *told.calls]
        pointed = [pair for pair in failed if pair[0].definition.call in calls] or failed
        if not answering:  # where no call gives a loss, that is the cause
            pointed = [pair for pair in failed if is_on_another_device(pair[1])] or pointed
        # The call that went farthest is likely the intended one, so its error is reported.
        function, plain = signature.function_of(loss), "features_single_view"
        worst = max(
            pointed,
            key=lambda pair: (_farthest_line(pair[1], function), pair[0].definition.call == plain),
        )
        if told.unlabelled and not answering and isinstance(worst[1], TypeError | RuntimeError):
            raise takes_no_labels(implementation, subject.resolution, told)
        tried = [own for own, _ in failed]
        held = [n for n, _ in loss.named_parameters()] if isinstance(loss, nn.Module) else []
        error = not_called(
            implementation, worst, tried, answering[0][0] if answering else None, device, held
        )
        if isinstance(worst[1], ImportError | TypeError | NotALossError):
            raise error
        raising = RaisingCallError(*error.args)
        raising.resolution = worst[0]
        raise raising
    documented = [a for a in answering if a[0].definition.call in told.documented]
    return documented or answering


def construct(implementation: Implementation, subject: Adapter, device: str) -> Any:
    """The callable of a subject that takes tensors; raises an UncallableError if there is none."""
    owner = signature.behind(subject.target)
    if not signature.is_called_with_tensors(subject.target):
        if isinstance(owner, type) and subject.target is owner and not _is_callable(owner):
            raise only_methods(implementation, owner)
        own = subject.resolution
        given = [own.temperature, "weights" * own.weights, "eps" * own.eps]
        required = signature.named_parameters(subject.target, required=True)
        if missing := [name for name in required if name not in given]:
            told = signature.read_call(subject.target, subject.target)
            if told.keys and not isinstance(owner, type):
                raise needs_more(implementation, own, told, subject.target)
            forward = getattr(owner, "forward", None) if isinstance(owner, type) else None
            taken = signature.read_call(owner, forward.__get__(object())) if forward else told
            if signature.are_views(taken.unlabelled):
                raise takes_no_labels(implementation, own, taken)
            raise not_constructed(implementation, missing)
    batch = make_batch(replace(SMALL, device=device))
    try:
        built = subject.build(subject.resolution.definition, batch.weights, device)
    except Exception as error:
        raise not_constructed(implementation, [], error, device) from error
    if not _is_callable(type(built)) and not signature.is_called_with_tensors(built):
        raise only_methods(implementation, type(built))
    return built


def _is_callable(owner: type) -> bool:
    """Whether objects of a class can be called; a module must have a forward of its own."""
    if issubclass(owner, torch.autograd.Function):  # which is called by apply
        return False
    if issubclass(owner, nn.Module):
        return inspect.getattr_static(owner, "forward") is not nn.Module.forward
    return any("__call__" in vars(base) for base in owner.__mro__)


def _with_arguments_at_call(subject: Adapter, loss: Any) -> Adapter:
    """Give temperature and weights in the call, if the subject takes them only there."""
    own, target = subject.resolution, subject.target
    if not isinstance(target, nn.Module) and signature.is_called_with_tensors(target):
        return subject
    parameters = signature.parameters_of(loss)
    named = [n for n, p in parameters.items() if signature.is_temperature(n, p.default)]
    if named and not own.temperature and len(parameters) > 2:
        own = replace(own, temperature=named[0], at_call=(named[0],))
    if "weights" in parameters and not own.weights:
        own = replace(own, weights=True, at_call=(*own.at_call, "weights"))
    return replace(subject, resolution=own)


def _try_calls(
    subject: Adapter, told: signature.CallSignature, device: str, *, declared: bool
) -> tuple[Answers, Failures]:
    answering: Answers = []
    failed: Failures = []
    for own in _tried(subject.resolution, told, declared=declared):
        call, done = own.definition.call, [o for o, _ in answering]
        same = [o for o in done if o.definition.call == call]
        if same and own != replace(same[-1], labels="flat"):
            continue  # where [N, 1] works, [N] may be what is meant
        if done and call not in (*told.documented, *TRIED):
            continue  # a likelier call works, so the others need no trial
        dims = 1 if declared or own.one_dimension else SMALL.dims
        try:
            batch = make_batch(replace(SMALL, dims=dims, device=device))
            # Warnings of mere trials help nobody, and a subject may leave gradients off.
            with warnings.catch_warnings(action="ignore"), torch.enable_grad():
                bound = replace(subject, resolution=own).bind(own.definition, batch)
                loss = float(loss_of(bound.forward()).detach())
        except Exception as error:  # noqa: BLE001 - the subject does not take this call
            failed.append((own, error))
        else:
            if not same or loss != answering[-1][1]:
                answering.append((own, loss))
    return answering, failed


def _tried(
    first: Resolution, told: signature.CallSignature, *, declared: bool
) -> Iterator[Resolution]:
    """The calls to try, in order, each with every layout of the labels."""
    definition = first.definition
    usual = [definition.call, *TRIED]
    named = [c for c in usual if c in told.calls] if declared else []
    calls = [*([] if declared else told.documented), *named, *(told.calls or usual)]
    if definition.call == "two_views":
        calls = ["two_views" if c == "perturbed_intact_labels" else c for c in calls]
    layouts = (*told.labels, *LAYOUTS)
    if declared or "distances" in layouts:
        layouts = ("columns", "flat") if declared else ("distances",)
    for call in dict.fromkeys(calls):
        views: Views = definition.views
        if (call == "features_single_view") != (views == "single"):
            views = "single" if call == "features_single_view" else "sum"
        own = replace(
            first,
            definition=replace(definition, call=call, views=views),
            keywords=told.tensors if told.by_name else (),
            keys=told.keys if call == "mapping_of_views" else (),
        )
        for integers in (False,) if declared else (False, True):
            for layout in dict.fromkeys(layouts):
                one = layout != "columns"
                laid_out = replace(own, labels=layout, one_dimension=one, integer_labels=integers)
                if own.weights and (declared or layout == "columns"):
                    yield laid_out
                if not (own.weights and declared):  # its weights may be those of the rows
                    yield replace(laid_out, weights=False)


@functools.lru_cache(maxsize=32)
def _right_losses(definition: Definition) -> list[float]:
    """The definition's losses on trial calls of several label dimensions and of one."""
    batches = (make_batch(replace(SMALL, dims=dims)) for dims in (SMALL.dims, 1))
    return [float(compute_reference(definition, batch, value_only=True).loss) for batch in batches]


def _farthest_line(error: Exception, function: Any) -> float:
    """The last line of a function before an error; 0 if not entered, inf if it returned no loss."""
    if isinstance(error, NotALossError):
        return math.inf
    code = getattr(function, "__code__", None)
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code is code]
    return lines[-1] if lines else 0.0


def call_by_default(subject: Adapter) -> DefaultCall:
    """Call a loss on a few rows and two label dimensions, or one if it takes no more."""
    own = replace(subject.resolution, temperature=None, weights=False, eps=False)
    plain = replace(subject, resolution=own)
    loss, error = None, None
    for dims in (1,) if own.one_dimension else (2, 1):
        workload = Workload(batch_size=ROWS, dims=dims, embedding_size=8, labels="tied")
        batch = make_batch(workload)
        if own.integer_labels:
            batch = replace(batch, labels=batch.labels.round())
        try:
            torch.manual_seed(0)
            first, second = (float(plain.answer(batch).loss) for _ in range(2))
        except Exception as raised:  # noqa: BLE001 - implementations may raise anything
            error = error or f"{type(raised).__name__}: {' '.join(str(raised).split())}"
        else:
            loss, error = (first if math.isclose(first, second, rel_tol=SAME) else None), None
            break
    return DefaultCall(loss, error, _parameters(subject.target))


def _parameters(target: object) -> tuple[tuple[str, str], ...]:
    owner = signature.behind(target)
    found = dict(signature.parameters_of(owner))
    if isinstance(owner, type) and (forward := getattr(owner, "forward", None)):
        found |= {n: p for n, p in signature.parameters_of(forward).items() if n not in found}
    return tuple((n, _default_text(p.default)) for n, p in found.items() if n != "self")


def _default_text(default: object) -> str:
    """A default in words that are equal in two processes; empty if there is none."""
    if default is inspect.Parameter.empty:
        return ""
    literal = default is None or isinstance(default, bool | int | float | str | tuple)
    return repr(default) if literal else type(default).__name__
