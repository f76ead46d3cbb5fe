"""The gate as a command: what it prints, writes and exits with, and what it refuses."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.commands import gate_session
from supcr_bench.commands.app import app
from supcr_bench.gate import time_trial
from supcr_bench.gate.time_trial import TimeTrial
from supcr_bench.store.checkout import RevisionError
from supcr_bench.subjects.registry import folder
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.errors import (
    SubjectError,
    SuiteError,
    UnknownNameError,
    UsageError,
)
from tests.commands.recordings import MEASURE, PREFLIGHT, Recordings
from tests.gate.fake_sampler import FakeSampler
from tests.repository import Repository
from tests.subjects_table import SUBJECTS, write_subjects

SUITE = """
purpose = "Small enough for a test."
implementations = ["losses/loss.py:IMPLEMENTATION"]

[[grid]]
batch_size = [4, 6]
nan_density = 0.25
embedding_size = 8
timed = false

[[grid]]
batch_size = 8
embedding_size = 8

[budget]
threads = 1
"""
SLEEPY = """
    def forward(self, perturbed, intact, labels):
        if len(perturbed) > 4:
            time.sleep(600)
        return self.quick(perturbed, intact, labels)

"""
NAME = "losses/loss.py:IMPLEMENTATION"


class Gate:
    """A repository with one loss, and the gate run in it."""

    def __init__(self, repository: Repository, sampler: FakeSampler) -> None:
        self.repository = repository
        self.sampler = sampler
        source = (folder() / "broadcast.py").read_text()
        self.source = source.replace("from .", "from supcr_bench.implementations.")

    def change(self, old: str, new: str, path: str = "losses/loss.py") -> None:
        assert self.source.count(old) == 1
        self.repository.write(path, self.source.replace(old, new))

    def __call__(self, *names: str, **options: object) -> int:
        """The exit status of the gate on some implementations, or on those of the suite."""
        arguments = ["gate", "suite.toml", *(part for name in names for part in ("-i", name))]
        for option, value in options.items():
            arguments += [f"--{option.replace('_', '-')}", str(value)]
        return app(arguments, standalone_mode=False) or 0

    def found(self, *names: str, **options: object) -> tuple[int, dict[str, Any]]:
        """The exit status, and what the JSON file says."""
        path = self.repository.top / "gate.json"
        status = self(*names, json=path, **options)
        values: dict[str, Any] = json.loads(path.read_text())
        return status, values


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings()


@pytest.fixture
def counted_anew(monkeypatch: pytest.MonkeyPatch, gated: Gate) -> None:
    """Both versions are measured in this test; that the same code is recognised again is not."""
    monkeypatch.setattr(gate_session, "run_verified", MEASURE)


@pytest.fixture
def measured_anew(monkeypatch: pytest.MonkeyPatch, counted_anew: None) -> None:
    """Everything is measured in this test, and nothing recalled from another."""
    monkeypatch.setattr(LocalExecutor, "preflight", PREFLIGHT)


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordings: Recordings) -> Gate:
    """A gate that measures the same code once in all tests that do not say ``measured_anew``."""
    top = tmp_path / "project"
    top.mkdir()
    monkeypatch.chdir(top)
    repository = Repository(top)
    own = Gate(repository, FakeSampler())
    repository.write("suite.toml", SUITE)
    repository.write("losses/loss.py", own.source)
    repository.write(".gitignore", "gate.*\nbase.json\n__pycache__/\n")
    repository.commit()

    def trial(cells: Any, rule: Any, _: object, budget_s: float) -> TimeTrial:
        return TimeTrial(cells, rule, own.sampler, budget_s, own.sampler.clock)

    monkeypatch.setattr(gate_session, "TimeTrial", trial)
    monkeypatch.setattr(LocalExecutor, "preflight", lambda *given: recordings.preflight(*given))
    monkeypatch.setattr(gate_session, "run_verified", recordings.measure)
    return own


def judged(found: dict[str, Any], verdict: str) -> list[dict[str, Any]]:
    return [j for j in found["judgements"] if j["ruling"] == verdict]


# --- against a revision ---


@pytest.mark.slow
@pytest.mark.usefixtures("measured_anew")
def test_the_same_code_passes_and_says_what_it_could_have_seen(gated, capsys):
    status, found = gated.found(against="HEAD")
    said = " ".join(capsys.readouterr().out.split())
    assert status == 0
    assert found["ruling"] == "pass"
    assert {j["figure"] for j in found["judgements"]} == {
        "agreement",
        "launches",
        "element work",
        "peak memory",
        "python_instructions",
        "time",
    }
    assert len([j for j in found["judgements"] if j["figure"] == "time"]) == 2
    assert "could have been detected here" in said
    assert "no Python file in losses/ has changed since HEAD" in said


@pytest.mark.slow
def test_a_slower_version_is_a_regression_with_the_command_that_shows_it(gated, capsys):
    gated.sampler = FakeSampler(slower={NAME: 1.2})
    status, found = gated.found(against="HEAD", max_slowdown="10%")
    worse = judged(found, "regression")
    assert status == 1
    assert {j["figure"] for j in worse} == {"time"}
    command = f"supcr-bench gate suite.toml --against HEAD --max-slowdown 10% -i {NAME}"
    assert {j["command"] for j in worse} == {command}
    assert command in capsys.readouterr().out


@pytest.mark.slow
def test_a_noisy_machine_is_undecided_and_counts_as_what_was_said(gated):
    """That it is status 3 where nothing was said, and 1 for fail, is held beside the value."""
    gated.sampler = FakeSampler(noise=0.5)
    status, found = gated.found(against="HEAD", undecided="pass", time_budget="20s")
    assert status == 0
    assert found["ruling"] == "undecided"


@pytest.mark.slow
def test_a_wrong_version_is_caught_whatever_its_time(gated):
    gated.change("distance.unsqueeze(1) >= distance", "distance.unsqueeze(1) <= distance")
    status, found = gated.found(against="HEAD")
    assert status == 1
    assert "agreement" in {j["figure"] for j in judged(found, "regression")}
    assert any("uncommitted changes" in note for note in found["notes"])


@pytest.mark.slow
def test_a_version_that_no_longer_loads_is_a_regression_and_not_a_usage_error(gated):
    gated.repository.write("losses/loss.py", "raise ImportError('gone')\n")
    status, found = gated.found(against="HEAD")
    worse = judged(found, "regression")
    assert status == 1
    assert len(worse) == 1
    assert "cannot be imported: ImportError: gone" in worse[0]["reason"]


@pytest.mark.slow
def test_what_could_not_be_loaded_before_either_is_a_usage_error(gated):
    gated.repository.write("losses/loss.py", "raise ImportError('gone')\n")
    gated.repository.commit()
    with pytest.raises(SubjectError, match="cannot be imported"):
        gated(against="HEAD")


@pytest.mark.slow
def test_an_implementation_that_is_new_and_right_passes_and_its_costs_are_new(gated):
    gated.repository.write("losses/new.py", gated.source)
    name = "losses/new.py:IMPLEMENTATION"
    status, found = gated.found(name, against="HEAD")
    assert status == 0
    rulings = {(j["evidence"], j["ruling"]) for j in found["judgements"]}
    assert rulings == {("agreement", "pass"), ("cost", "new")}


@pytest.mark.slow
def test_a_renamed_implementation_of_a_file_that_was_there_does_not_pass(gated):
    gated.repository.write("losses/loss.py", gated.source + "\nOTHER = IMPLEMENTATION\n")
    status, found = gated.found("losses/loss.py:OTHER", against="HEAD", undecided="pass")
    assert status == 3
    assert found["measured_nothing"]


@pytest.mark.slow
def test_a_new_implementation_that_is_wrong_fails(gated):
    gated.change(
        "distance.unsqueeze(1) >= distance", "distance.unsqueeze(1) <= distance", "losses/new.py"
    )
    assert gated("losses/new.py:IMPLEMENTATION", against="HEAD") == 1


@pytest.mark.slow
def test_a_gate_whose_cells_were_all_skipped_never_passes(gated):
    slow = gated.source.replace("import torch\n", "import time\n\nimport torch\n", 1)
    head = "    def forward(self"
    assert slow.count(head) == 1
    slow = slow.replace(head, SLEEPY + head.replace("forward", "quick"))
    gated.repository.write("losses/loss.py", slow)
    gated.repository.write(
        "suite.toml",
        SUITE.replace("[4, 6]", "60").replace("= 8\nembed", "= 80\nembed") + 'time_limit = "1s"\n',
    )
    gated.repository.commit()
    status, found = gated.found(against="HEAD", undecided="pass")
    assert status == 3
    assert found["measured_nothing"]


@pytest.mark.slow
def test_a_file_that_was_renamed_is_held_against_what_it_was(gated):
    gated.repository.git("mv", "losses/loss.py", "losses/better.py")
    status, found = gated.found("losses/better.py:IMPLEMENTATION", against="HEAD")
    assert status == 0
    assert any("was in losses/loss.py at HEAD" in note for note in found["notes"])


@pytest.mark.slow
@pytest.mark.usefixtures("counted_anew")
def test_every_loss_that_can_be_called_is_compared_with_its_own_definition(gated):
    grid = SUITE[SUITE.index("[[grid]]") : SUITE.rindex("[[grid]]")]
    gated.repository.write("suite.toml", SUITE.replace(grid, ""))
    write_subjects(gated.repository.top)
    gated.repository.commit()
    names = {f"losses.py:{name}": definition for name, definition in SUBJECTS.items()}
    status, found = gated.found(*names, against="HEAD", set="pass=training")  # forward first
    assert status == 0
    assert {j["ruling"] for j in found["judgements"]} == {"pass"}
    # A function of [N, d] is compared with "rank-n-contrast but a single view".
    by_figure = {
        (j["implementation"], j["figure"], j["definition"].partition(" but ")[0])
        for j in found["judgements"]
    }
    costs = ("launches", "element work", "peak memory", "python_instructions")
    assert by_figure == {
        (name, figure, definition)
        for name, definition in names.items()
        for figure in ("agreement", *costs, "time")
    }


@pytest.mark.slow
def test_a_plain_function_that_became_wrong_is_a_regression(gated):
    file = write_subjects(gated.repository.top)
    gated.repository.commit()
    right = "(apart >= apart[:, k : k + 1])"
    assert file.read_text().count(right) == 1
    file.write_text(file.read_text().replace(right, right.replace(">=", ">")))
    name = "losses.py:rnc_function"
    status, found = gated.found(name, against="HEAD", set="nan_density=0")
    assert status == 1
    assert "agreement" in {j["figure"] for j in judged(found, "regression")}
    command = next(j["command"] for j in judged(found, "regression"))
    assert "--nan-density 0" in command
    assert command.count("nan") == 1  # an axis that is set twice is an error


@pytest.mark.slow
def test_a_definition_that_is_named_takes_the_place_of_its_own(gated):
    status, found = gated.found(against="HEAD", definition="no-self")
    cases = [j for j in found["judgements"] if j["batch_size"] is not None]
    assert {j["definition"] for j in cases} == {"no-self"}
    assert status == 0


@pytest.mark.slow
def test_both_versions_are_really_timed_in_processes_of_their_own(gated, monkeypatch):
    """The one test with the real sampler: a budget of nothing is one process, and undecided."""
    for module in (time_trial, gate_session):
        monkeypatch.setattr(module, "ROOM", 1e9)  # else nothing would be begun
    monkeypatch.setattr(gate_session, "TimeTrial", TimeTrial)
    status, found = gated.found(against="HEAD", time_budget="1ms")
    assert status == 3
    assert found["time"]["processes"] == 1
    times = [j for j in found["judgements"] if j["figure"] == "time"]
    assert all(j["before"] > 0 and j["after"] > 0 and j["ratio"] is None for j in times)
    assert all("too few to decide; about --time-budget" in j["reason"] for j in times)


# --- against a baseline file ---


@pytest.mark.slow
@pytest.mark.usefixtures("measured_anew")
def test_what_was_recorded_is_met_and_a_costlier_version_is_caught(gated, capsys):
    base = gated.repository.top / "base.json"
    assert gated(record=base) == 0
    assert "Recorded 6 results" in capsys.readouterr().out
    status, found = gated.found(baseline=base)
    assert status == 0
    assert found["time"] is None
    gated.change(
        "[torch.exp(s) for s in logits]",
        "[torch.stack([torch.exp(row) for row in s]) for s in logits]",
    )
    status, found = gated.found(baseline=base)
    assert status == 1
    assert "launches" in {j["figure"] for j in judged(found, "regression")}


@pytest.mark.slow
def test_the_usual_baseline_is_found_by_itself(gated):
    usual = Path("results/baselines/suite.json")
    usual.parent.mkdir(parents=True)
    assert gated(record=usual) == 0
    assert gated() == 0


def test_without_anything_to_hold_it_against_it_says_what_to_give(gated):
    with pytest.raises(UsageError, match=r"--against REVISION or --baseline RUN.*--record"):
        gated()


def test_a_baseline_that_is_none_is_refused_before_anything_is_measured(gated):
    with pytest.raises(match=r"no baseline 'nowhere\.json'"):
        gated(baseline="nowhere.json")


# --- files ---


@pytest.mark.slow
def test_every_file_that_was_asked_for_is_written(gated, monkeypatch):
    top = gated.repository.top
    summary, junit = top / "gate.md", top / "gate.xml"
    summary.write_text("from another step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    gated.sampler = FakeSampler(slower={NAME: 1.2})
    assert gated(against="HEAD", summary=summary, junit=junit) == 1
    assert summary.read_text().startswith("from another step\n")
    assert "## supcr-bench gate" in summary.read_text()
    assert ET.parse(junit).getroot().get("failures") == "2"
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert gated(against="HEAD", summary=summary) == 1
    assert summary.read_text().startswith("## supcr-bench gate")


# --- what cannot be carried out ---


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"against": "HEAD", "baseline": "b.json"}, UsageError, "exclude each other"),
        ({"against": "HEAD", "record": "b.json"}, UsageError, "exclude each other"),
        ({"record": "b.json", "json": "gate.json"}, UsageError, "the baseline alone"),
        ({"against": "HEAD", "undecided": "maybe"}, UsageError, "known: pass, fail"),
        ({"against": "HEAD", "max_slowdown": "5"}, UsageError, "--max-slowdown"),
        ({"against": "HEAD", "max_memory_growth": "x"}, UsageError, "--max-memory-growth"),
        ({"against": "HEAD", "time_budget": "soon"}, UsageError, "--time-budget"),
        ({"against": "HEAD", "json": "no/where.json"}, UsageError, "no folder 'no'"),
        ({"record": "no/where.json"}, UsageError, "no folder 'no'"),
        ({"against": "HEAD", "set": "tau=1"}, UnknownNameError, "unknown axis 'tau'"),
        ({"against": "HEAD", "set": "temperature=0"}, SuiteError, "temperature"),
        ({"against": "HEAD", "device": "cuda:77"}, UsageError, "no device 'cuda:77'"),
        ({"against": "nonesuch"}, RevisionError, "no revision 'nonesuch'"),
        ({"against": ""}, RevisionError, "no revision"),
        ({"against": "HEAD", "implementation": "a.py:B"}, SubjectError, "no file"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_refused_at_once(gated, options, error, words):
    with pytest.raises(error, match=words):
        gated(**options)


def test_a_suite_with_nothing_for_the_implementation_is_refused(gated):
    gated.repository.write("suite.toml", SUITE.replace("[[grid]]", f'[[grid]]\nwithout = "{NAME}"'))
    with pytest.raises(SuiteError, match="nothing to run"):
        gated(against="HEAD")


# --- what is judged besides ---


@pytest.mark.slow
def test_a_default_that_changed_is_a_finding_of_its_own(gated):
    name = write_subjects(gated.repository.top).name
    gated.repository.commit()
    file = gated.repository.top / name
    assert "temperature=2.0" in file.read_text()
    file.write_text(file.read_text().replace("temperature=2.0", "temperature=1.0"))
    status, found = gated.found(f"{name}:RnCLoss", against="HEAD", set="nan_density=0")
    worse = judged(found, "regression")
    assert status == 1
    assert {j["figure"] for j in worse} == {"default call"}
    assert "the same call now computes another loss" in worse[0]["reason"]


@pytest.mark.slow
def test_cases_across_ranks_are_those_of_what_declares_them(gated):
    """A loss that knows nothing of ranks is gated by a suite that has them."""
    grid = "\n[[grid]]\nbatch_size = 8\nranks = 2\ntimed = false\n"
    gated.repository.write("other.py", gated.source)
    gated.repository.write("suite.toml", SUITE.replace("\n[budget]", f"{grid}\n[budget]"))
    gated.repository.commit()
    status, found = gated.found("other.py:IMPLEMENTATION", against="HEAD")
    assert status == 0
    assert {j["ranks"] for j in found["judgements"]} == {1}


@pytest.mark.slow
def test_a_wrong_loss_is_told_by_its_cause_and_what_follows_is_counted(gated, capsys):
    gated.change("distance.unsqueeze(1) >= distance", "distance.unsqueeze(1) > distance")
    status, found = gated.found(against="HEAD")
    said = " ".join(capsys.readouterr().out.split())
    assert status == 1
    assert len(judged(found, "regression")) > 4
    assert "more of what is no longer right" in said
    assert "Not shown, since" in said


@pytest.mark.slow
def test_an_intended_cost_is_accepted_in_the_repository(gated, capsys):
    gated.change("[torch.exp(s) for s in logits]", "[torch.exp(s + 0.0) for s in logits]")
    status, found = gated.found(against="HEAD")
    assert status == 1
    status, found = gated.found(against="HEAD", accept="an example")
    assert status == 0
    assert "supcr-accepted.toml accepts" in capsys.readouterr().out
    assert any(n.startswith("Accepted: dispatched operations of") for n in found["notes"])
    gated.change("[torch.exp(s) for s in logits]", "[torch.exp(s + 0.0 + 0.0) for s in logits]")
    status, found = gated.found(against="HEAD")
    assert status == 1
    assert any(note.startswith("Void") for note in found["notes"])


@pytest.mark.slow
def test_a_grid_may_allow_more_than_the_others(gated):
    grids = SUITE.replace("timed = false", 'timed = false\nmax_work_growth = "50%"')
    gated.repository.write(
        "suite.toml", grids.replace("[budget]", 'max_slowdown = "30%"\n[budget]')
    )
    gated.repository.commit()
    gated.change("[torch.exp(s) for s in logits]", "[torch.exp(s + 0.0) for s in logits]")
    gated.sampler = FakeSampler(slower={NAME: 1.2})
    status, found = gated.found(against="HEAD")
    assert status == 1
    worse = judged(found, "regression")
    assert {(j["batch_size"], j["figure"]) for j in worse} <= {
        (8, "launches"),
        (8, "element work"),
        (8, "peak memory"),
    }
