"""A Ray cluster of two nodes on this machine: the stages use both, and outlive the loss of one."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from stages.cluster import OBJECT_STORE_BYTES
from tests.e2e.faults import kill_node, wait_until
from tests.e2e.preprocessing import Preprocessing

pytestmark = pytest.mark.slow
# One core each, so that each node has one of two actors.
NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": OBJECT_STORE_BYTES}


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    cluster = Cluster(True, connect=False, head_node_args={**NODE, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def is_at_work(manager: psutil.Process) -> bool:
    """Whether an actor of the node has an item in hand, as its process's title tells."""
    return any("_Actor.work" in one.name() + str(one.cmdline()) for one in manager.children())


def test_a_node_lost_at_work_costs_its_unit_a_retry_and_nothing_else(
    calm: Preprocessing, tmp_path: Path, nodes: Cluster
) -> None:
    second = nodes.add_node(**NODE)
    nodes.wait_for_nodes()
    manager = psutil.Process(second.all_processes["raylet"][0].process.pid)
    made = calm.fork(tmp_path / "struck", "landmarks", actors=0)
    process = made.start("landmarks", RAY_ADDRESS=nodes.address)
    assert wait_until(lambda: made.count_units("landmarks") >= 2 and is_at_work(manager), process)
    kill_node(manager)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    made.use_actors(1)
    made.finish("shards")
    assert made.outputs() == calm.outputs()
