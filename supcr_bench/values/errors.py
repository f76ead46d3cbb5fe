"""The errors of supcr-bench; users read their messages.

    SupcrBenchError
    ├── UsageError            the request cannot be carried out; exit status 2
    │   ├── UnknownNameError  a name that is not known; carries the known ones and the nearest
    │   ├── SuiteError        a suite file or an axis is not valid; names file, key and fix
    │   ├── InputError        a labels file cannot be used
    │   ├── SubjectError      an implementation cannot be measured
    │   │   ├── NoImplementationError   a Python program gave something else
    │   │   └── UncallableError   it cannot be loaded, constructed or called; says what to do
    │   │       └── UnavailableError  it needs a package that is not installed
    │   └── StoreError        a run folder cannot be read or written
    └── WorkerError           a worker process could not be started at all; exit status 1

An error *inside* a measured call is not raised: it becomes a result with a status and a reason.
"""

import difflib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


class SupcrBenchError(Exception):
    """The base class of all errors that supcr-bench raises on purpose."""

    exit_status = 1


class UsageError(SupcrBenchError):
    """The request cannot be carried out."""

    exit_status = 2


class UnknownNameError(UsageError):
    """A name that is not among the known ones; ``hint`` describes other ways to name a thing."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        self.nearest = nearest(name, self.known)
        meant = f" (did you mean {self.nearest!r}?)" if self.nearest else ""
        text = f"unknown {kind} {name!r}{meant}; known: {', '.join(self.known) or 'none'}"
        super().__init__(f"{text}; {hint}" if hint else text)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like a name, if one is like it at all."""
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    return near[0] if near else None


def defined_names(names: Iterable[str]) -> str:
    """What a file defines, for a message: at most twelve names, private ones last."""
    known = sorted(names, key=lambda name: name.startswith("_"))
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return f"{', '.join(known[:12]) or 'no class and no function'}{more}"


class SuiteError(UsageError):
    """A suite file, or an axis or budget from the command line, is not valid."""


class InputError(UsageError):
    """A labels file cannot be used."""


class SubjectError(UsageError):
    """An implementation cannot be loaded or called."""


class NoImplementationError(SubjectError, TypeError):
    """A Python program gave something else than an implementation."""


@dataclass(eq=False)
class UncallableError(SubjectError):
    """An implementation cannot be loaded, constructed or called, so nothing is known about it.

    Attributes:
        kind: what cannot be done, or what is not here: a device or a package.
        reason: one or two sentences that start with its name.
        wrapper: a Python file to paste that makes it callable, with what to fill in.
        verify: what prints the wrapper, with ``{}`` for the name.
    """

    kind: Literal["load", "construct", "call", "device", "package"]
    reason: str
    advice: str = ""
    wrapper: str | None = None
    verify = "supcr-bench verify {}"

    def __post_init__(self) -> None:
        self.args = self.kind, self.reason, self.advice, self.wrapper

    @property
    def headline(self) -> str:
        return f"{self.reason} {self.advice}".strip()

    def __str__(self) -> str:
        name = re.match(r"[^:]*?\.py:[\w.]+|\S+", self.reason)  # with which the reason starts
        command = self.verify.format(shlex.quote(name[0]) if name else "").strip()
        return f"{self.headline} `{command}` prints the wrapper." if self.wrapper else self.headline


class UnavailableError(UncallableError):
    """An implementation needs a package that is not installed."""


class StoreError(UsageError):
    """A run folder cannot be read or written."""


class WorkerError(SupcrBenchError):
    """A worker process could not be started at all."""
