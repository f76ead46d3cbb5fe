"""Calls a loss without options, as its users do, to see later whether the same call changed."""

import inspect
import math
from dataclasses import replace

import torch

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.signature import behind, parameters_of
from supcr_bench.values.case import Workload
from supcr_bench.values.default_call import ROWS, SAME, DefaultCall


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
    """Names and defaults of the parameters of the constructor and of the call."""
    owner = behind(target)
    found = dict(parameters_of(owner))
    if isinstance(owner, type) and (forward := getattr(owner, "forward", None)):
        found |= {n: p for n, p in parameters_of(forward).items() if n not in found}
    return tuple((n, _default_text(p.default)) for n, p in found.items() if n != "self")


def _default_text(default: object) -> str:
    """A default in words that two processes share; empty if there is none."""
    if default is inspect.Parameter.empty:
        return ""
    literal = default is None or isinstance(default, bool | int | float | str | tuple)
    return repr(default) if literal else type(default).__name__
