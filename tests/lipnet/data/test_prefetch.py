"""Prefetching: results in order, a limited number started, errors after the results before them."""

import threading
from collections.abc import Iterator

import pytest

from lipnet.data.prefetch import map_ahead, prefetch


def test_results_keep_the_order_of_the_items() -> None:
    late = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            late.wait(10)
        else:
            late.set()
        return item * item

    assert list(map_ahead(range(6), work, threads=3, ahead=4)) == [0, 1, 4, 9, 16, 25]


def test_no_more_items_are_taken_than_asked_for() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = map_ahead(items(), abs, threads=2, ahead=3)
    assert [next(results), next(results)] == [0, 1]
    assert len(taken) == 5
    results.close()  # type: ignore[attr-defined]
    assert len(taken) == 5


def test_an_error_comes_after_the_results_before_it() -> None:
    def work(item: int) -> float:
        return 1 / (2 - item)

    results = map_ahead(range(5), work, threads=2, ahead=4)
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_prefetched_items_keep_their_order_and_are_limited() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    ahead = prefetch(items(), ahead=2)
    assert [next(ahead), next(ahead), next(ahead)] == [0, 1, 2]
    assert len(taken) <= 3 + 2 + 1  # used, in the queue, and one held by the thread
    ahead.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name == "prefetch"]


def test_an_error_of_a_prefetched_iterator_comes_after_its_items() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("second")

    ahead = prefetch(items(), ahead=2)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="second"):
        next(ahead)
