"""Work done ahead of its use by threads, its results in the order of what was asked."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_ahead(
    items: Iterable[Item], work: Callable[[Item], Result], *, threads: int, ahead: int
) -> Iterator[Result]:
    """work(item) for each item, in order; `ahead` of them are begun before they are asked for.

    What `work` raises is raised here, at its place in the order.
    """
    pool = ThreadPoolExecutor(threads)
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _End:
    """The last thing in a queue: why the iterator ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def run_ahead(items: Iterator[Item], *, ahead: int) -> Iterator[Item]:
    """The same items; a thread takes `ahead` of them out of the iterator before they are asked for.

    What the iterator raises is raised here, at its place. Leaving early ends the thread.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(ahead)
    left = threading.Event()

    def take() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not _put(waiting, item, left):
                    return
        except BaseException as raised:  # handed over, whatever it is
            error = raised
        _put(waiting, _End(error), left)

    thread = threading.Thread(target=take, name="run_ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        left.set()
        thread.join()


def _put(waiting: "queue.Queue[Item | _End]", item: Item | _End, left: threading.Event) -> bool:
    """Whether there was room before everyone left."""
    while not left.is_set():
        try:
            waiting.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
