import os
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.gate.versions import Versions, at_revision
from supcr_bench.store import checkout
from supcr_bench.store.checkout import Checkout, RevisionError
from supcr_bench.subjects import isolated
from supcr_bench.subjects.registry import Subject, load, locate
from supcr_bench.values.errors import SubjectError, UnavailableError
from tests.repository import Repository


@pytest.fixture(autouse=True)
def no_version_entered():
    """What a test imports is not known to the next."""
    yield
    isolated.enter(None)


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Repository:
    """To be copied, and not to be changed."""
    repository = Repository(tmp_path_factory.mktemp("committed"))
    repository.write(
        "losses/loss.py", "from helper import X\n\n\nclass Loss:\n    x = X\n    own = 1\n"
    )
    repository.write("losses/helper.py", "X = 1\n")
    repository.commit()
    return repository


@pytest.fixture
def repository(committed: Repository, tmp_path, monkeypatch) -> Repository:
    copied = committed.copy_to(tmp_path / "project")
    monkeypatch.chdir(copied.top)
    return copied


def versions(tmp_path: Path, name: str = "losses/loss.py:Loss", revision: str = "HEAD") -> Versions:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True, parents=True)
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
    assert found.notes == ("losses/ has uncommitted changes, which the gate judges too",)


def test_files_that_have_not_changed_are_said_to_be_the_same(repository, tmp_path):
    assert versions(tmp_path).notes == ("no Python file in losses/ has changed since HEAD",)


def test_files_of_a_whole_checkout_that_have_not_changed_are_said_to_be_the_same(
    repository, tmp_path
):
    repository.write("top.py", "class Top:\n    pass\n")
    repository.commit()
    assert versions(tmp_path, "top.py:Top").notes == (
        "no Python file in the checkout's top folder and below has changed since HEAD",
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
    assert (
        found.notes[-1]
        == "losses/other.py:Other is new since HEAD: its costs are compared with nothing"
    )


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
        "losses/better.py:Loss was in losses/loss.py at HEAD; that file is the version before"
        in found.notes
    )


def test_a_file_that_was_renamed_without_git_is_found_by_its_content(repository, tmp_path):
    (repository.top / "losses/loss.py").rename(repository.top / "losses/better.py")
    found = versions(tmp_path, "losses/better.py:Loss")
    assert found.before is not None
    assert x_of(found.before) == 1
    assert (
        "losses/better.py:Loss was in losses/loss.py at HEAD; that file is the version before"
        in found.notes
    )


def test_a_copy_of_a_file_that_is_still_there_is_new(repository, tmp_path):
    content = (repository.top / "losses/loss.py").read_text()
    repository.write("losses/copy.py", content)
    assert versions(tmp_path, "losses/copy.py:Loss").before is None


def test_a_file_that_was_renamed_and_changed_without_git_says_how_it_is_found(repository, tmp_path):
    moved = repository.top / "losses/better.py"
    (repository.top / "losses/loss.py").rename(moved)
    moved.write_text(moved.read_text() + "# better\n")
    found = versions(tmp_path, "losses/better.py:Loss")
    assert found.before is None
    said = "losses/better.py is not tracked by git: `git add` it so that a rename is found"
    assert said in found.notes
    repository.git("add", "--all")
    assert versions(tmp_path, "losses/better.py:Loss").before is not None


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
    with pytest.raises(RevisionError, match="is not in a git checkout"):
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


def test_what_a_build_has_written_into_a_package_is_in_both_versions(repository, tmp_path):
    repository.write(".gitignore", "_version.py\n")
    repository.write("built/__init__.py", "from built._version import V\n")
    repository.write("built/loss.py", "from . import V\nclass Loss:\n    x = V\n")
    repository.commit()
    repository.write("built/_version.py", "V = 3\n")
    repository.write("losses/_version.py", "V = 4\n")
    found = versions(tmp_path, "built.loss:Loss")
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (3, 3)
    assert found.notes == (
        "no Python file in built/ has changed since HEAD",
        "git ignores built/_version.py: both versions get the present files",
    )


def test_a_file_that_a_build_writes_now_is_of_its_own_version(repository, tmp_path):
    repository.write("kept/__init__.py", "")
    repository.write("kept/_version.py", "V = 1\n")
    repository.write("kept/loss.py", "from kept._version import V\nclass Loss:\n    x = V\n")
    first = repository.commit()
    repository.git("rm", "--quiet", "kept/_version.py")
    repository.write(".gitignore", "_version.py\n")
    repository.commit()
    repository.write("kept/_version.py", "V = 2\n")
    found = versions(tmp_path, "kept.loss:Loss", first)
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 2)


def test_links_are_followed_inside_the_checkout_alone(repository, tmp_path):
    (tmp_path / "outside.py").write_text("X = 5\n")
    repository.write("shared/real.py", "X = 1\n")
    (repository.top / "losses/helper.py").unlink()
    (repository.top / "losses/helper.py").symlink_to("../shared/real.py")
    (repository.top / "losses/outside.py").symlink_to("../../outside.py")
    repository.commit()
    repository.write("shared/real.py", "X = 2\n")
    found = versions(tmp_path)
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 2)
    copied = {p.name for p in (tmp_path / "scratch").rglob("*.py")}
    assert copied == {"loss.py", "helper.py"}


def test_a_hook_of_a_linked_worktree_does_not_mislead(repository, tmp_path, monkeypatch):
    linked = tmp_path / "linked"
    repository.git("worktree", "add", "--quiet", "--detach", str(linked))
    (linked / "losses/helper.py").write_text("X = 2\n")
    git_dir = repository.top / ".git/worktrees/linked"
    monkeypatch.chdir(linked)
    monkeypatch.setenv("GIT_DIR", str(git_dir))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nonesuch"))
    monkeypatch.setenv("GIT_PREFIX", "losses/")
    found = versions(tmp_path)
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 2)
    assert Checkout(linked / "losses/loss.py").top == linked


def test_asking_for_changes_does_not_write_the_index(repository, tmp_path):
    loss = repository.top / "losses/loss.py"
    os.utime(loss, (1, 1))  # git would note that the content is the same
    index = (repository.top / ".git/index").read_bytes()
    versions(tmp_path)
    assert (repository.top / ".git/index").read_bytes() == index


def test_a_file_name_that_is_not_utf_8_is_taken_along(repository, tmp_path):
    odd = os.fsdecode(b"losses/caf\xe9.py")
    repository.write(odd, "X = 7\n")
    commit = repository.commit()
    assert Checkout(repository.top).python_files(commit, "losses")[odd] == b"X = 7\n"
    found = versions(tmp_path)
    assert found.before is not None
    assert (tmp_path / "scratch/before" / odd).read_text() == "X = 7\n"


def test_a_note_of_a_file_name_that_is_not_utf_8_can_be_printed(repository, tmp_path):
    loss = repository.top / "losses/loss.py"
    odd = repository.top / os.fsdecode(b"losses/caf\xe9.py")
    loss.rename(odd)
    repository.commit()
    odd.rename(loss)
    (note,) = [n for n in versions(tmp_path).notes if "version before" in n]
    assert "was in losses/caf\N{REPLACEMENT CHARACTER}.py at HEAD" in note


def test_what_git_refuses_is_said_in_its_own_words(repository, tmp_path):
    (repository.top / ".git/index").write_bytes(b"not an index, whatever its length may be")
    with pytest.raises(RevisionError, match=r"(?s)git ls-files: .*index file corrupt"):
        versions(tmp_path)


def test_a_blob_that_a_partial_clone_lacks_is_named(repository, tmp_path):
    blob = repository.git("rev-parse", "HEAD:losses/helper.py")
    (repository.top / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(RevisionError, match=rf"losses/helper\.py at .*partial.*{blob} missing"):
        versions(tmp_path)


def test_a_git_that_hangs_is_a_usage_error(repository, monkeypatch):
    monkeypatch.setattr(checkout, "GIT_LIMIT_S", 0)
    with pytest.raises(RevisionError, match="git rev-parse took more than 0 s"):
        Checkout(repository.top / "losses/loss.py")


def test_a_machine_without_git_is_a_usage_error(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RevisionError, match="needs git, which is not installed"):
        Checkout(repository.top / "losses/loss.py")


def test_a_module_that_is_not_there_is_a_usage_error(repository, tmp_path):
    with pytest.raises(SubjectError, match="no Python file of that module"):
        versions(tmp_path, "nonesuch:Loss")


def test_the_harness_itself_cannot_be_two_versions(tmp_path):
    with pytest.raises(SubjectError, match="is part of supcr_bench"):
        versions(tmp_path, "supcr_bench.reference.contrast:contrast_sums")


def test_a_registered_implementation_comes_from_its_folder(tmp_path):
    top = Path(__file__).parents[2]
    if not (top / ".git").exists():
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


RELATIVE = "from .helper import X\n\n\nclass Loss:\n    x = X\n"


@pytest.fixture
def packaged(repository: Repository) -> Repository:
    """A package in a ``src`` layout, whose loss imports its neighbour relatively."""
    for folder in ("src/isosrc", "src/isosrc/inner"):
        repository.write(f"{folder}/__init__.py", "")
    repository.write("src/isosrc/inner/loss.py", RELATIVE)
    repository.write("src/isosrc/inner/helper.py", "from isosrc.common import X\n")
    repository.write("src/isosrc/common.py", "X = 1\n")
    repository.commit()
    return repository


def test_a_file_that_a_version_lacks_is_named_without_names_of_the_harness(repository, tmp_path):
    repository.write("at_top.py", RELATIVE)
    repository.commit()
    repository.write("helper.py", "X = 2\n")
    found = versions(tmp_path, "at_top.py:Loss")
    assert found.before is not None
    with pytest.raises(
        UnavailableError, match=r"imports `X` from `helper\.py`, which does"
    ) as raised:
        load(found.before)
    assert "supcr_bench_" not in str(raised.value)


DOORS = ["src/isosrc/inner/{}.py:Loss", "isosrc.inner.{}:Loss"]


@pytest.mark.parametrize("door", DOORS)
def test_a_loss_of_a_package_is_found_by_its_file_and_by_its_module(packaged, tmp_path, door):
    packaged.write("src/isosrc/common.py", "X = 2\n")
    found = versions(tmp_path, door.format("loss"))
    assert found.before is not None
    assert found.again is not None
    sides = (found.before, found.after, found.again, found.before)
    assert [x_of(subject) for subject in sides] == [1, 2, 1, 1]
    assert found.before.target == found.after.target == "isosrc.inner.loss"


@pytest.mark.parametrize("door", DOORS)
def test_a_module_that_was_renamed_is_followed_by_its_file_and_by_its_module(
    packaged, tmp_path, door
):
    packaged.git("mv", "src/isosrc/inner/loss.py", "src/isosrc/inner/better.py")
    packaged.write("src/isosrc/common.py", "X = 2\n")
    found = versions(tmp_path, door.format("better"))
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 2)
    assert found.before.target == "isosrc.inner.loss"


@pytest.mark.parametrize("door", ["src/isonew/inner/loss.py:Loss", "isonew.inner.loss:Loss"])
def test_a_package_that_was_renamed_is_followed(packaged, tmp_path, door):
    packaged.git("mv", "src/isosrc", "src/isonew")
    packaged.write("src/isonew/inner/helper.py", "from isonew.common import X\n")
    found = versions(tmp_path, door)
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 1)
    assert (found.before.target, found.after.target) == ("isosrc.inner.loss", "isonew.inner.loss")


@pytest.mark.parametrize("folder", ["bare/", ""], ids=["no init", "top of the checkout"])
def test_a_folder_without_init_is_a_package_where_a_file_imports_from_it(
    repository, tmp_path, folder
):
    repository.write(f"{folder}loss.py", RELATIVE)
    repository.write(f"{folder}helper.py", "X = 1\n")
    repository.commit()
    repository.write(f"{folder}helper.py", "X = 2\n")
    found = versions(tmp_path, f"{folder}loss.py:Loss")
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 2)


def test_a_file_that_imports_nothing_of_its_package_does_not_run_it(repository, tmp_path):
    repository.write("whole/__init__.py", "import a_package_that_nobody_has\n")
    repository.write("whole/loss.py", "class Loss:\n    x = 1\n")
    repository.commit()
    found = versions(tmp_path, "whole/loss.py:Loss")
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 1)


@pytest.fixture
def superproject(repository: Repository, tmp_path, monkeypatch) -> Repository:
    """A checkout that has ``repository`` as its submodule ``sub``."""
    (tmp_path / "outer").mkdir()
    outer = Repository(tmp_path / "outer")
    outer.write("own/loss.py", "class Loss:\n    x = 1\n")
    outer.commit()
    url = str(repository.top)
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "sub")
    outer.commit()
    monkeypatch.chdir(outer.top)
    return outer


def test_a_submodule_is_compared_with_what_its_superproject_recorded(superproject, tmp_path):
    (superproject.top / "sub/losses/helper.py").write_text("X = 2\n")
    inner = Checkout(superproject.top / "sub/losses/loss.py")
    inner.git("-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "--all", "-m", "two")
    found = versions(tmp_path, "sub/losses/loss.py:Loss")
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 2)
    superproject.commit()
    found = versions(tmp_path / "again", "sub/losses/loss.py:Loss")
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (2, 2)
    found = versions(tmp_path / "then", "sub/losses/loss.py:Loss", "HEAD~1")
    assert found.before is not None
    assert x_of(found.before) == 1


def test_a_submodule_that_was_not_there_or_is_not_fetched_is_a_usage_error(superproject, tmp_path):
    (superproject.top / "sub/losses/helper.py").write_text("X = 2\n")
    superproject.git("update-index", "--cacheinfo", f"160000,{'1' * 40},sub")
    superproject.git("commit", "--quiet", "--message", "ahead of what is fetched")
    with pytest.raises(RevisionError, match=r"sub.*1111111111.*git -C .*sub fetch"):
        versions(tmp_path, "sub/losses/loss.py:Loss")
    with pytest.raises(RevisionError, match="at HEAD~2 there is no submodule sub"):
        versions(tmp_path, "sub/losses/loss.py:Loss", "HEAD~2")


def test_a_file_of_the_superproject_beside_a_submodule_is_gated(superproject, tmp_path):
    superproject.write("own/loss.py", "class Loss:\n    x = 2\n")
    found = versions(tmp_path, "own/loss.py:Loss")
    assert found.before is not None
    assert (x_of(found.before), x_of(found.after)) == (1, 2)
