"""Reads a git checkout; nothing here changes it."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from supcr_bench.values.errors import UsageError

GIT_LIMIT_S = 60
_SYMLINK = b"120000"
_SET_BY_HOOKS = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
}
"""Variables that git sets for the commands that it starts, such as hooks. They may name another
checkout than the one that is read here."""


class RevisionError(UsageError):
    """The code at a revision is not available."""


class GitError(RevisionError):
    """A git command failed.

    Args:
        command: the command.
        status: its exit status.
        said: what it wrote to standard error.
    """

    def __init__(self, command: str, status: int, said: str) -> None:
        self.status, self.said = status, said
        super().__init__(f"git {command}: {said or f'exit status {status}'}")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A work tree.

    Attributes:
        top: its top folder.
    """

    top: Path

    @classmethod
    def around(cls, path: Path) -> "Checkout":
        """The checkout that holds a file.

        Raises:
            RevisionError: no checkout holds it, or git is not installed.
        """
        try:
            top = _git(path.parent, "rev-parse", "--show-toplevel")
        except GitError as error:
            if "dubious ownership" in error.said:
                raise RevisionError(f"git does not trust the checkout: {error.said}") from None
            raise RevisionError(
                f"{path} lies in no git checkout, so there is no version to compare it with; "
                "use --baseline RUN"
            ) from None
        return cls(Path(os.fsdecode(top.rstrip(b"\n"))))

    def commit(self, revision: str) -> str:
        """The full name of the commit that a revision names.

        Raises:
            RevisionError: there is none, or this clone is too shallow to have it.
        """
        try:
            found = self.git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
            )
        except GitError:
            if self.git("rev-parse", "--is-shallow-repository").strip() == b"true":
                raise RevisionError(
                    f"revision {revision!r} is not in this shallow clone: fetch its history with "
                    "`git fetch --unshallow`, or set fetch-depth: 0 in actions/checkout"
                ) from None
            raise RevisionError(f"no revision {revision!r} in {self.top}") from None
        return found.decode().strip()

    def python_files(self, commit: str, folder: str) -> dict[str, bytes]:
        """Every Python file of a folder and those below it, by its path, as of a commit.

        Args:
            commit: the commit.
            folder: from the top, with slashes; ``"."`` for all.
        """
        wanted = {}
        for path, (mode, blob) in self._files_at(commit, folder).items():
            if path.endswith(".py") and mode.startswith(b"100"):
                wanted[path] = blob
            elif path.endswith(".py") and mode == _SYMLINK and "\n" not in path:
                wanted[path] = os.fsencode(f"{commit}:{path}")
        given = b"".join(name + b"\n" for name in wanted.values())
        read = self.git("cat-file", "--batch", "--follow-symlinks", given=given)
        files: dict[str, bytes] = {}
        at = 0
        for path in wanted:
            end = read.index(b"\n", at)
            said = read[at:end].decode(errors="replace")
            words = said.split()
            at = end + 1
            if not words[-1].isdigit():
                raise RevisionError(
                    f"{readable(path)} at {commit[:10]} is not in this clone, which may be a "
                    f"partial one: git cat-file: {said}"
                )
            size = int(words[-1])
            if words[-2] == "blob":
                files[path] = read[at : at + size]
            at += size + 1
        return files

    def python_files_now(self, folder: str) -> dict[str, bytes]:
        """The same for the work tree, with uncommitted files and without ignored ones."""
        return self._read("--cached", "--others", "--exclude-standard", "--", folder)

    def ignored_python_files_now(self, folder: str) -> dict[str, bytes]:
        """The Python files that git ignores, such as those that a build writes."""
        return self._read("--others", "--ignored", "--exclude-standard", "--", folder)

    def _read(self, *which: str) -> dict[str, bytes]:
        """Python files of the work tree; links are followed inside the checkout."""
        files = {}
        top = self.top.resolve()
        for path in dict.fromkeys(_paths(self.git("ls-files", "-z", *which))):
            file = self.top / path
            if path.endswith(".py") and file.is_file() and file.resolve().is_relative_to(top):
                files[path] = file.read_bytes()
        return files

    def _files_at(self, commit: str, folder: str | None = None) -> dict[str, tuple[bytes, bytes]]:
        """Mode and blob of each file of a commit, by its path."""
        within = () if folder is None else ("--", folder + "/")
        files = {}
        for entry in self.git("ls-tree", "-r", "-z", commit, *within).split(b"\0")[:-1]:
            head, _, path = entry.partition(b"\t")
            mode, _, blob = head.split()
            files[os.fsdecode(path)] = (mode, blob)
        return files

    def renamed_from(self, commit: str, path: str) -> str | None:
        """The name at a commit of a file that has been renamed since; ``None`` if it was not.

        Git finds renames among tracked files only. A file that is not tracked is found if it is
        the same, byte for byte, as one that no longer exists.
        """
        if not self.is_tracked(path):
            return self._same_but_gone(commit, path)
        said = self.git(
            "diff",
            "--no-ext-diff",
            "--find-renames",
            "--diff-filter=R",
            "--name-status",
            "-z",
            commit,
        )
        fields = said.split(b"\0")
        for old, new in zip(fields[1::3], fields[2::3], strict=False):
            if os.fsdecode(new) == path:
                return os.fsdecode(old)
        return None

    def _same_but_gone(self, commit: str, path: str) -> str | None:
        blob = self.git("hash-object", "--", path).strip()
        gone = [
            old
            for old, (mode, then) in self._files_at(commit).items()
            if then == blob and mode != _SYMLINK and not (self.top / old).exists()
        ]
        same_name = [old for old in gone if Path(old).name == Path(path).name]
        return next(iter(same_name + gone), None)

    def is_tracked(self, path: str) -> bool:
        return bool(self.git("ls-files", "-z", "--cached", "--", path))

    def is_ignored(self, path: str) -> bool:
        try:
            self.git("check-ignore", "--quiet", path)
        except GitError as error:
            if error.status == 1:
                return False
            raise
        return True

    def has_changes(self, folder: str) -> bool:
        """Whether a folder has uncommitted changes, new files included."""
        return bool(self.git("status", "--porcelain", "--", folder))

    def git(self, *arguments: str, given: bytes | None = None) -> bytes:
        """The output of a git command in the top folder."""
        return _git(self.top, *arguments, given=given)


def readable(path: str) -> str:
    """A path for a message; what is not UTF-8 in it is replaced."""
    return os.fsencode(path).decode(errors="replace")


def _paths(listing: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listing.split(b"\0") if name]


def _environment() -> Mapping[str, str]:
    """The environment of git: it finds the checkout by its folder, and writes no index."""
    kept = {name: value for name, value in os.environ.items() if name not in _SET_BY_HOOKS}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0"}


def _git(folder: Path, *arguments: str, given: bytes | None = None) -> bytes:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            input=given,
            env=_environment(),
            capture_output=True,
            check=True,
            timeout=GIT_LIMIT_S,
        ).stdout
    except FileNotFoundError:
        raise RevisionError("--against needs git, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise RevisionError(f"git {arguments[0]} took more than {GIT_LIMIT_S} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise GitError(arguments[0], error.returncode, said) from None
