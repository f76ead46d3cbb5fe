"""Reads files up to a size, and writes a file whole or not at all."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
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
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(data)  # such as /dev/stdout, which must stay what it is
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


def write_json(path: Path, values: Any) -> None:
    write_file(path, json.dumps(values, indent=2) + "\n")


def require_writable(path: Path, option: str = "") -> None:
    """Raise a UsageError if a file cannot be written there; folders may be missing."""
    folder = next(p for p in path.absolute().parents if p.exists())
    start = f"{option} {path}".strip()
    if path.is_dir():
        raise UsageError(f"{start} is a folder; name a file in it")
    if not folder.is_dir():
        raise UsageError(f"{start} cannot be written: {folder} is a file; name another folder")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{start} cannot be written: you may not write in {folder}")
