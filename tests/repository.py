"""A git checkout for tests to change."""

import shutil
import subprocess
from pathlib import Path

SETTINGS = """
[user]
    name = Somebody
    email = somebody@example.org
[commit]
    gpgsign = false
"""


class Repository:
    """A git checkout to change; a new one, unless there is one at ``top``."""

    def __init__(self, top: Path) -> None:
        self.top = top
        if not (top / ".git").exists():
            self.git("init", "--quiet", "--initial-branch=main", "--template=")
            with (top / ".git" / "config").open("a") as file:
                file.write(SETTINGS)

    def copy_to(self, top: Path) -> "Repository":
        """A copy, for which git need not start."""
        shutil.copytree(self.top, top, symlinks=True)
        return Repository(top)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.top, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        return self.git("rev-parse", "HEAD")
