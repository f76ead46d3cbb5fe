import shutil
import subprocess
from pathlib import Path

import pytest

from supcr_bench.store.checkout import code_of, git_revision

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture(autouse=True)
def no_surrounding_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of the checkout that the tests run in may name that checkout to git."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("one\n")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "--no-verify", "-m", "first")
    return folder


def test_a_clean_checkout_has_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert git_revision(checkout) == commit
    assert len(commit) == 40


def test_a_folder_inside_a_checkout_has_the_same(checkout: Path) -> None:
    (checkout / "sub").mkdir()
    assert git_revision(checkout / "sub") == git_revision(checkout)


def test_a_changed_file_makes_it_dirty_and_an_untracked_one_does_not(checkout: Path) -> None:
    commit = git_revision(checkout)
    (checkout / "new").write_text("untracked\n")
    assert git_revision(checkout) == commit
    (checkout / "file").write_text("two\n")
    assert git_revision(checkout) == f"{commit}+dirty"


def test_a_checkout_without_commits_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None


def test_outside_a_checkout_there_is_none(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None


def test_of_a_folder_that_is_not_there_there_is_none(tmp_path: Path) -> None:
    assert git_revision(tmp_path / "nowhere") is None


def test_without_git_there_is_none(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_revision(checkout) is None


def test_the_code_of_a_file_is_its_repository_and_revision(checkout: Path) -> None:
    known = {"repository": "checkout", "revision": git_revision(checkout), "dirty": False}
    assert code_of(checkout / "file") == known
    git(checkout, "remote", "add", "origin", "https://user:token@example.org/a/b.git")
    known["repository"] = "https://example.org/a/b.git"
    assert code_of(checkout / "file") == known
    (checkout / "file").write_text("two\n")
    assert code_of(checkout / "file") == {**known, "dirty": True}


def test_a_file_that_git_does_not_track_is_dirty(checkout: Path) -> None:
    (checkout / "new").write_text("untracked\n")
    found = code_of(checkout / "new")
    assert found is not None
    assert found["dirty"]


def test_a_file_without_a_checkout_has_no_code(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert code_of(tmp_path / "file") is None


def test_a_hook_of_another_checkout_does_not_change_what_is_read(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git names the checkout of a hook to the commands that the hook starts."""
    commit = git_revision(checkout)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert git_revision(checkout) == commit
