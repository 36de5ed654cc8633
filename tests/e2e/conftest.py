"""What several end-to-end tests start from, made once per test run. Change a fork, never these."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.servers import MLFLOW, Server
from tests.e2e.checkout import Checkout
from tests.e2e.deployed import Deployed, server_somewhere
from tests.e2e.preprocessing import Preprocessing
from tests.e2e.retrained import fork_untrained, train_here
from tests.e2e.system import mlflow_at
from tests.sharing import make_once

LONG_ENOUGH = 8  # epochs in which a fault can happen


def _reproduce(place: Path) -> None:
    checkout = Checkout.create(place)
    checkout.run("pipeline.profile", "tiny")
    checkout.run("dvc", "repro")
    checkout.run("pipeline.leaderboard")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The whole of the profile `tiny`, reproduced."""
    return Checkout(make_once(tmp_path_factory, "undisturbed", _reproduce))


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Preprocessing:
    """Landmarks and shards of the small corpus, undisturbed."""
    return Preprocessing(make_once(tmp_path_factory, "calm", Preprocessing.undisturbed))


@pytest.fixture(scope="session")
def served(
    undisturbed: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Deployed, Server]]:
    """Deployments with a worker whose runs are logged to an MLflow server. Tests may change it, so
    they run in one process, in the order of tests/conftest.py."""
    checkout = undisturbed.fork(tmp_path_factory.mktemp("served") / "checkout")
    server = server_somewhere(MLFLOW)
    with mlflow_at(checkout, server), Deployed.of(checkout) as deployed:
        deployed.start_worker(MLFLOW_TRACKING_URI=server.url)
        yield deployed, server


@pytest.fixture(scope="session")
def untrained(undisturbed: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Clips, and models to be trained for long enough for a fault."""

    def make(place: Path) -> None:
        made = fork_untrained(undisturbed, place)
        made.run("pipeline.profile", "tiny", f"recipe.epochs={LONG_ENOUGH}")

    return Checkout(make_once(tmp_path_factory, "untrained", make))


@pytest.fixture(scope="session")
def trained(untrained: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The models of `untrained`, trained without a fault."""

    def make(place: Path) -> None:
        train_here(untrained.fork(place))

    return Checkout(make_once(tmp_path_factory, "trained", make))
