"""The note's claims, decided by results that are made up to decide them."""

from collections.abc import Callable
from dataclasses import replace

from supcr_bench.analysis.claims import claim_rows
from supcr_bench.analysis.growth import growth_of
from supcr_bench.values.case import PASSES
from supcr_bench.values.growth_law import Holds
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series

Law = Callable[[int], float]


def series(name: str, sizes: list[int], seconds: Law, work: Law, size_bytes: Law) -> list[Result]:
    """Both passes of one implementation, beside the other two."""
    others = {"loopy", "broadcast", "rowsort"} - {name}
    found = []
    for pass_ in PASSES:
        for n in sizes:
            found += make_series(
                name,
                [n],
                seconds,
                size_bytes,
                pass_=pass_,
                elements_processed=round(work(n)),
                no_self_error=0.0,
                value_difference=dict.fromkeys(others, 1e-7),
            )
    return found


def verdicts(results: list[Result]) -> dict[str, tuple[Holds, str]]:
    rows = claim_rows(results, growth_of(results, {}))
    return {row.claim: (row.verdict, row.evidence) for row in rows}


SIZES = [16, 24, 32, 48, 64]


def usual() -> list[Result]:
    """What the note describes, with training as it really is."""
    results = series("loopy", SIZES, lambda n: 1e-6 * n**3, lambda n: n**4, lambda n: n**3)
    results += series(
        "broadcast", [*SIZES, 256], lambda n: 1e-9 * n**3, lambda n: n**3, lambda n: n**3
    )
    results += series("rowsort", [*SIZES, 256], lambda n: 1e-5 * n, lambda n: n**3, lambda n: n**2)
    return results


def test_growth_claims_are_decided_by_counts_and_bytes() -> None:
    found = verdicts(usual())
    assert found["loopy takes O(N^3) work: training."][0] is Holds.NO
    assert "it grows as N^4, N=16 to 64" in found["loopy takes O(N^3) work: training."][1]
    assert found["loopy builds no N x N x N tensor: memory N^2."][0] is Holds.NO
    assert found["broadcast takes O(N^3) work: training."][0] is Holds.YES
    assert found["broadcast takes O(N^3) memory."][0] is Holds.YES
    assert found["rowsort takes O(N^2 log N) work: training."][0] is Holds.NO
    assert found["rowsort builds no N x N x N tensor: memory N^2."][0] is Holds.YES


def test_a_bound_from_above_holds_for_a_slower_law_too() -> None:
    results = series("rowsort", SIZES, lambda n: n, lambda n: n**2, lambda n: n**2)
    verdict, evidence = verdicts(results)["rowsort takes O(N^2 log N) work: forward."]
    assert verdict is Holds.YES
    assert "it grows as N^2" in evidence


def test_a_time_that_does_not_grow_as_the_work_is_said_to_be_no_law() -> None:
    def seconds(n: int) -> float:
        return 1e-6 * n**2

    results = series("loopy", SIZES, seconds, lambda n: n**4, lambda n: n**3)
    noisy = [
        replace(r, time_samples_s=tuple(t * (1 + 0.01 * (i % 2)) for t in r.time_samples_s or ()))
        for i, r in enumerate(results)
    ]
    evidence = verdicts(noisy)["loopy takes O(N^3) work: training."][1]
    assert "does not hold for larger N: there its work grows as N^4.00" in evidence


def test_what_holds_in_one_series_holds_with_a_condition_if_noise_hides_another() -> None:
    def cell(n: int, dims: int, slower: float) -> list[Result]:
        steady = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
        times = {"rowsort": steady, "broadcast": [slower * s for s in steady]}
        return [
            make_result(name, n=n, pass_="training", times=own, session=f"{n}", case={"dims": dims})
            for name, own in times.items()
        ]

    claim = "rowsort is faster than broadcast for large N."
    clear = cell(64, 1, 5.0)
    assert verdicts(clear)[claim][0] is Holds.YES
    assert verdicts(clear + cell(64, 2, 1.0))[claim][0] is Holds.CONDITION
    assert verdicts(clear + cell(64, 2, 0.2))[claim][0] is Holds.CONDITION
    # However many series speak against it, the one that speaks for it is named too.
    many = [r for dims in range(2, 7) for n in (64, 64 + dims) for r in cell(n, dims, 0.2)]
    evidence = verdicts(clear + many)[claim][1]
    assert "training D=1 NaN 0%: at N=64" in evidence
    assert evidence.endswith("; and 3 more")
    # It may still be faster at a larger size.
    assert verdicts(cell(64, 2, 0.2))[claim][0] is Holds.UNDECIDED


def test_a_claim_on_growth_over_few_sizes_cannot_be_decided() -> None:
    results = series("rowsort", SIZES[:3], lambda n: n, lambda n: n**2, lambda n: n**2)
    verdict, evidence = verdicts(results)["rowsort takes O(N^2 log N) work: forward."]
    assert verdict is Holds.UNDECIDED
    assert "it takes 5" in evidence


def test_which_is_faster_is_told_with_the_sizes_where_it_is() -> None:
    found = verdicts(usual())
    verdict, evidence = found["rowsort is faster than broadcast for large N."]
    assert verdict is Holds.YES
    assert "training D=1 NaN 0%: from N=256 on, not at N=64" in evidence
    assert found["broadcast is fine for small batches."][0] is Holds.YES
    assert found["loopy is the slowest."][0] is Holds.YES
    fastest = found["rowsort is the fastest, so it is the one to use."]
    assert fastest == (
        Holds.CONDITION,
        "training D=1 NaN 0%: only from N=256 on; up to N=64, another one is faster",
    )


def test_one_that_could_not_finish_counts_as_slower() -> None:
    results = series("rowsort", [64], lambda n: 1e-2, lambda n: n**2, lambda n: n**2)
    results += [
        make_result("broadcast", n=64, pass_=p, status=Status.OUT_OF_MEMORY, reason="")
        for p in PASSES
    ]
    assert verdicts(results)["rowsort is faster than broadcast for large N."][0] is Holds.YES


def test_agreement_and_the_formula_are_told_apart_on_ties() -> None:
    results = usual()
    tied = [
        make_result(
            "loopy",
            n=32,
            pass_=pass_,
            case={"labels": "tied"},
            value_difference={"rowsort": 0.0},
            no_self_error=0.45,
        )
        for pass_ in PASSES
    ]
    found = verdicts(results + tied)
    assert found["All three give the same result, up to rounding."][0] is Holds.YES
    verdict, evidence = found["The loopy version is the formula."]
    assert verdict is Holds.CONDITION
    assert "45% from `no-self`" in evidence


def test_a_wrong_result_is_seen_in_both_claims_of_agreement() -> None:
    wrong = make_result(
        "loopy",
        status=Status.WRONG,
        reason="the loss is nan",
        value_difference={"rowsort": None},
        case={"temperature": 0.01},
        times=[1.0] * 6,
    )
    found = verdicts([*usual(), wrong])
    assert found["All three give the same result, up to rounding."][0] is Holds.CONDITION
    assert found["The loopy version is the formula."][0] is Holds.NO


def test_without_evidence_nothing_is_decided() -> None:
    failed = make_result("loopy", status=Status.FAILED, reason="no")
    assert {row.verdict for row in claim_rows([failed], [])} == {Holds.UNDECIDED}
    assert claim_rows([make_result("mine")], []) == []
