"""The gate against a baseline file, and how the file is made: all that has no noise."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

import supcr_bench
from supcr_bench.commands.gate_stages import Stages, open_stages
from supcr_bench.commands.gate_work import GateWork, named
from supcr_bench.gate.baseline import Baseline, held_against, kept_of, read_baseline
from supcr_bench.gate.judge import deterministic_notes, judge_deterministic
from supcr_bench.gate.recorded import Recorded, record
from supcr_bench.store.revision import git_revision
from supcr_bench.sweep.plan import under
from supcr_bench.values.errors import SubjectError, UsageError
from supcr_bench.values.gate import GateOutcome, Judgement, Ruling

BASELINES = Path("results/baselines")


def make_baseline(work: GateWork, console: Console) -> Baseline:
    """Measure all that a baseline file holds.

    Raises:
        SubjectError: an implementation cannot be called.
    """
    with open_stages(console, work.suite, work.plan) as stages:
        _require_callable(work, stages)
        return Baseline(
            suite=work.suite.name,
            seed=work.suite.seed,
            version=supcr_bench.__version__,
            revision=git_revision(Path(supcr_bench.__file__).parent),
            recorded_on=datetime.now(UTC).date().isoformat(),
            environment=kept_of(stages.environment),
            recorded=_measured(work, stages),
        )


def gate_baseline(work: GateWork, console: Console) -> GateOutcome:
    """Judge agreement and cost by a file.

    Raises:
        BaselineError: the file cannot be read, or has nothing to compare with.
        SubjectError: an implementation cannot be called.
    """
    path = _path(work)
    baseline = read_baseline(path)
    with open_stages(console, work.suite, work.plan) as stages:
        _require_callable(work, stages)
        keys = {
            (arm.implementation, cell.case(arm))
            for cell in under(work.plan, stages.definitions)
            for arm in cell.arms
        }
        notes = held_against(baseline, path, work.suite.name, work.suite.seed, keys)
        after, environment = _measured(work, stages), stages.environment
    terms = work.terms(
        baseline=True,
        torch_before=baseline.environment.get("torch"),
        torch_now=environment.get("torch"),
    )
    judgements = judge_deterministic(baseline.recorded, after, terms)
    if not work.request.implementations:
        judgements += [
            Judgement(
                figure="agreement",
                implementation=name,
                case=None,
                ruling=Ruling.UNDECIDED,
                reason="recorded, and no longer in the suite; record again if that is meant",
            )
            for name in baseline.recorded.implementations
            if name not in work.names
        ]
    notes += deterministic_notes(baseline.recorded, after, judgements, terms)
    return GateOutcome(
        suite=work.suite.name,
        against=f"baseline {path}",
        judgements=tuple(judgements),
        notes=tuple(notes),
        environment=environment,
    )


def _path(work: GateWork) -> Path:
    if work.request.baseline is not None:
        return work.request.baseline
    usual = BASELINES / f"{work.suite.name}.json"
    if usual.is_file():
        return usual
    raise UsageError(
        "nothing to hold it against: give --against REVISION or --baseline FILE; "
        f"`supcr-bench gate {work.suite_name} --record {usual}` makes a file that the gate finds"
    )


def _require_callable(work: GateWork, stages: Stages) -> None:
    for name, finding in stages.findings(work.subjects, work.plan[0].workload).items():
        raise SubjectError(named(name, finding))


def _measured(work: GateWork, stages: Stages) -> Recorded:
    found = stages.count_and_verify(
        "Agreement and cost", work.plan, work.subjects, dict.fromkeys(work.names)
    )
    return record(*found)
