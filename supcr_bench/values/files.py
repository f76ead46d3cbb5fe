"""Reads files up to a size, and writes a file whole or not at all."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from supcr_bench.values.errors import StoreError, UsageError

LARGEST_BYTES = 2**30
"""A larger file, or larger unpacked content, is refused: it may come from someone else."""


def read_bytes(path: Path, opened: Callable[..., Any] = open) -> bytes:
    """A file's content, unpacked if ``opened`` unpacks it; raises an OSError if it is too large."""
    with opened(path, "rb") as file:
        content: bytes = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise OSError(errno.EFBIG, f"it holds more than {LARGEST_BYTES:,} bytes", str(path))
    return content


def write_file(path: Path, content: str | bytes, *, folders: bool = False) -> None:
    """Write a file and its ``folders``; if that fails or is killed, an older file stays."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{os.getpid()}.tmp")
    try:
        if folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        if _written_through(path):
            path.write_bytes(data)
            return
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None


def _written_through(path: Path) -> bool:
    """Whether it is a link or no file, such as /dev/stdout, which must stay what it is."""
    return path.is_symlink() or (path.exists() and not path.is_file())


def write_json(path: Path, values: Any) -> None:
    write_file(path, json.dumps(values, indent=2) + "\n")


def require_writable(path: Path, option: str = "") -> None:
    """Raise a UsageError if a file cannot be written there; folders may be missing.

    A file is made and removed, as some folders, such as /proc, are writable and take none.
    """
    folder = next(p for p in path.absolute().parents if p.exists())
    start = f"{option} {path}".strip()
    if path.is_dir():
        raise UsageError(f"{start} is a folder; name a file in it")
    if not folder.is_dir():
        raise UsageError(f"{start} cannot be written: {folder} is a file; name another folder")
    try:
        if not _written_through(path):
            TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(
            f"{start} cannot be written: in {folder}, {error.strerror}; name another folder"
        ) from None
