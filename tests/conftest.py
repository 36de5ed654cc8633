"""How the tests are spread over processes, and fixtures that several parts share: real data next
to the checkout, databases of servers, and an S3-compatible server."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.sharing import make_once

# One thread per process: the workers share the cores already. torch reads it when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray reads the mode when it is imported and keeps the first token that a process uses.
# cluster.connection sets both before it imports Ray, but tests import Ray first, and some start a
# cluster themselves.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", token_hex(32))
# The time of one example depends more on the machine's other work than on the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parents[1] / "shared" / "data"
# The longest first, so that no worker is left with one at the end. The first two start different
# fixtures: the reproduction of `tiny`, and preprocessing.
FIRST = (
    *("e2e/test_tiny.py", "e2e/test_faults.py"),
    *("e2e/served/test_pages.py", "e2e/served/test_shared.py", "e2e/served"),
    *("e2e/test_nodes.py", "e2e/test_sources.py", "e2e"),
    *("malformed", "flows/test_deployments.py", "cluster", "tracking", "benchmarks"),
)
# Each test of these files may run in any worker; the tests of another file share one.
SPLIT = (
    *("e2e/test_faults.py", "e2e/test_nodes.py", "e2e/test_sharing.py"),
    "lipnet/authors/test_parity.py",
)
# Its files share servers, and the first in FIRST is the first to run: the others change them.
TOGETHER = "e2e/served/"


class FileScheduling(LoadScopeScheduling):
    """A file's tests run in one worker, except those of the files in SPLIT; those of the folder
    TOGETHER share one.

    Markers and `--dist loadgroup` do not do it: pytest 9.2 ignores the node ids that xdist 3.8
    writes for them.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        name = file.removeprefix("tests/")
        if name in SPLIT:
            return nodeid
        return TOGETHER if name.startswith(TOGETHER) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return FileScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what is imported and collected: all of it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first."""
    items.sort(key=_place_in_order)


def _place_in_order(item: pytest.Item) -> int:
    file = item.path.relative_to(TESTS).as_posix()
    return next((n for n, start in enumerate(FIRST) if file.startswith(start)), len(FIRST))


@pytest.fixture(scope="session")
def grid_root() -> Path:
    """GRID video in its own layout; skips where a checkout has none."""
    root = SHARED / "grid"
    if not root.is_dir():
        pytest.skip("no GRID video next to this checkout (../shared/data/grid)")
    return root


@pytest.fixture(scope="session")
def reference_root() -> Path:
    """The reference face and logits of the paper's authors; skips where a checkout has none."""
    root = SHARED / "reference"
    if not root.is_dir():
        pytest.skip("no reference numbers next to this checkout (../shared/data/reference)")
    return root


@pytest.fixture(scope="session")
def prefect_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a new Prefect server; to make its tables takes ten seconds of a core."""
    return make_once(tmp_path_factory, "prefect", _make_prefect_database) / "prefect.db"


def _make_prefect_database(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
        env={**os.environ, "PREFECT_HOME": str(folder)},
        capture_output=True,
        check=True,
    )


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite file with MLflow's tables and nothing in them."""
    return make_once(tmp_path_factory, "mlflow", _make_store) / "mlflow.db"


def _make_store(folder: Path) -> None:
    from mlflow import MlflowClient

    folder.mkdir()
    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[None]:
    """moto's server on 127.0.0.1, its objects in memory, named by the environment's settings."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield
    server.stop()


@pytest.fixture(scope="session")
def make_bucket(_s3_server: None) -> Callable[[], str]:
    """Creates a bucket, and gives its URL."""
    import fsspec

    def make() -> str:
        name = f"clips-{uuid4().hex[:8]}"
        fsspec.filesystem("s3", use_listings_cache=False).mkdir(name)
        return f"s3://{name}"

    return make


@pytest.fixture
def bucket(make_bucket: Callable[[], str]) -> str:
    """The URL of a fresh bucket."""
    return make_bucket()
