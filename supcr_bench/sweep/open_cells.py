"""Cells that are open at the same time: a thread for each, and one line of events from all."""

from collections.abc import Callable, Iterator
from contextlib import closing
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from types import TracebackType
from typing import Self

from supcr_bench.sweep.executor import Event
from supcr_bench.values.cell import Cell

_Said = tuple[int, Event | Exception | None]


class OpenCells:
    """Runs cells in threads of their own; whoever opened them hears of all in one place.

    On leaving, every cell is told to stop and waited for: no thread outlives the block.

    Args:
        run: gives the events of a cell, one at least every second or so.
    """

    def __init__(self, run: Callable[[Cell], Iterator[Event]]) -> None:
        self._run = run
        self._said: SimpleQueue[_Said] = SimpleQueue()
        self._stop = Flag()
        self._threads: list[Thread] = []

    def open(self, index: int, cell: Cell) -> None:
        """Begin a cell, known by a number."""
        thread = Thread(target=self._follow, args=(index, cell), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _follow(self, index: int, cell: Cell) -> None:
        try:
            # Closing it is what makes an executor let go of a cell in the middle.
            with closing(self._run(cell)) as events:  # type: ignore[type-var]
                for event in events:
                    self._said.put((index, event))
                    if self._stop.is_set():
                        return
        except Exception as error:  # noqa: BLE001 - raised again where the cell was opened
            self._said.put((index, error))
        else:
            self._said.put((index, None))

    def next_event(self) -> tuple[int, Event | None]:
        """The next event of any cell, and its number; ``None`` where that cell has ended.

        Raises:
            Exception: what running a cell raised.
        """
        index, event = self._said.get()
        if isinstance(event, Exception):
            raise event
        return index, event

    def stop(self) -> Iterator[tuple[int, Event]]:
        """End every cell, and give what they had said by then."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        while not self._said.empty():
            index, event = self._said.get()
            if event is not None and not isinstance(event, Exception):
                yield index, event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _ in self.stop():
            pass  # nobody listens any more
