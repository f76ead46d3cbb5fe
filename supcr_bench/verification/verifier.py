"""One implementation, verified: recognised if need be, checked, diagnosed."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from supcr_bench.values.definition import Definition
from supcr_bench.verification.bench import Bench, Check
from supcr_bench.verification.candidate import Candidate, find_knobs
from supcr_bench.verification.diagnosis import computed_in_float32, explain, probes
from supcr_bench.verification.formula import Formula
from supcr_bench.verification.outcome import Diagnosis, Outcome, Trial, Verdict
from supcr_bench.verification.problem import Problem
from supcr_bench.verification.recognise import CALLS, recognise
from supcr_bench.verification.run_checks import run_check
from supcr_bench.verification.shrink import fails, shrink, snippet


@dataclass(slots=True)
class Verifier:
    """Runs the checks on one implementation, and explains what fails.

    Use :meth:`for_definition` or :meth:`for_recognised`.

    Attributes:
        bench: the implementation and the definition.
        recognised: the line of what was recognised, if that was looked for.
    """

    bench: Bench
    recognised: str | None = None
    _failed: list[Trial] = field(default_factory=list)

    @classmethod
    def for_definition(
        cls,
        name: str,
        factory: Callable[..., Any],
        definition: Definition,
        seed: int = 0,
        tags: Sequence[str] = (),
    ) -> "Verifier":
        """Against a given definition, called as it answers."""
        bench = cls.unprobed(name, factory, definition, seed, tags).bench
        return cls(Bench(*_as_called(bench.candidate, definition, seed), seed))

    @classmethod
    def unprobed(
        cls,
        name: str,
        factory: Callable[..., Any],
        definition: Definition,
        seed: int = 0,
        tags: Sequence[str] = (),
    ) -> "Verifier":
        """Against a given definition, by its call, without asking anything yet."""
        candidate = Candidate(
            name,
            factory,
            definition.call,
            definition.eps or 0.0,
            find_knobs(factory),
            tags=tuple(tags),
        )
        return cls(Bench(candidate, definition, seed))

    @classmethod
    def for_recognised(
        cls, name: str, factory: Callable[..., Any], seed: int = 0, tags: Sequence[str] = ()
    ) -> "Verifier":
        """Against the definition that its numbers follow."""
        found = recognise(name, factory, seed, tags)
        return cls(Bench(found.candidate, found.definition, seed), found.line)

    def run(self, check: Check) -> Outcome:
        """One check; what fails is kept for the diagnosis."""
        outcome, failed = run_check(check, self.bench)
        self._failed += [t for t in failed if check.group in ("definition", "relations")]
        return outcome

    def diagnose(self, outcomes: Sequence[Outcome]) -> Diagnosis | None:
        """What is most likely wrong; ``None`` where nothing is, or the findings say it all."""
        wrong = [o for o in outcomes if o.verdict is Verdict.FAIL]
        if not wrong:
            return None
        asked = probes(self.bench)
        base = Formula.of(self.bench.definition)
        found = explain(base, self.bench, asked)
        # Numbers that differ from call to call are not those of any formula.
        erratic = any(o.check in ("repeatability", "random state") for o in wrong)
        causes = found.causes if found and not erratic else ()
        if not causes and any(o.check == "float64 accuracy" for o in wrong):
            causes = computed_in_float32(base, self.bench)
        counting = [o for o in wrong if o.group != "robustness"]
        if not causes and not counting:
            return None
        smallest = self._smallest()
        return Diagnosis(
            causes=causes,
            where=None if causes else self._where(counting, right_on_probes=found is not None),
            smallest=smallest.name if smallest else None,
            snippet=snippet(self.bench, smallest) if smallest else None,
        )

    def _smallest(self) -> Problem | None:
        """The smallest failing case that can be found from those that failed."""
        with_problem = [t.problem for t in self._failed if t.problem is not None]
        with_problem.sort(key=lambda p: p.size)
        for problem in with_problem[:5]:
            if fails(self.bench, problem):
                return shrink(self.bench, problem)
        return None

    def _where(self, wrong: Sequence[Outcome], *, right_on_probes: bool) -> str:
        """What is known where no variation of the definition explains the numbers."""
        names = ", ".join(o.check for o in wrong)
        if not right_on_probes:
            return f"no variation of the definition gives these numbers; fails: {names}"
        sizes = [t.problem.size[0] for t in self._failed if t.problem is not None]
        if sizes and min(sizes) > 24:
            return f"right on small batches, wrong from N={min(sizes)} or so on; fails: {names}"
        return f"right on plain small problems, wrong only in: {names}"


def _as_called(
    candidate: Candidate, definition: Definition, seed: int
) -> tuple[Candidate, Definition]:
    """How an implementation is called, whatever the definition that it is held against.

    The definition's own call comes first, then labels of one dimension as [N], then the other
    calls. Another call is taken only where it gives the right loss, or where nothing else answers.
    """
    tried = [(definition.call, False), (definition.call, True)]
    tried += [(call, flat) for call in CALLS if call != definition.call for flat in (False, True)]
    answering: tuple[Candidate, Definition] | None = None
    for call, flat in tried:
        views = definition.views
        if (call == "features_single_view") != (views == "single"):
            views = "single" if call == "features_single_view" else "sum"
        own = replace(definition, call=call, views=views)
        as_tried = replace(candidate, call=call, flat_labels=flat)
        bench = Bench(as_tried, own, seed)
        problem = bench.problem(n=6, d=4, dims=1)
        with suppress(Exception):  # it is not called like this
            bench.ask(problem)
            if not bench.compare(problem).failed:
                return as_tried, own
            answering = answering or (as_tried, own)
    return answering or (candidate, definition)
