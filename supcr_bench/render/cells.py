"""The texts of table cells: figures, and the columns, filters and words that describe a case."""

from collections.abc import Callable, Sequence

from supcr_bench.analysis.summary import CostRow
from supcr_bench.values.case import Case, Workload
from supcr_bench.values.definition import TORCHCELL
from supcr_bench.values.result import Result, Status
from supcr_bench.values.table import Facets
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


def ratio_text(ratio: float | None) -> str:
    """``1.04``, ``12.3`` or ``0.031``, or a dash."""
    if ratio is None:
        return MISSING
    digits = 1 if ratio >= 9.995 else 2 if ratio >= 0.0995 else 3
    return f"{ratio:.{digits}f}"


def nan_text(workload: Workload) -> str:
    """The NaN density, or that the labels bring their own."""
    return "own" if workload.nan_density is None else f"{workload.nan_density:.0%}"


_COLUMNS: tuple[tuple[str, str, Callable[[Case], str]], ...] = (
    ("dims", "D", lambda c: str(c.dims)),
    ("nan_density", "NaN", nan_text),
    ("labels", "labels", lambda c: c.label_kind),
    ("embedding_size", "d", lambda c: str(c.embedding_size)),
    ("dtype", "dtype", lambda c: c.dtype),
    ("temperature", "tau", lambda c: f"{c.temperature:g}"),
    ("device", "device", lambda c: c.device),
    ("ranks", "ranks", lambda c: str(c.ranks)),
    ("definition", "definition", lambda c: c.definition),
)
"""Fields of a case that a table shows, each with its header and its text."""
USUAL = ("dims", "nan_density")
"""Fields that a table shows even where they do not vary."""
FILTERED = ("device", "dims", "nan_density", "labels", "ranks")
"""Fields that a page filters by, beside the pass and the implementation."""


def facets_of(case: Case, implementation: str | None = None, without: Sequence[str] = ()) -> Facets:
    """What a page filters a row by.

    Args:
        case: that the row shows.
        implementation: where the row is of one alone.
        without: facets that vary within the row.
    """
    facets: dict[str, str] = {"pass": case.pass_}
    facets |= {name.replace("_", "-"): text(case) for name, _, text in _COLUMNS if name in FILTERED}
    if implementation is not None:
        facets["implementation"] = implementation
    return {name: value for name, value in facets.items() if name not in without}


def case_columns(
    cases: Sequence[Case], always: Sequence[str] = USUAL, without: str = ""
) -> tuple[tuple[str, ...], Callable[[Case], tuple[str, ...]]]:
    """The columns that tell series apart: their headers, and the texts of a case under them.

    They are the fields in which the cases differ, and ``always``; but where two others differ, a
    terminal has no room for what says the same in every row.

    Args:
        cases: of the rows.
        always: fields to show even where they do not differ.
        without: a field that has columns of its own.
    """
    columns = [column for column in _COLUMNS if column[0] != without]
    shown = {name for name, _, text in columns if len({text(case) for case in cases}) > 1}
    if len(shown.difference(always, ("definition",))) < 2:
        shown.update(always)
    columns = [column for column in columns if column[0] in shown]
    headers = tuple(header for _, header, _ in columns)
    return headers, lambda case: tuple(text(case) for _, _, text in columns)


def series_text(workload: Workload) -> str:
    """What the cases of a series have in common: everything but the batch size, in words."""
    kind = workload.label_kind
    kind = "own labels" if kind == "file" else f"{kind} labels"
    parts = [f"D={workload.dims}", f"{nan_text(workload)} NaN", kind]
    parts.append(f"d={workload.embedding_size}")
    if workload.dtype != "float32":
        parts.append(workload.dtype)
    if (tau := workload.workload.temperature) not in (None, TORCHCELL.temperature):
        parts.append(f"tau={tau:g}")
    parts.append(workload.device)
    if workload.ranks > 1:
        parts.append(f"{workload.ranks} ranks")
    return ", ".join(parts)


def arm_names(results: Sequence[Result], form: str = "{name} ({definition})") -> dict[str, str]:
    """Every implementation by name, with its definition where the results have several."""
    found: dict[str, dict[str, None]] = {}
    for r in results:
        found.setdefault(r.implementation, {})[r.case.definition] = None
    if len({definition for own in found.values() for definition in own}) < 2:
        return {name: name for name in found}
    return {name: form.format(name=name, definition=", ".join(own)) for name, own in found.items()}


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b`` or ``a, b and c``."""
    return " and ".join((", ".join(names[:-1]), names[-1]) if len(names) > 1 else names)
