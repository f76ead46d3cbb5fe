"""Results made up for tests of what is derived from results and drawn from them."""

from collections.abc import Callable, Sequence
from typing import Any

from supcr_bench.values.case import Case, Pass
from supcr_bench.values.result import Result, Status


def make_result(
    implementation: str = "loopy",
    *,
    n: int = 64,
    pass_: Pass = "forward",
    status: Status = Status.MEASURED,
    times: Sequence[float] | None = None,
    case: dict[str, Any] | None = None,
    **fields: Any,
) -> Result:
    """A result with what a test names, and nothing else."""
    return Result(
        implementation=implementation,
        case=Case(batch_size=n, pass_=pass_, **(case or {})),
        status=status,
        time_samples_s=tuple(times) if times else None,
        **fields,
    )


def make_series(
    implementation: str,
    sizes: Sequence[int],
    seconds: Callable[[int], float],
    size_bytes: Callable[[int], float] = lambda n: 8.0 * n * n,
    pass_: Pass = "forward",
    **fields: Any,
) -> list[Result]:
    """Results at rising sizes that follow a law, right to half a tolerance."""
    return [
        make_result(
            implementation,
            n=n,
            pass_=pass_,
            times=[seconds(n)] * 8,
            peak_bytes=round(size_bytes(n)),
            memory_method="made up",
            value_error=1e-7,
            value_tolerances=0.5,
            gradient_error=2e-7 if pass_ == "training" else None,
            gradient_tolerances=0.25 if pass_ == "training" else None,
            time_limit_s=10.0,
            memory_limit_bytes=2**30,
            **fields,
        )
        for n in sizes
    ]
