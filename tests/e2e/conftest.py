"""What several end-to-end tests start from, made once per test run. Change a fork, never these."""

from pathlib import Path

import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.here import run_here
from tests.e2e.preprocessing import Preprocessing
from tests.e2e.retrained import LINEAGE, fork_untrained
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
        run_here(untrained.fork(place).place, "stages.scratch", LINEAGE)

    return Checkout(make_once(tmp_path_factory, "trained", make))
