"""The same question has the same answer, whatever was asked before."""

from collections.abc import Iterator

from supcr_bench.verification.candidate import Answer
from supcr_bench.verification.check import check
from supcr_bench.verification.compare import deviations
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, worst_of
from supcr_bench.verification.problem import Problem


def _same(context: CheckContext, problem: Problem, before: Answer, after: Answer) -> Trial:
    bounds = context.bounds(problem)
    trials = deviations(problem, after, before.loss, before.gradients, bounds, gives="it was")
    return worst_of(trials)


@check("repeatability", "conduct")
def run(context: CheckContext) -> Iterator[Trial]:
    """One module: a question, another, the first again; and a second module.

    State that is kept from one batch to the next is wrong from the second step on.
    """
    density = 0.2 if context.takes_missing_labels else 0.0
    problem = context.problem(n=9, dims=2, nan_density=density)
    other = context.problem(n=9, dims=2, nan_density=density, seed=5)
    longer = context.problem(n=14, dims=2, nan_density=density, seed=6)
    module = context.candidate.build(problem)
    before = context.ask(problem, module=module)
    second = problem.changed("the second call")
    yield _same(context, second, before, context.ask(problem, module=module))
    for name, question in (
        ("the second input of a module", other),
        ("a longer batch after a shorter", longer),
    ):
        alone = context.ask(question)
        yield _same(context, question.changed(name), alone, context.ask(question, module=module))
    again = problem.changed("again after another input")
    yield _same(context, again, before, context.ask(problem, module=module))
    yield _same(context, problem.changed("a second module"), before, context.ask(problem))
