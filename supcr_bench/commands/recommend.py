"""``supcr-bench recommend``: says from a stored run which implementation to use."""

import re
from typing import Any

import typer

from supcr_bench.commands.options import (
    COMPLETE_DEFINITION,
    COMPLETE_RUN,
    choice,
    option,
    quantity,
    read_run,
)
from supcr_bench.values.axes import PASSES, device_name
from supcr_bench.values.definition import DEFINITIONS
from supcr_bench.values.errors import UnknownNameError, UsageError
from supcr_bench.values.machine import by_machine
from supcr_bench.values.units import listed, parse_bytes

DEVICE = re.compile(r"cpu|mps|(cuda|xpu)(:\d+)?")
"""The devices that may be asked for although the run has no results on them."""


def recommend(
    batch_size: int = option("N", "Number of rows in a batch.", default=..., min=2),
    dims: int | None = option(
        "D", "Number of label dimensions.", min=1, show_default="as the run has them"
    ),
    nan_density: float | None = option(
        "X", "Share of labels missing, 0 to 1.", min=0, max=1, show_default="as the run has them"
    ),
    device: str = option("NAME", "Device to run on, such as cpu or cuda:1.", default="cpu"),
    pass_: Any = choice(
        "--pass",
        PASSES,
        "forward for the loss alone, training for gradients too.",
        default="training",
    ),
    memory: int | None = quantity(
        "--memory",
        parse_bytes,
        "SIZE",
        "Memory that inputs and other tensors must fit in, such as 4GiB.",
    ),
    definition: str | None = option(
        "NAME",
        "Definition of the loss to compute, such as torchcell.",
        show_default="any",
        autocompletion=COMPLETE_DEFINITION,
    ),
    run: str = option(
        "RUN",
        "Run to decide from: its id, the path of its folder or report, or latest.",
        "--from",
        default="latest",
        autocompletion=COMPLETE_RUN,
    ),
) -> None:
    """Recommend the fastest implementation that is right and fits.

    Exits with 0, or with 3 if the run does not decide it.
    """
    stored = read_run(run)
    computed = dict.fromkeys(r.case.definition for r in stored.results)
    known = dict.fromkeys((*computed, *DEFINITIONS))
    if definition is not None and definition not in known:
        raise UnknownNameError("definition", definition, known)
    devices = dict.fromkeys(r.case.device for r in by_machine(stored.results))
    if (device := device_name(device)) not in devices and not DEVICE.fullmatch(device):
        raise UsageError(
            f"unknown device {device!r}; run {stored.id} has results on {listed([*devices])}"
        )

    from supcr_bench.analysis.recommend import Question, measured_place
    from supcr_bench.analysis.recommend import recommend as recommend_from
    from supcr_bench.render.answer import refuted
    from supcr_bench.render.machine import environments_line
    from supcr_bench.render.recommendation import explanation
    from supcr_bench.render.terminal import make_console, print_sentence

    asked = [
        r
        for r in stored.results
        if r.case.pass_ == pass_ and definition in (None, r.case.definition)
    ]
    dims, nan_density = measured_place(asked, batch_size, dims, nan_density)
    question = Question(
        batch_size=batch_size,
        dims=dims,
        nan_density=nan_density,
        device=device,
        pass_=pass_,
        memory_bytes=memory,
        definition=definition,
    )
    answer = recommend_from(stored.results, question, refuted(stored.verification))
    console = make_console()
    print_sentence(console, explanation(answer))
    print_sentence(console, f"From run {stored.id}: {environments_line(stored.measured_on)}")
    raise typer.Exit(0 if answer.implementation else 3)
