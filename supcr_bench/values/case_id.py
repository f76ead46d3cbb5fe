"""A short id of a case, for test names and stored benchmarks."""

from supcr_bench.values.axes import WORKLOAD_AXES
from supcr_bench.values.case import Case

_USUAL = Case(batch_size=2)


def case_id(case: Case) -> str:
    """The id, such as ``training-N64-D2-nan0.2``; axes with their usual value are left out.

    Different cases have different ids, and one can be given to ``pytest -k`` as it is.
    """
    parts = [case.pass_, *(axis.named(case, axis.word) for axis in WORKLOAD_AXES)]
    if case.definition != _USUAL.definition:
        parts.append(case.definition)
    if case.seed != _USUAL.seed:
        parts.append(f"seed{case.seed}")
    return "-".join(filter(None, parts))


def benchmark_name(implementation: str, case: Case) -> str:
    return f"{implementation}[{case_id(case)}]"
