import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from supcr_bench.subjects import registry
from supcr_bench.subjects.registry import Subject, list_all, load, locate, registered
from supcr_bench.values.errors import SubjectError, UnknownNameError
from supcr_bench.values.implementation import Implementation
from tests.examples import NOTE_NAMES

MINE = '''
"""A module of one's own."""

class Mine:
    """A loss of my own.

    It has a longer story.
    """

    def __init__(self, **options):
        self.options = options


class Undocumented:
    pass


NUMBER = 3
'''
DECLARED = """
from supcr_bench.values.implementation import Implementation

IMPLEMENTATION = Implementation(
    name={name!r}, title="Declared", source="here", factory=dict, claimed_time="N^2"
)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "my_loss.py"
    path.write_text(MINE)
    return path


def test_the_notes_three_are_registered_by_their_files() -> None:
    found = registered()
    assert set(NOTE_NAMES) <= set(found)
    for name in NOTE_NAMES:
        assert found[name].kind == "folder"
        assert found[name].attribute == "IMPLEMENTATION"
        assert (registry.folder() / f"{name}.py").is_file()


def test_names_are_read_without_importing_torch_or_any_implementation() -> None:
    code = """
import sys
from supcr_bench.subjects.registry import locate, registered
assert set(registered()) >= {"loopy", "broadcast", "rowsort"}
locate("loopy"); locate("no.such.module:Loss")
print(sorted(m for m in sys.modules if m.split(".")[0] in ("torch", "pandas", "numpy")))
print([m for m in sys.modules if m.startswith("supcr_bench.implementations.")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize("name", NOTE_NAMES)
def test_a_registered_implementation_is_loaded_by_name(name: str) -> None:
    found = load(locate(name))
    assert isinstance(found, Implementation)
    assert found.name == name
    assert callable(found.factory)


def test_a_file_and_an_attribute_name_an_implementation(mine: Path) -> None:
    name = f"{mine}:Mine"
    subject = locate(name)
    assert subject == Subject(name, "file", str(mine.resolve()), "Mine")
    found = load(subject)
    assert found.name == name
    assert found.title == "A loss of my own."
    assert found.source == str(mine.resolve())
    assert found.factory(eps=1.0).options == {"eps": 1.0}


def test_a_file_is_imported_once(mine: Path) -> None:
    one, other = (load(locate(f"{mine}:Mine")).factory for _ in range(2))
    assert one is other


def test_a_relative_path_serves_too(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    assert locate("my_loss.py:Mine").target == str(mine.resolve())
    assert locate("my_loss.py::Mine::loss") == locate("my_loss.py:Mine.loss")  # as pytest says it


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_a_loss.py").write_text("class Loss:\n    pass\n")
    path = tmp_path / "importing_loss.py"
    path.write_text("from neighbour_of_a_loss import Loss\n")
    before = list(sys.path)
    assert load(locate(f"{path}:Loss")).name.endswith(":Loss")
    assert sys.path == before


def test_a_module_and_an_attribute_name_an_implementation() -> None:
    found = load(locate("collections:OrderedDict"))
    assert found.name == "collections:OrderedDict"
    assert found.source == "collections"


def test_a_module_in_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_in_a_working_folder.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    found = load(locate("module_in_a_working_folder:Mine"))
    assert found.title == "A loss of my own."


def test_the_file_of_a_module_in_folders_without_init_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "outer_without_init" / "inner" / "losses.py"
    file.parent.mkdir(parents=True)
    file.write_text("class Loss:\n    pass\n")
    monkeypatch.chdir(tmp_path)
    assert registry.file_of(locate("outer_without_init.inner.losses:Loss")) == file


def test_a_declared_implementation_keeps_what_it_says_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "declared_loss.py"
    path.write_text(DECLARED.format(name="other"))
    found = load(locate(f"{path}:IMPLEMENTATION"))
    assert found.name == f"{path}:IMPLEMENTATION"
    assert (found.title, found.claimed_time) == ("Declared", "N^2")


def test_a_claim_that_is_no_growth_law_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = tmp_path / "boasting_loss.py"
    path.write_text(DECLARED.format(name="other").replace("N^2", "N^1.5"))
    with pytest.raises(
        SubjectError, match=r"claims the growth 'N\^1\.5'; known: constant, N, N log N"
    ):
        load(locate(f"{path}:IMPLEMENTATION"))


def test_without_a_docstring_the_attribute_is_the_title(mine: Path) -> None:
    assert load(locate(f"{mine}:Undocumented")).title == "Undocumented"


def test_an_unknown_name_is_refused_with_the_nearest_and_the_other_ways() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'broadcast'") as caught:
        locate("brodcast")
    assert "package.module:attribute or path/to/file.py:attribute" in str(caught.value)
    assert set(caught.value.known) >= set(NOTE_NAMES)


@pytest.mark.parametrize("end", ["", ":"])
def test_a_file_without_an_attribute_says_how_to_name_one(mine: Path, end: str) -> None:
    with pytest.raises(SubjectError, match=r"py: say which attribute, as in .*py:Mine; it defines"):
        locate(f"{mine}{end}")


def test_of_a_file_that_defines_much_twelve_names_are_listed_private_ones_last(
    tmp_path: Path,
) -> None:
    names = ["_helper", *(f"loss_{i}" for i in range(12))]
    (tmp_path / "full.py").write_text("".join(f"def {name}(): ...\n" for name in names))
    public = ", ".join(names[1:])
    with pytest.raises(SubjectError, match=f"it defines {public} and 1 more$"):
        locate(f"{tmp_path}/full.py")
    with pytest.raises(SubjectError, match=rf"It defines {public} and 1 more\."):
        load(locate(f"{tmp_path}/full.py:unlike"))


def test_a_file_without_an_attribute_is_told_the_name_that_means_a_loss(tmp_path: Path) -> None:
    (tmp_path / "rnc.py").write_text(
        "class _Loss: ...\nclass Similarity: ...\nclass RnCLoss: ...\n"
    )
    with pytest.raises(SubjectError, match=r"as in .*rnc.py:RnCLoss; it defines Similarity"):
        locate(f"{tmp_path}/rnc.py")


def test_a_file_that_defines_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text("X = 1\n")
    with pytest.raises(SubjectError, match="it defines no class and no function"):
        locate(f"{tmp_path}/bare.py")
    with pytest.raises(SubjectError, match="It defines no class and no function"):
        load(locate(f"{tmp_path}/bare.py:Loss"))


@pytest.mark.parametrize("end", [":Loss", ":", ""])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, end: str) -> None:
    with pytest.raises(SubjectError, match=r"no file '.*nothing\.py'"):
        locate(f"{tmp_path}/nothing.py{end}")


@pytest.mark.parametrize("attribute", ["2nd", "a-b", "a.", "a.2"])
def test_what_cannot_be_an_attribute_is_refused(mine: Path, attribute: str) -> None:
    with pytest.raises(SubjectError, match="is not the name of an attribute"):
        locate(f"{mine}:{attribute}")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, code: str, reason: str) -> None:
    path = tmp_path / "broken_loss.py"
    path.write_text(code)
    for _ in range(2):  # a failed import leaves nothing behind
        with pytest.raises(SubjectError, match="cannot be imported") as caught:
            load(locate(f"{path}:Loss"))
        assert reason in str(caught.value)


def test_a_module_that_is_not_there_says_so() -> None:
    with pytest.raises(SubjectError, match="ModuleNotFoundError"):
        load(locate("no_such_package.module:Loss"))


def test_a_wrong_attribute_is_named(mine: Path) -> None:
    with pytest.raises(SubjectError, match="has no 'Yours'"):
        load(locate(f"{mine}:Yours"))


def test_what_is_not_callable_is_refused(mine: Path) -> None:
    with pytest.raises(
        SubjectError, match="is of type int, which is neither an Implementation nor callable"
    ):
        load(locate(f"{mine}:NUMBER"))


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of implementations in the place of the shipped one."""
    package = tmp_path / "some_implementations"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_helper.py").write_text("raise AssertionError")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "FOLDER", "some_implementations")
    monkeypatch.setattr(registry, "entry_points", lambda group: ())
    for name in [m for m in sys.modules if m.startswith("some_implementations")]:
        monkeypatch.delitem(sys.modules, name)
    return package


def test_each_file_without_an_underscore_is_a_name(own_folder: Path) -> None:
    for name in ("zeta", "alpha"):
        (own_folder / f"{name}.py").write_text(DECLARED.format(name=name))
    assert list(registered()) == ["alpha", "zeta"]
    assert not any(isinstance(found, str) for found in list_all().values())


def test_what_cannot_be_imported_is_listed_with_the_reason(own_folder: Path) -> None:
    (own_folder / "good.py").write_text(DECLARED.format(name="good"))
    (own_folder / "needs.py").write_text("import no_such_package")
    listed = list_all()
    assert list(listed) == ["good", "needs"]
    assert isinstance(listed["good"], Implementation)
    assert isinstance(listed["needs"], str)
    assert "no_such_package" in listed["needs"]


def test_an_implementation_is_named_like_its_file(own_folder: Path) -> None:
    (own_folder / "here.py").write_text(DECLARED.format(name="there"))
    (listed,) = list_all().values()
    assert isinstance(listed, str)
    assert "here.py exports the name 'there'" in listed


def test_without_the_folder_the_message_says_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "FOLDER", "no_such_package_anywhere")
    with pytest.raises(SubjectError, match="not installed"):
        registered()


def entries(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    def found(group: str) -> list[EntryPoint]:
        assert group == "supcr_bench.implementations"
        return [EntryPoint(name, value, group) for name, value in values.items()]

    monkeypatch.setattr(registry, "entry_points", found)


def test_an_entry_point_of_an_installed_package_is_registered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries(monkeypatch, theirs="collections:OrderedDict", broken="no_such_package:Loss")
    assert registered()["theirs"] == Subject("theirs", "module", "collections", "OrderedDict")
    assert load(locate("theirs")).name == "theirs"
    listed = list_all()
    assert isinstance(listed["theirs"], Implementation)
    assert isinstance(listed["broken"], str)
    assert "no_such_package" in listed["broken"]


def test_an_entry_point_without_an_attribute_exports_the_constant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries(monkeypatch, theirs="supcr_bench.implementations.loopy")
    assert registered()["theirs"].attribute == "IMPLEMENTATION"
    assert load(locate("theirs")).name == "theirs"


def test_an_entry_point_does_not_take_the_place_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, loopy="collections:OrderedDict")
    assert registered()["loopy"].kind == "folder"


def test_a_file_that_imports_from_its_package_is_loaded_as_its_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src" / "rooted_in_src"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "near.py").write_text("X = 1\n")
    (package / "loss.py").write_text(
        "from .near import X\n"
        "def loss():\n    from rooted_in_src import near\n    return X, near.X\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    by_file = load(locate("src/rooted_in_src/loss.py:loss")).factory
    by_module = load(locate("rooted_in_src.loss:loss")).factory
    assert by_file is by_module
    assert by_file() == (1, 1)
    assert sys.path == before


def test_two_packages_of_one_name_are_both_loaded(tmp_path: Path) -> None:
    for number in (1, 2):
        package = tmp_path / str(number) / "of_one_name"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "near.py").write_text(f"X = {number}\n")
        (package / "loss.py").write_text("from .near import X\ndef loss():\n    return X\n")
    paths = [tmp_path / str(number) / "of_one_name/loss.py" for number in (1, 2)]
    assert [load(locate(f"{path}:loss")).factory() for path in paths] == [1, 2]
