"""``supcr-bench recommend``: says from a stored run which implementation to use."""

from typing import Annotated, Any

import typer

from supcr_bench.commands.options import choice, option, quantity
from supcr_bench.values.units import parse_bytes

UNDECIDED = 3
PASSES = ("forward", "training")


def recommend(
    batch_size: Annotated[int, typer.Option(min=2, metavar="N", help="Number of rows in a batch.")],
    dims: Annotated[int, typer.Option(min=1, metavar="D", help="Number of label dimensions.")] = 1,
    nan_density: Annotated[
        float, typer.Option(min=0, max=1, metavar="X", help="Share of labels missing, 0 to 1.")
    ] = 0.0,
    device: Annotated[str, option("NAME", "Device to run on, such as cpu or cuda:1.")] = "cpu",
    pass_: Annotated[
        Any, choice("--pass", PASSES, "forward for the loss alone, training for gradients too.")
    ] = "training",
    memory: Annotated[
        int | None,
        quantity(
            "--memory",
            parse_bytes,
            "SIZE",
            "Memory that inputs and other tensors must fit in, such as 4GiB.",
        ),
    ] = None,
    run: Annotated[
        str,
        option(
            "RUN",
            "Run to decide from: its id, the path of its folder or report, or latest.",
            "--from",
        ),
    ] = "latest",
) -> None:
    """Recommend the fastest implementation that is right and fits.

    Exits with 0, or with 3 if the run does not decide it.
    """
    from supcr_bench.store.run import load_run

    stored = load_run(run).require_complete()

    from rich.console import Console

    from supcr_bench.analysis.recommend import Question
    from supcr_bench.analysis.recommend import recommend as recommend_from
    from supcr_bench.render.machine import environments_line
    from supcr_bench.render.terminal import print_sentence

    question = Question(
        batch_size=batch_size,
        dims=dims,
        nan_density=nan_density,
        device=device,
        pass_=pass_,
        memory_bytes=memory,
    )
    answer = recommend_from(stored.results, question)
    console = Console(highlight=False)
    print_sentence(console, answer.explanation)
    line = environments_line(stored.measured_on)
    print_sentence(console, f"From run {stored.id}: {line}")
    raise typer.Exit(0 if answer.implementation else UNDECIDED)
