"""``supcr-bench recommend``: which implementation to use, from a stored run."""

from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from supcr_bench.render.machine import environments_line
from supcr_bench.store.run import load_run
from supcr_bench.values.case import PASSES
from supcr_bench.values.errors import UsageError
from supcr_bench.values.units import parse_bytes

UNDECIDED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendRequest:
    """What was typed."""

    batch_size: int
    dims: int
    nan_density: float
    device: str
    pass_: str
    memory: str | None
    run: str


def recommend_from_run(request: RecommendRequest) -> int:
    """Print the recommendation and what it rests on.

    Returns:
        the exit status: 0, or 3 where the run does not tell.
    """
    pass_ = next((p for p in PASSES if p == request.pass_), None)
    if pass_ is None:
        raise UsageError(f"--pass {request.pass_!r} is not one of {', '.join(PASSES)}")
    memory = _memory(request.memory)
    run = load_run(request.run).require_complete()
    from supcr_bench.analysis.recommend import Question, recommend

    question = Question(
        batch_size=request.batch_size,
        dims=request.dims,
        nan_density=request.nan_density,
        device=request.device,
        pass_=pass_,
        memory_bytes=memory,
    )
    answer = recommend(run.results, question)
    console = Console(highlight=False)
    console.print(Text(answer.explanation), soft_wrap=True)
    console.print(Text(f"From run {run.id}: {environments_line(run.measured_on)}"), soft_wrap=True)
    return 0 if answer.implementation else UNDECIDED


def _memory(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise UsageError(f"--memory: {error}") from None
