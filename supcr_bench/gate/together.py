"""Several streams of events at once, as one."""

from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeVar

_Item = TypeVar("_Item")


def together(streams: Sequence[Callable[[], Iterator[_Item]]], at_once: int) -> Iterator[_Item]:
    """Everything that the streams yield, as it comes.

    Each stream runs in a thread; they are meant to wait for worker processes. They are begun in
    order, so many at once. What one of them raises is raised here, and ends all.

    Args:
        streams: each begun by a call.
        at_once: how many may run at the same time; at least 1.
    """
    inbox: SimpleQueue[tuple[_Item] | BaseException | None] = SimpleQueue()
    waiting = list(reversed(streams))
    stopped = Event()

    def pump(stream: Callable[[], Iterator[_Item]]) -> None:
        try:
            for item in stream():
                if stopped.is_set():
                    return
                inbox.put((item,))
        except BaseException as error:  # noqa: BLE001 - raised where the events are read
            inbox.put(error)
        else:
            inbox.put(None)

    def begin() -> bool:
        if not waiting:
            return False
        # A thread that waits for a worker must not keep an interrupted command from ending.
        Thread(target=pump, args=(waiting.pop(),), daemon=True).start()
        return True

    running = sum(begin() for _ in range(max(at_once, 1)))
    try:
        while running:
            message = inbox.get()
            if isinstance(message, BaseException):
                raise message
            if message is None:
                running += begin() - 1
            else:
                yield message[0]
    finally:
        stopped.set()
