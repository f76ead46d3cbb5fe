"""Attributes of modules and classes that a call replaces, in whichever way."""

import gc
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from supcr_bench.subjects import isolated, process_state
from supcr_bench.subjects.process_state import ProcessState

module: Any = ModuleType("supcr_bench.watched")


class Base:
    sorted = sorted


class Class(Base):
    own: Any = repr


def dict_of(owner: Any) -> dict[str, Any]:
    """The dictionary of a module or class, of which ``vars`` shows a proxy for a class."""
    own = vars(owner)
    return own if isinstance(own, dict) else gc.get_referents(own)[0]


@pytest.mark.parametrize("owner", [module, Class], ids=["module", "class"])
@pytest.mark.parametrize(
    "change",
    [
        lambda owner: setattr(owner, "own", len),
        lambda owner: setattr(owner, "sorted", len),
        lambda owner: delattr(owner, "own"),
        lambda owner: dict_of(owner).update(own=len),
        lambda owner: dict_of(owner).pop("own"),
        lambda owner: dict_of(owner).clear(),
        lambda owner: exec("own = 2", dict_of(owner)),
    ],
    ids=["set", "add", "delete", "update", "pop", "clear", "global"],
)
def test_a_change_is_noticed_and_reading_is_none(
    monkeypatch: pytest.MonkeyPatch, owner: Any, change: Callable[[Any], object]
) -> None:
    owners = {"supcr_bench.Class": Class, "supcr_bench.watched": module}
    monkeypatch.setattr(process_state, "_owners", lambda _: owners)
    kept = dict_of(owner).copy()
    try:
        owner.own = repr
        state = ProcessState()
        assert (owner.own is repr, getattr(owner, "none", 0), len(vars(owner))) > (True, -1, 1)
        assert [*state.changes()] == []
        change(owner)
        (name,) = (name for name, known in owners.items() if known is owner)
        changes = [said for said, _ in state.changes()]
        assert changes
        assert all(said.startswith(f"replaces {name}.") for said in changes)
    finally:
        dict_of(owner).clear()
        dict_of(owner).update(kept)


def test_a_replaced_function_is_noticed_each_time() -> None:
    state = ProcessState()
    assert state.undo() == []
    real = isolated.lies_in
    isolated.lies_in = real  # the same value is no change
    assert state.undo() == []
    for _ in range(2):
        isolated.lies_in = dict  # type: ignore[assignment]
        assert state.undo() == ["replaces supcr_bench.subjects.isolated.lies_in"]
        assert isolated.lies_in is real
        assert state.undo() == []
