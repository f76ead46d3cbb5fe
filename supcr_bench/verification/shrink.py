"""Shrinks a failing case: removes rows, dimensions and columns as long as it still fails."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Problem
from supcr_bench.subjects.calls import call_text
from supcr_bench.verification.context import CheckContext

MOST_TRIALS = 60
LONGEST_S = 5.0
LITERAL_UP_TO = 60
"""Most numbers that a snippet writes out; it generates a larger problem instead."""


def fails(context: CheckContext, problem: Problem) -> bool:
    return context.compare(problem).failed


def shrink(
    context: CheckContext, problem: Problem, still: Callable[[CheckContext, Problem], bool] = fails
) -> Problem:
    """Make a failing problem smaller step by step, as long as ``still`` holds for it."""
    tried, began = 0, time.perf_counter()
    smaller = True
    while smaller:
        smaller = False
        for candidate in _steps(problem):
            tried += 1
            if tried > MOST_TRIALS or time.perf_counter() - began > LONGEST_S:
                return problem
            if still(context, candidate):
                problem, smaller = candidate, True
                break
    return problem


def _steps(problem: Problem) -> Iterator[Problem]:
    n, d, dims = problem.size
    for c in range(dims):
        if dims > 1:
            keep = [k for k in range(dims) if k != c]
            yield _resized(problem, labels=problem.labels[:, keep], weights=problem.weights[keep])
    for size in (n // 2, n - max(n // 8, 1), n - 1):
        if 2 <= size < n:
            yield _resized(
                problem,
                first=problem.first[:size],
                second=problem.second[:size],
                labels=problem.labels[:size],
            )
    if n > 2:
        yield _resized(
            problem, first=problem.first[1:], second=problem.second[1:], labels=problem.labels[1:]
        )
    for size in (2, d // 2, d - 1):  # with one column, a cosine has no gradient
        if 2 <= size < d:
            yield _resized(problem, first=problem.first[:, :size], second=problem.second[:, :size])
    for name in ("first", "second", "labels"):
        rounded = _rounded(getattr(problem, name))
        if rounded is not None:
            yield _resized(problem, **{name: rounded})


def _rounded(tensor: Tensor) -> Tensor | None:
    """The tensor rounded to one decimal; ``None`` if that changes nothing or makes a row zero."""
    rounded = torch.round(tensor * 10) / 10
    same = torch.equal(rounded.nan_to_num(7.5), tensor.nan_to_num(7.5))
    if same or bool((rounded == 0).all(dim=-1).any()):
        return None
    return rounded


def _resized(problem: Problem, **tensors: Tensor) -> Problem:
    changed = problem.changed("", **tensors)
    n, d, dims = changed.size
    name = f"{n} rows, {dims} label dimension{'s' if dims > 1 else ''}, {d} columns"
    return replace(changed, name=name)


def _literal(tensor: Tensor) -> str:
    text = repr(tensor.tolist()).replace("nan", "NAN").replace("inf", "INF")
    dtype = "" if tensor.dtype == torch.float32 else f", dtype={tensor.dtype}"
    return f"torch.tensor({text}{dtype})"


def snippet(context: CheckContext, problem: Problem) -> str:
    """Write a program that shows the failure once the user inserts the implementation."""
    n, d, dims = problem.size
    own = context.subject.resolution
    arguments = []
    if own.temperature:
        arguments.append(f"{own.temperature}={problem.temperature!r}")
    if own.weights:
        arguments.append("weights=weights")
    if own.eps:
        arguments.append(f"eps={(own.definition.eps or 0.0)!r}")
    generated = _generated(n, d, dims, problem.temperature)
    if 2 * n * d + n * dims > LITERAL_UP_TO and fails(context, generated):
        problem = generated
        tensors = [
            "generator = torch.Generator().manual_seed(0)",
            f"first = torch.randn({n}, {d}, generator=generator)",
            f"second = torch.randn({n}, {d}, generator=generator)",
            f"labels = torch.randn({n}, {dims}, generator=generator)",
            f"weights = torch.ones({dims})",
        ]
    else:
        tensors = [
            "NAN, INF = float('nan'), float('inf')",
            f"first = {_literal(problem.first)}",
            f"second = {_literal(problem.second)}",
            f"labels = {_literal(problem.labels)}",
            f"weights = {_literal(problem.weights)}",
        ]
    reference = context.reference(problem)
    lines = [
        "import torch",
        "",
        *tensors,
        "first.requires_grad_()",
        "second.requires_grad_()",
        "",
        f"loss_module = YourLoss({', '.join(arguments)})  # {context.name}",
        f"output = loss_module({call_text(own)})",
        "if isinstance(output, dict):",
        "    output = output['loss']",
        "loss = output if torch.is_tensor(output) else output[0]",
        "loss.backward()",
        f"print(loss.item())  # {context.definition.name} gives {float(reference.loss):.7g}",
    ]
    for name, gradient in zip(("first", "second"), reference.gradients, strict=False):
        row = int(gradient.norm(dim=1).argmax())
        values = ", ".join(f"{x:.6g}" for x in gradient[row, :4].tolist())
        lines.append(f"print({name}.grad[{row}, :4])  # {context.definition.name} gives [{values}]")
    return "\n".join(lines)


def _generated(n: int, d: int, dims: int, temperature: float) -> Problem:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(n, d, generator=generator)
    second = torch.randn(n, d, generator=generator)
    labels = torch.randn(n, dims, generator=generator)
    return Problem(first, second, labels, torch.ones(dims), temperature, "generated")
