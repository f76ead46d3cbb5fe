"""A case as a short word: what a test is called, on the command line and in stored benchmarks."""

from supcr_bench.values.case import Case

_USUAL = Case(batch_size=2)


def case_id(case: Case) -> str:
    """Such as ``training-N64-D2-nan0.2``; what has its usual value is left out.

    Different cases have different ids, and one can be given to ``pytest -k`` as it is.
    """
    parts = [case.pass_, f"N{case.batch_size}", f"D{case.dims}"]
    if case.nan_density is not None:
        parts.append(f"nan{_number(case.nan_density)}")
    if case.labels != _USUAL.labels:
        parts.append(_word(case.labels))
    if case.embedding_size != _USUAL.embedding_size:
        parts.append(f"d{case.embedding_size}")
    if case.dtype != _USUAL.dtype:
        parts.append(case.dtype)
    if case.temperature != _USUAL.temperature:
        parts.append(f"tau{_number(case.temperature)}")
    if case.device != _USUAL.device:
        parts.append(_word(case.device))
    if case.ranks != _USUAL.ranks:
        parts.append(f"ranks{case.ranks}")
    if case.definition != _USUAL.definition:
        parts.append(case.definition)
    if case.seed != _USUAL.seed:
        parts.append(f"seed{case.seed}")
    return "-".join(parts)


def benchmark_name(implementation: str, case: Case) -> str:
    """What an implementation on a case is called among tests and among stored benchmarks."""
    return f"{implementation}[{case_id(case)}]"


def _number(value: float) -> str:
    return f"{value:.15g}"


def _word(text: str) -> str:
    return text.replace(":", "-")
