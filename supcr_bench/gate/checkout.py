"""Reads a git checkout; nothing here changes it."""

import os
from pathlib import Path

from supcr_bench.store.revision import GitError, RevisionError, run_git

_SYMLINK, _SUBMODULE = b"120000", b"160000"


class Checkout:
    """The git work tree that contains a path; its paths are relative to its folder ``top``."""

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

    def within(self, path: Path) -> str:
        """A path relative to the top folder; a RevisionError if it lies outside."""
        try:
            return path.resolve().relative_to(self.top.resolve()).as_posix()
        except ValueError:
            raise RevisionError(f"{path} lies outside of the checkout {self.top}") from None

    def commit_seen_from(self, folder: Path, revision: str) -> str:
        """The commit that a revision names in the user's current folder.

        Outside of a submodule, a revision is one of its superproject, which records a commit of the
        submodule. Raises a RevisionError if this clone lacks it.
        """
        said = self.git("rev-parse", "--show-superproject-working-tree").rstrip(b"\n")
        if not said or folder.resolve().is_relative_to(self.top.resolve()):
            return self.commit(revision)
        outer = Checkout(Path(os.fsdecode(said)))
        name = self.top.resolve().relative_to(outer.top.resolve()).as_posix()
        recorded = outer._files_at(outer.commit_seen_from(folder, revision)).get(name)
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
        """The full name of the commit that a revision names; a RevisionError if it is not here."""
        wanted = f"{revision}^{{commit}}"
        try:
            found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
        except GitError:
            if self.git("rev-parse", "--is-shallow-repository").strip() == b"true":
                raise RevisionError(
                    f"revision {revision!r} is not in this shallow clone: fetch its history with "
                    "`git fetch --unshallow`, or set fetch-depth: 0 in actions/checkout"
                ) from None
            raise RevisionError(f"no revision {revision!r} in {self.top}") from None
        return found.decode().strip()

    def python_files(self, commit: str, folder: str) -> dict[str, bytes]:
        """All Python files in and below a folder (``"."`` for the top) at a commit."""
        wanted = {}
        for path, (mode, blob) in self._files_at(commit, folder).items():
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
        for path in self._listed("--ignored" if ignored else "--cached", folder):
            file = self.top / path
            if path.endswith(".py") and file.is_file() and file.resolve().is_relative_to(top):
                files[path] = file.read_bytes()
        return files

    def names_at(self, commit: str) -> frozenset[str]:
        """The paths of all files of a commit."""
        return frozenset(self._files_at(commit))

    def names_now(self) -> frozenset[str]:
        """The paths of all files of the work tree, tracked or not, but not ignored."""
        return frozenset(self._listed("--cached", "."))

    def _listed(self, which: str, folder: str) -> dict[str, None]:
        wanted = ("-z", which, "--others", "--exclude-standard", "--", folder)
        said = self.git("ls-files", *wanted)
        return dict.fromkeys(map(os.fsdecode, said.split(b"\0")[:-1]))

    def _files_at(self, commit: str, folder: str = ".") -> dict[str, tuple[bytes, bytes]]:
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
                for old, (mode, then) in self._files_at(commit).items()
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

    def is_ignored(self, path: str) -> bool:
        ignored = ("--others", "--ignored", "--exclude-standard")
        return bool(self.git("ls-files", *ignored, "--", path))

    def git(self, *arguments: str, given: bytes | None = None) -> bytes:
        """The output of a git command in the top folder."""
        return run_git(self.top, *arguments, given=given)


def readable(path: str) -> str:
    """A path for a message, with bytes replaced that are not UTF-8."""
    return os.fsencode(path).decode(errors="replace")
