"""Suites collected as tests."""

import pytest

from supcr_bench.sweep.plan import make_plan
from supcr_bench.sweep.suite import load_suite, suite_names
from tests.testing.conftest import Project

SUITE = """
purpose = "Small enough for a test."
implementations = ["broadcast", "losses.py:RightSupCR"]

[axes]
embedding_size = 8

[[grid]]
batch_size = [8, 12]
nan_density = 0.25
dims = 2
"""
KNOWN = f'definition = "torchcell"\n{SUITE}'
"""Nothing is recognised, which takes longer than these tests."""
QUICK = ("--benchmark-only", "--benchmark-max-time=0.000001", "--benchmark-min-rounds=1")


def append(pytester: pytest.Pytester, text: str) -> None:
    """More losses in the project's file."""
    file = pytester.path / "losses.py"
    file.write_text(file.read_text() + text)


def test_a_suite_is_a_test_for_each_implementation_and_case(
    project: Project, pytester: pytest.Pytester
) -> None:
    pytester.makefile(".toml", mine=SUITE)
    result = pytester.runpytest_inprocess("mine.toml", *QUICK, "-v")
    result.assert_outcomes(passed=8)
    for n in (8, 12):
        for pass_ in ("forward", "training"):
            case = f"{pass_}-N{n}-D2-nan0.25-d8"
            result.stdout.fnmatch_lines_random(
                [
                    f"mine.toml::broadcast?{case}? PASSED*",
                    f"mine.toml::losses.py:RightSupCR?{case}? PASSED*",
                    f"*benchmark '{case}': 2 tests*",
                ]
            )


def test_tests_of_a_suite_can_be_chosen_by_their_names(
    project: Project, pytester: pytest.Pytester
) -> None:
    pytester.makefile(".toml", mine=KNOWN, other=KNOWN)
    result = pytester.runpytest_inprocess(
        "mine.toml", "other.toml", *QUICK, "-k", "other and broadcast[training-N12"
    )
    result.assert_outcomes(passed=1, deselected=7 + 8)


def test_the_configuration_names_the_suites_of_a_project(pytester: pytest.Pytester) -> None:
    pytester.mkdir("suites")
    (pytester.path / "suites" / "mine.toml").write_text(SUITE)
    (pytester.path / "mine.toml").write_text(SUITE)
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nsupcr_suites = ['suites/*.toml']\n")
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    result.stdout.fnmatch_lines(["suites/mine.toml::*", "8 tests collected*"])


def test_what_is_wrong_or_fails_in_a_suite_fails_in_a_line_or_two(
    project: Project, pytester: pytest.Pytester
) -> None:
    append(pytester, "\nWrong = WRONG['self-never']\n")
    suite = KNOWN.replace('"broadcast"', '"losses.py:Wrong"').replace("[8, 12]", "8")
    suite = suite.replace("dims = 2", "dims = 2\nlabels = 'tied'")
    pytester.makefile(".toml", mine=suite)
    result = pytester.runpytest_inprocess("mine.toml", *QUICK)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "losses.py:Wrong is wrong on N=8 D=2 NaN 25% tied labels d=8 forward: the loss*",
            "*`supcr-bench verify losses.py:Wrong` finds out what is wrong",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


COSTLY = """

class Sleeps(RightSupCR):
    def forward(self, perturbed, intact, labels):
        import time
        time.sleep(0.05)
        return super().forward(perturbed, intact, labels)


class Large(RightSupCR):
    def forward(self, perturbed, intact, labels):
        if len(perturbed) >= 24:
            raise MemoryError
        return super().forward(perturbed, intact, labels)


class Full(RightSupCR):
    calls = 0

    def forward(self, perturbed, intact, labels):
        Full.calls += 1
        if Full.calls > 4:
            raise MemoryError
        return super().forward(perturbed, intact, labels)


class NotSixteen(RightSupCR):
    def forward(self, perturbed, intact, labels):
        if len(perturbed) == 16:
            raise ValueError("not sixteen")
        return super().forward(perturbed, intact, labels)
"""


def test_a_case_that_would_take_too_long_is_skipped_before_it_is_run(
    project: Project, pytester: pytest.Pytester
) -> None:
    append(pytester, COSTLY)
    suite = KNOWN.replace('"broadcast", "losses.py:RightSupCR"', '"losses.py:Sleeps"')
    pytester.makefile(".toml", mine=suite.replace("[8, 12]", "4096"))
    result = pytester.runpytest_inprocess("mine.toml", *QUICK, "--supcr-time-limit=100ms", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(
        ["*losses.py:Sleeps N=4096 *: about * a call predicted (as at N=16); 9 calls would exceed*"]
    )


def test_running_out_of_memory_skips_that_size_and_those_above(
    project: Project, pytester: pytest.Pytester
) -> None:
    append(pytester, COSTLY)
    suite = KNOWN.replace('"broadcast", "losses.py:RightSupCR"', '"losses.py:Large"')
    pytester.makefile(".toml", mine=suite.replace("[8, 12]", "[12, 24, 48]"))
    result = pytester.runpytest_inprocess("mine.toml", *QUICK, "-rs")
    result.assert_outcomes(passed=2, skipped=4)
    result.stdout.fnmatch_lines_random(
        [
            "*losses.py:Large N=24 *forward: out of memory: *MemoryError*",
            "*losses.py:Large N=48 *forward: out of memory at N=24 already*",
        ]
    )


@pytest.mark.parametrize(
    ("loss", "n", "words"),
    [
        ("Large", 128, "out of memory at N=32 already"),  # found out at a smaller size
        ("Full", 12, "out of memory: *MemoryError"),  # found out while times are taken
    ],
)
def test_running_out_of_memory_early_or_late_skips_too(
    project: Project, pytester: pytest.Pytester, loss: str, n: int, words: str
) -> None:
    append(pytester, COSTLY)
    suite = KNOWN.replace('"broadcast", "losses.py:RightSupCR"', f'"losses.py:{loss}"')
    suite = suite.replace("[8, 12]", f'{n}\npass = "training"')
    pytester.makefile(".toml", mine=suite)
    result = pytester.runpytest_inprocess("mine.toml", *QUICK, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"*losses.py:{loss} N={n} *: {words}*"])


def test_what_goes_wrong_at_smaller_sizes_alone_says_nothing_of_the_case(
    project: Project, pytester: pytest.Pytester
) -> None:
    append(pytester, COSTLY)
    suite = KNOWN.replace('"broadcast", "losses.py:RightSupCR"', '"losses.py:NotSixteen"')
    pytester.makefile(".toml", mine=suite.replace("[8, 12]", "40"))
    result = pytester.runpytest_inprocess("mine.toml", *QUICK)
    result.assert_outcomes(passed=2)


def test_a_device_that_is_not_there_skips(project: Project, pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", mine=SUITE.replace("dims = 2", 'dims = 2\ndevice = "warp"'))
    result = pytester.runpytest_inprocess("mine.toml", *QUICK, "-rs")
    result.assert_outcomes(skipped=8)
    result.stdout.fnmatch_lines(["*no device 'warp' here; available: cpu*"])


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("purpose = 'Mine.'\n", (), "implementations: missing; use names of `supcr-bench list`"),
        ("purpose = 'Mine.\n", (), "not valid TOML"),
        (SUITE, ("--supcr-time-limit=soon",), "--supcr-time-limit: 'soon' is not a duration"),
    ],
)
def test_a_suite_that_is_not_valid_is_an_error_with_the_fix(
    pytester: pytest.Pytester, text: str, options: tuple[str, ...], words: str
) -> None:
    pytester.makefile(".toml", mine=text)
    result = pytester.runpytest_inprocess("mine.toml", *options)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{words}*"])


def test_an_implementation_that_is_not_there_fails_its_tests_alone(
    project: Project, pytester: pytest.Pytester
) -> None:
    suite = KNOWN.replace("RightSupCR", "Nothing").replace("[8, 12]", "8")
    pytester.makefile(".toml", mine=suite)
    result = pytester.runpytest_inprocess("mine.toml", *QUICK)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["losses.py:Nothing: * has no 'Nothing'. It defines *"])


def test_this_projects_own_suites_are_collected_with_different_names(
    pytestconfig: pytest.Config, pytester: pytest.Pytester
) -> None:
    folder = pytestconfig.rootpath / "suites"
    settings = ("-W", "ignore:Module already imported", f"-c{folder.parent / 'pyproject.toml'}")
    result = pytester.runpytest_inprocess("--collect-only", *settings, str(folder))
    names = [line for line in result.outlines if "::" in line]
    assert len(set(names)) == len(names)
    assert {name.split("::")[0] for name in names} == {f"suites/{s}.toml" for s in suite_names()}
    quick = load_suite("quick")
    arms = [arm for cell in make_plan(quick, quick.implementations) for arm in cell.arms]
    assert sum("quick.toml" in name for name in names) == len(arms)
