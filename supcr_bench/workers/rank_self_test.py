"""The seeded bugs that need several ranks: every one must be caught and named."""

from collections.abc import Iterator

from supcr_bench.subjects.registry import Subject
from supcr_bench.values.definition import get_definition
from supcr_bench.verification.bugs.catalogue import RANK_BUGS
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.self_test import SelfTestRow
from supcr_bench.workers.rank_verification import STEP_LIMIT_S, RankVerification


def rank_bug_session(
    bug: SeededBug, ranks: int, seed: int = 0, limit_s: float = STEP_LIMIT_S
) -> RankVerification:
    subject = Subject(bug.name, "module", bug.factory.__module__, bug.factory.__qualname__)
    definition = get_definition(bug.definition)
    return RankVerification(
        subject, definition, ranks=ranks, strict=False, seed=seed, limit_s=limit_s
    )


def run_rank_self_test(ranks: int, seed: int = 0) -> Iterator[SelfTestRow]:
    for bug in RANK_BUGS:
        yield SelfTestRow.of(bug, rank_bug_session(bug, ranks, seed).verified())
