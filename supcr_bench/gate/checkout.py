"""A git checkout, asked and read; nothing here changes it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from supcr_bench.values.errors import UsageError

GIT_LIMIT_S = 60


class RevisionError(UsageError):
    """What stood at a revision cannot be had."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A work tree.

    Attributes:
        top: its top folder.
    """

    top: Path

    @classmethod
    def around(cls, path: Path) -> "Checkout":
        """The checkout that a file lies in.

        Raises:
            RevisionError: it lies in none, or git is not installed.
        """
        try:
            top = _git(path.parent, "rev-parse", "--show-toplevel")
        except FileNotFoundError:
            raise RevisionError("--against needs git, which is not installed") from None
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            if "dubious ownership" in said:
                raise RevisionError(f"git does not trust the checkout: {said}") from None
            raise RevisionError(
                f"{path} lies in no git checkout, so there is nothing to hold it against; "
                "use --baseline FILE"
            ) from None
        return cls(Path(top.decode().strip()))

    def commit(self, revision: str) -> str:
        """The full name of the commit that a revision names.

        Raises:
            RevisionError: there is none, or this clone is too shallow to have it.
        """
        try:
            found = self.git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
            )
        except subprocess.CalledProcessError:
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
            commit: of which.
            folder: from the top, with slashes; ``"."`` for all.
        """
        listing = self.git("ls-tree", "-r", "-z", commit, "--", folder + "/")
        blobs = {}
        for entry in listing.split(b"\0"):
            head, _, path = entry.partition(b"\t")
            if path.endswith(b".py") and head.startswith(b"100"):
                blobs[path.decode()] = head.split()[2]
        read = self.git("cat-file", "--batch", given=b"".join(b + b"\n" for b in blobs.values()))
        files: dict[str, bytes] = {}
        at = 0
        for name in blobs:
            end = read.index(b"\n", at)
            size = int(read[at:end].split()[2])
            files[name] = read[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
        return files

    def python_files_now(self, folder: str) -> dict[str, bytes]:
        """The same of the work tree, with files that are not committed, without ignored ones."""
        listing = self.git(
            "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder
        )
        paths = [name.decode() for name in listing.split(b"\0") if name.endswith(b".py")]
        files = {path: self.top / path for path in dict.fromkeys(paths)}
        return {
            path: file.read_bytes()
            for path, file in files.items()
            if file.is_file() and not file.is_symlink()
        }

    def renamed_from(self, commit: str, path: str) -> str | None:
        """What a file of the work tree was called at a commit, where it has been renamed since."""
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
            if new.decode() == path:
                return old.decode()
        return None

    def is_ignored(self, path: str) -> bool:
        """Whether git is told to leave a path alone."""
        try:
            self.git("check-ignore", "--quiet", path)
        except subprocess.CalledProcessError:
            return False
        return True

    def has_changes(self, folder: str) -> bool:
        """Whether a folder holds what is not committed, new files included."""
        return bool(self.git("status", "--porcelain", "--", folder))

    def git(self, *arguments: str, given: bytes | None = None) -> bytes:
        """What git says, at the top."""
        return _git(self.top, *arguments, given=given)


def _git(folder: Path, *arguments: str, given: bytes | None = None) -> bytes:
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        check=True,
        timeout=GIT_LIMIT_S,
    ).stdout
