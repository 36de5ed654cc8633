"""A Ray cluster of two nodes on this machine: the stages use both, and outlive the loss of one."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster
from ray.util.state import list_actors, list_tasks

from cluster.connection import OBJECT_STORE_BYTES
from tests.contract.imports import ROOT
from tests.e2e.faults import AT_WORK, kill_node, wait_until
from tests.e2e.hosts import Host, Refused, connect_hosts, connect_ray, ray_settings
from tests.e2e.preprocessing import SETTINGS, TOO_LATE, UNITS, Preprocessing
from tests.e2e.retrained import LINEAGE, is_training
from tests.e2e.trained_together import (
    CHANGES,
    check_resumed,
    check_same_weights,
    select_workers,
    train_alone,
)

pytestmark = pytest.mark.slow
COUNT = 3 if "FAULTS" in os.environ else 1
SEED = os.environ.get("FAULTS_SEED", "1")
# One core each, so that each node has one of two actors.
NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": OBJECT_STORE_BYTES}


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    cluster = Cluster(True, connect=False, head_node_args={**NODE, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Two cores, and the dashboard on a port that is free."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings = {**NODE, "num_cpus": 2, "include_dashboard": True, "dashboard_port": 0}
    cluster = Cluster(True, connect=False, head_node_args=settings)
    yield cluster
    cluster.shutdown()


def is_at_work(manager: psutil.Process) -> bool:
    """Whether an actor of the node has an item in hand, as its process's title shows."""
    try:
        titles = [(one.cmdline() or [""])[0] for one in manager.children()]
    except psutil.NoSuchProcess:
        return False
    return any(title.startswith(AT_WORK) for title in titles)


def _reach(
    made: Preprocessing, process: subprocess.Popen[str], least: int, manager: psutil.Process
) -> bool:
    """Wait until that many units are done and the node works on one; False if it never did."""
    return wait_until(lambda: made.count_units("landmarks") >= least, process) and wait_until(
        lambda: is_at_work(manager), process
    )


@pytest.mark.parametrize("number", range(1, COUNT + 1))
def test_a_node_lost_at_work_costs_its_unit_a_retry_and_nothing_else(
    calm: Preprocessing, tmp_path: Path, nodes: Cluster, number: int
) -> None:
    least = random.Random(f"{SEED}-{number}").randrange(2, UNITS // 2)
    second = nodes.add_node(**NODE)
    nodes.wait_for_nodes()
    manager = psutil.Process(second.all_processes["raylet"][0].process.pid)
    for attempt in range(TOO_LATE):  # the first node may be done before the second begins
        made = calm.fork(tmp_path / f"fault-{attempt}", "landmarks", actors=0)
        process = made.start("landmarks", RAY_ADDRESS=nodes.address)
        if _reach(made, process, least, manager):
            break
        process.communicate()
    else:
        raise AssertionError(f"landmarks ended {TOO_LATE} times before the node was lost")
    kill_node(manager)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    made.use_actors(1)
    made.finish("shards")
    assert made.outputs() == calm.outputs()
    print(f"\nseed {SEED}-{number}: Ray node lost after {least} of {UNITS} units; outputs equal")


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    try:
        with connect_hosts() as both:
            yield both
    except Refused as error:
        pytest.skip(f"this machine gives no network namespaces: {error}")


@pytest.mark.skipif("FAULTS" not in os.environ, reason="takes minutes: run by `make faults`")
@pytest.mark.parametrize("loss", ["killed", "cut off"])
def test_a_host_lost_at_work_costs_its_unit_a_retry_and_nothing_else(
    calm: Preprocessing, tmp_path: Path, hosts: tuple[Host, Host], loss: str
) -> None:
    """Two hosts with addresses of their own; the second one is lost after some units."""
    least = random.Random(f"{SEED}-{loss}").randrange(2, UNITS // 2)
    first, second = hosts
    with connect_ray(first, second) as ray:
        for attempt in range(TOO_LATE):  # the first host may be done before the second begins
            made = calm.fork(tmp_path / f"fault-{attempt}", "landmarks", actors=0)
            command = first.enter(sys.executable, "-m", "stages.landmarks")
            environment = {**ray_settings(first), "PYTHONPATH": str(made.checkout.place)}
            process = made.checkout.start_program(command, RAY_ADDRESS=ray.address, **environment)
            if wait_until(lambda made=made: made.count_units("landmarks") >= least, process) and (
                wait_until(second.is_at_work, process)
            ):
                break
            output, _ = process.communicate()
            assert process.returncode == 0, output
        else:
            raise AssertionError(f"landmarks ended {TOO_LATE} times before the host was lost")
        (second.kill if loss == "killed" else second.cut_off)()
        output, _ = process.communicate()
        assert process.returncode == 0, output
    made.use_actors(1)
    made.finish("shards")
    assert made.outputs() == calm.outputs()
    print(f"\nseed {SEED}: host {loss} after {least} of {UNITS} units; outputs equal")


@pytest.mark.skipif("FAULTS" not in os.environ, reason="takes minutes: run by `make faults`")
def test_a_training_over_two_hosts_outlives_a_lost_one(
    calm: Preprocessing, tmp_path: Path, hosts: tuple[Host, Host]
) -> None:
    """Two processes train one model, one on each host; the second host loses its power and comes
    back. The weights are those of one process."""
    together = calm.checkout.fork(tmp_path / "together")
    together.run("pipeline.profile", "tiny", *SETTINGS, *CHANGES)
    alone = train_alone(together, tmp_path / "alone")
    first, second = hosts
    with connect_ray(first, second) as ray:
        command = first.enter(sys.executable, "-m", "stages.scratch", LINEAGE)
        environment = {**ray_settings(first), "PYTHONPATH": str(together.place)}
        process = together.start_program(command, RAY_ADDRESS=ray.address, **environment)
        assert wait_until(lambda: is_training(together), process)
        assert len(select_workers(first.processes)) == len(select_workers(second.processes)) == 1
        second.kill()
        ray.join(second)
        output, _ = process.communicate()
        assert process.returncode == 0, output
    check_resumed(output)
    check_same_weights(alone, together)
    print("\nhost killed in a training over two hosts; weights equal")


WHERE = """
import os
from cluster.pool import map_jobs
def make_worker():
    return lambda _: os.environ.get("MLFLOW_TRACKING_URI", "")
print(map_jobs(make_worker, [1, 2], actors=2))
"""


def _check_where_work_logs(cluster: Cluster) -> None:
    """Actors on a cluster log where the stage does, not where the cluster was started to."""
    assert "MLFLOW_TRACKING_URI" not in os.environ
    address = "http://tracking.example:5000"
    own = {"RAY_ADDRESS": cluster.address, "MLFLOW_TRACKING_URI": address}
    done = subprocess.run(
        [sys.executable, "-c", WHERE],
        cwd=ROOT,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{[address] * 2}\n", done.stderr


def test_the_dashboard_names_what_each_actor_does_and_work_logs_where_the_stage_does(
    calm: Preprocessing, tmp_path: Path, watched: Cluster
) -> None:
    made = calm.fork(tmp_path / "watched", "landmarks")
    process = made.start("landmarks", RAY_ADDRESS=watched.address)
    pages = f"http://{watched.head_node.webui_url}"
    actors: set[str] = set()
    tasks: set[str] = set()

    def sees_all() -> bool:
        # Ray's own client shows its token: a process in which Ray ran before asks for one.
        try:
            actors.update(actor.name for actor in list_actors(address=pages))
            tasks.update(task.name for task in list_tasks(address=pages))
        except Exception as error:  # still starting, or slow: asked again
            print(f"the dashboard: {error!r}")
        return len(actors) == 2 and f"landmarks {UNITS} of {UNITS}" in tasks

    wait_until(sees_all, process, pause=0.3)
    output, _ = process.communicate(timeout=300)
    assert wait_until(sees_all, pause=1.0, seconds=60.0)  # it also lists what has ended
    assert process.returncode == 0, output
    assert actors == {"landmarks 1", "landmarks 2"}
    assert tasks >= {f"landmarks {number} of {UNITS}" for number in range(1, UNITS + 1)}
    _check_where_work_logs(watched)
