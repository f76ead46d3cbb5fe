"""Says what is most likely wrong with a loss, and shows it with a small case and a program."""

import functools
import re
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor, nn

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.compare import Trial
from supcr_bench.subjects.calls import call_text, loss_of
from supcr_bench.subjects.packages import import_lines
from supcr_bench.subjects.registry import is_described, locate
from supcr_bench.subjects.signature import behind, is_called_with_tensors
from supcr_bench.values.definition import DEFINITIONS
from supcr_bench.values.errors import UsageError
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.verification.phrases import compared_with_none
from supcr_bench.verification.reading import causes
from supcr_bench.verification.resolve import read

MOST_TRIALS = 60
LONGEST_S = 5.0
LITERAL_UP_TO = 30
"""The most numbers that a snippet writes out; it generates those of a larger problem."""
WIDTH = 79


def find_causes(context: CheckContext) -> tuple[str, ...]:
    recognised = context.own.recognised
    if recognised is not None:
        return recognised.faults
    with suppress(Exception):  # a check has reported what it raises
        return tuple(causes(read(context.subject, context.device), context.definition))
    return ()


def diagnose(
    context: CheckContext, outcomes: Sequence[Outcome], failed: Sequence[Trial]
) -> Diagnosis | None:
    """Return what is most likely wrong; ``None`` if nothing is, or the findings say so."""
    wrong = [o for o in outcomes if o.verdict is Verdict.FAIL]
    if not wrong:
        return None
    found = find_causes(context)
    counting = [o for o in wrong if o.group != "robustness"]
    if not found and not counting:
        return None
    if compared_with_none(found):
        return Diagnosis(causes=found)
    problems = sorted((t.problem for t in failed if t.problem is not None), key=lambda p: p.size)
    smallest = next((shrink(context, p) for p in problems[:5] if context.compare(p).failed), None)
    return Diagnosis(
        causes=found,
        smallest=smallest.name if smallest else None,
        snippet=snippet(context, smallest) if smallest else None,
    )


def shrink(context: CheckContext, problem: Batch) -> Batch:
    """Make a failing problem smaller step by step, as long as it still fails."""
    began, steps = time.process_time(), _steps(problem)
    for _ in range(MOST_TRIALS):
        candidate = next(steps, None)
        if candidate is None or time.process_time() - began > LONGEST_S:
            break
        if context.compare(candidate).failed:
            n, d, dims = candidate.size
            parts = ((n, "row"), (dims, "label dimension"), (d, "column"))
            name = ", ".join(f"{size} {part}{'s' * (size > 1)}" for size, part in parts)
            problem = replace(candidate, name=name)
            steps = _steps(problem)
    return problem


def _steps(problem: Batch) -> Iterator[Batch]:
    n, d, dims = problem.size
    for c in range(dims if dims > 1 else 0):
        keep = [k for k in range(dims) if k != c]
        yield replace(problem, labels=problem.labels[:, keep], weights=problem.weights[keep])
    sizes = [s for s in (n // 2, n - max(n // 8, 1), n - 1) if 2 <= s < n]
    yield from map(problem.rows, [*map(slice, sizes), *([slice(1, n)] if n > 2 else [])])
    for size in (2, d // 2, d - 1):  # with one column, a cosine has no gradient
        if 2 <= size < d:
            yield problem.moved("", itemgetter((slice(n), slice(size))))
    for name in ("first", "second", "labels"):
        rounded = _rounded(getattr(problem, name))
        if rounded is not None:
            yield problem.changed("", **{name: rounded})


def _rounded(tensor: Tensor) -> Tensor | None:
    """The tensor rounded to one decimal; ``None`` if that changes nothing or makes a row zero."""
    rounded = torch.round(tensor * 10) / 10
    same = torch.equal(rounded.nan_to_num(7.5), tensor.nan_to_num(7.5))
    if same or bool((rounded == 0).all(dim=-1).any()):
        return None
    return rounded


def snippet(context: CheckContext, problem: Batch) -> str:
    """Write a program that shows what the subject gives, next to what the definition gives."""
    n, d, dims = problem.size
    views = ("first", "second")[: 1 + (context.definition.views != "single")]
    bits = torch.Generator().manual_seed(0)
    first, second, y = (torch.randn(n, k, generator=bits) for k in (d, d, dims))
    generated = Batch(first, second, y, torch.ones(dims), problem.temperature, "generated")
    long = len(views) * n * d + n * dims > LITERAL_UP_TO
    if long and context.compare(generated).failed:
        problem = generated
        tensors = [
            "torch.manual_seed(0)",
            f"first = torch.randn({n}, {d}, requires_grad=True)",
            f"second = torch.randn({n}, {d}, requires_grad=True)",
            f"labels = torch.randn({n}, {dims})",
        ]
    else:
        tensors = [f"{view} = {_literal(getattr(problem, view), leaf=True)}" for view in views]
        tensors.append(f"labels = {_literal(problem.labels)}")
    if context.device != "cpu":  # random numbers on another device would be others
        device = context.device
        tensors += [f"{v} = {v}.detach().to({device!r}).requires_grad_()" for v in views]
        tensors.append(f"labels = labels.to({device!r})")
    imports, subject = _imported(context)
    name = context.definition.name
    right = name if name in DEFINITIONS else "the definition"
    reference = context.reference(problem)
    value, shown = f"{float(reference.loss):.7g}", ["loss.backward()"]
    try:
        output, answer = context.call(problem), context.ask(problem)
        part = _place(output, loss_of(output)) or ""
    except Exception as error:  # noqa: BLE001 - implementations may raise anything
        part = ""
        shown.insert(0, f"# It raises {type(error).__name__}; {right} gives {value}.")
    else:
        shown.append(f'print(f"{{loss.item()=:.7g}}; {right} gives {value}")')
        expected = torch.stack(reference.gradients).double()
        own = torch.stack(answer.gradients[: len(expected)]).double()
        difference = (own - expected).abs().nan_to_num(torch.inf)
        view, i, j = map(int, np.unravel_index(int(difference.argmax()), difference.shape))
        entry, value = f"{views[view]}.grad[{i}, {j}].item()", f"{float(expected[view, i, j]):.7g}"
        shown.append(f'print(f"{{{entry}=:.7g}}; {right} gives {value}")')
    loss = f"loss = {_called(context, subject, problem)}{part}"
    lines = [*imports, "", *tensors, loss, *shown]
    return "\n".join(text for line in lines for text in _fitting(line))


def _fitting(line: str) -> list[str]:
    """Break a line of code after spaces that are inside parentheses."""
    if not line or '"' in line:
        return [line]
    return textwrap.wrap(
        line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _imported(context: CheckContext) -> tuple[list[str], str]:
    """The lines that import a subject as the user named it, and its name in the program."""
    try:
        subject = locate(context.name)
    except UsageError:
        own = behind(context.subject.target)
        module, name = getattr(own, "__module__", "__main__"), getattr(own, "__qualname__", "")
        if module == "__main__" or not name.isidentifier():
            return [f"import torch  # and {context.name}, as in your program"], context.name
        return import_lines(module, name, "torch")
    target = context.name.rpartition(":")[0] if subject.kind == "file" else subject.target
    attribute = subject.attribute + (".factory" if is_described(subject) else "")
    return import_lines(target, attribute, "torch")


def _called(context: CheckContext, subject: str, problem: Batch) -> str:
    target, own = context.subject.target, context.own
    fixed = {}
    if subject.endswith(".factory") and isinstance(target, functools.partial):
        fixed = target.keywords  # the definition that the implementation is set to
    settings = {key: repr(value) for key, value in fixed.items()}
    if own.temperature:
        settings[own.temperature] = repr(float(f"{problem.temperature:.10g}"))
    if own.weights:
        settings["weights"] = _literal(problem.weights)
    if own.eps:
        settings["eps"] = repr(own.definition.eps or 0.0)
    late = settings if is_called_with_tensors(target) else own.at_call
    called = [call_text(own), *(f"{key}={settings[key]}" for key in late if key in settings)]
    built = [f"{key}={value}" for key, value in settings.items() if key not in late]
    if late is not settings:
        # The registry has made a method a function that binds it, and wraps its class.
        is_method = isinstance(getattr(target, "__wrapped__", None), type)
        owner, dot, method = subject.rpartition(".") if is_method else (subject, "", "")
        module = context.build(problem)
        is_module = isinstance(getattr(module, "__self__", module), nn.Module)
        moved = f".to({context.device!r})" if is_module and context.device != "cpu" else ""
        subject = f"{owner}({', '.join(built)}){moved}{dot}{method}"
    return f"{subject}({', '.join(called)})"


def _place(output: object, loss: Tensor) -> str | None:
    """The code that takes the loss out of the result of a call; ``None`` if no place is known."""
    if output is loss:
        return ""
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(output, Mapping):
        parts = output.items()
    elif isinstance(output, tuple | list):
        parts = enumerate(output)
    places = ((key, _place(part, loss)) for key, part in parts)
    return next((f"[{key!r}]{inner}" for key, inner in places if inner is not None), None)


def _literal(tensor: Tensor, *, leaf: bool = False) -> str:
    """Code of a tensor, with numbers as the shortest text that gives them again."""
    numbers = tensor.numpy() if tensor.dtype == torch.float32 else np.array(tensor.tolist())
    text = str(numbers.astype(str).tolist()).replace("'", "")
    text = re.sub(r"\b(nan|inf)\b", r"torch.\1", text)
    dtype = "" if tensor.dtype == torch.float32 else f", dtype={tensor.dtype}"
    return f"torch.tensor({text}{dtype}{', requires_grad=True' if leaf else ''})"
