"""Checks of conduct: a loss changes no input or global state, and works on devices and compiled."""

import gc
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch
from supcr_bench.measure.device import find_accelerator
from supcr_bench.measure.timing import frozen
from supcr_bench.reference.compare import Answer, Trial, deviation, deviations, outright, worst_of
from supcr_bench.subjects.calls import loss_of
from supcr_bench.subjects.process_state import changes_by
from supcr_bench.verification.context import CheckContext, check, finding_of

CALLS = 8


@check("torch.compile", "conduct")
def compilation(context: CheckContext) -> Iterator[Trial]:
    """A loss with the tag ``compile`` gives the same numbers under torch.compile."""
    context.require("compile" in context.tags, "does not claim to work under torch.compile")
    problem = context.problem(n=9, dims=2)
    module = torch.compile(context.build(problem))
    yield context.compare(problem.changed("compiled"), module=module)


HARMLESS = {"to", "__get__", "dim", "size", "numel", "__len__", "item", "tolist", "__float__"}
"""Methods of a tensor that do not compute on its device."""


class _Watched(torch.Tensor):
    """A tensor that records the functions that use it."""

    used: ClassVar[set[str]]

    @classmethod
    def __torch_function__(
        cls, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        places = [*args[1:], *(kwargs or {}).values()]
        moves = func.__name__ in ("to", "type_as", "cuda") and any(
            isinstance(place, torch.Tensor | torch.device | str | int) for place in places
        )
        with torch._C.DisableTorchFunctionSubclass():
            found = func(*args, **(kwargs or {}))
        number = func.__name__ == "__getitem__" and found.ndim == 0  # any device takes it
        if not moves and not number:
            cls.used.add(func.__name__)
        return found.as_subclass(torch.Tensor) if moves or number else found


def _built_module(context: CheckContext, problem: Batch) -> torch.nn.Module:
    module = context.build(problem)
    context.require(isinstance(module, torch.nn.Module), "is not a torch.nn.Module")
    assert isinstance(module, torch.nn.Module)
    return module


@check("device", "conduct")
def device(context: CheckContext) -> Iterator[Trial]:
    """All tensors move with the module: weights left on the CPU stop the first step on a GPU."""
    problem = context.problem(n=5, dims=2)
    module = _built_module(context, problem)
    kept = {
        f"{part_name}.{name}".lstrip("."): (part, name, value)
        for part_name, part in module.named_modules()
        for name, value in vars(part).items()
        if isinstance(value, torch.Tensor) and value.ndim  # any device takes a number of the CPU
    }
    for full, (part, name, value) in kept.items():
        used: set[str] = set()
        vars(part)[name] = value.as_subclass(type("Watched", (_Watched,), {"used": used}))
        context.call(problem, module)
        vars(part)[name] = value
        if not used <= HARMLESS:  # a call that moves it to its inputs' device first does no harm
            yield outright(full, f"{full} stays behind: it is not a buffer or a parameter")
    module.to("meta")
    left = [name for name, b in module.named_buffers() if b.device.type != "meta"]
    yield outright("buffers", f"{', '.join(left)} stay behind" if left else None)
    accelerator = find_accelerator()
    if accelerator is not None:
        there = replace(context, device=accelerator.type)
        yield there.compare(problem.changed(f"on {accelerator.type}"))


@check("evaluation mode", "conduct")
def evaluation_mode(context: CheckContext) -> Iterator[Trial]:
    """A loss has no mode: validation in another mode says nothing about training."""
    problem = context.problem(n=9, dims=2)
    module = _built_module(context, problem)
    yield context.compare(problem.changed("module.eval()"), module=module.eval())


@check("inputs unmodified", "conduct")
def inputs_unmodified(context: CheckContext) -> Iterator[Trial]:
    """The call changes no input: labels filled in place are wrong for the next reader."""
    problem = context.problem(n=9, dims=2, nan_density=0.2, weights="unnormalised")
    loss, pristine = context.bind(problem), context.bind(problem).arguments
    loss.call("training")
    changed = loss.changed_from(pristine)
    for name in pristine:
        role = {"perturbed": "first view", "intact": "second view"}.get(name, name)
        finding = f"the call changes the {role}" if name in changed else None
        yield outright(f"{problem.name}: {role}", finding)


@check("memory growth", "conduct", slow=True)
def memory_growth(context: CheckContext) -> Iterator[Trial]:
    """No tensors are kept from call to call, which fill the memory, and no count of calls."""
    problem = context.problem(n=5, dims=2)
    module = context.build(problem)
    counts: list[int] = []
    answers: list[Answer] = []
    with frozen():  # earlier objects are not counted, since that takes long in a large program
        for _ in range(3):
            for _ in range(CALLS):
                answers = [*answers[:1], context.ask(problem, module=module)]
            gc.collect()
            counts.append(sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects()))
    grown = min(counts[1] - counts[0], counts[2] - counts[1])
    finding = f"{grown // CALLS} tensors more after every call"
    yield outright(f"{CALLS} calls", finding if grown >= CALLS else None)
    yield _same(context, problem.changed(f"after {3 * CALLS} calls"), answers[0], answers[-1])


@check("no cached outputs", "conduct")
def no_cache(context: CheckContext) -> Iterator[Trial]:
    """New values in a reused buffer give a new loss: training overwrites its buffers."""
    problem = context.problem(n=9, dims=2)
    other = context.problem(n=9, dims=2, seed=3).changed("same storage, new content")
    module = context.build(problem)
    tensors = problem.copies(context.device)
    with torch.no_grad():
        context.subject.call(module, *tensors)
        for tensor, content in zip(tensors, other.copies(context.device), strict=True):
            tensor.copy_(content)
        loss = loss_of(context.subject.call(module, *tensors))
    right, bound = context.ask(other).loss, context.bounds(other).loss
    yield deviation(other, "the loss", loss, right, bound, gives="a new module gives")


@check("no grad", "conduct")
def no_grad(context: CheckContext) -> Iterator[Trial]:
    """The loss is equal with and without gradients: validation computes none."""
    problem = context.problem(n=9, dims=2)
    bound = context.bounds(problem).loss
    usual = context.ask(problem).loss
    for name, mode in (("no_grad", torch.no_grad), ("inference_mode", torch.inference_mode)):
        case = problem.changed(f"under torch.{name}")
        try:
            with mode():
                loss = loss_of(context.call(problem))
        except Exception as error:  # noqa: BLE001 - implementations may raise anything
            yield outright(f"under torch.{name}", finding_of(error))
            continue
        yield deviation(case, "the loss", loss, usual, bound, gives="it gives with gradients")


@check("process settings", "conduct")
def process_settings(context: CheckContext) -> Iterator[Trial]:
    """The call changes no setting or function of the process, which would affect all training."""
    loss = context.bind(context.problem(n=9, dims=1))
    for when, changes in (
        ("its import", context.own.process_changes),
        ("the call", changes_by(loss.forward)),
    ):
        said = " and ".join(changes)
        yield outright(when, f"{when} {said}, for the whole process" if changes else None)


@check("random state", "conduct")
def random_state(context: CheckContext) -> Iterator[Trial]:
    """A loss draws no random numbers and sets no seed, which would change all later draws."""
    problem = context.problem(n=9, dims=1, labels="tied")
    losses: list[float] = []
    states: dict[str, Callable[[], object]] = {
        "torch": lambda: torch.get_rng_state().tolist(),
        "Python": random.getstate,
        "NumPy": lambda: str(np.random.get_state(legacy=False)),
    }
    with torch.random.fork_rng(devices=[]):
        for seed in (20_221_004, 7):
            # After three draws, even a loss that sets this very seed changes the state.
            torch.manual_seed(seed)
            torch.rand(3)
            before = {name: state() for name, state in states.items()}
            losses.append(float(context.ask(problem).loss))
            changed = [name for name, state in states.items() if state() != before[name]]
    random_loss = abs(losses[0] - losses[1]) > context.bounds(problem).loss
    for name in states:
        finding = f"the call changes {name}'s global random state"
        if random_loss:
            finding += f", and the loss is random: {losses[0]:.6g}, then {losses[1]:.6g}"
        yield outright(name, finding if name in changed else None)


def _same(
    context: CheckContext,
    problem: Batch,
    before: Answer,
    after: Answer,
    cause: str = "the module keeps something from call to call",
) -> Trial:
    bounds = context.bounds(problem)
    trial = worst_of(deviations(problem, after, before, bounds, gives="it was"))
    return replace(trial, finding=f"{trial.finding}: {cause}") if trial.failed else trial


@check("repeatability", "conduct")
def repeatability(context: CheckContext) -> Iterator[Trial]:
    """State kept from one batch would make the loss wrong from the second step on."""
    problem, other, longer = (
        context.problem(n=n, dims=2, nan_density=0.2, seed=seed)
        for n, seed in ((9, 0), (9, 5), (14, 6))
    )
    labels = torch.cat((problem.labels[:1], problem.labels[1:-1].roll(1, 0), problem.labels[-1:]))
    other = replace(other, labels=labels)  # whose sum, ends and values tell nothing
    module = context.build(problem)
    before = context.ask(problem, module=module)
    twin = problem.changed("a second module")
    cause = "something is random inside, or kept beyond the module"
    again = _same(context, twin, before, context.ask(problem), cause)
    yield again
    if again.failed:
        return
    for name, question in (
        ("the second call", problem),
        ("the second input of a module", other),
        ("a longer batch after a shorter", longer),
        ("again after another input", problem),
    ):
        alone = before if question is problem else context.ask(question)
        yield _same(context, question.changed(name), alone, context.ask(question, module=module))


def _sliced(x: Tensor) -> Tensor:
    """Copy a matrix into every second row and column of a larger tensor of other values."""
    wide = torch.full((2 * x.shape[0], 2 * x.shape[1] + 1), 9.0, dtype=x.dtype, device=x.device)
    wide[::2, 1::2] = x
    return wide[::2, 1::2]


@check("strides", "conduct")
def strides(context: CheckContext) -> Iterator[Trial]:
    """The loss ignores memory layout: embeddings may be slices or transposes."""
    problem = context.problem(n=9, d=6, dims=3)
    usual = context.ask(problem)
    layouts = ("transposed in memory", lambda x: x.t().contiguous().t()), ("sliced", _sliced)
    for name, lay in layouts:
        answer = context.ask(problem, lay=lay)
        cause = "it depends on the memory layout of its inputs"
        yield _same(context, problem.changed(name), usual, answer, cause)
