"""``supcr-bench export``: writes a stored run in the formats of other tools."""

import json
import sys
from pathlib import Path

from supcr_bench.commands.options import RUN, choice, output_file, read_run
from supcr_bench.values.errors import UsageError
from supcr_bench.values.files import write_file
from supcr_bench.values.units import plural

BENCHMARK, CSV, PARQUET = "pytest-benchmark", "csv", "parquet"
ACTION, BENCHER = "github-action-benchmark", "bencher"
FORMATS = (BENCHMARK, CSV, PARQUET, ACTION, BENCHER)


def export(
    run: str = RUN,
    format_: str = choice("--format", FORMATS, "Format to write.", default=...),
    out: Path | None = output_file("--out", "Write to FILE in place of standard output."),
) -> None:
    """Write a run's results for other tools.

    pytest-benchmark: a JSON file with the samples, for `pytest-benchmark compare` and the tools
    that read its files. csv and parquet: one row a result, with all its fields and the median time.
    github-action-benchmark (its tool customSmallerIsBetter) and bencher (its adapter json): times
    and counts, for services that track them over commits.
    """
    if format_ == PARQUET and out is None:
        raise UsageError("Parquet is binary: give --out FILE")
    stored = read_run(run)
    content: str | bytes
    if format_ == BENCHMARK:
        from supcr_bench.render.benchmark_json import benchmark_file

        made, left_out = benchmark_file(stored)
        content = json.dumps(made, indent=4, allow_nan=False) + "\n"
        note = f"{plural(len(made['benchmarks']), 'benchmark')} of run {stored.id}"
        if left_out:
            listed = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in left_out.items())
            without = plural(sum(left_out.values()), "result")
            note += f"; {without} without times left out: {listed}"
    elif format_ in (ACTION, BENCHER):
        from supcr_bench.render.benchmark_json import action_benchmark, bencher_metrics

        values = (action_benchmark if format_ == ACTION else bencher_metrics)(stored.results)
        content = json.dumps(values, indent=2, allow_nan=False) + "\n"
        note = f"{len(values)} entries of run {stored.id}"
    else:
        from supcr_bench.render.csv_tables import results_csv, results_parquet

        if format_ == CSV:
            content = results_csv(stored)
        else:
            try:
                content = results_parquet(stored)
            except ImportError:
                raise UsageError("writing Parquet needs pyarrow; pip install pyarrow") from None
        note = f"{plural(len(stored.results), 'result')} of run {stored.id}"
    if out is None:
        print(content, end="")
        print(note, file=sys.stderr)  # standard output contains only the exported file
    else:
        write_file(out, content)
        print(f"{out}: {note}")
