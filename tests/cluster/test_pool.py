"""The pool: order of results, one worker per actor, retries and errors; in this process or Ray."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import ray

from cluster import connection
from cluster import pool as cluster
from cluster.pool import WorkerLost, map_jobs
from lipnet.errors import InputError
from tests.cluster.fake_ray import FakeRay, Node, make_node

CRASH = ray.exceptions.RayActorError(
    error_msg="The actor died unexpectedly.\n"
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
)


def test_without_jobs_ray_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(cluster, "connect", refuse)
    assert map_jobs(lambda: str, [], actors=2) == []


def test_zero_actors_mean_one_per_core() -> None:
    assert cluster.count_actors(0) == len(os.sched_getaffinity(0))
    assert cluster.count_actors(3) == 3


class TestInThisProcess:
    @pytest.fixture(autouse=True)
    def _no_ray(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: int) -> None:
            raise AssertionError("Ray was started")

        monkeypatch.setattr(cluster, "connect", refuse)

    @pytest.mark.parametrize(("jobs", "actors"), [([3, 1, 2], 1), ([7], 5)])
    def test_one_actor_or_one_job_needs_no_ray(self, jobs: list[int], actors: int) -> None:
        built: list[int] = []

        def make_worker() -> Callable[[int], tuple[int, int]]:
            built.append(os.getpid())
            return lambda job: (-job, cv2.getNumThreads())

        seen: list[tuple[int, int]] = []
        threads = cv2.getNumThreads()
        results = map_jobs(make_worker, jobs, actors=actors, on_result=seen.append)
        assert results == seen == [(-job, 1) for job in jobs]
        assert built == [os.getpid()]
        assert cv2.getNumThreads() == threads

    def test_one_job_needs_no_ray_on_a_cluster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", "head:6379")
        assert map_jobs(lambda: abs, [-4]) == [4]

    def test_an_error_is_raised_unchanged(self) -> None:
        with pytest.raises(TypeError, match="bad operand"):
            map_jobs(lambda: abs, ["word"])


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379"])
def test_a_cluster_that_does_not_respond_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match=rf"RAY_ADDRESS '{address}'.*unset RAY_ADDRESS"):
        map_jobs(lambda: abs, [-1, 2])


def test_a_full_folder_for_temporary_files_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(connection.shutil, "disk_usage", lambda _: SimpleNamespace(free=9 * 2**20))
    with pytest.raises(InputError, match=rf"{tmp_path}, has 9 MiB free: .*set TMPDIR"):
        map_jobs(lambda: abs, [-1, 2], actors=2)
    monkeypatch.undo()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"Ray cannot start on this machine \(.*none"):
        map_jobs(lambda: abs, [-1, 2], actors=2)


class TestOnFakeNodes:
    def map(self, ray: FakeRay, count: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        monkeypatch.setenv("RAY_ADDRESS", "head:6379")
        monkeypatch.setattr(cluster, "connect", lambda _: contextlib.nullcontext(ray))
        return map_jobs(lambda: abs, [-n for n in range(count)])

    @pytest.mark.parametrize(
        ("nodes", "actors"),
        [
            ([make_node(3), make_node(5)], 8),
            ([make_node(3), make_node(5, alive=False)], 3),
            ([make_node(64, 3.5), make_node(2)], 7),
            ([make_node(64)], 20),
        ],
    )
    def test_cores_and_memory_limit_the_number_of_actors(
        self, nodes: list[Node], actors: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ray = FakeRay(nodes)
        assert self.map(ray, 20, monkeypatch) == list(range(20))
        assert ray.max_in_flight == len(ray.actor_options) == actors
        assert {one["memory"] for one in ray.actor_options} == {cluster.ACTOR_BYTES}

    def test_a_machine_with_little_memory_gets_an_actor(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(FakeRay, "has_room", lambda _: True)
        ray = FakeRay([make_node(2, 0.5)])
        assert self.map(ray, 3, monkeypatch) == [0, 1, 2]
        assert {one["memory"] for one in ray.actor_options} == {1024**3 // 2}

    def test_a_node_that_joins_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def join(ray: FakeRay) -> None:
            ray.nodes_now = [make_node(1), make_node(4)] if ray.jobs > 3 else [make_node(1)]

        ray = FakeRay([make_node(1)], after_job=join)
        assert self.map(ray, 20, monkeypatch) == list(range(20))
        assert ray.max_in_flight == 5

    def test_the_jobs_of_a_lost_node_are_retried_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def leave(fake: FakeRay) -> None:
            fake.nodes_now = [make_node(1), make_node(4, alive=fake.jobs < 6)]

        fake = FakeRay(
            [make_node(1), make_node(4)],
            losses=dict.fromkeys((6, 7, 8, 9), ray.exceptions.ActorDiedError()),
            after_job=leave,
        )
        assert self.map(fake, 20, monkeypatch) == list(range(20))
        assert fake.jobs == 24

    @pytest.mark.parametrize(
        ("losses", "kind"),
        [
            ([CRASH] * 4, InputError),
            ([CRASH, ray.exceptions.OutOfMemoryError("full"), CRASH, CRASH], WorkerLost),
            ([ray.exceptions.ActorDiedError()] * 4, WorkerLost),
        ],
    )
    def test_a_job_that_loses_its_actors_is_named_and_may_be_retried_unless_it_crashed_them(
        self, losses: list[Exception], kind: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RAY_ADDRESS", "head:6379")
        fake = FakeRay([make_node(1)], losses=dict(enumerate(losses, start=1)))
        monkeypatch.setattr(cluster, "connect", lambda _: contextlib.nullcontext(fake))
        jobs = [SimpleNamespace(name=f"train/{n:06d}", videos="x" * 200_000) for n in range(2)]
        with pytest.raises(kind, match=r"shards 1 of 2 \(train/000000\) .* 4 times") as raised:
            map_jobs(lambda: id, jobs, name="shards")
        assert len(str(raised.value)) < 300

    def test_starts_are_retried_for_each_actor_that_has_room_and_not_for_each_job(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die() -> Callable[[int], int]:
            raise ray.exceptions.ActorDiedError

        fake = FakeRay([make_node(2)])
        monkeypatch.setenv("RAY_ADDRESS", "head:6379")
        monkeypatch.setattr(cluster, "connect", lambda _: contextlib.nullcontext(fake))
        with pytest.raises(WorkerLost, match="starting actors died 7 times"):
            map_jobs(die, range(100))

    def test_without_room_the_pool_waits_and_warns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ray = FakeRay([make_node(0)])
        waited: list[str] = []

        def warn(text: str, *numbers: int) -> None:
            waited.append(text % numbers)
            if len(waited) == 3:
                ray.nodes_now = [make_node(0), make_node(2)]

        monkeypatch.setattr(cluster, "_log", SimpleNamespace(warning=warn))
        assert self.map(ray, 4, monkeypatch) == [0, 1, 2, 3]
        assert waited == ["waiting for a free core and 700 MiB"] * 3


@pytest.fixture(scope="class")
def _ray() -> Iterator[None]:
    with cluster.connect(2):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
class TestOnOneRay:
    def test_results_are_in_order_and_each_actor_builds_once(self, tmp_path: Path) -> None:
        def make_worker() -> Callable[[int], tuple[int, int]]:
            (tmp_path / f"built-{os.getpid()}").touch(exist_ok=False)
            return lambda job: (job * job, os.getpid())

        seen: list[tuple[int, int]] = []
        results = map_jobs(make_worker, range(20), actors=2, on_result=seen.append)
        assert [square for square, _ in results] == [job * job for job in range(20)]
        assert sorted(seen) == sorted(results)
        built = {int(file.name.split("-")[1]) for file in tmp_path.iterdir()}
        assert {pid for _, pid in results} <= built
        assert len(built) <= 2

    def test_a_job_is_retried_if_its_actor_dies(self, tmp_path: Path) -> None:
        def make_worker() -> Callable[[int], int]:
            def work(job: int) -> int:
                marker = tmp_path / f"died-{job}"
                if job % 3 == 0 and not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return job + 1

            return work

        assert map_jobs(make_worker, range(7), actors=2) == list(range(1, 8))
        assert len(list(tmp_path.iterdir())) == 3

    def test_a_job_that_always_kills_its_actor_is_named(self) -> None:
        def make_worker() -> Callable[[str], None]:
            return lambda job: job == "bad" and os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(InputError, match=r"^worker 1 of 2 crashed its process 4 times: "):
            map_jobs(make_worker, ["bad", "good"], actors=2)

    @pytest.mark.parametrize("where", ["worker", "make_worker"])
    def test_an_error_in_an_actor_is_raised_unchanged(self, where: str) -> None:
        def make_worker() -> Callable[[int], None]:
            def work(job: int) -> None:
                raise InputError(f"no such predictor: job {job}")

            if where == "make_worker":
                work(7)
            return work

        with pytest.raises(InputError, match=r"^no such predictor: job 7$"):
            map_jobs(make_worker, [7, 7], actors=2)

    def test_actors_that_die_at_their_start_are_replaced(self, tmp_path: Path) -> None:
        def make_worker() -> Callable[[int], int]:
            (tmp_path / str(os.getpid())).touch()
            if len(list(tmp_path.iterdir())) <= 4:
                os.kill(os.getpid(), signal.SIGKILL)
            return abs

        assert map_jobs(make_worker, [-1, -2, -3], actors=2) == [1, 2, 3]
        assert len(list(tmp_path.iterdir())) > 4

    def test_actors_that_always_die_at_their_start_are_an_error(self) -> None:
        def make_worker() -> Callable[[int], int]:
            os.kill(os.getpid(), signal.SIGKILL)
            return abs

        with pytest.raises(WorkerLost, match="starting actors died 7 times"):
            map_jobs(make_worker, [-1, -2, -3], actors=2)

    def test_an_actor_has_a_name_and_requests_a_core_and_memory(self) -> None:
        def make_worker() -> Callable[[int], tuple[str, str, dict[str, float]]]:
            def work(job: int) -> tuple[str, str, dict[str, float]]:
                here = ray.get_runtime_context()
                return (
                    here.get_actor_name() or "",
                    here.get_task_name() or "",
                    here.get_assigned_resources(),
                )

            return work

        found = map_jobs(make_worker, [1, 2], name="landmarks", actors=2)
        assert [task for _, task, _ in found] == ["landmarks 1 of 2", "landmarks 2 of 2"]
        for name, _, resources in found:
            assert name.startswith("landmarks ")
            assert resources == {"CPU": 1.0, "memory": float(cluster.ACTOR_BYTES)}

    def test_actors_that_cut_and_track_never_load_torch(self) -> None:
        def make_worker() -> Callable[[int], set[str]]:
            from lipnet.cutting.cut import Cutter
            from lipnet.landmarks.tracker import Tracker

            assert Cutter
            assert Tracker
            return lambda job: {"torch", "pandas", "skimage"} & set(sys.modules)

        assert map_jobs(make_worker, [1, 2], actors=2) == [set(), set()]

    def test_a_node_with_other_code_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        here = cluster.describe_process()
        assert here["lipnet.errors"]
        libraries = {"ai_edge_litert": "0.9", "cv2": "3.0"}
        other = {**here, "lipnet.errors": "0" * 16, **libraries}
        monkeypatch.setattr(cluster, "describe_process", lambda: other)
        named = r"another version of ai_edge_litert, cv2, lipnet\.errors than"
        with pytest.raises(InputError, match=named):
            map_jobs(lambda: abs, [-1, -2], actors=2)

    def test_a_node_without_the_folder_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "getcwd", lambda: "/nowhere/lipnet")
        with pytest.raises(InputError, match="cannot open /nowhere/lipnet .*every node needs"):
            map_jobs(lambda: abs, [-1, -2], actors=2)
