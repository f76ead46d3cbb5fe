"""The answer of a run: its sentences, and its lines at the end of the terminal's output."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from supcr_bench.analysis.findings import find
from supcr_bench.render import sentences
from supcr_bench.render.answer import answer, headline, refuted, section_sentences
from supcr_bench.render.terminal import MOST_LETTERS, MOST_LINES, answer_lines
from supcr_bench.store.run import load_run
from supcr_bench.values.axes import get_axis
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.verification import Verification
from tests.made_results import make_result, make_series
from tests.made_runs import make_run
from tests.made_verifications import NOT_ROBUST, OFF, make_verification
from tests.render.terminal_propositions import lines_hold

ENDS = ("Results results/x/", "Report  reports/x/index.html", "Took    3:12")
HOSTILE = "path/" + "of-a-folder/" * 9 + "my_loss.py:MyLoss"


def said(
    results: Sequence[Result], verifications: Sequence[Verification] = ()
) -> dict[str, list[str]]:
    run = make_run(results, verifications=verifications)
    found = answer(run, find(run.results, {}, refuted(run.verification)))
    return {head: [s.text for s in sentences] for head, sentences in found.items()}


def lines(results: Sequence[Result], verifications: Sequence[Verification] = ()) -> list[str]:
    run = make_run(results, verifications=verifications)
    return answer_lines(answer(run, find(run.results, {}, refuted(run.verification))), ENDS)


def test_it_says_who_is_right_and_what_to_use_where_at_what_cost() -> None:
    results = make_series("broadcast", [64, 128, 256], lambda n: 1e-9 * n**3, pass_="training")
    results += make_series("rowsort", [64, 128, 256], lambda n: 1.5e-5 * n, pass_="training")
    found = said(results)
    assert found["Right or not"] == ["Right: broadcast and rowsort, in all 6 answers (torchcell)."]
    assert found["What to use"] == [
        "N=64 (training, D=1 NaN 0%): broadcast. broadcast takes 262 µs and 32.8 kB, and at N=64 "
        "is 3.66 times as fast as rowsort.",
        "N=128 to 256 (training, D=1 NaN 0%): rowsort. rowsort takes 1.92 to 3.84 ms and 524 kB.",
    ]


def test_what_is_wrong_comes_first_and_is_never_what_to_use() -> None:
    results = make_series("slow", [64], lambda n: 1.0) + make_series("quick", [64], lambda n: 1e-6)
    tied = make_result("quick", case={"labels": "tied"}, status=Status.WRONG, reason="off")
    found = said([*results, tied])
    assert found["Right or not"] == [
        "WRONG: quick, in 1 of 2 answers (torchcell), first in forward at N=64 D=1 NaN 0% tied "
        "labels.",
        "Right: slow, in the one answer (torchcell).",
    ]
    assert [s.partition("slow")[1] for s in found["What to use"][:1]] == ["slow"]
    assert not any("quick takes" in s for s in found["What to use"])


def test_what_verification_refutes_is_wrong_and_never_what_to_use() -> None:
    results = make_series("mine", [64], lambda n: 1e-6) + make_series("slow", [64], lambda n: 1.0)
    found = said(results, [make_verification("mine", OFF)])
    assert found["Right or not"] == [
        "WRONG: mine is not right: torchcell, but 1 of 2 checks failed: ties. In this run it "
        "agrees in 1 answer.",
        "Right: slow, in the one answer (torchcell).",
    ]
    assert [s.split(": ")[1].split(".")[0] for s in found["What to use"]] == ["slow"]


def test_verification_names_the_right_together_and_the_others_one_by_one() -> None:
    checked = [
        make_verification("a"),
        make_verification("b"),
        make_verification("c", NOT_ROBUST),
    ]
    found = said(make_series("a", [64], lambda n: 1.0), checked)
    assert found["Right or not"][1:] == [
        "Verified: a and b are right (torchcell).",
        "Verified: c is right, but robustness checks fail (torchcell).",
    ]


def test_what_gave_no_answer_says_how_it_ended() -> None:
    results = [
        make_result("a", status=Status.OUT_OF_MEMORY, reason=""),
        make_result("b", status=Status.FAILED, reason="it broke"),
    ]
    found = said(results)
    assert found["Right or not"] == ["No answer: a (1 out of memory).", "No answer: b (1 failed)."]
    assert found["What to use"] == ["N=64 (forward, D=1 NaN 0%): none is both timed and right."]
    assert found["Beware"] == [
        "2 of 2 results have no figures: 1 out of memory, 1 failed.",
        "b failed, first in forward at N=64 D=1 NaN 0%: it broke.",
    ]


def test_each_device_and_each_definition_has_what_to_use() -> None:
    results = make_series("a", [64], lambda n: 1.0)
    results += make_series("b", [64], lambda n: 0.1, case={"device": "cuda"})
    results += make_series("c", [64], lambda n: 0.1, case={"definition": "no-self"})
    found = said(results)["What to use"]
    assert [s.split("): ")[1].split(".")[0] for s in found] == ["a", "b", "c"]
    assert "(forward, D=1 NaN 0%, no-self)" in found[2]


def test_definitions_that_share_a_short_name_are_told_apart() -> None:
    cosine, single = (f"rank-n-contrast but {x}" for x in ("cosine similarity", "a single view"))
    results = make_series("a", [64], lambda n: 1.0, case={"definition": cosine})
    results += make_series("b", [64], lambda n: 0.1, case={"definition": single})
    assert said(results)["Right or not"] == [
        f"Right: {name}, in the one answer ({definition})."
        for name, definition in (("a", cosine), ("b", single))
    ]
    heads = [line for line in lines(results) if line.startswith("  forward")]
    assert heads == [f"  forward, D=1 NaN 0%, {definition}:" for definition in (cosine, single)]


def test_a_speed_up_is_over_what_is_right() -> None:
    results = make_series("slow", [64], lambda n: 1.0) + make_series("quick", [64], lambda n: 0.1)
    wrong = make_series("slowest", [64], lambda n: 9.0, status=Status.WRONG, reason="off")
    (use,) = said([*results, *wrong])["What to use"]
    assert "10.0 times as fast as slow." in use


def test_claims_of_which_a_run_decides_none_are_not_counted_one_by_one() -> None:
    results = make_series("loopy", [64], lambda n: 1.0)
    assert said(results)["Claims of the note"] == [
        "This run decides none of the 16 claims of the note."
    ]


def test_claims_that_fail_are_named() -> None:
    results = []
    for n in (16, 24, 32, 48, 64):
        results += make_series(
            "loopy", [n], lambda n: 1.0, pass_="training", elements_processed=n**4
        )
    found = said(results)["Claims of the note"]
    assert found[0].startswith("Of 16 claims of the note ")
    assert "1 does not hold" in found[0]
    assert found[1:] == ["Does not hold: loopy takes O(N^3) work: training."]


def test_a_headline_is_what_is_wrong_else_what_is_right() -> None:
    right = make_series("a", [64], lambda n: 1.0)
    wrong = make_result("b", status=Status.WRONG, reason="off")
    for results, start in ((right, "Right: a"), ([*right, wrong], "WRONG: b")):
        run = make_run(results)
        assert headline(answer(run, find(run.results, {}, refuted(run.verification)))).startswith(
            start
        )


def test_the_sections_say_crossovers_what_fits_and_broken_claims() -> None:
    sizes = [16, 24, 32, 48, 64, 256]
    results = [
        r
        for n in sizes
        for r in (
            *make_series("rowsort", [n], lambda n: 1e-6 * n, elements_processed=n**3, session="s"),
            *make_series("loopy", [n], lambda n: 2e-8 * n**2, lambda n: n**3, session="s"),
        )
    ]
    claims = {"rowsort": {"time": "N^2 log N", "memory": "N^2"}}
    found = {
        section: [s.text for s in own]
        for section, own in section_sentences(find(results, claims)).items()
    }
    assert found["time"] == [
        "rowsort overtakes loopy at N=50, 95 % interval 50 to 50 (forward, D=1 NaN 0%)."
    ]
    assert found["memory"][0].startswith("24 GiB hold the tensors of rowsort up to N=")
    assert (
        "rowsort claims to grow as N^2 log N, and its work grows as N^3 (forward, D=1 NaN 0%)."
        in found["growth"]
    )


def test_an_axis_says_what_its_last_value_changes() -> None:
    results = [
        make_result(times=[t] * 6, case={"nan_density": density})
        for density, t in ((0.0, 1.0), (0.5, 0.25), (0.9, 0.01))
    ]
    found = section_sentences(find(results, {}))[get_axis("nan_density").id]
    assert [s.text for s in found] == [
        "From NaN 0% to 90% loopy takes 0.010 times the time (forward at N=64 D=1 NaN 90%)."
    ]


@pytest.mark.parametrize(
    "run", ["results/reference", "results/gpu", "tests/golden/quick", "tests/golden/paper"]
)
def test_the_answer_of_a_stored_run_is_at_most_40_lines_of_80_letters(run: str) -> None:
    stored = load_run(Path(__file__).parents[2] / run)
    shown = answer_lines(answer(stored, find(stored.results, {})), ENDS)
    assert len(shown) <= MOST_LINES
    assert max(map(len, shown)) <= MOST_LETTERS
    assert shown[-3:] == list(ENDS)


def test_a_long_answer_is_cut_where_it_is_longest_and_keeps_its_words_whole() -> None:
    results, sizes = [], (8, 16, 32, 64, 128, 256)
    for dims in range(1, 7):
        for name in (HOSTILE, *"abcdefgh"):
            results += make_series(name, sizes, lambda n: 1e-6 * n, case={"dims": dims})
        results.append(make_result(f"bad{dims}", status=Status.WRONG, case={"dims": dims}))
    shown = lines(results)
    assert len(shown) <= MOST_LINES
    assert any("more, on the page" in line for line in shown)
    words = set(" ".join(shown).split())
    assert all(len(line) <= MOST_LETTERS or HOSTILE in line for line in shown)
    assert not any(word in HOSTILE and len(word) > 20 for word in words - {HOSTILE})


def test_the_first_words_of_a_line_tell_right_from_wrong() -> None:
    results = [*make_series("a", [64], lambda n: 1.0), make_result("b", status=Status.WRONG)]
    shown = lines(results)
    assert "  WRONG: b, in 1 of 1 answer (torchcell), first in forward at N=64 D=1 NaN 0%." in shown
    assert "  Right: a, in the one answer (torchcell)." in shown


def test_a_row_that_is_too_wide_is_wrapped_and_those_beside_it_keep_one_line() -> None:
    names = [f"a_loss_with_a_long_name_{letter}" for letter in "abc"]
    results = [r for name in names for r in make_series(name, [32, 64], lambda n: 1e-3)]
    found = answer(make_run(results), find(results, {}))
    shown = answer_lines(found, ENDS)
    assert lines_hold(found, shown, ENDS)
    assert max(map(len, shown)) <= MOST_LETTERS
    assert any(line.startswith("        ") for line in shown[: -len(ENDS)])
    assert not lines_hold(found, [line.replace("name_b", "name_d") for line in shown], ENDS)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (1, "may be noise: 1 pair of timings of identical code differed by at most that."),
        (19, "may be noise: 19 pairs of timings of identical code differed by at most that."),
        (20, "may be noise: of 20 pairs of timings of identical code, 95% differed by at most"),
    ],
)
def test_a_share_of_few_pairs_is_all_of_them(cells: int, words: str) -> None:
    assert words in sentences.noise(spread=0.05, cells=cells, device=None).text


@pytest.mark.parametrize(
    ("low", "high", "by"),
    [
        (0.0, 0.0, "less than 0.1%"),
        (-0.0002, 0.0004, "less than 0.1%"),
        (0.02, 0.0201, "+2.0%"),
        (0.0, 0.06, "+0.0% to +6.0%"),
    ],
)
def test_counters_that_agree_are_not_said_to_differ(low: float, high: float, by: str) -> None:
    said = sentences.counters_differ(low=low, high=high).text
    assert said == f"a second counter, of operations, differs by {by}"
