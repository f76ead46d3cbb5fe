"""The same question has the same answer, whatever was asked before."""

from collections.abc import Iterator

from supcr_bench.verification.bench import Bench, Check, bounds_of, deviations, worst_of
from supcr_bench.verification.candidate import Answer
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.problem import Problem


def _same(bench: Bench, problem: Problem, before: Answer, after: Answer) -> Trial:
    bounds = bounds_of(problem, bench.definition, bench.reference(problem))
    trials = deviations(problem, after, before.loss, before.gradients, bounds, gives="it was")
    return worst_of(trials)


def run(bench: Bench) -> Iterator[Trial]:
    """One module: a question, another, the first again; and a second module."""
    density = 0.2 if bench.takes_missing_labels else 0.0
    problem = bench.problem(n=9, dims=2, nan_density=density)
    other = bench.problem(n=9, dims=2, nan_density=density, seed=5)
    longer = bench.problem(n=14, dims=2, nan_density=density, seed=6)
    module = bench.candidate.build(problem)
    before = bench.ask(problem, module=module)
    second = problem.changed("the second call")
    yield _same(bench, second, before, bench.ask(problem, module=module))
    for name, question in (
        ("the second input of a module", other),
        ("a longer batch after a shorter", longer),
    ):
        alone = bench.ask(question)
        yield _same(bench, question.changed(name), alone, bench.ask(question, module=module))
    again = problem.changed("again after another input")
    yield _same(bench, again, before, bench.ask(problem, module=module))
    yield _same(bench, problem.changed("a second module"), before, bench.ask(problem))


CHECK = Check(
    name="repeatability",
    group="conduct",
    why="state that is kept from one batch to the next is wrong from the second step on",
    run=run,
)
