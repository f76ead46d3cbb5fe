"""What one door of the tool can call, all can: each is held to the same list of losses.

The gate's is in ``test_gate.py``, the fixture's in ``tests/testing/test_fixture.py``.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from supcr_bench.measure.one_case import check_case
from supcr_bench.measure.version_times import VersionedCell, time_versions
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.values.case import PASSES, Case, Workload
from supcr_bench.values.errors import SubjectError, UncallableError
from supcr_bench.values.implementation import Implementation
from supcr_bench.values.result import Status
from supcr_bench.verification import local_session
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.resolve import resolved
from supcr_bench.workers.rank_verification import RankVerification
from tests.forked.start import Servers
from tests.subjects_table import SUBJECTS, write_subjects

SUITE = """
purpose = "Small enough for a test."
implementations = ["broadcast"]

[axes]
batch_size = 10
embedding_size = 8

[[grid]]
labels = "tied"

[budget]
sampling = "1ms"
memory_limit = "1GiB"
"""
Resolved = tuple[Implementation, Adapter]
EACH = pytest.mark.parametrize(("name", "definition"), SUBJECTS.items())
NAMES = [part for name in SUBJECTS for part in ("-i", f"losses.py:{name}")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_subjects(tmp_path)
    (tmp_path / "suite.toml").write_text(SUITE)
    return tmp_path


def subject(folder: Path, name: str) -> Subject:
    return locate(f"{folder / 'losses.py'}:{name}")


@pytest.fixture(scope="module")
def resolve_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Resolved]:
    """Resolve a loss of the table, for all tests that only use what is found."""
    folder = tmp_path_factory.mktemp("subjects")
    write_subjects(folder)
    return cache(lambda name: resolved(subject(folder, name)))


@EACH
def test_each_is_measured_and_right_by_what_its_numbers_follow(
    resolve_once: Callable[[str], Resolved], name: str, definition: str
) -> None:
    found, adapter = resolve_once(name)
    own = adapter.resolution.definition
    assert own.name.startswith(definition)
    for pass_ in PASSES:
        case = Case.of(Workload(batch_size=10, embedding_size=8, labels="tied"), pass_, own)
        result = check_case(found.name, adapter, case)
        assert (result.status, result.reason) == (Status.MEASURED, None)
        assert (result.gradient_tolerances is not None) is (pass_ == "training")


@EACH
def test_each_passes_the_first_checks_of_verification(
    resolve_once: Callable[[str], Resolved],
    name: str,
    definition: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session resolves a loss as a run does, which is tested above and takes most of its time."""
    found, adapter = resolve_once(name)
    monkeypatch.setattr(local_session, "resolve", lambda *given, **_: (adapter.resolution, None))
    verified = LocalSession(found, only=("ties", "random cases")).verified()
    assert verified.definition.startswith(definition)
    assert verified


def test_each_is_timed_as_the_gate_times_versions(
    resolve_once: Callable[[str], Resolved], folder: Path
) -> None:
    cells = []
    for name in SUBJECTS:
        own = replace(subject(folder, name), resolution=resolve_once(name)[1].resolution)
        workload = Workload(batch_size=10, embedding_size=8)
        case = Case.of(workload, "training", resolve_once(name)[1].resolution.definition)
        cells.append(VersionedCell(name, case, {"before": own, "after": own}, sampling_s=0.001))
    for found in time_versions(cells, seed="0"):
        assert (found.raised_by, found.reason) == (None, None)
        assert all(min(found.seconds[version]) > 0 for version in ("before", "after"))


def test_what_a_case_cannot_be_asked_of_is_skipped_with_the_reason(
    resolve_once: Callable[[str], Resolved],
) -> None:
    def asked(name: str, workload: Workload) -> str:
        found, adapter = resolve_once(name)
        case = Case.of(workload, "forward", adapter.resolution.definition)
        result = check_case(found.name, adapter, case)
        assert result.status is Status.SKIPPED
        return str(result.reason)

    several = Workload(batch_size=8, dims=2)
    assert asked("FlatLabels", several).startswith("takes labels of one dimension")
    assert "computes at 0.07" in asked("instance", Workload(batch_size=8, temperature=0.5))
    missing = Workload(batch_size=8, nan_density=0.25)
    assert asked("RnCLoss", missing).startswith("rank-n-contrast does not say what a missing")


def test_what_no_call_fits_is_one_error_with_what_was_tried(folder: Path) -> None:
    (folder / "losses.py").write_text(
        "def alone(a, b): ...\nclass Sized:\n    def __init__(self, size): ...\n"
        "    def __call__(self, z, y): ...\n"
    )
    with pytest.raises(SubjectError, match=r"cannot be called as \(features .* Tried: \[N,2,d\]"):
        resolved(subject(folder, "alone"))
    with pytest.raises(SubjectError, match="cannot be constructed: it needs `size`"):
        resolved(subject(folder, "Sized"))


def test_a_call_that_raises_is_compared_with_a_definition_only_if_one_is_named(
    folder: Path,
) -> None:
    (folder / "losses.py").write_text(
        "def loss(z1, z2, labels):\n    assert len(z1) == 64, 'sixty-four rows'\n"
    )
    own = subject(folder, "loss")
    for wanted in (None, "auto"):
        with pytest.raises(UncallableError, match=r"cannot be called .* sixty-four rows"):
            resolved(replace(own, definition=wanted))
    for wanted in ("torchcell", "no-self"):
        assert resolved(replace(own, definition=wanted))[1].resolution.definition.name == wanted


OVER_RANKS = """
import functools
from supcr_bench.implementations.distributed import DistributedSupCR
loss = DistributedSupCR(temperature=0.1)
part = functools.partial(DistributedSupCR, definition="no-self")
def function(perturbed, intact, labels, temperature=0.1):
    return DistributedSupCR(temperature=temperature)(perturbed, intact, labels)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "definition"), [("loss", "torchcell"), ("part", "no-self"), ("function", "torchcell")]
)
def test_verify_over_ranks_takes_a_module_a_partial_and_a_function(
    tmp_path: Path, name: str, definition: str
) -> None:
    (tmp_path / "losses.py").write_text(OVER_RANKS)
    only = ("step under DDP", "ragged ranks")
    session = RankVerification(subject(tmp_path, name), ranks=2, strict=False, seed=0, only=only)
    outcomes = list(session.run())
    assert [outcome.verdict for outcome in outcomes] == [Verdict.PASS] * 2
    assert session.result().definition == definition


@pytest.mark.slow
def test_run_measures_each_with_time_memory_and_agreement(folder: Path, servers: Servers) -> None:
    arguments = ["run", "suite.toml", *NAMES, "-i", "broadcast", "--pass", "training"]
    done = servers.run_command(arguments, folder)
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "results").iterdir()
    rows = [json.loads(line) for line in (run / "measurements.jsonl").read_text().splitlines()]
    assert len(rows) == len(SUBJECTS) + 1
    for row in rows:
        name = row["implementation"].removeprefix("losses.py:")
        assert row["definition"].startswith(SUBJECTS.get(name, "torchcell"))
        assert row["status"] == "measured"
        assert row["time_samples_s"]
        assert row["peak_bytes"]
        assert row["value_tolerances"] <= 1
        assert row["gradient_tolerances"] <= 1
        alike = {"TwoViews", "FlatLabels", "TotalAlone", "DictOutput", "partial_class"}
        if name in alike:
            others = {other.removeprefix("losses.py:") for other in row["value_difference"]}
            assert others == alike - {name}
        if name == "broadcast":
            assert row["value_difference"] == {}
    assert "rank-n-contrast" in done.stdout
