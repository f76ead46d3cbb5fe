"""Registers the commands, each in a file of this folder, and reports their errors."""

import codecs
import errno
import functools
import os
import re
import shutil
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import typer

from supcr_bench.commands.compare import compare
from supcr_bench.commands.doctor import doctor
from supcr_bench.commands.export import export
from supcr_bench.commands.gate import gate
from supcr_bench.commands.history import history
from supcr_bench.commands.list_subjects import list_subjects
from supcr_bench.commands.options import flag
from supcr_bench.commands.recommend import recommend
from supcr_bench.commands.report import report
from supcr_bench.commands.run import run
from supcr_bench.commands.verify import demo, verify
from supcr_bench.values.errors import SupcrBenchError

app = typer.Typer(
    name="supcr-bench",
    help="Is an implementation of the SupCR loss right, what does it cost, did it get worse?",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk, or of a quota on it, that is full."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from supcr_bench import __version__

        print(__version__)
        raise typer.Exit


START = """\
supcr-bench verifies, measures and gates implementations of the SupCR loss.

  supcr-bench demo                             see a wrong loss diagnosed
  supcr-bench verify my_loss.py:MyLoss         is my loss right? what is wrong?
  supcr-bench run quick -i my_loss.py:MyLoss   what does it cost?
  supcr-bench recommend --batch-size 256       which one is the fastest there?
  supcr-bench gate --init                      have CI tell when it gets worse

supcr-bench --help lists all commands, and supcr-bench doctor what this machine
lacks."""


@app.callback()
def common(
    context: typer.Context,
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
    if context.invoked_subcommand is None:
        print(START)


def _end(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(number)


def _interrupted(by: KeyboardInterrupt) -> int:
    """The exit status after a signal: 128 + its number, as in shells."""
    number: int = by.args[0] if by.args else signal.SIGINT
    if number == signal.SIGINT:
        print("supcr-bench: interrupted", file=sys.stderr)
    return 128 + number


def _ending(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            try:
                command(*arguments, **options)
            finally:
                if sys.stdout:  # a program may be started without one
                    sys.stdout.flush()
        except KeyboardInterrupt as signalled:
            raise typer.Exit(_interrupted(signalled)) from None
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(141) from None

    return run


def _discard_output() -> None:
    """Let standard output lead nowhere; else Python fails on it once more when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app.command("list")(_ending(list_subjects))
for _command in (run, verify, report, recommend, compare, gate, history, export, demo, doctor):
    app.command()(_ending(_command))


def _fail(error: Exception, status: int, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    said = re.sub(r"^\[Errno \d+\] ", "", " ".join(str(error).split()))
    text = "".join(c if c.isprintable() else "?" for c in said)
    text = f"supcr-bench: error: {text}"
    if sys.stderr.isatty():  # words are not cut; a program that reads it gets one line
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    print(text, file=sys.stderr)
    sys.exit(status)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    letter = error.object[error.start]
    return {"µ": "u", "±": "+-", "…": "..."}.get(letter, "?"), error.start + 1


def main() -> None:
    debug = "--debug" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    codecs.register_error("spelled", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="spelled")
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end)
    try:
        app(arguments, prog_name="supcr-bench")
    except SupcrBenchError as error:
        _fail(error, error.exit_status, debug=debug)
    except OSError as error:  # a file that cannot be read or written
        if error.errno in DISK_FULL and error.filename is None:
            _discard_output()
            error = OSError(f"standard output cannot be written: {error.strerror}")
        _fail(error, 2, debug=debug)
    except KeyboardInterrupt as signalled:
        sys.exit(_interrupted(signalled))
    except Exception:  # noqa: BLE001
        traceback.print_exc()  # exit status 2, because 1 means a finding
        print("supcr-bench: this is a bug in supcr-bench, please report it", file=sys.stderr)
        sys.exit(2)
