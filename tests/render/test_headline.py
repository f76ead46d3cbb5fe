"""The sentences that a run is summed up in."""

from collections.abc import Sequence

from supcr_bench.analysis.findings import Findings, find
from supcr_bench.render.sentences import headline
from supcr_bench.values.result import Status
from supcr_bench.verification.verification import Verification
from tests.made_results import make_result, make_series
from tests.made_runs import make_run
from tests.made_verifications import NOT_ROBUST, OFF, make_verification


def said(findings: Findings, verifications: Sequence[Verification] = ()) -> list[str]:
    return headline(make_run(findings.results, verifications=verifications), findings)


def test_says_who_agrees_and_who_is_fastest_where() -> None:
    results = make_series("broadcast", [64, 128, 256], lambda n: 1e-9 * n**3, pass_="training")
    results += make_series("rowsort", [64, 128, 256], lambda n: 1.5e-5 * n, pass_="training")
    sentences = said(find(results, {}))
    assert sentences[0] == (
        "broadcast and rowsort agree with the definition (torchcell) in all 6 answers."
    )
    assert sentences[1] == (
        "Fastest in training (D=1, NaN 0%, continuous labels, d=64, cpu) "
        "of broadcast and rowsort: broadcast at N=64, rowsort from N=128 to 256."
    )


def test_a_wrong_one_is_counted_and_never_the_fastest() -> None:
    results = make_series("broadcast", [64], lambda n: 1.0)
    results += [make_result("mine", times=[1e-6] * 6, status=Status.WRONG, reason="off")]
    sentences = said(find(results, {}))
    assert "mine is wrong by the definition (torchcell) in 1 of 1 answers" in sentences[0]
    assert "broadcast at N=64" in sentences[1]


def test_counts_what_was_not_measured() -> None:
    results = [
        make_result("a", status=Status.OUT_OF_MEMORY, reason=""),
        make_result("b", status=Status.FAILED, reason="it broke"),
    ]
    assert said(find(results, {})) == [
        "Nothing could be measured.",
        "Of 2 results: 1 out of memory, 1 failed (first b forward at N=64 D=1 NaN 0%: it broke).",
    ]


def test_one_that_is_wrong_on_ties_is_never_the_fastest() -> None:
    results = make_series("slow", [64], lambda n: 1.0) + make_series("quick", [64], lambda n: 1e-6)
    tied = make_result("quick", case={"labels": "tied"}, status=Status.WRONG, reason="off")
    sentences = said(find([*results, tied], {}))
    assert any("slow at N=64" in s for s in sentences)
    assert not any("quick at N=64" in s for s in sentences)


def test_each_device_has_its_fastest_and_verification_its_word() -> None:
    results = make_series("a", [64], lambda n: 1.0)
    results += make_series("b", [64], lambda n: 1.0, case={"device": "cuda"})
    sentences = said(find(results, {}), [make_verification("a", OFF)])
    verdict = "a is not right: torchcell, but 1 of 2 checks failed: ties."
    assert sentences[1] == f"Verified: {verdict}"
    assert [s.split("): ")[1] for s in sentences[2:4]] == ["a at N=64.", "b at N=64."]


def test_claims_that_do_not_hold_are_named() -> None:
    results = []
    for n in (16, 24, 32, 48, 64):
        results += make_series(
            "loopy", [n], lambda n: 1.0, pass_="training", elements_processed=n**4
        )
    sentences = said(find(results, {}))
    assert any("do not hold" in s or "does not hold" in s for s in sentences)
    assert any("loopy takes O(N^3) work: training" in s for s in sentences)


def test_verification_names_the_right_together_and_the_others_one_by_one() -> None:
    sentences = said(
        find(make_series("a", [64], lambda n: 1.0), {}),
        [
            make_verification("a"),
            make_verification("b"),
            make_verification("c", NOT_ROBUST),
            make_verification("d", OFF),
        ],
    )
    assert sentences[1] == (
        "Verified: d is not right: torchcell, but 1 of 2 checks failed: ties. a and b are right: "
        "torchcell. c is right: torchcell, but not robust."
    )
