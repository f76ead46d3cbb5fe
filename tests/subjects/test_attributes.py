import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from supcr_bench.subjects import attributes
from supcr_bench.subjects.attributes import ARE_NUMBERED, Attributes, dict_of
from supcr_bench.subjects.process_state import ProcessState

module: Any = ModuleType("watched")


class Class:
    own: Any = 0


def test_the_interpreters_that_number_changes_are_known() -> None:
    numbered = sys.implementation.name == "cpython" and sys.version_info < (3, 14)
    assert numbered == ARE_NUMBERED


@pytest.mark.parametrize("numbered", [ARE_NUMBERED, False])
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
def test_a_change_is_noticed_and_reading_is_none(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    change: Callable[[Any], object],
    numbered: bool,
) -> None:
    monkeypatch.setattr(attributes, "ARE_NUMBERED", numbered)
    kept = dict_of(owner).copy()
    try:
        owner.own = 1
        watched = Attributes([Class, module, sys])
        assert (owner.own, getattr(owner, "none", 0), len(vars(owner))) > (1, 0, 1)
        assert watched
        change(owner)
        assert not watched
    finally:
        dict_of(owner).clear()
        dict_of(owner).update(kept)


@pytest.mark.parametrize("numbered", [ARE_NUMBERED, False])
def test_a_replaced_function_is_noticed_with_and_without_numbers(
    monkeypatch: pytest.MonkeyPatch, numbered: bool
) -> None:
    monkeypatch.setattr(attributes, "ARE_NUMBERED", numbered)
    state = ProcessState()
    assert state.undo() == []
    real = attributes.dict_of
    attributes.dict_of = real  # the same value: another number, but no change
    assert state.undo() == []
    for _ in range(2):
        attributes.dict_of = dict  # type: ignore[assignment]
        assert state.undo() == ["replaces supcr_bench.subjects.attributes.dict_of"]
        assert attributes.dict_of is real
        assert state.undo() == []
