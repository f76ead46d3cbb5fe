"""The messages of failed assertions: the error, its size, and the next step."""

from supcr_bench.testing.question import Limits
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_error

NO_GRAPH = "does not require grad"
_VERBS = {
    Status.WRONG: "is wrong on",
    Status.FAILED: "failed on",
    Status.OUT_OF_MEMORY: "ran out of memory on",
}


def failure(result: Result, next_step: str) -> str | None:
    """Why a result does not agree with the definition; ``None`` where it does."""
    if result.status is Status.MEASURED:
        return None
    lines = [f"{_subject(result, _VERBS[result.status])}: {result.reason}"]
    if result.status is Status.WRONG:
        lines += [
            f"  {name}: {format_error(tolerances)} times the tolerance, relative error "
            f"{format_error(error)}"
            for name, tolerances, error in (
                ("value", result.value_tolerances, result.value_error),
                ("gradient", result.gradient_tolerances, result.gradient_error),
            )
            if tolerances is not None
        ]
        lines.append(f"  compared with `{result.case.definition}` in float64; {next_step}")
    elif NO_GRAPH in str(result.reason):
        lines.append(
            "  the loss has no graph: where no pair has labels, return a zero that depends on the "
            "embeddings, such as 0 * (perturbed.sum() + intact.sum())"
        )
    return "\n".join(lines)


def excess(result: Result, limits: Limits) -> str | None:
    """Which limits a result passes; ``None`` where it keeps them all."""
    found = []
    if limits.peak_bytes is not None and result.peak_bytes is None:
        found.append(f"max_peak_bytes cannot be held: {result.memory_method}")
    elif limits.peak_bytes is not None and (result.peak_bytes or 0) > limits.peak_bytes:
        found.append(
            f"a peak of {result.peak_bytes:,} bytes ({format_bytes(result.peak_bytes)}) passes "
            f"max_peak_bytes={limits.peak_bytes:,}"
        )
    counts = {"launches": result.dispatched_ops, "elements": result.elements_processed}
    for name, value in counts.items():
        most = getattr(limits, name)
        if most is not None and value is not None and value > most:
            found.append(f"{value:,} {name} pass max_{name}={most:,}")
    if not found:
        return None
    return f"{_subject(result, 'is too costly on')}: {'; '.join(found)}"


def _subject(result: Result, verb: str) -> str:
    case = result.case
    return f"{result.implementation} {verb} {case.describe()} {case.pass_}"
