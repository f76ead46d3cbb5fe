from pathlib import Path
from typing import Any

import pytest

from supcr_bench.gate.checkout import Checkout, RevisionError
from supcr_bench.gate.versions import Versions, at_revision
from supcr_bench.subjects.registry import Subject, load, locate
from supcr_bench.values.errors import SubjectError
from tests.repository import Repository


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Repository:
    top = tmp_path / "project"
    top.mkdir()
    monkeypatch.chdir(top)
    repository = Repository(top)
    repository.write(
        "losses/loss.py", "from helper import X\n\n\nclass Loss:\n    x = X\n    own = 1\n"
    )
    repository.write("losses/helper.py", "X = 1\n")
    repository.commit()
    return repository


def versions(tmp_path: Path, name: str = "losses/loss.py:Loss", revision: str = "HEAD") -> Versions:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return at_revision(locate(name), revision, scratch)


def x_of(subject: Subject) -> object:
    factory: Any = load(subject).factory
    return factory.x


def test_both_versions_live_in_one_process_with_their_own_neighbours(repository, tmp_path):
    repository.write("losses/helper.py", "X = 2\n")
    found = versions(tmp_path)
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after), x_of(found.before)) == (1, 2, 1)


def test_the_work_tree_is_only_read(repository, tmp_path):
    repository.write("losses/helper.py", "X = 2\n")
    status, head = repository.git("status", "--porcelain"), repository.git("rev-parse", "HEAD")
    versions(tmp_path)
    assert repository.git("status", "--porcelain") == status
    assert repository.git("rev-parse", "HEAD") == head
    assert (repository.top / "losses/helper.py").read_text() == "X = 2\n"


def test_changes_that_are_not_committed_are_judged_and_said(repository, tmp_path):
    repository.write("losses/helper.py", "X = 2\n")
    found = versions(tmp_path)
    assert found.notes == (
        "losses/ has changes that are not committed; they are judged as they are",
    )


def test_files_that_have_not_changed_are_said_to_be_the_same(repository, tmp_path):
    assert versions(tmp_path).notes == (
        "no file that losses/loss.py:Loss is made of has changed since HEAD",
    )


def test_an_older_revision_is_taken_by_any_name_that_git_knows(repository, tmp_path):
    first = repository.git("rev-parse", "HEAD")
    repository.write("losses/helper.py", "X = 2\n")
    repository.commit()
    repository.git("tag", "release", first)
    for name in (first, first[:8], "HEAD~1", "release"):
        found = versions(tmp_path, revision=name)
        assert found.before is not None
        assert found.before.name == f"losses/loss.py:Loss@{first[:10]}"
        assert x_of(found.before) == 1


def test_an_implementation_that_is_new_since_then_has_no_version_before(repository, tmp_path):
    repository.write("losses/other.py", "class Other:\n    pass\n")
    found = versions(tmp_path, "losses/other.py:Other")
    assert found.before is None
    assert found.notes[-1] == "losses/other.py:Other is new since HEAD: nothing to hold it against"


def test_a_file_that_was_renamed_is_taken_from_where_it_was(repository, tmp_path):
    repository.git("mv", "losses/loss.py", "losses/better.py")
    repository.git("mv", "losses/helper.py", "losses/helpers.py")
    repository.write(
        "losses/better.py", "from helpers import X\n\n\nclass Loss:\n    x = X\n    own = 1\n"
    )
    found = versions(tmp_path, "losses/better.py:Loss")
    assert found.before is not None
    assert x_of(found.before) == 1
    assert (
        "losses/better.py:Loss was losses/loss.py at HEAD, and is taken from there" in found.notes
    )


def test_a_revision_that_does_not_exist_is_a_usage_error(repository, tmp_path):
    with pytest.raises(RevisionError, match="no revision 'nonesuch' in"):
        versions(tmp_path, revision="nonesuch")


@pytest.mark.parametrize("revision", ["--help", "HEAD --", ""])
def test_a_revision_is_never_taken_for_an_option(repository, tmp_path, revision):
    with pytest.raises(RevisionError, match="no revision"):
        versions(tmp_path, revision=revision)


def test_a_shallow_clone_says_how_to_get_the_history(repository, tmp_path, monkeypatch):
    first = repository.git("rev-parse", "HEAD")
    repository.write("losses/helper.py", "X = 2\n")
    repository.commit()
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=1", repository.top.as_uri(), str(clone))
    monkeypatch.chdir(clone)
    with pytest.raises(RevisionError, match=r"shallow clone.*--unshallow.*fetch-depth: 0"):
        versions(tmp_path, revision=first)


def test_a_file_outside_any_checkout_has_no_versions(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "loss.py").write_text("class Loss:\n    pass\n")
    with pytest.raises(RevisionError, match="lies in no git checkout"):
        versions(tmp_path, f"{tmp_path}/loss.py:Loss")


def test_a_file_that_git_ignores_has_no_versions(repository, tmp_path):
    repository.write(".gitignore", "private/\n")
    repository.write("private/loss.py", "class Loss:\n    pass\n")
    with pytest.raises(RevisionError, match=r"git ignores private/loss\.py"):
        versions(tmp_path, "private/loss.py:Loss")


def test_ignored_files_beside_an_implementation_are_not_copied(repository, tmp_path):
    repository.write(".gitignore", ".venv/\n")
    repository.write("top.py", "class Top:\n    pass\n")
    repository.write(".venv/lib/big.py", "X = 1\n")
    repository.commit()
    versions(tmp_path, "top.py:Top")
    copied = {p.name for p in (tmp_path / "scratch").rglob("*.py")}
    assert copied == {"top.py", "loss.py", "helper.py"}


def test_a_module_of_a_package_brings_its_package(repository, tmp_path, monkeypatch):
    repository.write("package/__init__.py", "")
    repository.write("package/inner/__init__.py", "")
    repository.write("package/common.py", "Y = 1\n")
    repository.write(
        "package/inner/loss.py",
        "from package import common\nfrom ..common import Y\nclass Loss:\n    x = (Y, common.Y)\n",
    )
    repository.commit()
    repository.write("package/common.py", "Y = 2\n")
    found = versions(tmp_path, "package.inner.loss:Loss")
    assert found.before is not None
    assert x_of(found.before) == (1, 1)
    assert x_of(found.after) == (2, 2)


def test_a_module_that_is_not_there_is_a_usage_error(repository, tmp_path):
    with pytest.raises(SubjectError, match="no Python file of that module"):
        versions(tmp_path, "nonesuch:Loss")


def test_the_harness_itself_cannot_be_two_versions(tmp_path):
    with pytest.raises(SubjectError, match="part of the harness"):
        versions(tmp_path, "supcr_bench.reference.fast:compute")


def test_a_registered_implementation_comes_from_its_folder(tmp_path):
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        pytest.skip("not in a checkout")
    found = versions(tmp_path, "rowsort")
    assert found.before is not None
    assert load(found.before).name == found.before.name
    assert load(found.before).factory is not load(found.after).factory


def test_an_empty_file_is_read_as_one(repository):
    repository.write("losses/__init__.py", "")
    commit = repository.commit()
    files = Checkout(repository.top).python_files(commit, "losses")
    assert files["losses/__init__.py"] == b""
    assert files["losses/helper.py"] == b"X = 1\n"
