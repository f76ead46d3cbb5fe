"""Asks git; and says the revisions of the code that was measured, and of what measured it."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from supcr_bench.values.errors import UsageError

GIT_LIMIT_S = 60
_SET_BY_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""Variables that git sets for the commands that it starts, such as hooks. They may name another
checkout than the one that is read here."""


class RevisionError(UsageError):
    """The code at a revision is not available."""


class GitError(RevisionError):
    """A git command failed; the message holds what it wrote to standard error."""


def git_revision(folder: Path) -> str | None:
    """The commit of a folder's git checkout, with ``+dirty`` if it has changes; or ``None``."""
    commit = _told(folder, "rev-parse", "HEAD")
    changed = _told(folder, "status", "--porcelain", "--untracked-files=no")
    if not commit or changed is None:
        return None
    return f"{commit}+dirty" if changed else commit


def code_of(file: Path) -> dict[str, Any] | None:
    """Repository and revision of a file, and whether it has changes; ``None`` without a checkout.

    The repository is the address of its remote ``origin`` without credentials, or its top folder.
    """
    revision, top = git_revision(file.parent), _told(file.parent, "rev-parse", "--show-toplevel")
    if revision is None or not top:
        return None
    address = re.sub(r"//[^/@]*@", "//", _told(file.parent, "remote", "get-url", "origin") or "")
    tracked = _told(file.parent, "ls-files", "--", file.name)
    return {
        "repository": address or Path(top).name,
        "revision": revision.removesuffix("+dirty"),
        "dirty": revision.endswith("+dirty") or not tracked,
    }


def run_git(folder: Path, *arguments: str, given: bytes | None = None) -> bytes:
    """The output of a git command in a folder; a RevisionError says why there is none.

    Git finds the checkout by the folder alone, and does not write its index.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _SET_BY_HOOKS}
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            input=given,
            env={**kept, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            check=True,
            timeout=GIT_LIMIT_S,
        ).stdout
    except FileNotFoundError:
        raise RevisionError("--against needs git, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise RevisionError(f"git {arguments[0]} took more than {GIT_LIMIT_S} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit status {error.returncode}"
        raise GitError(f"git {arguments[0]}: {said}") from None


def _told(folder: Path, *arguments: str) -> str | None:
    """The text that a git command writes; ``None`` if it fails."""
    try:
        return run_git(folder, *arguments).decode(errors="replace").strip()
    except (OSError, RevisionError):
        return None
