"""One judgement in words, and the sentences of the whole."""

from dataclasses import replace

import pytest

from supcr_bench.render.gate_tables import gate_markdown
from supcr_bench.render.gate_words import (
    better_sentences,
    case_text,
    figure_name,
    figure_of,
    following_sentences,
    plain,
    printable,
    ratio_change_text,
    reason_sentences,
    sureness_text,
    time_sentences,
    value_text,
    verdict_sentence,
)
from supcr_bench.values.case import Case
from supcr_bench.values.gate import GatedChange, GateVerdict
from tests.made_gate_outcomes import (
    ALL,
    ALL_UNDECIDED,
    PASS,
    STUDY,
    UNDECIDED,
    figures_of,
    judge,
    outcome,
)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("pass", "pass: 14 figures got no worse than is allowed against main (1a2b3c4d5e6f)."),
        (
            "regression",
            "regression: 8 figures got worse against main (1a2b3c4d5e6f): rowsort (agreement, "
            "verification, elements processed, dispatched operations, peak memory, time), "
            "research/losses/contrastive_regression/my_weighted_rank_loss.py:WeightedRankLoss "
            "(dispatched operations, time); 6 passed.",
        ),
        (
            "undecided",
            "undecided: 4 figures could not be decided against main (1a2b3c4d5e6f); 5 passed.",
        ),
        ("nothing", "undecided: no figure passed or got worse against main (1a2b3c4d5e6f)."),
        (
            "all undecided",
            "undecided: no figure passed or got worse against main (1a2b3c4d5e6f); 1 undecided.",
        ),
        ("new", "undecided: no figure passed or got worse against main (1a2b3c4d5e6f); 6 new."),
        (
            "ugly",
            "regression: 1 figure got worse against main (1a2b3c4d5e6f): a|b`c`*d*.py:<Loss> "
            "(agreement).",
        ),
    ],
)
def test_the_verdict_says_what_it_rests_on(name: str, sentence: str) -> None:
    assert str(verdict_sentence(ALL[name])) == sentence


def test_a_figure_that_got_worse_in_several_cases_is_counted() -> None:
    cases = [Case(batch_size=n) for n in (16, 32)]
    worse = [judge("dispatched_ops", GateVerdict.REGRESSION, case=case) for case in cases]
    found = outcome(
        *worse,
        judge("time", GateVerdict.UNDECIDED),
        judge("dispatched_ops", GateVerdict.NEW, "scan"),
    )
    assert str(verdict_sentence(found)).endswith(
        ": rowsort (dispatched operations in 2 cases); 1 undecided and 1 new."
    )


def test_one_figure_alone_is_said_in_the_singular() -> None:
    assert str(verdict_sentence(outcome(judge("dispatched_ops")))).startswith(
        "pass: 1 figure got no worse"
    )


@pytest.mark.parametrize(
    ("judgement", "before", "after", "change"),
    [
        (judge("time", GateVerdict.REGRESSION), "26.1 ms", "29.3 ms", "x1.12 [1.09, 1.15]"),
        (judge("time", GateVerdict.UNDECIDED, low=None), "26.1 ms", "29.3 ms", "x1.12"),
        (judge("memory", GateVerdict.REGRESSION), "4.30 MB", "4.82 MB", "+12%"),
        (judge("dispatched_ops", GateVerdict.REGRESSION), "5,292", "6,086", "+15%"),
        (judge("dispatched_ops", after=5000.0, ratio=5000 / 5292), "5,292", "5,000", "-5.5%"),
        (judge("elements_processed", GateVerdict.REGRESSION), "1,250,000", "4,250,000", "x3.40"),
        (judge("elements_processed", before=1.0e9, after=1.0e9), "1e+09", "1e+09", "same"),
        (judge("dispatched_ops", before=0.0, after=3.0, ratio=None), "0", "3", "-"),
        (judge("dispatched_ops", before=0.0, after=3.0, ratio=float("inf")), "0", "3", "-"),
        (judge("agreement", before=0.5, after=41.26), "0.5", "41", "-"),
        (judge("verification"), "-", "-", "-"),
    ],
)
def test_a_figure_is_written_in_its_unit_with_what_changed(
    judgement: GatedChange, before: str, after: str, change: str
) -> None:
    assert value_text(judgement, judgement.before) == before
    assert value_text(judgement, judgement.after) == after
    assert ratio_change_text(judgement) == change


def test_what_has_no_noise_is_exact_and_time_holds_for_all_cells_together() -> None:
    assert sureness_text(judge("dispatched_ops"), STUDY) == "exact"
    assert sureness_text(judge("verification"), None) == "exact"
    assert sureness_text(judge("time"), STUDY) == "99%"
    assert sureness_text(judge("time"), replace(STUDY, error=0.005)) == "99.5%"
    assert sureness_text(judge("time"), None) == "-"


@pytest.mark.parametrize(
    "other",
    [
        {"batch_size": 32},
        {"nan_density": 0.5},
        {"nan_density": None},
        {"dims": 1},
        {"embedding_size": 128},
        {"dtype": "float64"},
        {"temperature": 0.01},
        {"labels": "tied"},
        {"device": "cuda"},
        {"pass_": "forward"},
    ],
)
def test_cases_that_differ_are_told_apart(other: dict[str, object]) -> None:
    case = Case(batch_size=64, dims=2, nan_density=0.2, pass_="training")
    assert case_text(case) == "training N=64 D=2 NaN 20%"
    assert case_text(replace(case, **other)) != case_text(case)  # type: ignore[arg-type]


def test_a_figure_of_an_implementation_as_a_whole_has_no_case() -> None:
    assert case_text(None) == "-"
    assert figure_name(*figure_of(judge("verification"))) == "rowsort verification"
    assert figure_name(*figure_of(judge("time"))) == "rowsort time, training N=64 D=2 NaN 20%"


def test_figures_with_one_reason_share_a_sentence() -> None:
    assert [*map(str, reason_sentences(UNDECIDED.with_verdict(GateVerdict.UNDECIDED)))] == [
        "rowsort (time in 2 cases), broadcast (time in 2 cases): [0.97, 1.08] reaches over 5%: "
        "below the noise floor of this machine"
    ]
    assert [*map(str, reason_sentences(ALL_UNDECIDED.changes))] == [
        "rowsort time, training N=64 D=2 NaN 20%: too few processes"
    ]
    assert [*map(str, reason_sentences(PASS.changes))] == []


def test_what_improved_notably_is_said_and_what_may_be_noise_is_not() -> None:
    assert [*map(str, better_sentences(PASS))] == [
        "Better: scan, dispatched operations x0.34 in 1 case.",
        "Better: scan, time x0.77 in 1 case.",
    ]
    cases = [Case(batch_size=n) for n in (16, 32)]
    fewer = [
        judge("dispatched_ops", case=c, ratio=r) for c, r in zip(cases, (0.9, 0.5), strict=True)
    ]
    noisy = judge("time", ratio=0.9, low=0.85, high=0.97)
    failing = judge("time", GateVerdict.UNDECIDED, ratio=0.5, low=0.4, high=0.6)
    hardly = judge("memory", ratio=0.96)
    assert [*map(str, better_sentences(outcome(*fewer, noisy, failing, hardly)))] == [
        "Better: rowsort, dispatched operations x0.50 to x0.90 in 2 cases."
    ]


def test_time_says_what_was_allowed_how_sure_and_what_could_have_been_seen() -> None:
    assert [*map(str, time_sentences(STUDY))] == [
        "Time: up to 5% slower is allowed. The chance that any of 5 cells gets a wrong verdict "
        "is at most 1%, on this machine and in this session.",
        "Noise floor 1.8%: identical code against itself (A/A) gave up to [0.982, 1.013], and 5 of "
        "5 intervals cover 1; it moved by up to 0.7% from one half to the other of the session.",
        "A slowdown of 6.3% could have been detected here in each of 5 cells, as in 95 of 100 "
        "simulated runs.",
        "24 processes timed 5 cells in 1:52; 2:30 were allowed.",
    ]
    assert [*map(str, time_sentences(None))] == ["Time was not judged."]


def test_time_says_what_it_does_not_know() -> None:
    short = replace(STUDY, cells=2, timed=1, judged=0, noise_floor=None, detectable=None)
    _, floor, seen, spent = map(str, time_sentences(short))
    assert floor.startswith("No cell was timed in enough processes to tell the noise")
    assert seen == "The slowdown that could have been detected is not known."
    assert "timed 1 of 2 cells in" in spent


def test_control_characters_are_written_out() -> None:
    assert plain("a\x1b[31m\n b\t c\x00") == "a\\x1b[31m b c\\x00"
    assert printable("run 'two  spaces'\x07") == "run 'two  spaces'\\x07"


def test_what_follows_from_a_wrong_result_is_counted_and_not_shown():
    cases = [Case(batch_size=n, pass_="training") for n in (8, 16, 24)]
    figures = ("agreement", "dispatched_ops", "elements_processed", "memory")
    worse = [judge(f, GateVerdict.REGRESSION, case=case) for case in cases for f in figures]
    cause = judge("verification", GateVerdict.REGRESSION)
    found = outcome(*worse, cause, *figures_of("broadcast"))
    assert str(verdict_sentence(found)).startswith(
        "regression: 13 figures got worse against main (1a2b3c4d5e6f): rowsort (verification, "
        "agreement), and 11 more of what is no longer right; "
    )
    (sentence,) = following_sentences(found)
    assert str(sentence) == (
        "Not shown, since rowsort is no longer right: rowsort (dispatched operations in 3 "
        "cases, elements processed in 3 cases, peak memory in 3 cases, agreement in 2 cases). The "
        "JSON file has each figure."
    )
    text = gate_markdown(found)
    table = text[text.index("### Got worse") : text.index("To reproduce")]
    assert table.index("verification") < table.index("training N=8")
    assert "N=16" not in table
    assert str(sentence) in text
