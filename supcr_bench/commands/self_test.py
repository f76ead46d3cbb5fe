"""``supcr-bench verify --self-test``: the verifier must catch and name every seeded bug."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from supcr_bench.render.terminal import make_console, print_table
from supcr_bench.values.files import write_json
from supcr_bench.values.table import Cell, Table, prose, row, words
from supcr_bench.values.units import MISSING
from supcr_bench.verification.bugs.catalogue import BUGS, RANK_BUGS, SelfTestRow, bug_session
from supcr_bench.workers.rank_verification import RankVerification, bug_subject

NAMED_AT_LEAST = 0.9
"""The share of seeded bugs with a known cause that must be diagnosed correctly."""


def verified_bugs(ranks: int | None, seed: int) -> Iterator[SelfTestRow]:
    for bug in BUGS if ranks is None else RANK_BUGS:
        session = (
            bug_session(bug, seed)
            if ranks is None
            else RankVerification(bug_subject(bug), ranks=ranks, strict=False, seed=seed)
        )
        yield SelfTestRow.of(bug, session.verified())


def run_seeded_bugs(
    file: Path | None, ranks: int | None = None, seed: int = 0, console: Console | None = None
) -> bool:
    console = console or make_console()
    torch.set_num_threads(1)  # the problems are small; more threads would only add noise
    rows: list[SelfTestRow] = []
    total = len(BUGS) if ranks is None else len(RANK_BUGS)
    with console.status("verifying seeded bugs") as status:
        for one in verified_bugs(ranks, seed):
            rows.append(one)
            status.update(f"{len(rows)} of {total} seeded bugs verified")
    over = "" if ranks is None else f" over {ranks} ranks"
    table = Table(
        name="self-test",
        title=f"Seeded bugs{over}",
        note="caught by: the checks that must and did fail; diagnosed as: the cause named",
        columns=(*words("bug", "kind"), *prose("caught by", "diagnosed as")),
        rows=tuple(
            row(
                one.bug,
                one.group,
                Cell(
                    ", ".join(one.caught_by) or f"MISSED, {one.left_out} cases left out",
                    "" if one.caught else "bad",
                ),
                Cell("; ".join(one.diagnosed) or MISSING, "bad" if one.named is False else ""),
            )
            for one in rows
        ),
    )
    print_table(console, table)
    caught = sum(one.caught for one in rows)
    nameable = [one for one in rows if one.named is not None]
    named = sum(bool(one.named) for one in nameable)
    summary = f"{caught} of {len(rows)} seeded bugs caught; "
    summary += f"{named} of {len(nameable)} that have a known cause were diagnosed correctly."
    console.print(Text(summary))
    if file:
        write_json(file, [asdict(one) for one in rows])
    return caught == len(rows) and named >= NAMED_AT_LEAST * len(nameable)
