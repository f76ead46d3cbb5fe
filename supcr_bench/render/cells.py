"""One figure as the text of a table cell."""

from collections.abc import Sequence

from supcr_bench.analysis.summary import CostRow
from supcr_bench.values.case import Workload
from supcr_bench.values.result import Status
from supcr_bench.values.units import MISSING, format_bytes, format_duration_s

SHORT_STATUS = {
    Status.OUT_OF_MEMORY: "out of memory",
    Status.TIMED_OUT: "timed out",
    Status.SKIPPED: "skipped",
    Status.FAILED: "failed",
}
WRONG_MARK = " wrong"


def time_text(row: CostRow) -> str:
    """``1.06 s ±2%``, the status where there is no figure, and a mark where it is wrong."""
    if row.time_s is None:
        return SHORT_STATUS.get(row.status, MISSING)
    text = format_duration_s(row.time_s)
    if row.time_low_s is not None and row.time_high_s is not None:
        half = max(row.time_high_s - row.time_s, row.time_s - row.time_low_s) / row.time_s
        text += f" ±{half:.0%}" if half <= 1 else " ±>100%"
    else:
        text += f" (n={row.samples})"
    return text + (WRONG_MARK if row.status is Status.WRONG else "")


def memory_text(row: CostRow, size: int | None) -> str:
    """``137 MB``, the status where there is no figure, and a mark where it is wrong."""
    if size is None:
        return MISSING if row.status.has_figures else SHORT_STATUS.get(row.status, MISSING)
    mark = WRONG_MARK if row.status is Status.WRONG else ""
    return format_bytes(size) + mark


def nan_text(workload: Workload) -> str:
    """The NaN density, or that the labels bring their own."""
    return "own" if workload.nan_density is None else f"{workload.nan_density:.0%}"


def series_text(workload: Workload) -> str:
    """What a series has in common: everything but the batch size, in words."""
    kind = workload.label_kind
    kind = "own labels" if kind == "file" else f"{kind} labels"
    parts = [f"D={workload.dims}", f"{nan_text(workload)} NaN", kind]
    parts.append(f"d={workload.embedding_size}")
    if workload.dtype != "float32":
        parts.append(workload.dtype)
    if workload.temperature != 0.1:
        parts.append(f"tau={workload.temperature:g}")
    parts.append(workload.device)
    if workload.ranks > 1:
        parts.append(f"{workload.ranks} ranks")
    return ", ".join(parts)


def sizes_text(sizes: tuple[int, ...]) -> str:
    """``16-512``."""
    return f"{sizes[0]}-{sizes[-1]}" if len(sizes) > 1 else str(sizes[0])


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b`` or ``a, b and c``."""
    return " and ".join((", ".join(names[:-1]), names[-1]) if len(names) > 1 else names)
