"""The actor pool: order, one worker an actor, retries, errors as they were raised."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lipnet.errors import InputError
from stages import cluster
from stages.cluster import WorkerLost, map_shards


def test_no_items_start_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(cluster, "_connect", refuse)
    assert map_shards(lambda: str, [], actors=2) == []


def test_zero_actors_mean_one_a_core() -> None:
    assert cluster.count_actors(0) == len(os.sched_getaffinity(0))
    assert cluster.count_actors(3) == 3


@pytest.mark.slow
def test_ray_is_stopped_when_the_work_is_done() -> None:
    assert map_shards(lambda: abs, [-1, 2], actors=2) == [1, 2]
    with cluster._connect(1) as ray:
        pass
    assert not ray.is_initialized()


@pytest.fixture(scope="class")
def _ray() -> Iterator[None]:
    with cluster._connect(2):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
class TestOnOneRay:
    def test_results_keep_the_items_order_and_each_actor_builds_once(self, tmp_path: Path) -> None:
        def make_worker() -> Callable[[int], tuple[int, int]]:
            (tmp_path / f"built-{os.getpid()}").touch(exist_ok=False)
            return lambda item: (item * item, os.getpid())

        seen: list[tuple[int, int]] = []
        results = map_shards(make_worker, range(20), actors=2, on_result=seen.append)
        assert [square for square, _ in results] == [item * item for item in range(20)]
        assert sorted(seen) == sorted(results)
        built = {int(file.name.split("-")[1]) for file in tmp_path.iterdir()}
        assert {pid for _, pid in results} <= built
        assert len(built) <= 2

    def test_an_item_whose_actor_died_is_tried_again(self, tmp_path: Path) -> None:
        def make_worker() -> Callable[[int], int]:
            def work(item: int) -> int:
                marker = tmp_path / f"died-{item}"
                if item % 3 == 0 and not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return item + 1

            return work

        assert map_shards(make_worker, range(7), actors=2) == list(range(1, 8))
        assert len(list(tmp_path.iterdir())) == 3

    def test_an_item_that_always_kills_its_actor_is_named(self) -> None:
        def make_worker() -> Callable[[str], None]:
            return lambda item: os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(WorkerLost, match=r"'cursed'.*died 4 times"):
            map_shards(make_worker, ["cursed"], actors=1)

    @pytest.mark.parametrize("where", ["worker", "make_worker"])
    def test_an_error_arrives_as_it_was_raised(self, where: str) -> None:
        def make_worker() -> Callable[[int], None]:
            def work(item: int) -> None:
                raise InputError(f"no such predictor: item {item}")

            if where == "make_worker":
                work(7)
            return work

        with pytest.raises(InputError, match=r"^no such predictor: item 7$"):
            map_shards(make_worker, [7], actors=1)
