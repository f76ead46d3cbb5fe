"""One interface to call any loss of the family.

A subject, the implementation under test, may be a class, a function that makes a module, a plain
function ``(features, labels, temperature=...)``, a module, or a ``functools.partial`` of these. It
takes its views in one of four ways, with labels [N, D] or [N] for N rows, and returns the loss,
alone or with the losses of the D label dimensions. A trial shows which call works and stores it as
a :class:`~supcr_bench.values.implementation.Resolution`, by which an :class:`Adapter` calls it.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from supcr_bench.inputs.tensors import Batch, Problem, make_batch
from supcr_bench.reference.answer import Answer, answer_of, scale_up
from supcr_bench.reference.reference import compute_reference
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import TORCHCELL, Call, Definition
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Implementation, Resolution

TEMPERATURE_NAMES = ("temperature", "tau", "t", "temp")
LOSS_KEYS = ("loss", "total", "total_loss")
CALLS: dict[Call, str] = {
    "perturbed_intact_labels": "(perturbed, intact, labels)",
    "features_two_views": "(features [N,2,d], labels)",
    "features_single_view": "(features [N,d], labels)",
    "two_views": "(z1, z2, labels)",
}
TRIED: tuple[Call, ...] = tuple(CALLS)[:3]
"""``two_views`` takes the tensors of the first call, but joins the views in another way."""
SMALL = Workload(batch_size=4, embedding_size=8)
"""The workload of trial calls."""
RIGHT = 1e-3
"""In trial calls, losses with at most this relative difference count as equal."""


class NotALossError(Exception):
    """A call returned no loss."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The arguments that a subject takes when it is built or called.

    Attributes:
        temperature: the name of its temperature argument, or ``None``.
        weights: whether it takes weights.
        eps: whether it takes eps.
    """

    temperature: str | None
    weights: bool
    eps: bool


def is_called_with_tensors(target: object) -> bool:
    if isinstance(target, type):
        return False
    if isinstance(target, nn.Module):
        return True
    try:
        given = inspect.signature(target).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = {*TEMPERATURE_NAMES, "weights", "eps"}
    required = [p for p in given if p.default is p.empty and p.kind in by_position]
    return len([p for p in required if p.name not in arguments]) >= 2


def find_parameters(target: Callable[..., Any]) -> Parameters:
    """The arguments that a subject takes, by their names.

    Arguments that a partial has already set keep their value, so the result omits them.
    """
    none = Parameters(None, weights=False, eps=False)
    # nn.Module's own (*args, **kwargs) accepts no argument.
    if isinstance(target, nn.Module) or (getattr(target, "__init__", None) is nn.Module.__init__):
        return none
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return none
    fixed = target.keywords if isinstance(target, functools.partial) else {}
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    def takes(name: str) -> bool:
        return name not in fixed and (name in parameters or anything)

    temperature = next((n for n in TEMPERATURE_NAMES if n in parameters), None)
    if temperature is None and anything:
        temperature = TEMPERATURE_NAMES[0]
    if temperature is not None and not takes(temperature):
        temperature = None
    return Parameters(temperature, weights=takes("weights"), eps=takes("eps"))


def construct(target: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[..., Any]:
    """The callable for tensors: the target built with these arguments, or bound to them.

    Raises:
        TypeError: the target does not take these arguments, or needs others.
    """
    if not is_called_with_tensors(target):
        built = target(**arguments)
        if not callable(built):
            raise TypeError(f"gives {type(built).__name__}, which cannot be called")
        loss: Callable[..., Any] = built
        return loss
    return functools.partial(target, **arguments) if arguments else target


def loss_of(output: object) -> Tensor:
    """The loss in a call's output, unchanged.

    Raises:
        NotALossError: the output has no tensor of one element in the place of the loss.
    """
    loss: object = output
    if isinstance(output, tuple | list) and output:
        loss = output[0]
    elif isinstance(output, Mapping):
        loss = next((output[key] for key in LOSS_KEYS if key in output), None)
    if not isinstance(loss, Tensor):
        raise NotALossError(f"returned {type(output).__name__} without a loss tensor in it")
    if loss.numel() != 1:
        raise NotALossError(f"returned a loss of shape {tuple(loss.shape)}, not a scalar")
    return loss


def unpack(output: object, dims: int) -> tuple[Tensor, Tensor | None]:
    """The loss as a scalar and, if the output has them, the [D] per-dimension losses.

    Raises:
        NotALossError: the output has no scalar loss.
    """
    loss = loss_of(output)
    parts = output[1] if isinstance(output, tuple | list) and len(output) > 1 else None
    if not (isinstance(parts, Tensor) and tuple(parts.shape) == (dims,)):
        parts = None
    return loss.reshape(()), parts


def views_of(definition: Definition, batch: Batch) -> tuple[Tensor, ...]:
    views = (batch.perturbed, batch.intact)
    return views[:1] if definition.views == "single" else views


@dataclass(slots=True, eq=False)
class BoundLoss:
    """A loss with the tensors for its calls.

    Attributes:
        module: the callable.
        arguments: its tensors, in order; all but the labels require grad.
        dims: label dimensions.
    """

    module: Callable[..., object]
    arguments: dict[str, Tensor]
    dims: int

    def forward(self) -> object:
        return self.module(*self.arguments.values())

    def training(self) -> object:
        output = self.forward()
        loss_of(output).backward()  # type: ignore[no-untyped-call]
        return output

    def clear_gradients(self) -> None:
        for tensor in self.arguments.values():
            tensor.grad = None

    def answer(self, output: object, *, gradients: bool) -> Answer:
        return answer_of(*unpack(output, self.dims), self.gradients() if gradients else ())

    def gradients(self) -> tuple[Tensor, ...]:
        """The [N, d] gradient of each view; a missing gradient counts as zero."""
        leaves = [tensor for name, tensor in self.arguments.items() if name != "labels"]
        found = [torch.zeros_like(t) if t.grad is None else t.grad.detach() for t in leaves]
        return found[0].unbind(dim=1) if found[0].ndim == 3 else tuple(found)

    def changed_from(self, before: Mapping[str, Tensor]) -> list[str]:
        """Names of the tensors whose values changed, or that no longer require a gradient."""
        return [
            name
            for name, tensor in self.arguments.items()
            if tensor.requires_grad != before[name].requires_grad
            or not torch.equal(tensor.detach().isnan(), before[name].detach().isnan())
            or not torch.equal(tensor.detach().nan_to_num(), before[name].detach().nan_to_num())
        ]


@dataclass(frozen=True, slots=True)
class Adapter:
    """Builds and calls a subject as its resolution says."""

    target: Callable[..., Any]
    resolution: Resolution

    @classmethod
    def of(cls, implementation: Implementation, resolution: Resolution) -> "Adapter":
        return cls(implementation.under(resolution.definition.name).factory, resolution)

    @classmethod
    def usual(cls, target: Callable[..., Any], definition: Definition = TORCHCELL) -> "Adapter":
        """The adapter of a subject that is called as its definition says, without a trial call."""
        taken = find_parameters(target)
        resolution = Resolution(
            definition=definition,
            temperature=taken.temperature,
            weights=taken.weights,
            eps=taken.eps,
        )
        return cls(target, resolution)

    def bind(self, definition: Definition, batch: Batch) -> BoundLoss:
        """The loss with a definition's temperature, bound to a batch's tensors and device."""
        module = self.build(definition, batch.weights, batch.labels.device)
        return BoundLoss(module, self.arguments(batch), batch.labels.shape[1])

    def build(
        self,
        definition: Definition,
        weights: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Callable[..., Any]:
        """The callable for tensors, at a definition's temperature and eps.

        Raises:
            TypeError: the subject rejects arguments that its signature lists.
        """
        own = self.resolution
        arguments: dict[str, Any] = {}
        if own.temperature:
            arguments[own.temperature] = definition.temperature
        if own.weights and weights is not None:
            arguments["weights"] = weights.detach().clone()
        if own.eps:
            arguments["eps"] = definition.eps or 0.0
        module = construct(self.target, arguments)
        return module.to(device) if isinstance(module, nn.Module) else module

    def arguments(self, batch: Batch) -> dict[str, Tensor]:
        """The tensors of a batch as this subject takes them; all but the labels are leaves."""
        found = self._by_role(batch.perturbed, batch.intact, batch.labels)
        return {n: t if t.is_leaf else t.detach().requires_grad_() for n, t in found.items()}

    def _by_role(self, first: Tensor, second: Tensor, labels: Tensor) -> dict[str, Tensor]:
        own = self.resolution
        if own.flat_labels and labels.shape[1] == 1:
            labels = labels[:, 0]
        if own.definition.call == "features_single_view":
            return {"features": first, "labels": labels}
        if own.definition.call == "features_two_views":
            return {"features": torch.stack((first, second), dim=1), "labels": labels}
        return {"perturbed": first, "intact": second, "labels": labels}

    def call(
        self, module: Callable[..., Any], first: Tensor, second: Tensor, labels: Tensor
    ) -> Any:
        """The output for two views and labels, with its graph."""
        return module(*self._by_role(first, second, labels).values())

    def answer(
        self,
        problem: Problem,
        upstream: Tensor | None = None,
        module: Callable[..., Any] | None = None,
        device: str = "cpu",
    ) -> Answer:
        """Value and the gradients of both views.

        Args:
            problem: the inputs.
            upstream: [1 + D] gradient at the loss and at the per-dimension losses (ignored where
                the subject returns none); by default 1 at the loss alone.
            module: the module to call instead of a new one.
            device: the device of the call.
        """
        if module is None:
            definition = self.resolution.definition.at(problem.temperature)
            module = self.build(definition, problem.weights, device)
        first, second, labels = problem.copies(device)
        leaves = (first.requires_grad_(), second.requires_grad_())
        loss, parts = unpack(self.call(module, *leaves, labels), labels.shape[1])
        scale_up(loss, parts, upstream).backward()  # type: ignore[no-untyped-call]
        found = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
        return answer_of(loss, parts, found)

    def why_not(self, definition: Definition, case: Workload) -> str | None:
        """The reason why this subject cannot run a case; ``None`` if it can."""
        own = self.resolution
        if own.flat_labels and case.dims > 1:
            return f"takes labels [N] of one dimension, and the case has D={case.dims}"
        if not own.temperature and definition.temperature != own.definition.temperature:
            return (
                f"takes no temperature: it computes at {own.definition.temperature:g}, and the "
                f"case asks for {definition.temperature:g}"
            )
        if definition.nan_labels == "unsupported" and case.nan_density:
            return f"{definition.name} does not say what a missing label means"
        return None


def find_call(
    implementation: Implementation, definition: Definition, device: str = "cpu"
) -> tuple[Resolution, bool]:
    """Find how to call a subject as an implementation of a definition; and whether it gave a loss.

    It tries the definition's call first, then labels of one dimension as [N], then the other
    calls, which it accepts only if they give the right loss or if no other call returns one. A call
    that accepts the arguments and then raises may do so because of the inputs, so the sweep
    measures it.

    Raises:
        SubjectError: the subject cannot be built, or accepts none of the calls.
    """
    usual = Adapter.usual(implementation.under(definition.name).factory, definition)
    answering: list[Resolution] = []
    raising: list[Resolution] = []
    failed: dict[str, Exception] = {}
    for own in _tried(usual.resolution):
        try:
            loss = _small_loss(replace(usual, resolution=own), implementation.name, device)
        except SubjectError:
            raise
        except Exception as error:  # noqa: BLE001 - the subject does not take this call
            failed[_as_called(own)] = error
            if not isinstance(error, TypeError | NotALossError):
                raising.append(own)
            continue
        if _is_right(own.definition, loss):
            return own, True
        answering.append(own)
    if not answering and not raising:
        raise SubjectError(_uncallable(implementation.name, failed))
    return [*answering, *raising][0], bool(answering)


def _tried(first: Resolution) -> Iterator[Resolution]:
    definition = first.definition
    calls = [definition.call, *(c for c in TRIED if c != definition.call)]
    if definition.call == "two_views":
        calls.remove("perturbed_intact_labels")
    for call in calls:
        views = definition.views
        if (call == "features_single_view") != (views == "single"):
            views = "single" if call == "features_single_view" else "sum"
        own = replace(definition, call=call, views=views)
        for flat in (False, True):
            yield replace(first, definition=own, flat_labels=flat)


def _as_called(resolution: Resolution) -> str:
    words = CALLS[resolution.definition.call]
    return words.replace("labels", "labels [N]") if resolution.flat_labels else words


def _small_loss(adapter: Adapter, name: str, device: str) -> float:
    try:
        batch = make_batch(replace(SMALL, device=device))
        bound = adapter.bind(adapter.resolution.definition, batch)
    except TypeError as error:
        raise SubjectError(f"{name} cannot be built: {error}") from error
    return float(loss_of(bound.forward()).detach())


def _is_right(definition: Definition, loss: float) -> bool:
    batch = make_batch(SMALL)
    reference = compute_reference(
        definition,
        views_of(definition, batch),
        batch.labels,
        weights=batch.weights,
        temperature=definition.temperature,
    )
    return abs(loss - float(reference.loss)) <= RIGHT * abs(float(reference.loss))


def _uncallable(name: str, failed: Mapping[str, Exception]) -> str:
    """The message that lists the tried calls with their errors, equal errors once."""
    said: dict[str, list[str]] = {}
    for call, error in failed.items():
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        said.setdefault(text, []).append(call)
    tried = "; ".join(f"as {' or '.join(calls)}: {text}" for text, calls in said.items())
    return f"{name} cannot be called: {tried}"
