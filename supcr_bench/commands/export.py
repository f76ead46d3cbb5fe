"""``supcr-bench export``: a stored run in the formats of other tools."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from supcr_bench.commands.report import require_folder
from supcr_bench.store.run import Run, load_run
from supcr_bench.values.errors import UnknownNameError, UsageError

BENCHMARK, CSV, PARQUET = FORMATS = ("pytest-benchmark", "csv", "parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What was typed."""

    run: str
    format: str
    out: Path | None = None


def export_run(request: ExportRequest) -> None:
    """Write a run to a file or to standard output, and say what is in it and what is not.

    Raises:
        UsageError: the run cannot be read, there is no such format, or nowhere to write it to.
    """
    if request.format not in FORMATS:
        raise UnknownNameError("format", request.format, FORMATS)
    if request.format == PARQUET and request.out is None:
        raise UsageError("parquet is no text: name the file to write with --out")
    require_folder("--out", request.out)
    run = load_run(request.run).require_complete()
    content, note = _exported(run, request.format)
    if request.out is None:
        sys.stdout.write(content.decode())
        print(note, file=sys.stderr)  # so that standard output is the file and nothing else
    else:
        request.out.write_bytes(content)
        print(f"{request.out}: {note}")


def _exported(run: Run, form: str) -> tuple[bytes, str]:
    """The file, and a sentence of what is in it."""
    if form == BENCHMARK:
        from supcr_bench.render.benchmark_json import benchmark_file

        made = benchmark_file(run)
        benchmarks = len(made.content["benchmarks"])
        note = f"{benchmarks} benchmark{'s' * (benchmarks != 1)} of run {run.id}"
        text = json.dumps(made.content, indent=4, allow_nan=False) + "\n"
        return text.encode(), note + _left_out(made.left_out)
    # pandas takes half a second: nothing that fails early waits for it.
    from supcr_bench.render.results_table import results_csv, results_parquet

    note = f"{len(run.results)} result{'s' * (len(run.results) != 1)} of run {run.id}"
    if form == CSV:
        return results_csv(run.results).encode(), note
    try:
        return results_parquet(run.results), note
    except ImportError:
        raise UsageError(
            "writing Parquet needs pyarrow; pip install 'supcr-bench[parquet]'"
        ) from None


def _left_out(statuses: Mapping[str, int]) -> str:
    """Which results have no times, and so no benchmark."""
    if not statuses:
        return ""
    number = sum(statuses.values())
    listed = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in statuses.items())
    return f"; {number} result{'s' * (number != 1)} without times left out: {listed}"
