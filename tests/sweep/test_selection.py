from pathlib import Path

import pytest

from supcr_bench.commands.run_work import in_modes
from supcr_bench.subjects.registry import Subject, is_selection, load, registered, select, tags_of
from supcr_bench.values.errors import UnknownNameError


def test_tags_read_from_the_source_are_those_of_the_loaded_implementation() -> None:
    for subject in registered().values():
        assert tags_of(subject) == load(subject).tags


def test_a_tag_stands_for_every_implementation_that_has_it() -> None:
    assert select(["tag:note"]) == ("broadcast", "loopy", "rowsort")
    assert select(["scan", "tag:ranks", "scan"]) == ("scan", "distributed")


def test_a_tag_with_at_compile_stands_for_each_of_its_implementations_compiled() -> None:
    names = ("broadcast@compile", "loopy@compile", "rowsort@compile")
    assert select(["tag:note@compile"]) == names
    assert is_selection("tag:note@compile")


def test_modes_give_each_implementation_eager_and_compiled() -> None:
    assert in_modes(["a", "b@compile"], None) == ["a", "b@compile"]
    assert in_modes(["a", "b@compile"], "eager") == ["a", "b"]
    assert in_modes(["a"], "eager,compile") == ["a", "a@compile"]
    with pytest.raises(UnknownNameError, match=r"unknown mode 'compiled' .did you mean 'compile'"):
        in_modes(["a"], "compiled")


def test_all_stands_for_every_registered_name() -> None:
    assert select(["all"]) == tuple(registered())


def test_a_tag_that_none_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown tag 'notes' .did you mean 'note'"):
        select(["tag:notes"])


def test_only_all_and_tags_are_selections() -> None:
    assert [text for text in ("all", "tag:x", "loopy", "a.py:all", 3) if is_selection(text)] == [
        "all",
        "tag:x",
    ]


@pytest.mark.parametrize(
    "code", ["X = 3\n", "X = Implementation(name='x')\n", "Y = f(tags=('a',))\n"]
)
def test_a_file_without_literal_tags_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "untagged_example.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    subject = Subject("x", "module", "untagged_example", "X")
    assert tags_of(subject) == ()
    assert tags_of(Subject("x", "module", "no_such_module_at_all", "X")) == ()
