"""The fixture ``supcr_benchmark`` in the tests of somebody else's project."""

import sys
from pathlib import Path

import pytest
import torch

from supcr_bench.testing.benchmark import SupcrBenchmark
from supcr_bench.values.machine import default_threads
from tests.forked import python as forked_python
from tests.forked.start import Servers
from tests.subjects_table import SUBJECTS, write_subjects
from tests.testing.conftest import Project

WRONG = (
    "reversed-inequality",
    "self-never",
    "divided-by-batch-pairs",
    "nan-filled-with-zero",
    "parts-returned-weighted",
    "mean-of-views",
    "temperature-squared",
    "dot-product",
    "bfloat16-inside",
    "odd-row-dropped",
    "noisy-loss",
)


def test_a_right_loss_passes_and_what_was_measured_stands_beside_its_times(
    project: Project,
) -> None:
    result = project("""
def test_it(supcr_benchmark, benchmark):
    found = supcr_benchmark(RightSupCR, **SMALL)
    assert (found.implementation, found.status) == ("RightSupCR", "measured")
    assert (found.case.batch_size, found.case.pass_) == (12, "training")
    assert found.value_tolerances < 1 and found.gradient_tolerances < 1
    assert len(found.time_samples_s) == 3
    info = benchmark.extra_info
    assert list(benchmark.stats.stats.data) == list(found.time_samples_s)
    assert {name: info[name] for name in SMALL} == SMALL
    assert (info["pass"], info["dtype"], info["device"]) == ("training", "float32", "cpu")
    assert (info["temperature"], info["definition"]) == (0.1, "torchcell")
    for name in ("peak_bytes", "launches", "elements", "value_tolerances", "gradient_tolerances"):
        assert info[name] == found.to_mapping()[name]
        assert info[name] is not None
    assert info["threads"] >= 1
""")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*benchmark: 1 tests*", "test_it *"])


def test_what_is_stored_is_plain_json(project: Project) -> None:
    result = project("""
def test_it(supcr_benchmark, benchmark):
    import json
    supcr_benchmark(RightSupCR, pass_="forward", **SMALL)
    assert json.loads(json.dumps(benchmark.extra_info)) == benchmark.extra_info
""")
    result.assert_outcomes(passed=1)


def test_known_wrong_losses_fail_by_how_much_they_are_off(project: Project) -> None:
    result = project(f"""
@pytest.mark.parametrize("name", {WRONG!r})
def test_it(supcr_benchmark, name):
    with pytest.raises(AssertionError) as raised:
        supcr_benchmark(WRONG[name], **SMALL)
    text = str(raised.value)
    assert " is wrong on N=12 D=2 NaN 25% tied labels d=8 training: the loss" in text
    assert "times the tolerance" in text
    assert "finds out what is wrong" in text
""")
    result.assert_outcomes(passed=len(WRONG))


def test_a_wrong_gradient_fails_in_training_alone(project: Project) -> None:
    result = project("""
@pytest.mark.parametrize("name", ["first-view-detached", "denominator-detached"])
def test_it(supcr_benchmark, name):
    with pytest.raises(AssertionError, match="the first view.s gradient is "):
        supcr_benchmark(WRONG[name], **SMALL)

def test_forward(supcr_benchmark):
    supcr_benchmark(WRONG["first-view-detached"], pass_="forward", **SMALL)
""")
    result.assert_outcomes(passed=3)


def test_a_failure_is_one_failure_that_shows_the_tests_own_line(project: Project) -> None:
    result = project("""
def test_it(supcr_benchmark):
    supcr_benchmark(WRONG["self-never"], **SMALL)
""")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*not used at all*")
    result.stdout.no_fnmatch_line("*benchmark: 1 tests*")
    result.stdout.no_fnmatch_line("*supcr_bench/testing*")
    result.stdout.fnmatch_lines(["> *supcr_benchmark(*self-never*", "E *is wrong on*"])


def test_a_loss_that_raises_shows_its_own_line(project: Project) -> None:
    result = project("""
def test_it(supcr_benchmark):
    supcr_benchmark(Raises, **SMALL)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*return self.no_such_thing",
            "E *AttributeError: 'Raises' object has no attribute 'no_such_thing'",
            "E *AssertionError: Raises failed on N=12 *: in forward: AttributeError: *",
        ]
    )


def test_one_that_is_called_in_another_way_is_told_how(project: Project) -> None:
    result = project("""
def test_it(supcr_benchmark):
    supcr_benchmark(lambda: None)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *takes neither embeddings nor labels, and returns nothing*"])


def test_no_label_at_all_needs_a_loss_with_a_graph_to_train_on(project: Project) -> None:
    result = project("""
@pytest.mark.parametrize("pass_", ["forward", "training"])
def test_it(supcr_benchmark, pass_):
    supcr_benchmark("broadcast", batch_size=8, nan_density=1.0, pass_=pass_)

def test_right(supcr_benchmark):
    supcr_benchmark(RightSupCR, batch_size=8, nan_density=1.0, definition="torchcell")
""")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["E *broadcast failed on N=8 D=1 NaN 100% training: *", "E *the loss has no graph: *"]
    )


def test_limits_are_held_exactly(project: Project) -> None:
    result = project("""
found = {}
NAMES = ("peak_bytes", "launches", "elements")

def test_first(supcr_benchmark):
    result = supcr_benchmark(RightSupCR, **SMALL)
    found.update({f"max_{name}": result.to_mapping()[name] for name in NAMES})

def test_equal(supcr_benchmark):
    supcr_benchmark(RightSupCR, **SMALL, **found)

@pytest.mark.parametrize("name", NAMES)
def test_less(supcr_benchmark, name):
    name = f"max_{name}"
    with pytest.raises(AssertionError, match=f"is too costly on .*{name}={found[name] - 1:,}"):
        supcr_benchmark(RightSupCR, **SMALL, **{name: found[name] - 1})
""")
    result.assert_outcomes(passed=5)


def test_gradients_are_let_go_of_between_timed_calls(project: Project) -> None:
    result = project("""
class Watching(RightSupCR):
    calls = 0

    def forward(self, perturbed, intact, labels):
        assert perturbed.grad is None and intact.grad is None
        Watching.calls += 1
        return super().forward(perturbed, intact, labels)

def test_it(supcr_benchmark):
    supcr_benchmark(Watching, **SMALL)
    assert Watching.calls > 3
""")
    result.assert_outcomes(passed=1)


def test_the_benchmark_mark_sets_how_long_is_sampled(project: Project) -> None:
    result = project("""
@pytest.mark.benchmark(min_rounds=5, max_time=1e-9, warmup=True)
def test_it(supcr_benchmark):
    assert len(supcr_benchmark(RightSupCR, **SMALL).time_samples_s) == 5
""")
    result.assert_outcomes(passed=1)


def test_with_times_disabled_agreement_is_asserted_all_the_same(project: Project) -> None:
    result = project(
        """
def test_right(supcr_benchmark):
    assert supcr_benchmark(RightSupCR, **SMALL).time_samples_s is None

def test_wrong(supcr_benchmark):
    supcr_benchmark(WRONG["self-never"], **SMALL)
""",
        "--benchmark-disable",
    )
    result.assert_outcomes(passed=1, failed=1)


def test_it_counts_as_a_benchmark_where_they_are_skipped_or_chosen(project: Project) -> None:
    test = """
def test_it(supcr_benchmark):
    supcr_benchmark(RightSupCR, **SMALL)

def test_another():
    pass
"""
    result = project(test, "--benchmark-skip")
    result.assert_outcomes(passed=1, skipped=1)
    result = project(test, "--benchmark-only", "-v")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*::test_it PASSED*"])


def test_without_pytest_benchmark_the_fixture_says_what_is_missing(
    project: Project, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("""
        def test_it(supcr_benchmark):
            supcr_benchmark("rowsort")

        def test_another():
            pass
    """)
    result = pytester.runpytest_inprocess("-p", "no:benchmark")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*whose plug-in is not loaded: leave out -p no:benchmark*"])


def test_a_file_is_named_from_where_the_test_lies(
    project: Project, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = pytester.mkdir("elsewhere")
    monkeypatch.chdir(elsewhere)
    result = project(
        """
def test_it(supcr_benchmark):
    found = supcr_benchmark("losses.py:RightSupCR", **SMALL)
    assert found.implementation == "losses.py:RightSupCR"
""",
        str(pytester.path),
    )
    result.assert_outcomes(passed=1)


def test_usage_errors_are_short(project: Project) -> None:
    result = project("""
def test_name(supcr_benchmark):
    supcr_benchmark("rowsotr")

def test_value(supcr_benchmark):
    supcr_benchmark("rowsort", batch_size=1)

def test_device(supcr_benchmark):
    supcr_benchmark("rowsort", device="warp")

def test_twice(supcr_benchmark):
    supcr_benchmark("rowsort", batch_size=8)
    supcr_benchmark("rowsort", batch_size=8)
""")
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "E *did you mean 'rowsort'?*",
            "E *batch_size: 1 is not valid; use whole numbers of 2 or more",
            "E *no device 'warp' on this machine*",
            "E *one case per test; use pytest.mark.parametrize for several",
        ]
    )
    result.stdout.no_fnmatch_line("*supcr_bench/testing*")


@pytest.mark.slow
def test_on_several_cores_agreement_is_asserted_without_times(
    project: Project, pytester: pytest.Pytester, servers: Servers
) -> None:
    pytester.makepyfile("""
        from losses import *

        def test_right(supcr_benchmark):
            assert supcr_benchmark(RightSupCR, **SMALL).time_samples_s is None

        def test_wrong(supcr_benchmark):
            supcr_benchmark(WRONG["self-never"], **SMALL)
    """)
    pytester.makepyprojecttoml("")  # pytest-benchmark warns that it takes no times
    python = f"{sys.executable} -S -E {Path(forked_python.__file__)} {servers.socket(1)}"
    result = pytester.runpytest_inprocess("--dist=load", f"--tx=popen//python={python}")
    result.assert_outcomes(passed=1, failed=1)


def test_every_kind_of_loss_is_called_its_own_way(
    project: Project, pytester: pytest.Pytester
) -> None:
    write_subjects(pytester.path)  # in place of the project's own
    result = project(
        f"""
import losses

@pytest.mark.parametrize(("name", "definition"), {list(SUBJECTS.items())!r})
def test_it(supcr_benchmark, name, definition):
    result = supcr_benchmark(getattr(losses, name), batch_size=8, labels="tied")
    assert result.case.definition.startswith(definition)
""",
        "--benchmark-disable",
    )
    result.assert_outcomes(passed=len(SUBJECTS))


def test_what_the_users_own_tests_set_is_no_fault_of_a_loss(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SupcrBenchmark, "_untouched", None)
    before = torch.get_num_threads()
    torch.set_num_threads(default_threads() + 2)
    try:
        result = project("""
import torch

def test_one(supcr_benchmark):
    supcr_benchmark(RightSupCR, **SMALL)

def test_other(supcr_benchmark, monkeypatch):
    torch.set_float32_matmul_precision("high")
    try:
        supcr_benchmark(RightSupCR, **SMALL)
    finally:
        torch.set_float32_matmul_precision("highest")
""")
    finally:
        torch.set_num_threads(before)
    result.assert_outcomes(passed=2)


def test_threads_are_pinned_as_in_a_run_and_given_back(project: Project) -> None:
    result = project("""
import torch
from supcr_bench.values.machine import default_threads

def test_it(supcr_benchmark, benchmark):
    torch.set_num_threads(default_threads() + 2)
    supcr_benchmark(RightSupCR, **SMALL)
    assert benchmark.extra_info["threads"] == default_threads()
    assert torch.get_num_threads() == default_threads() + 2
""")
    result.assert_outcomes(passed=1)
