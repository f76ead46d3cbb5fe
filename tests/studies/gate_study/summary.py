"""The findings as Markdown: the mistakes of the gate, and those of pytest-benchmark beside it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from supcr_bench.analysis.time_rule import TimeRule
from supcr_bench.render.markdown import table_markdown
from supcr_bench.values.gate import GateVerdict
from supcr_bench.values.table import Table, row, words
from tests.studies.gate_study.replay import CASES, MAX_SLOWDOWN, Replayed, worst

THRESHOLD = 0.10
"""Of pytest-benchmark's ``--benchmark-compare-fail=min:10%``."""


def summary(
    recordings: Mapping[str, Sequence[Mapping[str, Any]]],
    replays: Mapping[str, Mapping[str, Replayed]],
    live: Sequence[Mapping[str, Any]],
    environment: str,
) -> str:
    """All of it.

    Args:
        recordings: by the name of their file; the cells are the same in all.
        replays: of each recording, by case.
        live: gate runs, and runs of pytest-benchmark between them.
        environment: in a line.
    """
    gates = [run for run in live if run["case"] in CASES]
    others = [run["stats"] for run in live if run["case"] not in CASES]
    entries = [entry for recording in recordings.values() for entry in recording]
    cells = list(entries[0]["cells"])
    return "\n\n".join(
        [
            "# How often the gate cries wolf, and what it misses",
            f"`make gate-study` wrote this page. {environment}. "
            f"Recorded on {span(entries)}, live runs on {span(gates)}.",
            f"{len(cells)} cells ({', '.join(cells)}); a slow-down was put into rowsort training. "
            f"Allowed: {MAX_SLOWDOWN:.0%}. Every figure is of whole gate runs, all cells together.",
            "## Replayed",
            "The runs of a row are drawn from a recording that holds few runs which share no "
            "process: with no error in n of these, the share of errors is below 3 in n, at "
            "95 %. Simulated times whose truth is known "
            "stand in [simulation.md](simulation.md).",
            *(
                block
                for name, recording in recordings.items()
                for block in replayed(name, recording, replays[name])
            ),
            "## Live",
            "Real gate runs in random order, by the command line, with its own budget. Judgements "
            "of time alone are counted: the slow-down spins in Python, and the gate calls the "
            "interpreted instructions of that cell a regression too.",
            table(LIVE_HEADERS, [live_row(case, gates) for case in CASES]),
            "## pytest-benchmark in the same hour",
            f"The same cells, by {len(others)} runs of pytest-benchmark between the gate's, each "
            f"held against the one before: identical code, a threshold of {THRESHOLD:.0%}.",
            table(OTHER_HEADERS, [other_row(s, others) for s in ("min", "median")]),
        ]
    )


def span(entries: Sequence[Mapping[str, Any]]) -> str:
    """When the first and the last of them were made."""
    when = [datetime.fromtimestamp(entry["at"], UTC) for entry in entries]
    return f"{min(when):%Y-%m-%d, %H:%M} to {max(when):%H:%M} UTC"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table_markdown(Table("", "", words(*headers), tuple(row(*cells) for cells in rows)))


def replayed(
    name: str, recording: Sequence[Mapping[str, Any]], replays: Mapping[str, Replayed]
) -> list[str]:
    """Of one recording."""
    minutes = (recording[-1]["at"] - recording[0]["at"]) / 60
    least = TimeRule(max_slowdown=MAX_SLOWDOWN, cells=len(recording[0]["cells"])).first_look
    return [
        f"`{name}`: {len(recording)} processes were recorded over {minutes:.0f} minutes, enough "
        f"for {len(recording) // least} runs of {least} processes that share none. Each timed half "
        "of the calls, the fewest that the gate times in a process where its budget is short. The "
        "gate's own decisions were made on random stretches of them.",
        table(REPLAY_HEADERS, [replay_row(case, found) for case, found in replays.items()]),
    ]


REPLAY_HEADERS = [
    "slow-down", "runs", "pass", "undecided", "regression", "false alarms", "slowed cell passed",
    "processes, median", "seconds, median",
]  # fmt: skip


def replay_row(case: str, found: Replayed) -> list[str]:
    """One case."""
    runs = found.rulings.total()

    def share(count: int) -> str:
        return f"{100 * count / runs:.1f} %"

    return [
        "none" if case == "identical" else case,
        f"{runs}",
        *(
            share(found.rulings[r])
            for r in (GateVerdict.PASS, GateVerdict.UNDECIDED, GateVerdict.REGRESSION)
        ),
        share(found.false_alarms),
        "-" if case == "identical" else share(found.passed_slowed),
        f"{median(found.processes):.0f}",
        f"{median(found.seconds):.0f}",
    ]


LIVE_HEADERS = [
    "slow-down", "runs", "pass", "undecided", "regression", "false alarms", "estimate, range",
    "noise floor, median", "seconds, median",
]  # fmt: skip


def live_row(case: str, gates: Iterable[Mapping[str, Any]]) -> list[str]:
    """One case."""
    runs = [run for run in gates if run["case"] == case]
    rulings = [worst(j["ruling"] for j in times(run)) for run in runs]
    slowed = [j for run in runs for j in times(run) if is_slowed(j) and j["ratio"]]
    floors = [run["time"]["noise_floor"] for run in runs if run["time"]["noise_floor"]]
    return [
        "none" if case == "identical" else case,
        f"{len(runs)}",
        *(
            f"{rulings.count(r)}"
            for r in (GateVerdict.PASS, GateVerdict.UNDECIDED, GateVerdict.REGRESSION)
        ),
        f"{sum(is_false_alarm(run) for run in runs)}",
        f"{min(j['ratio'] for j in slowed):.3f} to {max(j['ratio'] for j in slowed):.3f}",
        f"{100 * median(floors):.1f} %",
        f"{median(run['wall_s'] for run in runs):.0f}",
    ]


def times(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The judgements of time of a run."""
    return [j for j in run["judgements"] if j["figure"] == "time"]


def is_slowed(judgement: Mapping[str, Any]) -> bool:
    """Whether it is of the cell that a slow-down was put into."""
    return "rowsort" in judgement["implementation"] and judgement["pass"] == "training"


def is_false_alarm(run: Mapping[str, Any]) -> bool:
    """Whether a figure of a cell is called a regression into which nothing was put."""
    slowed = run["case"] != "identical"
    worse = [j for j in run["judgements"] if j["ruling"] == GateVerdict.REGRESSION]
    return any(not (slowed and is_slowed(j)) for j in worse)


OTHER_HEADERS = ["statistic", "comparisons", "false alarms", "runs with one at least"]


def other_row(statistic: str, runs: Sequence[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Every run held against the one before."""
    alarms = [
        [later[name][statistic] > (1 + THRESHOLD) * earlier[name][statistic] for name in later]
        for earlier, later in pairwise(runs)
    ]
    single = [alarm for run in alarms for alarm in run]
    return [
        f"{statistic}:{THRESHOLD:.0%}",
        f"{len(single)}",
        f"{100 * sum(single) / max(len(single), 1):.1f} %",
        f"{sum(map(any, alarms))} of {len(alarms)}",
    ]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The entries of a file of JSON lines; the last may be cut off."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
