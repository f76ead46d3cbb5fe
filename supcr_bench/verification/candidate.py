"""An implementation under verification: constructed and called however it wants to be.

Public implementations of the family are called in four ways and take different arguments. Here they
become one: a problem goes in, a loss, perhaps its parts, and gradients come out.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from supcr_bench.values.definition import Call
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.problem import Problem

TEMPERATURE_NAMES = ("temperature", "tau", "t", "temp")
LOSS_KEYS = ("loss", "total", "total_loss")


class NotALossError(Exception):
    """What came back is not a loss, or not the parts of one."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What an implementation answered, as float64 on the CPU.

    Attributes:
        loss: scalar.
        parts: [D] per-dimension losses, if it returns them.
        gradients: d (upstream . outputs) / d view, [N, d] for each view.
        loss_dtype: of the loss as it was returned.
    """

    loss: Tensor
    parts: Tensor | None
    gradients: tuple[Tensor, ...]
    loss_dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Knobs:
    """Which arguments a factory takes.

    Attributes:
        temperature: under which name, or ``None``.
        weights: whether it takes weights.
        eps: whether it takes eps.
    """

    temperature: str | None
    weights: bool
    eps: bool


def find_knobs(factory: Callable[..., Any]) -> Knobs:
    if getattr(factory, "__init__", None) is torch.nn.Module.__init__:
        # nn.Module's own (*args, **kwargs) takes nothing, whatever it looks like.
        return Knobs(None, weights=False, eps=False)
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return Knobs(None, weights=False, eps=False)
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    temperature = next((name for name in TEMPERATURE_NAMES if name in parameters), None)
    if temperature is None and anything:
        temperature = TEMPERATURE_NAMES[0]
    return Knobs(
        temperature,
        weights="weights" in parameters or anything,
        eps="eps" in parameters or anything,
    )


def unpack(output: object, dims: int) -> tuple[Tensor, Tensor | None]:
    """The loss and, if they come along, the [D] parts.

    Raises:
        NotALossError: there is no scalar loss in it.
    """
    parts: object = None
    if isinstance(output, Mapping):
        found = next((output[key] for key in LOSS_KEYS if key in output), None)
        loss: object = found
    elif isinstance(output, tuple | list) and output:
        loss, *rest = output
        parts = rest[0] if rest else None
    else:
        loss = output
    if not isinstance(loss, Tensor):
        raise NotALossError(f"returned {type(output).__name__} without a loss tensor in it")
    if loss.numel() != 1:
        raise NotALossError(f"returned a loss of shape {tuple(loss.shape)}, not a scalar")
    if not (isinstance(parts, Tensor) and tuple(parts.shape) == (dims,)):
        parts = None
    return loss.reshape(()), parts


@dataclass(frozen=True, slots=True)
class Candidate:
    """An implementation, and how it is called.

    Attributes:
        name: what it is called in findings.
        factory: builds its module.
        call: which of the four calls.
        eps: passed on where the factory takes it.
        knobs: arguments of the factory.
        flat_labels: whether labels of one dimension are passed as [N].
        tags: what the implementation says of itself.
        device: where module and inputs live; answers come back to the CPU.
    """

    name: str
    factory: Callable[..., Any]
    call: Call
    eps: float
    knobs: Knobs
    flat_labels: bool = False
    tags: tuple[str, ...] = ()
    device: str = "cpu"

    @classmethod
    def of(cls, implementation: Implementation, device: str = "cpu") -> "Candidate":
        return cls(
            implementation.name,
            implementation.factory,
            "perturbed_intact_labels",
            eps=0.0,
            knobs=find_knobs(implementation.factory),
            tags=implementation.tags,
            device=device,
        )

    def build(self, problem: Problem, *, weights: bool = True) -> Callable[..., Any]:
        """The module for a problem's temperature and weights.

        Raises:
            SubjectError: the factory does not take what its signature says.
        """
        arguments: dict[str, Any] = {}
        if self.knobs.temperature:
            arguments[self.knobs.temperature] = problem.temperature
        if self.knobs.weights and weights:
            arguments["weights"] = problem.weights.detach().clone()
        if self.knobs.eps:
            arguments["eps"] = self.eps
        try:
            module: Callable[..., Any] = self.factory(**arguments)
        except TypeError as error:
            raise SubjectError(f"{self.name} cannot be built: {error}") from error
        if self.device != "cpu" and isinstance(module, torch.nn.Module):
            module = module.to(self.device)
        return module

    def invoke(
        self, module: Callable[..., Any], first: Tensor, second: Tensor, labels: Tensor
    ) -> Any:
        if self.flat_labels and labels.shape[1] == 1:
            labels = labels[:, 0]
        if self.call == "features_two_views":
            return module(torch.stack((first, second), dim=1), labels)
        if self.call == "features_single_view":
            return module(first, labels)
        return module(first, second, labels)

    def there(self, tensor: Tensor) -> Tensor:
        """A copy of an input on the subject's device, outside of any graph."""
        return tensor.detach().clone().to(self.device)

    def answer(
        self,
        problem: Problem,
        upstream: Tensor | None = None,
        module: Callable[..., Any] | None = None,
    ) -> Answer:
        """Value and gradient.

        Args:
            problem: the question.
            upstream: [1 + D] gradient arriving at (loss, parts); the loss alone by default. Its
                parts are dropped where the implementation returns none.
            module: asked instead of a new one.
        """
        module = module or self.build(problem)
        leaves = [self.there(v).requires_grad_() for v in (problem.first, problem.second)]
        output = self.invoke(module, leaves[0], leaves[1], self.there(problem.labels))
        loss, parts = unpack(output, problem.labels.shape[1])
        scalar = loss if upstream is None else loss * upstream[0].to(loss)
        if upstream is not None and parts is not None:
            scalar = scalar + (parts * upstream[1:].to(parts)).sum()
        scalar.backward()  # type: ignore[no-untyped-call]
        return Answer(
            loss=loss.detach().double().cpu(),
            parts=None if parts is None else parts.detach().double().cpu(),
            gradients=tuple(
                torch.zeros(leaf.shape, dtype=torch.float64)
                if leaf.grad is None
                else leaf.grad.double().cpu()
                for leaf in leaves
            ),
            loss_dtype=loss.dtype,
        )
