"""Options that several commands take, each written once.

Every ``commands/x.py`` holds the Typer function of its command. Heavy imports are inside that
function, so that ``--help`` and usage errors do not wait for torch or pandas.
"""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import typer

from supcr_bench.values.axes import AXIS_NAMES, get_axis
from supcr_bench.values.definition import AUTO, DEFINITIONS
from supcr_bench.values.errors import UnknownNameError, UsageError
from supcr_bench.values.files import require_writable
from supcr_bench.values.units import parse_fraction

if TYPE_CHECKING:
    from supcr_bench.store.loaded_run import Run


def option(metavar: str, text: str, *names: str, default: Any = None, **more: Any) -> Any:
    return typer.Option(default, *names, metavar=metavar, help=text, **more)


def completed(names: Collection[str] | str) -> Callable[[str], list[str]]:
    """Offers a shell the names that begin with what is typed; if there is none, it offers files.

    A ``module:function`` gives the names where its import is slow.
    """

    def offer(incomplete: str) -> list[str]:
        known = resolve_name(names)() if isinstance(names, str) else names
        return [name for name in known if name.startswith(incomplete)]

    return offer


COMPLETE_IMPLEMENTATION = completed("supcr_bench.subjects.registry:registered")
COMPLETE_SUITE = completed("supcr_bench.sweep.suite:suite_names")
COMPLETE_RUN = completed("supcr_bench.store.run:run_names")
COMPLETE_DEFINITION = completed([*DEFINITIONS, AUTO])


def flag(name: str, text: str) -> Any:
    return typer.Option(False, name, help=text)


def quantity(name: str, parse: Callable[[str], Any], metavar: str, text: str, **more: Any) -> Any:
    """An option whose text ``parse`` converts; errors name the option."""

    def convert(value: Any) -> Any:
        if not isinstance(value, str):  # the default is already a value
            return value
        try:
            return parse(value)
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None

    return option(metavar, text, name, parser=convert, **more)


def share(name: str, text: str, default: float, instead: str = "") -> Any:
    """An option that takes a share, such as ``5%``; if ``instead`` is set, ``None`` by default."""
    shown = f"{100 * default:g}%{instead}"
    default_value = None if instead else default
    return quantity(name, parse_fraction, "SHARE", text, default=default_value, show_default=shown)


def choice(name: str, known: Collection[str], text: str, **more: Any) -> Any:
    def check(word: str) -> str:
        if word not in known:
            raise UnknownNameError(name.removeprefix("--"), word, known)
        return word

    offer = completed(known)
    return quantity(name, check, "|".join(known), text, autocompletion=offer, **more)


def output_file(name: str, text: str) -> Any:
    """An option that names a file to write; its folder must exist."""
    return option("FILE", text, name, callback=lambda file: require_place(file, name))


def require_place(file: Path | None, name: str) -> Path | None:
    """The file of an option; raises a UsageError if it cannot be written, before any work."""
    if file is not None:
        if not file.absolute().parent.exists():
            raise UsageError(
                f"{name} {file}: there is no folder {str(file.parent)!r}; create it first"
            )
        require_writable(file, name)
    return file


RUN = typer.Argument(
    metavar="RUN",
    help="The run: its id, the path of its folder or report, or latest.",
    autocompletion=COMPLETE_RUN,
)
IMPLEMENTATIONS = option(
    "IMPL",
    "Implementation to use in place of the suite's: a registered name, module:attribute "
    "or file.py:attribute. Repeat the option for several.",
    "--implementation",
    "-i",
    autocompletion=COMPLETE_IMPLEMENTATION,
)
DEFINITION = option(
    "NAME",
    "Definition to compare with: torchcell, no-self, rank-n-contrast, one of the suite's own, "
    "or auto to find out which one it computes.",
    "--definition",
    show_default="the one that it declares, else the one that it computes",
    autocompletion=COMPLETE_DEFINITION,
)
JSON_FILE = output_file("--json", "Write all results as JSON to FILE.")
DEVICES = option(
    "NAME,...", "Devices to run on, such as cpu, cuda, cuda:1, mps or xpu.", "--device"
)
AXIS_VALUES = option(
    "AXIS=VALUE,...",
    "Set any axis of the suite, such as temperature=0.07,0.1. Give the option several "
    "times for several axes.",
    "--set",
    autocompletion=completed([f"{name}=" for name in AXIS_NAMES]),
)


def set_axes(axes: Mapping[str, str | None], assignments: Sequence[str] | None) -> dict[str, str]:
    whole = {name: values for name, values in axes.items() if values is not None}
    for assignment in assignments or ():
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


def read_run(name: str) -> "Run":
    """Load a stored run; print on standard error what was found there and is left out."""
    from supcr_bench.store.run import load_run

    stored = load_run(name).require_complete()
    say_notes(stored.notes)
    return stored


def say_notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"supcr-bench: note: {note}", file=sys.stderr)
