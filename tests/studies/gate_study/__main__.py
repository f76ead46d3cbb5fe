"""Runs the study, or some of its stages: `python -m tests.studies.gate_study [STAGE]...`."""

import argparse
import json
from pathlib import Path

from supcr_bench.measure.environment import collect_environment
from supcr_bench.render.machine import environment_line
from supcr_bench.values.gate import TIME_BUDGET_S
from tests.studies.gate_study.live import run_live
from tests.studies.gate_study.record import write_recording
from tests.studies.gate_study.replay import CASES, replay
from tests.studies.gate_study.summary import read_lines, summary

STAGES = ("record", "live", "summary")


def main() -> None:
    """Every stage writes a file, and the last one reads them all."""
    parser = argparse.ArgumentParser(prog="gate_study", description=__doc__)
    parser.add_argument("stage", nargs="*", default=STAGES, help=", ".join(STAGES))
    parser.add_argument("--folder", type=Path, default=Path("results/gate-study"))
    parser.add_argument("--minutes", type=float, default=34.0, help="of recording")
    parser.add_argument("--runs", type=int, default=20, help="live gate runs of each case")
    parser.add_argument("--replays", type=int, default=1000, help="of each case")
    options = parser.parse_args()
    if unknown := set(options.stage) - set(STAGES):
        parser.error(f"no stage {min(unknown)!r}; there are {', '.join(STAGES)}")
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    recording, live = folder / "recording.jsonl", folder / "live.jsonl"
    if "record" in options.stage:
        write_recording(recording, options.minutes)
    if "live" in options.stage:
        with live.open("w") as file:
            for run in run_live(options.runs):
                file.write(json.dumps(run) + "\n")
                file.flush()
    if "summary" in options.stage:
        # Recordings under other conditions may lie beside the one that this makes.
        recordings = {p.name: read_lines(p) for p in sorted(folder.glob("recording*.jsonl"))[::-1]}
        budget_s = TIME_BUDGET_S
        replays = {
            name: {case: replay(entries, case, options.replays, budget_s) for case in CASES}
            for name, entries in recordings.items()
        }
        text = summary(
            recordings, replays, read_lines(live), environment_line(collect_environment())
        )
        (folder / "README.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
