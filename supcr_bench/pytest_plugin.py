"""The pytest plug-in: the fixture ``supcr_benchmark``, and suite files collected as tests.

pytest loads this file in every session of every project that has supcr-bench installed. So it
imports only pytest; the fixture imports the rest when a test asks for it.
"""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from supcr_bench.testing import TIME_LIMIT

if TYPE_CHECKING:
    from supcr_bench.testing.benchmark import SupcrBenchmark
    from supcr_bench.testing.suite_file import SuiteFile

SUITES = "supcr_suites"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("supcr-bench").addoption(
        TIME_LIMIT,
        metavar="TIME",
        default="5s",
        help="Skip cases of a suite that are predicted to take longer than this or than the "
        "suite's own limit. Default: %(default)s",
    )
    parser.addini(
        SUITES,
        "patterns of supcr-bench suite files to collect, such as suites/*.toml; "
        "one that is named on the command line is collected anyway",
        type="args",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    times = config.getoption("benchmark_disable", None) is not None
    fixtures = _WithTimes() if times else _WithoutTimes()
    config.pluginmanager.register(fixtures, "supcr_bench_fixtures")


class _WithTimes:
    """Holds the fixture for pytest-benchmark, which selects timed tests by their ``benchmark``."""

    @pytest.fixture
    def supcr_benchmark(self, benchmark: Any, request: pytest.FixtureRequest) -> "SupcrBenchmark":
        """Assert that a SupCR loss is right and no costlier than allowed, and take its times."""
        from supcr_bench.testing.benchmark import SupcrBenchmark

        return SupcrBenchmark(benchmark, request)


class _WithoutTimes:
    """Holds the fixture for sessions where pytest-benchmark is missing or blocked."""

    @pytest.fixture
    def supcr_benchmark(self) -> None:
        """Assert that a SupCR loss is right and no costlier than allowed, and take its times."""
        pytest.fail(
            "supcr_benchmark takes times with pytest-benchmark, whose plug-in is not loaded: leave "
            "out -p no:benchmark, and use --benchmark-disable to assert agreement alone",
            pytrace=False,
        )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "SuiteFile | None":
    """Collect only the TOML files that the configuration or the command line names as suites."""
    if file_path.suffix != ".toml" or not _is_wanted(file_path, parent):
        return None
    from supcr_bench.testing.suite_file import SuiteFile

    found: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
    return found


def _is_wanted(file: Path, parent: pytest.Collector) -> bool:
    root = parent.config.rootpath
    if file.is_relative_to(root):
        inside = file.relative_to(root)
        if any(inside.match(pattern) for pattern in parent.config.getini(SUITES)):
            return True
    return parent.session.isinitpath(file) and _looks_like_a_suite(file)


def _looks_like_a_suite(file: Path) -> bool:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return True  # the user named this file, so its errors are shown
    return not values.keys().isdisjoint({"purpose", "implementations", "grid"})
