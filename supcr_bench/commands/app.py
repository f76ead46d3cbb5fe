"""Registers the commands, each in a file of this folder, and reports their errors."""

import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import typer

from supcr_bench.commands.compare import compare
from supcr_bench.commands.export import export
from supcr_bench.commands.gate import gate
from supcr_bench.commands.list_subjects import list_subjects
from supcr_bench.commands.options import flag
from supcr_bench.commands.recommend import recommend
from supcr_bench.commands.report import report
from supcr_bench.commands.run import run
from supcr_bench.commands.verify import verify
from supcr_bench.values.errors import SupcrBenchError

app = typer.Typer(
    name="supcr-bench",
    help="Is an implementation of the SupCR loss right, what does it cost, did it get worse?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from supcr_bench import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def common(
    debug: bool = flag("--debug", "Show the traceback of an error."),
    version: bool = typer.Option(
        False,
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
) -> None:
    """Declare the options of every command; :func:`main` reads --debug, a callback --version."""
    del debug, version


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_subjects,
    "run": run,
    "verify": verify,
    "report": report,
    "recommend": recommend,
    "compare": compare,
    "gate": gate,
    "export": export,
}
"""The commands, in the order of ``--help``."""
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def _fail(error: Exception, status: int) -> NoReturn:
    text = " ".join(str(error).split())
    print(f"supcr-bench: error: {text}", file=sys.stderr)
    sys.exit(status)


def main() -> None:
    """Run the command line and exit with its status."""
    debug = "--debug" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        app(arguments, prog_name="supcr-bench")
    except SupcrBenchError as error:
        if debug:
            raise
        _fail(error, error.exit_status)
    except OSError as error:  # a file that cannot be read or written
        if debug:
            raise
        _fail(error, 2)
    except Exception:  # noqa: BLE001
        traceback.print_exc()  # exit status 2, because 1 means a finding
        print("supcr-bench: this is a bug in supcr-bench, please report it", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("supcr-bench: interrupted", file=sys.stderr)
        sys.exit(130)
