"""Several streams as one."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from supcr_bench.sweep.runner import merge_streams
from tests.patience import HANGS_S


def counted(name: str, upto: int) -> Iterator[str]:
    for i in range(upto):
        yield f"{name}{i}"


STREAMS = [partial(counted, name, 3) for name in "abc"]


@pytest.mark.parametrize("max_open", [0, 1, 2, 3, 9])
def test_everything_comes_once_and_each_stream_in_its_order(max_open: int) -> None:
    found = list(merge_streams(STREAMS, max_open))
    assert sorted(found) == [f"{name}{i}" for name in "abc" for i in range(3)]
    for name in "abc":
        own = [item for item in found if item.startswith(name)]
        assert own == sorted(own)


def test_one_at_a_time_they_follow_each_other() -> None:
    assert list(merge_streams(STREAMS, 1)) == [*counted("a", 3), *counted("b", 3), *counted("c", 3)]


def test_streams_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=HANGS_S)

    def meet() -> Iterator[int]:
        yield meeting.wait()

    assert sorted(merge_streams([meet, meet], 2)) == [0, 1]


def test_no_stream_is_nothing() -> None:
    assert list(merge_streams([], 2)) == []


def test_what_a_stream_raises_is_raised_and_no_other_is_begun() -> None:
    begun = []

    def fails() -> Iterator[int]:
        yield 1
        raise ValueError("gone")

    def never() -> Iterator[int]:
        begun.append(1)
        yield 2

    streams = merge_streams([fails, never], 1)
    assert next(streams) == 1
    with pytest.raises(ValueError, match="gone"):
        next(streams)
    assert begun == []


def test_a_stream_that_nobody_listens_to_any_more_ends() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield 0
            go_on.wait(HANGS_S)
            while True:
                yield 1
        finally:
            ended.set()

    stream = merge_streams([endless], 2, wait=False)
    assert next(stream) == 0
    stream.close()
    go_on.set()
    assert ended.wait(HANGS_S)
