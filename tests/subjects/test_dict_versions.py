import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from supcr_bench.subjects import dict_versions
from supcr_bench.subjects.dict_versions import ARE_NUMBERED, DictVersions, dict_of
from supcr_bench.subjects.process_state import ProcessState

module: Any = ModuleType("watched")


class Class:
    own: Any = 0


def test_the_interpreters_that_number_changes_are_known() -> None:
    numbered = sys.implementation.name == "cpython" and sys.version_info < (3, 14)
    assert numbered == ARE_NUMBERED


@pytest.mark.skipif(not ARE_NUMBERED, reason="this interpreter does not number changes")
@pytest.mark.parametrize("owner", [module, Class], ids=["module", "class"])
@pytest.mark.parametrize(
    "change",
    [
        lambda owner: setattr(owner, "own", len),
        lambda owner: setattr(owner, "new", 1),
        lambda owner: delattr(owner, "own"),
        lambda owner: dict_of(owner).update(own=len),
        lambda owner: dict_of(owner).pop("own"),
        lambda owner: dict_of(owner).clear(),
        lambda owner: exec("own = 2", dict_of(owner)),
    ],
    ids=["set", "add", "delete", "update", "pop", "clear", "global"],
)
def test_a_change_gives_other_numbers_and_reading_does_not(
    owner: Any, change: Callable[[Any], object]
) -> None:
    kept = dict_of(owner).copy()
    try:
        owner.own = 1
        versions = DictVersions([Class, module, sys])
        before = versions.now()
        assert (owner.own, [*vars(owner).values()][-1:], getattr(owner, "none", 0))[0] == 1
        assert versions.now() == before
        change(owner)
        assert versions.now() != before
    finally:
        dict_of(owner).clear()
        dict_of(owner).update(kept)


@pytest.mark.parametrize("numbered", [ARE_NUMBERED, False])
def test_a_replaced_function_is_noticed_with_and_without_numbers(
    monkeypatch: pytest.MonkeyPatch, numbered: bool
) -> None:
    monkeypatch.setattr(dict_versions, "ARE_NUMBERED", numbered)
    state = ProcessState()
    assert state.undo() == []
    real = dict_versions.dict_of
    dict_versions.dict_of = real  # the same value: another number, but no change
    assert state.undo() == []
    for _ in range(2):
        dict_versions.dict_of = dict  # type: ignore[assignment]
        assert state.undo() == ["replaces supcr_bench.subjects.dict_versions.dict_of"]
        assert dict_versions.dict_of is real
        assert state.undo() == []
