"""Work done ahead of its use by threads; results keep the order of the items."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    items: Iterable[Item], function: Callable[[Item], Result], *, threads: int, ahead: int
) -> Iterator[Result]:
    """function(item) for each item, in order; up to `ahead` calls start before they are needed.

    An exception of `function` is raised here, when its result would be yielded.
    """
    pool = ThreadPoolExecutor(threads)
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _End:
    """The last item of a queue, with the exception that ended the iterator, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(items: Iterator[Item], *, ahead: int) -> Iterator[Item]:
    """The same items; a thread takes up to `ahead` of them from the iterator before they are used.

    An exception of the iterator is raised here, after the items before it. Closing the generator
    ends the thread.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(ahead)
    closed = threading.Event()

    def take() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not _put(waiting, item, closed):
                    return
        except BaseException as raised:  # raised again in the consumer's thread
            error = raised
        _put(waiting, _End(error), closed)

    thread = threading.Thread(target=take, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        thread.join()


def _put(waiting: "queue.Queue[Item | _End]", item: Item | _End, closed: threading.Event) -> bool:
    """Wait for room in the queue; False if it was closed first."""
    while not closed.is_set():
        try:
            waiting.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
