"""Work done ahead of its use by a few threads, its results in the order of what was asked."""

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
