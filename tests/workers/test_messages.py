"""What is written to the pipe is read as it was."""

import json
import math
from dataclasses import replace

import pytest

from supcr_bench.subjects.registry import locate
from supcr_bench.values.case import Case, Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell
from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST
from supcr_bench.values.implementation import Description, Resolution
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.impact import ImpactQuestion
from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.verification.ranks.question import RankAnswer
from supcr_bench.workers.messages import (
    AskRank,
    Failed,
    Impacts,
    JoinRanks,
    MakeCheck,
    MeasureCell,
    Preflight,
    PreflightResult,
    RankAnswers,
    Ready,
    Request,
    Response,
    TimeVersions,
    VerificationStarted,
    VerifySubject,
    VersionTimes,
    read_message,
    write_message,
)
from tests.made_verifications import make_impact
from tests.ranks import rank_context

WORKLOAD = Workload(batch_size=6, nan_density=None, labels="file:0123456789ab", temperature=0.2)
CELL = Cell(
    WORKLOAD,
    (Arm("a", "forward"), Arm("b", "training", replace(RANK_N_CONTRAST, temperature=0.3))),
    "a session",
    timed=False,
)
RESULT = Result(
    implementation="a",
    case=Case.of(WORKLOAD, "training", NO_SELF),
    status=Status.WRONG,
    loss=math.nan,
    value_error=math.inf,
    time_samples_s=(0.1, 1.0),
    value_difference={"b": None, "c": 0.5},
    peak_bytes=12,
)
OUTCOME = Outcome(check="ties", group="relations", verdict=Verdict.FAIL, finding="wrong")
SUBJECT = locate("broadcast")
ANSWER = RankAnswer(
    loss=1.5, parts=(1.0, math.nan), graph=True, rows=(((0.5,),), ((1.0,),)), parameters=None
)


@pytest.mark.parametrize(
    "message",
    [
        Preflight((SUBJECT,), WORKLOAD),
        MeasureCell(CELL, (SUBJECT,), Budget(memory_limit_bytes=10), None),
        TimeVersions((), 0.5, "3 1"),
        JoinRanks(1, 2, "/store", 60.0),
        VerifySubject(SUBJECT, RANK_N_CONTRAST, 3, ("ties",), "cpu"),
        VerifySubject(SUBJECT, "auto", 0, None, "cuda"),
        MakeCheck("ties"),
        MakeCheck(None, (OUTCOME,)),
        AskRank(SUBJECT, rank_context(2, NO_SELF).question((3, 2))),
        AskRank(SUBJECT, None),
        Ready({"cpu": "x", "threads": 1, "devices": ["cpu"], "driver": None}),
        Failed("it raised", "load"),
        PreflightResult("a", None, Description(title="A", source="b", tags=("note",))),
        PreflightResult("a", "is not there", unavailable=True),
        RESULT,
        Account(calls_s=1.5),
        VersionTimes({"before": (0.1, 0.2), "after": (0.3, 0.4)}),
        VerificationStarted((("ties", "relations"),), "torchcell", None),
        OUTCOME,
        Diagnosis(causes=("ties",)),
        Ready(),
        PreflightResult("a", None, resolution=Resolution(temperature="tau", eps=False)),
        RankAnswers((ANSWER,)),
        ImpactQuestion("ages.csv:age", 256, 0.5),
        Impacts((make_impact(None), make_impact("strict", angle=None))),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_is_read_as_it_was_written(message: Request | Response) -> None:
    line = write_message(message)
    assert line.count("\n") == 1
    read = read_message(line)
    assert type(read) is type(message)
    assert repr(read) == repr(message)  # NaN is not equal to itself


def test_a_line_that_is_cut_off_is_told_from_a_message() -> None:
    line = write_message(RESULT)
    for length in (1, 10, len(line) - 2):
        with pytest.raises(json.JSONDecodeError):
            read_message(line[:length])


def test_a_message_that_does_not_hold_what_its_type_says_is_refused() -> None:
    values = json.loads(write_message(Failed("it raised")))
    with pytest.raises(ValueError, match="stage"):
        read_message(json.dumps({**values, "stage": "lunch"}))
