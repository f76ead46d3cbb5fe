"""Outcomes of a gate made up for tests of how they are shown."""

from typing import Any

from supcr_bench.values.case import Case
from supcr_bench.values.gate import (
    DEFAULT_CALL,
    EVIDENCE,
    Evidence,
    GatedChange,
    GateOutcome,
    GateVerdict,
    TimeStudy,
)

ALWAYS = [figure for figure in EVIDENCE if figure not in (DEFAULT_CALL, "python_instructions")]
"""The figures that have a row where nothing changed, too."""
CASE = Case(batch_size=64, dims=2, nan_density=0.2, pass_="training")
LONG_NAME = "research/losses/contrastive_regression/my_weighted_rank_loss.py:WeightedRankLoss"
REASONS = {
    "agreement": "the gradient is 41 tolerances from the definition",
    "verification": "ties: the loss is off by 0.02 (N=4), and passed before",
    "default call": "the same call now computes another loss: 3 where it gave 2",
    "dispatched_ops": "15% more operations; none more is allowed",
    "elements_processed": "3.4 times the elements; 1% more is allowed",
    "memory": "12% more bytes; 1% more is allowed",
    "python_instructions": "30% more instructions; 5% more is allowed",
    "time": "the whole interval lies above 5% slower",
}
COUNTS: dict[str, dict[str, float]] = {
    "dispatched_ops": {"before": 5292, "after": 6086, "ratio": 6086 / 5292},
    "elements_processed": {"before": 1_250_000, "after": 4_250_000, "ratio": 3.4},
    "python_instructions": {"before": 1000, "after": 1300, "ratio": 1.3},
    "memory": {"before": 4_300_000, "after": 4_816_000, "ratio": 1.12},
    "time": {"before": 0.0261, "after": 0.0293, "ratio": 1.123, "low": 1.087, "high": 1.154},
}
STUDY = TimeStudy(
    max_slowdown=0.05,
    allowed=(0.05,),
    error=0.01,
    processes=24,
    cells=5,
    timed=5,
    judged=5,
    spent_s=112.4,
    budget_s=150.0,
    noise_floor=0.018,
    again_low=0.982,
    again_high=1.013,
    again_covers=5,
    detectable=0.063,
    moved=0.007,
)


def command_of(name: str, case: Case | None) -> str:
    """As a command line would say it, long enough for no terminal."""
    where = f" --batch-size {case.batch_size} --pass {case.pass_}" if case else ""
    return f"supcr-bench gate ci --against 1a2b3c4d5e6f -i '{name}' --max-slowdown 5%{where}"


def judge(
    figure: Any, ruling: GateVerdict = GateVerdict.PASS, name: str = "rowsort", **fields: Any
) -> GatedChange:
    """A judgement with all that its figure has, and what a test names."""
    case = fields.pop("case", None if figure in ("verification", "default call") else CASE)
    counts: dict[str, Any] = dict(COUNTS.get(figure, {}))
    told = ruling in (GateVerdict.REGRESSION, GateVerdict.UNDECIDED)
    if ruling is GateVerdict.PASS and counts:
        counts |= {"after": counts["before"], "ratio": 1.0}
        counts |= {"low": 0.99, "high": 1.01} if figure == "time" else {}
    if ruling is GateVerdict.NEW and counts:
        counts = {"after": counts["after"]}
    values: dict[str, Any] = {
        "metric": figure,
        "implementation": name,
        "case": case,
        "verdict": ruling,
        "reason": REASONS[figure] if told else None,
        "command": command_of(name, case) if told else None,
        **counts,
    }
    return GatedChange(**values | fields)


ENVIRONMENT: dict[str, Any] = {
    "cpu": "a CPU",
    "cpus_usable": 2,
    "threads": 1,
    "memory_bytes": 2**33,
    "accelerators": [],
    "torch": "2.13.0",
    "python": "3.11.7",
    "os": "Linux",
}


def outcome(*changes: GatedChange, **fields: Any) -> GateOutcome:
    """An outcome of these."""
    values: dict[str, Any] = {
        "suite": "ci",
        "against": "main (1a2b3c4d5e6f)",
        "time": STUDY,
        "command": "supcr-bench gate ci --against main",
        "spent_s": 171.2,
        "environment": ENVIRONMENT,
    }
    return GateOutcome(changes=changes, **values | fields)


def figures_of(name: str) -> list[GatedChange]:
    """All figures of an implementation, which pass."""
    return [judge(figure, name=name) for figure in ALWAYS]


PASS = outcome(
    *figures_of("rowsort"),
    *figures_of("broadcast"),
    judge("dispatched_ops", name="scan", before=6086.0, after=2040.0, ratio=2040 / 6086),
    judge("time", name="scan", after=0.02, ratio=0.77, low=0.74, high=0.8),
    notes=("The work tree has changes that are not committed; they were measured.",),
)
REGRESSION = outcome(
    *(judge(figure, GateVerdict.REGRESSION) for figure in ALWAYS),
    *(judge(figure, GateVerdict.REGRESSION, LONG_NAME) for figure in ("dispatched_ops", "time")),
    *figures_of("broadcast"),
)
BELOW_FLOOR = "[0.97, 1.08] reaches over 5%: below the noise floor of this machine"
UNDECIDED = outcome(
    *(
        judge(
            "time",
            GateVerdict.UNDECIDED,
            name,
            case=Case(batch_size=n, pass_="training"),
            reason=BELOW_FLOOR,
            ratio=1.02,
            low=0.97,
            high=1.08,
        )
        for name in ("rowsort", "broadcast")
        for n in (64, 256)
    ),
    *(j for j in figures_of("rowsort") if j.evidence is not Evidence.TIME),
)
NOTHING = outcome(time=None, notes=("No implementation of the suite is in the baseline.",))
ALL_UNDECIDED = outcome(judge("time", GateVerdict.UNDECIDED, reason="too few processes"))
NEW = outcome(*(judge(figure, GateVerdict.NEW, "scan") for figure in ALWAYS), time=None)
NO_TIME = outcome(*(j for j in figures_of("rowsort") if j.metric != "time"), time=None)
UGLY = outcome(
    judge(
        "agreement",
        GateVerdict.REGRESSION,
        "a|b`c`*d*.py:<Loss>",
        reason="died:\x1b[31m\x00 | `code`\n<b>bold</b> & ]]> \ud800",
        command="supcr-bench gate ci -i 'a|b`c`*d*.py:<Loss>' --against 'x```y'",
        ratio=float("inf"),
        before=0.0,
        after=float("nan"),
    ),
    environment={**ENVIRONMENT, "cpu": "<b>\x00", "free": float("nan"), "driver": None},
    time=None,
)
ALL = {
    "pass": PASS,
    "regression": REGRESSION,
    "undecided": UNDECIDED,
    "nothing": NOTHING,
    "all undecided": ALL_UNDECIDED,
    "new": NEW,
    "no time": NO_TIME,
    "ugly": UGLY,
}
