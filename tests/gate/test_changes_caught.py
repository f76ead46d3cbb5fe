"""Changes made to real implementations, measured for real: each is caught with the right reason."""

import re
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from supcr_bench.gate.exact import checks_to_repeat, judge_deterministic
from supcr_bench.gate.terms import Terms
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run_file import without_noise
from supcr_bench.subjects.registry import Subject, folder, load
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import make_budget, make_plan, only, untimed
from supcr_bench.sweep.runner import run_sweep
from supcr_bench.sweep.suite import Suite, load_suite
from supcr_bench.values.cell import Cell
from supcr_bench.values.gate import GatedChange, GateVerdict
from supcr_bench.values.result import Result
from supcr_bench.verification import local_session
from supcr_bench.verification.checks import all_checks
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.verification import Verification
from tests.gate.made_runs import made_run

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Change:
    """Text of an implementation's file, and what is put in its place."""

    name: str
    of: str
    old: str = ""
    new: str = ""
    grows: bool = False
    """Whether its sizes are needed, to tell how its counts grow; else some cases show it."""
    verified: bool = False


CHANGES = {
    change.name: change
    for change in (
        Change("rowsort", "rowsort", grows=True),
        Change("broadcast", "broadcast", grows=True),
        Change("rowsort again", "rowsort"),
        Change("broadcast again", "broadcast"),
        Change(
            "copy kept",
            "rowsort",
            "        logits = [self.similarities(view) for view in views]\n",
            "        logits = [self.similarities(view) for view in views]\n"
            "        self.kept = distance.clone()\n",
        ),
        Change(
            "python loop",
            "broadcast",
            "[torch.exp(s) for s in logits]",
            "[torch.stack([torch.exp(row) for row in s]) for s in logits]",
            grows=True,
        ),
        Change(
            "reversed",
            "broadcast",
            "distance.unsqueeze(1) >= distance.unsqueeze(2)",
            "distance.unsqueeze(1) <= distance.unsqueeze(2)",
        ),
        Change(
            "detached",
            "broadcast",
            "[z[off_diagonal] for z in contrasts]",
            "[z[off_diagonal].detach() for z in contrasts]",
            verified=True,
        ),
        Change(
            "cubic",
            "rowsort",
            "[tail[start].clamp(min=self.eps) for tail in tails]",
            "[((row >= row.unsqueeze(1)).float() @ e[i]).clamp(min=self.eps)\n"
            "                         for e in exponentials]",
            grows=True,
        ),
    )
}


SMALL = 12
"""The largest batch size at which everything is measured."""
CHECKS = ("random cases", "ties", "gradcheck", "swapped views", "low temperature")
"""Made of what is verified: some fail, one before the change too. All are in
``tests/verification``."""


def written(change: Change, place: Path) -> Subject:
    """The changed file, as a subject of the change's name."""
    text = (folder() / f"{change.of}.py").read_text()
    if change.old:
        assert text.count(change.old) == 1, "the implementation was rewritten: rewrite the change"
    path = place / f"{change.name.replace(' ', '_')}.py"
    text = text.replace(change.old, change.new) if change.old else text
    path.write_text(text.replace("from .loopy", "from supcr_bench.implementations.loopy"))
    return Subject(change.name, "file", str(path), "IMPLEMENTATION")


def is_for_growth(cell: Cell) -> bool:
    """Whether a cell is one of the many sizes that tell a growth law."""
    return (cell.workload.dims, cell.workload.labels) == (1, "continuous")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Everything, in cases of the suite that the gate runs."""
    place = tmp_path_factory.mktemp("changed")
    subjects = {name: written(change, place) for name, change in CHANGES.items()}
    suite = load_suite("ci")
    # The timed grids are not for everyone, and nothing is timed here.
    counted = tuple(grid for grid in suite.grid if grid.without is None)
    suite = suite.model_copy(update={"grid": counted})
    growing = [name for name, change in CHANGES.items() if change.grows]
    plan = [
        cell
        for planned in untimed(make_plan(suite, list(subjects)))
        if is_for_growth(planned) or planned.workload.batch_size <= SMALL
        for cell in (only([planned], growing) if is_for_growth(planned) else [planned])
    ]
    results: list[Result] = []
    with closing(LocalExecutor()) as executor:
        for event in run_sweep(
            plan, executor, list(subjects.values()), Forecast(make_budget(suite, 2**32))
        ):
            if isinstance(event, Result):
                results.append(without_noise(event))
    verifications = [
        verified(subjects[n], suite) for n, change in CHANGES.items() if change.verified
    ]
    # As in a gate, the version before is verified by the checks that fail now.
    failing = set().union(*checks_to_repeat(made_run(verifications=verifications)).values())
    return made_run(results, [*verifications, verified(subjects["broadcast"], suite, failing)])


def verified(subject: Subject, suite: Suite, only: Collection[str] | None = None) -> Verification:
    """What some checks find, and unless they are made again, what they are due to."""
    made = [check for check in all_checks() if check.name in CHECKS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_session, "all_checks", lambda: made)
        return LocalSession(load(subject), seed=suite.seed, only=only).verified()


def side(measured: Run, name: str, *, verified: bool) -> Run:
    """What was measured of one, under the name ``loss``."""
    found = (measured.verification or {}).get(name) if verified else None
    return made_run(
        (replace(r, implementation="loss") for r in measured.results if r.implementation == name),
        [replace(found, implementation="loss")] if found is not None else (),
    )


def judged(measured: Run, name: str) -> list[GatedChange]:
    """A change, compared with the file that it was made to."""
    terms = Terms(suite="ci", implementations=("loss",), baseline=False)
    change = CHANGES[name]
    before, after = (side(measured, n, verified=change.verified) for n in (change.of, name))
    asked = {result.key for result in after.results}
    before = replace(before, results=tuple(r for r in before.results if r.key in asked))
    return judge_deterministic(before, after, terms)


def regressions(measured: Run, name: str, figure: str) -> list[GatedChange]:
    return [
        j
        for j in judged(measured, name)
        if j.metric == figure and j.verdict is GateVerdict.REGRESSION
    ]


def reasons(judgements: list[GatedChange]) -> list[str]:
    assert all(j.reason for j in judgements)
    return [str(j.reason) for j in judgements]


def cases_of(measured: Run, name: str) -> int:
    return sum(result.implementation == name for result in measured.results)


@pytest.mark.parametrize("name", ["rowsort again", "broadcast again"])
def test_the_same_code_passes_in_every_figure(measured: Run, name: str) -> None:
    found = judged(measured, name)
    assert len(found) == 5 * cases_of(measured, name) + CHANGES[name].verified
    assert {j.verdict for j in found} == {GateVerdict.PASS}


def test_a_copy_that_is_kept_is_caught_by_peak_memory(measured: Run) -> None:
    found = regressions(measured, "copy kept", "memory")
    assert len(found) == cases_of(measured, "copy kept")
    for reason in reasons(found):
        assert re.search(r"peak memory grew from [\d.]+ kB to [\d.]+ kB, by [\d.]+\s?%", reason)
        assert reason.endswith("where 1% is allowed")
    assert not regressions(measured, "copy kept", "agreement")


def test_a_loop_in_place_of_a_batched_call_is_caught_by_launches(measured: Run) -> None:
    found = regressions(measured, "python loop", "dispatched_ops")
    assert len(found) == cases_of(measured, "python loop")
    assert all("dispatched operations grew from " in reason for reason in reasons(found))
    largest = max(found, key=lambda j: j.ratio or 0)
    assert largest.reason == (
        "dispatched operations grew from 68 to 196, x2.88; its growth law is N now, and was "
        "constant before"
    )
    assert not regressions(measured, "python loop", "agreement")


def test_a_reversed_inequality_is_caught_by_agreement(measured: Run) -> None:
    found = regressions(measured, "reversed", "agreement")
    assert len(found) == cases_of(measured, "reversed")
    for reason in reasons(found):
        assert re.search(r"became wrong: the loss .* is [\d.]+ where torchcell gives", reason)


def test_a_detached_gradient_is_caught_by_agreement_in_training_and_named(
    measured: Run,
) -> None:
    found = regressions(measured, "detached", "agreement")
    assert len(found) == cases_of(measured, "detached") / 2
    assert {j.case.pass_ for j in found if j.case} == {"training"}
    assert all("view's gradient is " in reason for reason in reasons(found))
    (reason,) = reasons(regressions(measured, "detached", "verification"))
    assert reason.startswith("fails ")
    assert "the denominator's gradient detached" in reason


def test_cubic_work_is_caught_by_element_work_and_its_growth_is_named(
    measured: Run,
) -> None:
    found = regressions(measured, "cubic", "elements_processed")
    assert len(found) == cases_of(measured, "cubic")
    assert all("elements processed grew from " in reason for reason in reasons(found))
    named = [reason for reason in reasons(found) if "its growth" in reason]
    assert named
    assert {reason.split("; ")[1] for reason in named} == {
        "its growth law is N^3 now, and was N^2 or N^2 log N before"
    }
    assert not regressions(measured, "cubic", "agreement")
