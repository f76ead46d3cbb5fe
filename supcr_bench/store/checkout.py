"""Reads a git checkout, which nothing here changes; and names the revisions of measured code."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from supcr_bench.values.errors import UsageError

GIT_LIMIT_S = 60
_SET_BY_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""Variables that git sets for the commands that it starts, such as hooks. These variables may name
another checkout than the one that is read here."""


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
    said = _told(file.parent, "rev-parse", "--show-toplevel", "HEAD") or ""
    top, _, commit = said.rpartition("\n")
    changed = _told(file.parent, "status", "--porcelain", "--untracked-files=no")
    if not commit or changed is None:
        return None
    address = re.sub(r"//[^/@]*@", "//", _told(file.parent, "remote", "get-url", "origin") or "")
    tracked = _told(file.parent, "ls-files", "--", file.name)
    return {
        "repository": address or Path(top).name,
        "revision": commit,
        "dirty": bool(changed) or not tracked,
    }


def run_git(folder: Path, *arguments: str, given: bytes | None = None) -> bytes:
    """The output of git in a folder, without writing its index; RevisionError if there is none."""
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
    """The output of a git command, without white space around it; ``None`` if it fails."""
    try:
        return run_git(folder, *arguments).decode(errors="replace").strip()
    except (OSError, RevisionError):
        return None


_SYMLINK, _SUBMODULE = b"120000", b"160000"


class Checkout:
    """The git work tree that contains a path; paths are relative to ``top``, answers are kept."""

    def __init__(self, path: Path) -> None:
        try:
            top = run_git(path if path.is_dir() else path.parent, "rev-parse", "--show-toplevel")
        except GitError as error:
            if "dubious ownership" in str(error):
                raise RevisionError(f"git does not trust the checkout: {error}") from None
            raise RevisionError(
                f"{path} is not in a git checkout, so there is no version to compare it with; "
                "use --baseline RUN"
            ) from None
        self.top = Path(os.fsdecode(top.rstrip(b"\n")))
        self._said: dict[tuple[bytes | None, tuple[str, ...]], bytes] = {}

    def within(self, path: Path) -> str:
        """A path relative to the top folder; raises a RevisionError if it lies outside."""
        try:
            return path.resolve().relative_to(self.top.resolve()).as_posix()
        except ValueError:
            raise RevisionError(f"{path} lies outside of the checkout {self.top}") from None

    def commit_seen_from(self, folder: Path, revision: str) -> str:
        """The commit that a revision names in the user's current folder.

        If that folder is outside of this submodule, the revision is one of its superproject, which
        records a commit of the submodule. Raises a RevisionError if this clone lacks it.
        """
        said = self.git("rev-parse", "--show-superproject-working-tree").rstrip(b"\n")
        if not said or folder.resolve().is_relative_to(self.top.resolve()):
            return self.commit(revision)
        outer = Checkout(Path(os.fsdecode(said)))
        name = self.top.resolve().relative_to(outer.top.resolve()).as_posix()
        recorded = outer.files_at(outer.commit_seen_from(folder, revision)).get(name)
        if recorded is None or recorded[0] != _SUBMODULE:
            raise RevisionError(f"at {revision} there is no submodule {name} in {outer.top}")
        try:
            return self.commit(recorded[1].decode())
        except RevisionError:
            raise RevisionError(
                f"at {revision}, submodule {name} was at {recorded[1].decode()[:10]}; this "
                f"clone lacks that commit: fetch it with `git -C {name} fetch`"
            ) from None

    def commit(self, revision: str) -> str:
        """The full name of a revision's commit. Raises a RevisionError if this clone lacks it."""
        wanted = f"{revision}^{{commit}}"
        try:
            found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
        except GitError:
            if self.git("rev-parse", "--is-shallow-repository").strip() == b"true":
                raise RevisionError(
                    f"revision {revision!r} is not in this shallow clone: fetch its history with "
                    "`git fetch --unshallow`, or set fetch-depth: 0 in actions/checkout"
                ) from None
            raise RevisionError(
                f"no revision {revision!r} in {self.top}: name a branch, tag or commit that is "
                "there, such as HEAD"
            ) from None
        return found.decode().strip()

    def python_files(self, commit: str, folder: str) -> dict[str, bytes]:
        """All Python files in and below a folder (``"."`` for the top) at a commit."""
        wanted = {}
        for path, (mode, blob) in self.files_at(commit, folder).items():
            if path.endswith(".py") and mode.startswith(b"100"):
                wanted[path] = blob
            elif path.endswith(".py") and mode == _SYMLINK and "\n" not in path:
                wanted[path] = os.fsencode(f"{commit}:{path}")
        given = b"".join(name + b"\n" for name in wanted.values())
        read = self.git("cat-file", "--batch", "--follow-symlinks", given=given)
        files: dict[str, bytes] = {}
        for path in wanted:
            head, _, read = read.partition(b"\n")
            said = head.decode(errors="replace")
            *_, kind, size = said.split()
            if not size.isdigit():
                raise RevisionError(
                    f"{readable(path)} at {commit[:10]} is not in this clone, which may be "
                    f"partial; fetch the whole repository (git cat-file: {said})"
                )
            if kind == "blob":
                files[path] = read[: int(size)]
            read = read[int(size) + 1 :]
        return files

    def python_files_now(self, folder: str, *, ignored: bool = False) -> dict[str, bytes]:
        """All Python files of a folder in the work tree, even uncommitted; or only ignored ones."""
        files = {}
        top = self.top.resolve()
        for path in self.listed("--ignored" if ignored else "--cached", folder):
            file = self.top / path
            if path.endswith(".py") and file.is_file() and file.resolve().is_relative_to(top):
                files[path] = file.read_bytes()
        return files

    def listed(self, which: str, folder: str = ".") -> dict[str, None]:
        """Files of the work tree that git does not ignore; with ``--ignored``, those it does."""
        wanted = ("-z", which, "--others", "--exclude-standard", "--", folder)
        said = self.git("ls-files", *wanted)
        return dict.fromkeys(map(os.fsdecode, said.split(b"\0")[:-1]))

    def files_at(self, commit: str, folder: str = ".") -> dict[str, tuple[bytes, bytes]]:
        """Mode and blob of each file of a commit, by its path."""
        files = {}
        said = self.git("ls-tree", "-r", "-z", commit, "--", f"{folder}/")
        for entry in said.split(b"\0")[:-1]:
            head, _, path = entry.partition(b"\t")
            mode, _, blob = head.split()
            files[os.fsdecode(path)] = (mode, blob)
        return files

    def renamed_from(self, commit: str, path: str) -> str | None:
        """The name at a commit of a file that was renamed since; ``None`` if it was not renamed."""
        if not self.is_tracked(path):
            blob = self.git("hash-object", "--", path).strip()
            gone = [
                old
                for old, (mode, then) in self.files_at(commit).items()
                if then == blob and mode != _SYMLINK and not (self.top / old).exists()
            ]
            same_name = [old for old in gone if Path(old).name == Path(path).name]
            return next(iter(same_name + gone), None)
        wanted = ("--no-ext-diff", "--find-renames", "--diff-filter=R", "--name-status", "-z")
        fields = self.git("diff", *wanted, commit).split(b"\0")
        renames = zip(fields[1::3], fields[2::3], strict=False)
        return next((os.fsdecode(old) for old, new in renames if os.fsdecode(new) == path), None)

    def is_tracked(self, path: str) -> bool:
        return bool(self.git("ls-files", "-z", "--cached", "--", path))

    def git(self, *arguments: str, given: bytes | None = None) -> bytes:
        asked = given, arguments
        if asked not in self._said:
            self._said[asked] = run_git(self.top, *arguments, given=given)
        return self._said[asked]


def readable(path: str) -> str:
    """A path for a message; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")
