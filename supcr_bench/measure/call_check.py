"""Does an implementation keep the definition's call? Tried on a tiny batch, before a sweep."""

from dataclasses import replace

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.measure.agreement import BrokenCallError, check_output
from supcr_bench.measure.cell import Factory, build_module
from supcr_bench.measure.outcome import describe_error
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import TORCHCELL, Definition

CHECKED_ROWS = 4


def broken_call(factory: Factory, like: Workload, definition: Definition = TORCHCELL) -> str | None:
    """What is wrong with how an implementation is called, or ``None``.

    Only a wrong signature or a wrong shape counts. Any other exception may depend on the inputs,
    so it is left to become a row of the sweep.
    """
    workload = replace(like, batch_size=CHECKED_ROWS, nan_density=0.0, labels="continuous")
    batch = make_batch(workload)
    temperature = workload.temperature or definition.temperature
    try:
        module = build_module(factory, definition.at(temperature), batch)
    except TypeError as error:
        return f"called as (temperature=, weights=, eps=): {describe_error(error)}"
    except Exception:  # noqa: BLE001
        return None
    if not callable(module):
        return f"gives {type(module).__name__}, which cannot be called"
    try:
        output = module(batch.perturbed, batch.intact, batch.labels)
    except TypeError as error:
        return f"called as (perturbed, intact, labels): {describe_error(error)}"
    except Exception:  # noqa: BLE001
        return None
    try:
        check_output(output, workload.dims)
    except BrokenCallError as error:
        return str(error)
    return None
