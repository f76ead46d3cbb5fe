"""What the plug-in does to sessions that have nothing to do with it: nothing."""

import subprocess
import sys

import pytest

from tests.patience import HANGS_S

_PROBE = """
import sys
import supcr_bench.pytest_plugin
print(sorted({"torch", "numpy", "pandas", "scipy", "pydantic", "psutil"} & set(sys.modules)))
"""


def test_importing_it_takes_nothing_but_pytest() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=HANGS_S, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_session_without_suites_collects_no_toml(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", other="purpose = 'To build.'\nimplementations = ['x']\n")
    pytester.makepyprojecttoml("[project]\nname = 'other'\n")
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_inprocess("--collect-only")
    result.stdout.no_fnmatch_line("*<SuiteFile*")
    result.stdout.fnmatch_lines(["*1 test collected*"])


def test_a_toml_file_that_is_no_suite_is_left_alone_even_if_named(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyprojecttoml("[project]\nname = 'other'\n")
    result = pytester.runpytest_inprocess("pyproject.toml")
    result.assert_outcomes()
    result.stderr.fnmatch_lines(["ERROR: *pyproject.toml*"])
