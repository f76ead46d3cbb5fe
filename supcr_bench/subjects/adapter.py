"""One interface to call any loss of the family.

A subject, the implementation under test, may be a class, a function that makes a module, a plain
function ``(features, labels, temperature=...)``, a module, or a ``functools.partial`` of these.
:mod:`supcr_bench.subjects.find_call` finds out how to call the subject, and stores that as a
:class:`~supcr_bench.values.implementation.Resolution`, which an :class:`Adapter` follows.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.compare import Answer, answer_of, scale_up
from supcr_bench.subjects.calls import invoke, lay_out, loss_of, unpack, views_of_gradients
from supcr_bench.subjects.signature import find_parameters, is_called_with_tensors
from supcr_bench.values.case import Pass
from supcr_bench.values.definition import TORCHCELL, Definition
from supcr_bench.values.implementation import Implementation, Resolution


@dataclass(slots=True, eq=False)
class BoundLoss:
    """A loss with the tensors for its calls, by their roles; all but the labels require grad."""

    module: Callable[..., object]
    arguments: dict[str, Tensor]
    dims: int
    resolution: Resolution

    def forward(self) -> object:
        return invoke(self.resolution, self.module, self.arguments)

    def backward(self, output: object) -> None:
        loss_of(output).backward()  # type: ignore[no-untyped-call]

    def call(self, pass_: Pass) -> object:
        output = self.forward()
        if pass_ == "training":
            self.backward(output)
        return output

    def clear_gradients(self) -> None:
        for tensor in self.arguments.values():
            tensor.grad = None

    def answer(self, output: object, *, gradients: bool) -> Answer:
        return answer_of(*unpack(output, self.dims), self.gradients() if gradients else ())

    def gradients(self) -> tuple[Tensor, ...]:
        """The [N, d] gradient of each view; a missing gradient counts as zero."""
        leaves = [t for name, t in self.arguments.items() if not name.startswith("labels")]
        found = [torch.zeros_like(t) if t.grad is None else t.grad.detach() for t in leaves]
        return views_of_gradients(self.resolution.definition.call, found)

    def changed_from(self, before: Mapping[str, Tensor]) -> list[str]:
        """Names of the tensors whose values changed, or that no longer require a gradient."""
        return [
            name
            for name, tensor in self.arguments.items()
            if tensor.requires_grad != before[name].requires_grad
            or not torch.allclose(tensor, before[name], rtol=0, atol=0, equal_nan=True)
        ]


@dataclass(frozen=True, slots=True)
class Adapter:
    """Builds and calls a subject as its resolution says."""

    target: Callable[..., Any]
    resolution: Resolution
    device_specific: bool = False

    @classmethod
    def of(cls, implementation: Implementation, resolution: Resolution) -> "Adapter":
        target = implementation.under(resolution.definition).factory
        return cls(target, resolution, implementation.device_specific)

    @classmethod
    def usual(
        cls,
        target: Callable[..., Any],
        definition: Definition = TORCHCELL,
        *,
        declared: bool = True,
    ) -> "Adapter":
        """The adapter of a subject that is called as its definition says, without a trial call."""
        taken = find_parameters(target, declared=declared)
        return cls(target, replace(taken, definition=definition))

    def bind(self, definition: Definition, batch: Batch) -> BoundLoss:
        module = self.build(definition, batch.weights, batch.labels.device)
        dims = batch.labels.shape[1]
        return BoundLoss(module, self.arguments(batch), dims, self.resolution)

    def build(
        self,
        definition: Definition,
        weights: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Callable[..., Any]:
        """The callable that takes tensors, at a definition's temperature and eps.

        Raises a TypeError if the subject rejects arguments of its signature, or needs others.
        """
        own = self.resolution
        arguments: dict[str, Any] = {}
        if own.temperature:
            arguments[own.temperature] = definition.temperature
        if own.weights and weights is not None:
            arguments["weights"] = weights.detach().clone()
        if own.eps:
            arguments["eps"] = definition.eps or 0.0
        at_call = {name: arguments.pop(name) for name in own.at_call if name in arguments}
        module = self.target
        if not is_called_with_tensors(module):
            module = module(**arguments)
        elif arguments:
            module = functools.partial(module, **arguments)
        holder = getattr(module, "__self__", module)  # a method's object
        if isinstance(holder, nn.Module):
            holder.to(device)
        if own.compiled:
            module = torch.compile(module, dynamic=False)  # for each shape anew
        return functools.partial(module, **at_call) if at_call else module

    def arguments(self, batch: Batch) -> dict[str, Tensor]:
        """The tensors of a batch as this subject takes them; all except the labels are leaves."""
        found = lay_out(self.resolution, *batch.views, batch.labels)
        return {n: t.detach().requires_grad_("labels" not in n) for n, t in found.items()}

    def call(
        self, module: Callable[..., Any], first: Tensor, second: Tensor, labels: Tensor
    ) -> Any:
        before = torch.is_grad_enabled()
        try:
            return invoke(self.resolution, module, lay_out(self.resolution, first, second, labels))
        finally:
            torch.set_grad_enabled(before)  # whatever mode the subject leaves

    def answer(
        self,
        batch: Batch,
        upstream: Tensor | None = None,
        module: Callable[..., Any] | None = None,
        device: str = "cpu",
        lay: Callable[[Tensor], Tensor] = torch.clone,
    ) -> Answer:
        """Value and the gradients of both views, of a new module unless one is given.

        ``upstream`` is the [1 + D] gradient at the loss and at the per-dimension losses (ignored
        where the subject returns none); by default 1 at the loss alone. ``lay`` copies a tensor
        into the memory layout of the call.
        """
        if module is None:
            definition = self.resolution.definition.at(batch.temperature)
            module = self.build(definition, batch.weights, device)
        first, second, labels = map(lay, batch.copies(device))
        leaves = (first.requires_grad_(), second.requires_grad_())
        loss, parts = unpack(self.call(module, *leaves, labels), labels.shape[1])
        scale_up(loss, parts, upstream).backward()  # type: ignore[no-untyped-call]
        found = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
        return answer_of(loss, parts, found)
