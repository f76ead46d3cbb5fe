"""The git revisions of the code that was measured, and of what measured it."""

import re
import subprocess
from pathlib import Path
from typing import Any


def git_revision(folder: Path) -> str | None:
    """The commit of a folder's git checkout, with ``+dirty`` if it has changes; or ``None``."""
    commit = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if not commit or changed is None:
        return None
    return f"{commit}+dirty" if changed else commit


def code_of(file: Path) -> dict[str, Any] | None:
    """Repository and revision of a file, and whether it has changes; ``None`` without a checkout.

    The repository is the address of its remote ``origin`` without credentials, or its top folder.
    """
    revision, top = git_revision(file.parent), _git(file.parent, "rev-parse", "--show-toplevel")
    if revision is None or not top:
        return None
    address = re.sub(r"//[^/@]*@", "//", _git(file.parent, "remote", "get-url", "origin") or "")
    tracked = _git(file.parent, "ls-files", "--", file.name)
    return {
        "repository": address or Path(top).name,
        "revision": revision.removesuffix("+dirty"),
        "dirty": revision.endswith("+dirty") or not tracked,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
