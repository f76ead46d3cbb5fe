"""The seeded bugs that need several ranks: every one must be caught and named."""

from collections.abc import Iterator

from supcr_bench.subjects.registry import Subject
from supcr_bench.values.definition import get_definition
from supcr_bench.verification.bugs.catalogue import RANK_BUGS
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.self_test import SelfTestRow
from supcr_bench.workers.rank_verification import RankVerification


def verify_rank_bug(bug: SeededBug, ranks: int, seed: int = 0) -> SelfTestRow:
    """How the verifier did on one bug, over so many ranks."""
    subject = Subject(bug.name, "module", bug.factory.__module__, bug.factory.__qualname__)
    session = RankVerification(
        subject, get_definition(bug.definition), ranks=ranks, strict=False, seed=seed
    )
    for _ in session.run():
        pass
    found = session.result()
    return SelfTestRow(
        bug=bug.name,
        group=bug.caught_by,
        caught_by=tuple(o.check for o in found.findings if o.group == bug.caught_by),
        nameable=bug.named,
        diagnosed=found.diagnosis.causes if found.diagnosis else (),
        left_out=0,
    )


def run_rank_self_test(ranks: int, seed: int = 0) -> Iterator[SelfTestRow]:
    """Every seeded bug across ranks."""
    for bug in RANK_BUGS:
        yield verify_rank_bug(bug, ranks, seed)
