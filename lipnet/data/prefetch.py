"""Work done ahead of its use by threads; results keep the order of the items."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from lipnet.device import use_device

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
        finally:
            if isinstance(items, Generator):
                items.close()  # in the thread that ran it
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


def prefetch_to(
    device: torch.device,
    items: Iterator[Item],
    tensors_of: Callable[[Item], Iterable[Tensor]],
    *,
    ahead: int,
) -> Iterator[Item]:
    """`prefetch` of items that are computed on a CUDA device, on a stream of the thread's own.

    The host does not wait for the device: what the caller queues after it received an item runs
    after the item was computed. `tensors_of` are the item's tensors on the device.
    """
    own = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    own.wait_stream(torch.cuda.current_stream(device))  # for what the items are computed from

    def compute() -> Iterator[tuple[Item, torch.cuda.Event]]:
        use_device(device)  # a thread has a current device and stream of its own
        with torch.cuda.stream(own):
            for item in items:
                computed = torch.cuda.Event()  # type: ignore[no-untyped-call]
                computed.record(own)
                yield item, computed

    for item, computed in prefetch(compute(), ahead=ahead):
        stream = torch.cuda.current_stream(device)
        stream.wait_event(computed)
        for tensor in tensors_of(item):
            tensor.record_stream(stream)  # else its memory could be reused before it was read
        yield item


def _put(waiting: "queue.Queue[Item | _End]", item: Item | _End, closed: threading.Event) -> bool:
    """Wait for room in the queue; False if it was closed first."""
    while not closed.is_set():
        try:
            waiting.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
