"""Options that several commands take, each written once.

Every ``commands/x.py`` holds the Typer function of its command. It imports what that needs inside
the function, so that ``--help`` and usage errors do not wait for torch or pandas.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from supcr_bench.values.errors import UnknownNameError, UsageError


def quantity(
    name: str,
    parse: Callable[[str], Any],
    *,
    metavar: str,
    help: str,  # noqa: A002
    **more: Any,
) -> Any:
    """An option whose text ``parse`` turns into a value; its errors name the option.

    Args:
        name: the option with its dashes.
        parse: raises ValueError or UsageError for a text that is not valid.
        metavar: what stands for the value in the help.
        help: a full phrase.
        more: further arguments of ``typer.Option``.
    """

    def convert(value: Any) -> Any:
        if not isinstance(value, str):  # the default is parsed already
            return value
        try:
            return parse(value)
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None

    return typer.Option(name, parser=convert, metavar=metavar, help=help, **more)


def choice(name: str, known: Collection[str], *, help: str, **more: Any) -> Any:  # noqa: A002
    """An option that takes one of a few words."""

    def check(word: str) -> str:
        if word not in known:
            raise UnknownNameError(name.removeprefix("--"), word, known)
        return word

    return quantity(name, check, metavar="|".join(known), help=help, **more)


def output_file(name: str, help: str) -> Any:  # noqa: A002
    """An option that names a file to write; its folder must exist."""

    def check(file: Path | None) -> Path | None:
        if file is not None and not file.absolute().parent.is_dir():
            raise UsageError(
                f"{name} {file}: there is no folder {str(file.parent)!r}; create it first"
            )
        return file

    return typer.Option(name, metavar="FILE", callback=check, help=help)


RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The run: its id, the path of its folder or report, or latest."
    ),
]
Implementations = Annotated[
    list[str] | None,
    typer.Option(
        "--implementation",
        "-i",
        metavar="IMPL",
        help="Implementation to use in place of the suite's: a registered name, module:attribute "
        "or file.py:attribute. Repeat the option for several.",
    ),
]
DefinitionName = Annotated[
    str | None,
    typer.Option(
        "--definition",
        metavar="NAME",
        help="Definition to compare with: torchcell, no-self, rank-n-contrast or one of the "
        "suite's own, or auto to recognise it. By default, what each implementation computes.",
        show_default=False,
    ),
]
JsonFile = Annotated[Path | None, output_file("--json", "Write all results as JSON to FILE.")]
MarkdownFile = Annotated[
    Path | None,
    output_file("--markdown", "Write a short Markdown summary to FILE, such as for a CI job."),
]
Devices = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME,...",
        help="Devices to run on, such as cpu, cuda, cuda:1, mps or xpu.",
    ),
]
AxisValues = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="AXIS=VALUE,...",
        help="Set any axis of the suite, such as temperature=0.07,0.1. Give the option several "
        "times for several axes.",
    ),
]


def set_axes(axes: Mapping[str, str], assignments: Sequence[str]) -> dict[str, str]:
    """The axes of ``--set``, beside those that have options of their own.

    Args:
        axes: the values of those options, by the axis's name.
        assignments: the values of ``--set``.

    Raises:
        UsageError: an assignment has no value, names no axis, or repeats an axis.
    """
    from supcr_bench.values.axes import get_axis

    whole = dict(axes)
    for assignment in assignments:
        name, equals, values = assignment.partition("=")
        if not equals or not values.strip():
            raise UsageError(
                f"--set {assignment}: write AXIS=VALUE,VALUE, such as temperature=0.07,0.1"
            )
        name = get_axis(name.strip()).name
        if name in whole:
            raise UsageError(f"--set {assignment}: {name} is set twice; set it once")
        whole[name] = values
    return whole
