import time
from pathlib import Path

import pytest

from supcr_bench.values.cell import Arm
from supcr_bench.workers.messages import PAGE_BYTES, ActivityPage

ARM = Arm("one", "training")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "activity"


def test_before_the_first_write_there_is_nothing(path: Path) -> None:
    page = ActivityPage(path)
    assert page.read() is None
    page.close()


@pytest.mark.parametrize("arm", [None, ARM])
def test_both_sides_see_what_was_written(path: Path, arm: Arm | None) -> None:
    worker, parent = ActivityPage(path), ActivityPage(path)
    before = time.monotonic()
    worker.write("agreement", arm)
    activity = parent.read()
    assert activity is not None
    assert (activity.stage, activity.arm) == ("agreement", arm)
    assert before <= activity.since_s <= time.monotonic()
    assert activity.elapsed_s >= 0
    worker.close()
    parent.close()


def test_a_shorter_line_replaces_a_longer_one(path: Path) -> None:
    page = ActivityPage(path)
    page.write("agreement", Arm("a_rather_long_name" * 5, "training"))
    page.write("time", None)
    activity = page.read()
    assert activity is not None
    assert (activity.stage, activity.arm) == ("time", None)
    page.close()


def test_a_name_with_any_character_comes_through(path: Path) -> None:
    page = ActivityPage(path)
    arm = Arm('C:\\loss "new"\n.py:Ünï', "forward")
    page.write("time", arm)
    activity = page.read()
    assert activity is not None
    assert activity.arm == arm
    page.close()


def test_a_name_too_long_for_the_page_leaves_the_stage(path: Path) -> None:
    page = ActivityPage(path)
    page.write("memory", Arm("x" * PAGE_BYTES, "forward"))
    activity = page.read()
    assert activity is not None
    assert (activity.stage, activity.arm) == ("memory", None)
    assert path.stat().st_size == PAGE_BYTES
    page.close()


@pytest.mark.parametrize("torn", [b'[12.5, "ti', b'[12.5, "time", "on\n', b"\0\0\0\n", b"12.5, \n"])
def test_in_the_middle_of_a_write_there_is_nothing(path: Path, torn: bytes) -> None:
    path.write_bytes(torn.ljust(PAGE_BYTES, b"\0"))
    page = ActivityPage(path)
    assert page.read() is None
    page.close()


def test_a_second_page_at_the_same_path_keeps_what_is_there(path: Path) -> None:
    first = ActivityPage(path)
    first.write("inputs", None)
    second = ActivityPage(path)
    activity = second.read()
    assert activity is not None
    assert activity.stage == "inputs"
    first.close()
    second.close()
