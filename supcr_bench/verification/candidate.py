"""An implementation under verification, with one way to construct and call it.

Public implementations of the family are called in four ways and take different arguments. A
candidate hides that: it takes a problem and gives the loss, its parts if any, and gradients.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from supcr_bench.reference.answer import Answer
from supcr_bench.subjects.adapter import Parameters, construct, find_parameters, unpack
from supcr_bench.values.definition import Call
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Implementation, Resolution
from supcr_bench.verification.problem import Problem


@dataclass(frozen=True, slots=True)
class Candidate:
    """An implementation, and how it is called.

    Attributes:
        name: what it is called in findings.
        factory: builds its module.
        call: which of the four calls.
        eps: given to the factory if it takes one.
        parameters: arguments of the factory.
        flat_labels: whether labels of one dimension are passed as [N].
        tags: the tags that the implementation declares.
        device: where module and inputs live; answers come back to the CPU.
    """

    name: str
    factory: Callable[..., Any]
    call: Call
    eps: float
    parameters: Parameters
    flat_labels: bool = False
    tags: tuple[str, ...] = ()
    device: str = "cpu"

    @classmethod
    def of(
        cls,
        implementation: Implementation,
        device: str = "cpu",
        resolution: Resolution | None = None,
    ) -> "Candidate":
        """An implementation as it is called, or before that is known."""
        if resolution is not None:
            definition = resolution.definition
            return cls(
                implementation.name,
                implementation.under(definition.name).factory,
                definition.call,
                eps=definition.eps or 0.0,
                parameters=Parameters(resolution.temperature, resolution.weights, resolution.eps),
                flat_labels=resolution.flat_labels,
                tags=implementation.tags,
                device=device,
            )
        return cls(
            implementation.name,
            implementation.factory,
            "perturbed_intact_labels",
            eps=0.0,
            parameters=find_parameters(implementation.factory),
            tags=implementation.tags,
            device=device,
        )

    def build(self, problem: Problem, *, weights: bool = True) -> Callable[..., Any]:
        """The module for a problem's temperature and weights.

        Raises:
            SubjectError: the factory does not take what its signature says.
        """
        arguments: dict[str, Any] = {}
        if self.parameters.temperature:
            arguments[self.parameters.temperature] = problem.temperature
        if self.parameters.weights and weights:
            arguments["weights"] = problem.weights.detach().clone()
        if self.parameters.eps:
            arguments["eps"] = self.eps
        try:
            module = construct(self.factory, arguments)
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
