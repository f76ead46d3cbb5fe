"""A gate's outcome for the summary of a job."""

import re

import pytest

from supcr_bench.render.gate_tables import MOST_PASSED, gate_markdown
from supcr_bench.render.gate_words import verdict_sentence
from supcr_bench.render.markdown import escape
from supcr_bench.values.case import Case
from supcr_bench.values.gate import GateOutcome, GateVerdict
from tests.made_gate_outcomes import (
    ALL,
    NEW,
    NO_TIME,
    NOTHING,
    PASS,
    REGRESSION,
    UGLY,
    UNDECIDED,
    judge,
    outcome,
)


def outside_of_fences(text: str) -> str:
    return re.sub(r"^(`{3,})sh\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", ALL)
def test_the_verdict_stands_first_and_every_regression_has_its_command(name: str) -> None:
    found = ALL[name]
    text = gate_markdown(found)
    assert text.startswith(
        f"## supcr-bench gate: ci\n\n**{escape(str(verdict_sentence(found)))}**\n\n"
    )
    assert all(f"\n{j.command}\n" in text for j in found.with_verdict(GateVerdict.REGRESSION))
    assert text.endswith(".\n")


@pytest.mark.parametrize("name", ALL)
def test_every_table_has_as_many_cells_in_each_row(name: str) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", gate_markdown(ALL[name]) + "\n", re.MULTILINE)
    for found in tables:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in found.splitlines()}
        assert len(counts) == 1


def test_what_got_worse_is_a_table_with_reasons() -> None:
    text = gate_markdown(REGRESSION)
    assert (
        "### Got worse\n\n"
        "| name | case | figure | before | after | by | sure | reason |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
    ) in text
    assert (
        "\n| rowsort | training N=64 D=2 NaN 20% | time | 26.1 ms | 29.3 ms "
        "| x1.12 \\[1.09, 1.15\\] | 99% | the whole interval lies above 5% slower |\n"
    ) in text
    assert "### Undecided" not in text


def test_what_is_undecided_is_a_table_with_reasons() -> None:
    text = gate_markdown(UNDECIDED)
    assert text.count("| \\[0.97, 1.08\\] reaches over 5%: below the noise floor") == 4
    assert "### Got worse" not in text


def test_what_passed_is_folded_away() -> None:
    text = gate_markdown(PASS)
    inside = text[text.index("<details>") : text.index("</details>")]
    assert inside.startswith("<details><summary>Passed: 14 figures</summary>\n\n| name |")
    assert "\n| rowsort | 2 of 2 | 3 of 3 | 1 of 1 | - |\n" in inside
    row = "scan | training N=64 D=2 NaN 20% | dispatched operations | 6,086 | 2,040 | -66% | exact"
    assert f"\n| {row} |\n" in inside
    assert "- Better: scan, dispatched operations x0.34 in 1 case.\n" in text
    assert "details" not in gate_markdown(NEW) + gate_markdown(NOTHING)


def test_a_long_list_of_what_passed_ends() -> None:
    cases = [Case(batch_size=n) for n in range(2, 604)]
    text = gate_markdown(outcome(*(judge("dispatched_ops", case=c) for c in cases)))
    assert text.count("| dispatched operations |") == MOST_PASSED == 500
    assert "\nThe first 500 of 602.\n" in text


def test_time_notes_command_and_machine_close_it() -> None:
    text = gate_markdown(PASS)
    assert "\n- 24 processes timed 5 cells in 1:52; 2:30 were allowed.\n" in text
    assert "### Notes\n\n- The work tree has changes" in text
    assert text.endswith(
        "\n\n```sh\nsupcr-bench gate ci --against main\n```\n\n"
        "a CPU, 2 CPUs, 1 thread, 8 GiB, torch 2.13.0, Python 3.11.7, Linux.\n"
    )
    assert "- Time was not judged.\n" in gate_markdown(NO_TIME)
    bare = GateOutcome(suite="ci", against="main", changes=())
    assert gate_markdown(bare).endswith("- The gate took 0:00.\n")


def test_names_and_reasons_are_no_markup_and_end_no_fence() -> None:
    text = gate_markdown(UGLY)
    assert "<Loss>" not in outside_of_fences(text)
    assert "<b>" not in text
    assert (
        "\n````sh\nsupcr-bench gate ci -i 'a|b`c`*d*.py:<Loss>' --against 'x```y'\n````\n" in text
    )
