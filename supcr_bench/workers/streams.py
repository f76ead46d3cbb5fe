"""Reads several streams of events, each in its own thread, as one stream."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeVar

_Item = TypeVar("_Item")


def merge_streams(
    streams: Sequence[Callable[[], Iterator[_Item]]], max_open: int, *, wait: bool = True
) -> Generator[_Item, None, None]:
    """Yield the items of several streams, of which at most ``max_open`` run at the same time.

    Streams are opened in order, and no item may be ``None``. If one raises, or if this generator is
    closed, the others stop when they yield their next item. With ``wait``, this generator waits
    until they have stopped, and raises the exception after their last items.
    """
    if min(max_open, len(streams)) <= 1:
        for start in streams:
            with closing(start()) as stream:  # type: ignore[type-var]
                yield from stream
        return
    inbox: SimpleQueue[_Item | BaseException | None] = SimpleQueue()
    stopped = Event()
    waiting = deque(streams)

    def pump() -> None:
        try:
            while waiting and not stopped.is_set():
                # Closing a stream early ends the measurement that it runs.
                with closing(waiting.popleft()()) as stream:  # type: ignore[type-var]
                    for item in stream:
                        inbox.put(item)
                        if stopped.is_set():
                            break
        except BaseException as error:  # noqa: BLE001 - raised again below
            stopped.set()
            inbox.put(error)
        inbox.put(None)

    # A thread that waits for a worker must not keep an interrupted command from ending.
    threads = [Thread(target=pump, daemon=True) for _ in streams[:max_open]]
    failure: BaseException | None = None
    running = len(threads)
    try:
        for thread in threads:
            thread.start()
        while running:
            item = inbox.get()
            if item is None:
                running -= 1
            elif not isinstance(item, BaseException):
                yield item
            else:
                failure = failure or item
                if not wait:
                    break
    finally:
        stopped.set()
        for thread in threads if wait else ():
            thread.join()
    if failure:
        raise failure
