"""``supcr-bench`` in a forked process: its workers are forked too, where there is a server."""

import os
import runpy
from datetime import datetime, timedelta, tzinfo

from supcr_bench.commands import report_page
from supcr_bench.store import run
from tests.forked.start import CHARTS, use_servers

CLOCK = "SUPCR_BENCH_TEST_CLOCK_HOURS"
"""By so many hours is the clock wrong that dates runs."""


class _Wrong(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "datetime":  # type: ignore[override]
        return datetime.now(tz) + timedelta(hours=float(os.environ[CLOCK]))


if __name__ == "__main__":
    use_servers()
    if CLOCK in os.environ:
        vars(run)["datetime"] = _Wrong
    most = slice(int(os.environ.get(CHARTS, 0)))
    all_of = vars(report_page)["charts_of"]
    vars(report_page)["charts_of"] = lambda *given, **options: all_of(*given, **options)[most]
    runpy.run_module("supcr_bench", run_name="__main__", alter_sys=True)
