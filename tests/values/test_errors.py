import shlex

import pytest

from supcr_bench.values import errors
from supcr_bench.values.errors import (
    SupcrBenchError,
    UncallableError,
    UnknownNameError,
    UsageError,
)


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("lopy", "loopy"),
        ("brodcast", "broadcast"),
        ("rowsrt", "rowsort"),
        ("xyz", None),
        ("lost", None),
    ],
)
def test_the_nearest_known_name_is_suggested(given: str, nearest: str | None) -> None:
    error = UnknownNameError("implementation", given, ["loopy", "broadcast", "rowsort"])
    assert error.nearest == nearest
    assert ("did you mean" in str(error)) is (nearest is not None)
    assert f"unknown implementation {given!r}" in str(error)
    assert "known: loopy, broadcast, rowsort" in str(error)


def test_without_known_names_the_message_says_none() -> None:
    assert str(UnknownNameError("suite", "x", [])) == "unknown suite 'x'; known: none"


def test_a_hint_closes_the_message() -> None:
    error = UnknownNameError("suite", "quik", ["quick"], "or give the path of a .toml file")
    assert str(error) == (
        "unknown suite 'quik' (did you mean 'quick'?); known: quick; "
        "or give the path of a .toml file"
    )


@pytest.mark.parametrize(
    "kind",
    [
        errors.UsageError,
        errors.SuiteError,
        errors.InputError,
        errors.SubjectError,
        errors.StoreError,
        errors.UnknownNameError,
    ],
)
def test_a_request_that_cannot_be_carried_out_exits_with_two(kind: type[UsageError]) -> None:
    assert issubclass(kind, UsageError)
    assert kind.exit_status == 2


@pytest.mark.parametrize("kind", [errors.SupcrBenchError, errors.WorkerError])
def test_a_failure_of_the_harness_exits_with_one(kind: type[SupcrBenchError]) -> None:
    assert issubclass(kind, SupcrBenchError)
    assert not issubclass(kind, UsageError)
    assert kind.exit_status == 1


def test_the_docstring_draws_every_error() -> None:
    named = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, SupcrBenchError)
    }
    assert errors.__doc__ is not None
    assert all(name in errors.__doc__ for name in named)


@pytest.mark.parametrize("name", ["mine:Loss", "my losses/mine.py:Loss"])
def test_the_name_of_an_implementation_ends_before_what_its_error_says(name: str) -> None:
    reason = f"{name} cannot be called as (z, labels): ValueError: see helper.py:34."
    error = UncallableError("call", reason, "Correct it.", "a wrapper")
    assert f"`supcr-bench verify {shlex.quote(name)}` prints" in str(error)
