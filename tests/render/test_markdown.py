"""What a run and a comparison say, as Markdown."""

from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.analysis.compare import compare_results
from supcr_bench.analysis.findings import find
from supcr_bench.render.answer import refuted
from supcr_bench.render.markdown import comparison_markdown, escape, run_markdown
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series
from tests.made_runs import make_run
from tests.made_verifications import OFF, make_verification

INFO: dict[str, Any] = {"id": "20260101T000000Z-made_up", "suite": {"name": "made_up"}}


def usual(name: str = "rowsort") -> list[Result]:
    slow = make_series("broadcast", [8, 16, 32], lambda n: 1e-5 * n**3, pass_="training")
    return slow + make_series(name, [8, 16, 32], lambda n: 1e-3 * n, pass_="training")


def summary(results: list[Result], *verifications: Any) -> str:
    run = make_run(results, INFO["id"], verifications, suite=INFO["suite"])
    return run_markdown(run, find(results, {}, refuted(run.verification)))


def test_the_answer_is_there_and_the_environment() -> None:
    text = summary(usual(), make_verification("rowsort", OFF))
    assert text.startswith(
        "## supcr-bench: made\\_up\n\n### Right or not\n\n- WRONG: rowsort is not"
    )
    assert "\n- Right: broadcast, in all 3 answers (torchcell).\n" in text
    assert (
        "### What to use\n\n- N=8 to 32 (training, D=1 NaN 0%): broadcast. broadcast takes" in text
    )
    assert (
        "### Claims of the note\n\n- This run decides none of the 16 claims of the note.\n" in text
    )
    assert text.endswith(
        "\n\nRun 20260101T000000Z-made\\_up. a &lt;processor&gt;, 2 CPUs, 2 "
        "threads, 16 GiB, torch 2.6, Python 3.12, Linux.\n"
    )


def test_names_cannot_become_markup_or_another_line() -> None:
    name = "a|b`c`*d*[e](f)<img src=x>\n# g"
    text = summary([*usual(name), make_result(name, n=64, status=Status.FAILED, reason="|\n|")])
    assert (
        "N=16 to 32 (training, D=1 NaN 0%): a\\|b\\`c\\`\\*d\\*\\[e\\](f)&lt;img src=x&gt;" in text
    )
    assert "<img" not in text
    assert all(line[0] in "-#R" for line in text.splitlines() if line)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain N^2 log N, 5 %", "plain N^2 log N, 5 %"),
        ("a_b~c~$d$", "a\\_b\\~c\\~\\$d\\$"),
        ("back\\slash & <i>", "back\\\\slash &amp; &lt;i&gt;"),
        (" two\n lines\t", "two lines"),
    ],
)
def test_text_shows_as_it_is(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_comparison_says_its_verdict_and_what_changed() -> None:
    later = [
        replace(r, elements_processed=2)
        for r in (replace(r, elements_processed=1) for r in usual())
    ]
    first = [replace(r, elements_processed=1) for r in usual()]
    text = comparison_markdown("one_run", "two", compare_results(first, later))
    assert text.startswith("## supcr-bench: two against one\\_run\n\n**6 results got worse in work")
    assert "\n- 6 results in both runs.\n" in text
    assert "### What changed apart from time\n\n| what | change | how |\n" in text
    assert "| elements processed: more | at N=8: 1, then 2 (x2.00) |\n" in text
    same = comparison_markdown("one", "two", compare_results(first, first))
    assert "What changed" not in same
    assert same.count("Nothing got worse, as far as these runs can tell.") == 1


def test_the_same_run_makes_the_same_text() -> None:
    assert summary(usual()) == summary(usual())
