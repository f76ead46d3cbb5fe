"""Reads several streams of events, each in its own thread, as one stream."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from queue import SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class OpenStreams(Generic[_Item]):
    """Streams that run at the same time; :meth:`next` gives the items of all of them.

    No item may be ``None``. A stream stops when it yields its next item.
    """

    def __init__(self) -> None:
        self._inbox: SimpleQueue[tuple[int, _Item | BaseException | None]] = SimpleQueue()
        self.stopped = Event()
        self._threads: list[Thread] = []

    def open(self, number: int, start: Callable[[], Iterator[_Item]]) -> None:
        """Start a stream; :meth:`next` gives its items with this number."""
        # A thread that waits for a worker must not keep an interrupted command from ending.
        thread = Thread(target=self._pump, args=(number, start), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _pump(self, number: int, start: Callable[[], Iterator[_Item]]) -> None:
        try:
            # Closing a stream early ends the measurement that it runs.
            with closing(start()) as stream:  # type: ignore[type-var]
                for item in stream:
                    self._inbox.put((number, item))
                    if self.stopped.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - raised again by next()
            self._inbox.put((number, error))
        else:
            self._inbox.put((number, None))

    def next(self) -> tuple[int, _Item | None]:
        """Wait for a stream's number and item (``None`` at its end), or raise its exception."""
        number, item = self._inbox.get()
        if isinstance(item, BaseException):
            raise item
        return number, item

    def stop(self) -> Iterator[tuple[int, _Item]]:
        """Stop all streams, wait for them, and give the items that nobody has read yet."""
        self.stopped.set()
        for thread in self._threads:
            thread.join()
        while not self._inbox.empty():
            number, item = self._inbox.get()
            if item is not None and not isinstance(item, BaseException):
                yield number, item

    def close(self) -> None:
        for _ in self.stop():
            pass


def merge_streams(
    streams: Sequence[Callable[[], Iterator[_Item]]], max_open: int
) -> Iterator[_Item]:
    """Yield the items of several streams, of which at most ``max_open`` run at the same time.

    Streams are opened in order. If one raises, all others are stopped and the exception is raised
    here. Closing this generator does not wait for their threads.
    """
    opened: OpenStreams[_Item] = OpenStreams()
    waiting = list(enumerate(streams))[::-1]
    running = 0
    try:
        while waiting or running:
            if waiting and running < max(max_open, 1):
                opened.open(*waiting.pop())
                running += 1
                continue
            _, item = opened.next()
            if item is None:
                running -= 1
            else:
                yield item
    finally:
        opened.stopped.set()
