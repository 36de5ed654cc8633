"""Work ahead: results in order, only so many begun, errors at their place."""

import threading
from collections.abc import Iterator

import pytest

from lipnet.data.prefetch import run_ahead, work_ahead


def test_results_keep_the_order_whoever_is_first() -> None:
    late = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            late.wait(10)
        else:
            late.set()
        return item * item

    assert list(work_ahead(range(6), work, threads=3, ahead=4)) == [0, 1, 4, 9, 16, 25]


def test_no_more_is_taken_than_is_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = work_ahead(items(), abs, threads=2, ahead=3)
    assert [next(results), next(results)] == [0, 1]
    assert len(taken) == 5
    results.close()  # type: ignore[attr-defined]
    assert len(taken) == 5


def test_an_error_comes_after_what_was_before_it() -> None:
    def work(item: int) -> float:
        return 1 / (2 - item)

    results = work_ahead(range(5), work, threads=2, ahead=4)
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_runs_ahead_comes_in_order_and_only_so_far() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    ahead = run_ahead(items(), ahead=2)
    assert [next(ahead), next(ahead), next(ahead)] == [0, 1, 2]
    assert len(taken) <= 3 + 2 + 1  # used, waiting, and one in the thread's hand
    ahead.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name == "run_ahead"]


def test_an_error_of_what_runs_ahead_comes_at_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("second")

    ahead = run_ahead(items(), ahead=2)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="second"):
        next(ahead)
