"""The git revision of the code that was measured."""

import subprocess
from pathlib import Path


def git_revision(folder: Path) -> str | None:
    """The commit of a folder's git checkout, with ``+dirty`` if it has changes; or ``None``."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+dirty" if dirty else commit
