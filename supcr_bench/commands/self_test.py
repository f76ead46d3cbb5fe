"""``supcr-bench verify --self-test``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from supcr_bench.render.terminal import print_table
from supcr_bench.values.table import Cell, Table, prose, row, words
from supcr_bench.values.units import MISSING
from supcr_bench.verification.bugs.catalogue import BUGS, RANK_BUGS
from supcr_bench.verification.self_test import SelfTestRow, run_self_test
from supcr_bench.workers.rank_self_test import run_rank_self_test

NAMED_AT_LEAST = 0.9
"""Of the seeded bugs that have a name, this share must be named right."""


def _missed(row: SelfTestRow) -> str:
    return f"MISSED, {row.left_out} cases left out" if row.left_out else "MISSED"


def _table(rows: Sequence[SelfTestRow], ranks: int | None) -> Table:
    return Table(
        name="self-test",
        title="Seeded bugs" if ranks is None else f"Seeded bugs over {ranks} ranks",
        note="caught by: the checks that must and did fail; diagnosed as: what was named",
        columns=(*prose("bug"), *words("kind"), *prose("caught by", "diagnosed as")),
        rows=tuple(
            row(
                r.bug,
                r.group,
                Cell(", ".join(r.caught_by) or _missed(r), "" if r.caught else "bad"),
                Cell("; ".join(r.diagnosed) or MISSING, "bad" if r.named is False else ""),
            )
            for r in rows
        ),
    )


def self_test(console: Console, file: Path | None, ranks: int | None = None, seed: int = 0) -> bool:
    """Run it, print the table, and say whether the verifier holds.

    With ``ranks``, of the bugs that need several.
    """
    torch.set_num_threads(1)  # small problems; threads would only add noise
    rows: list[SelfTestRow] = []
    total = len(BUGS) if ranks is None else len(RANK_BUGS)
    with console.status("verifying seeded bugs") as status:
        for found in run_self_test() if ranks is None else run_rank_self_test(ranks, seed):
            rows.append(found)
            status.update(f"{len(rows)} of {total} seeded bugs verified")
    print_table(console, _table(rows, ranks))
    caught = sum(r.caught for r in rows)
    nameable = [r for r in rows if r.named is not None]
    named = sum(bool(r.named) for r in nameable)
    console.print(
        Text(
            f"{caught} of {len(rows)} seeded bugs caught; "
            f"{named} of {len(nameable)} with a nameable cause named right."
        )
    )
    if file:
        file.write_text(json.dumps([asdict(r) for r in rows], indent=2) + "\n")
    return caught == len(rows) and named >= NAMED_AT_LEAST * len(nameable)
