"""The sentences that a run is summed up in."""

from supcr_bench.analysis.findings import find
from supcr_bench.render.headline import headline
from supcr_bench.values.result import Status
from tests.made_results import make_result, make_series


def test_says_who_agrees_and_who_is_fastest_where() -> None:
    results = make_series("broadcast", [64, 128, 256], lambda n: 1e-9 * n**3, pass_="training")
    results += make_series("rowsort", [64, 128, 256], lambda n: 1.5e-5 * n, pass_="training")
    sentences = headline(find(results, {}, "torchcell"))
    assert sentences[0] == (
        "broadcast and rowsort agree with the definition (torchcell) in every case."
    )
    assert sentences[1] == (
        "Fastest in training (D=1, 0% NaN, continuous labels, d=64, cpu): "
        "broadcast at N=64, rowsort from N=128 to 256."
    )


def test_a_wrong_one_is_counted_and_never_the_fastest() -> None:
    results = make_series("broadcast", [64], lambda n: 1.0)
    results += [make_result("mine", times=[1e-6] * 6, status=Status.WRONG, reason="off")]
    sentences = headline(find(results, {}, "paper"))
    assert "mine is wrong in 1 of 1 cases" in sentences[0]
    assert "broadcast at N=64" in sentences[1]


def test_counts_what_was_not_measured() -> None:
    results = [
        make_result("a", status=Status.OUT_OF_MEMORY, reason=""),
        make_result("b", status=Status.FAILED, reason=""),
    ]
    assert headline(find(results, {}, "torchcell")) == [
        "Nothing could be measured.",
        "Of 2 results: 1 out of memory, 1 failed.",
    ]
