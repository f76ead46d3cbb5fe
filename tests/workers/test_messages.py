"""What is written to the pipe is read as it was."""

import io
import math
from dataclasses import replace

import pytest
import torch

from supcr_bench.measure.version_times import VersionTimes
from supcr_bench.reference.compare import Answer
from supcr_bench.subjects.registry import locate
from supcr_bench.values.case import Case, Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell, Took
from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST
from supcr_bench.values.errors import SubjectError, UnavailableError
from supcr_bench.values.implementation import Description, Resolution
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.impact import ImpactQuestion
from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.workers.messages import (
    Failed,
    Request,
    Response,
    Returned,
    read_message,
    write_message,
)
from tests.made_verifications import make_impact
from tests.ranks import question_of

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
ANSWER = Answer(torch.tensor(1.5), torch.tensor([1.0, math.nan]), (torch.ones(2, 3),))


@pytest.mark.parametrize(
    "message",
    [
        Request("preflight", (SUBJECT, "cpu")),
        Request("measure", (CELL, (SUBJECT,), Budget(memory_limit_bytes=10), None)),
        Request("time_versions", ((), "3 1", 60.0)),
        Request("join_ranks", (1, 2, "/store", 60.0)),
        Request("verify", (replace(SUBJECT, definition=RANK_N_CONTRAST), 3, ("ties",), "cpu")),
        Request("verify", (replace(SUBJECT, definition="auto"), 0, None, "cuda")),
        Request("ask_session", ("make", "ties")),
        Request("ask_session", ("diagnose", (OUTCOME,))),
        Request("ask_session", ("measure_impact", ImpactQuestion("ages.csv:age", 256, 0.5))),
        Request("answer_on_rank", (SUBJECT, question_of(NO_SELF, (3, 2)))),
        Request("answer_on_rank", (SUBJECT, None)),
        Returned({"cpu": "x", "threads": 1, "devices": ["cpu"], "driver": None}),
        Failed("it cannot be timed", SubjectError("it cannot be timed")),
        Returned(replace(SUBJECT, description=Description(title="A", source="b", tags=("note",)))),
        Failed("is not there", UnavailableError("package", "is not there")),
        RESULT,
        Took(Arm("rowsort", "forward"), 1.5),
        Returned(Account(calls_s=1.5)),
        Returned([VersionTimes({"before": (0.1, 0.2), "after": (0.3, 0.4)})]),
        Returned([VersionTimes({}, "after", "RuntimeError: boom")]),
        Returned(((("ties", "relations"),), "torchcell", None)),
        Returned(OUTCOME),
        Returned(Diagnosis(causes=("ties",))),
        Returned(),
        Returned(replace(SUBJECT, resolution=Resolution(temperature="tau", eps=False))),
        Returned(ANSWER),
        Returned((make_impact(None), make_impact("strict", angle=None))),
        Failed("no such", UnavailableError("package", "no such", "install it", "code")),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_is_read_as_it_was_written(message: Request | Response) -> None:
    pipe = io.BytesIO()
    for _ in range(2):
        write_message(message, pipe)
    pipe.seek(0)
    for read in (read_message(pipe), read_message(pipe)):
        assert type(read) is type(message)
        assert repr(read) == repr(message)  # NaN is not equal to itself
    assert read_message(pipe) is None


def test_a_message_that_is_cut_off_is_told_from_a_message() -> None:
    pipe = io.BytesIO()
    write_message(RESULT, pipe)
    whole = pipe.getvalue()
    for length in (1, 10, len(whole) - 2):
        assert read_message(io.BytesIO(whole[:length])) is None
