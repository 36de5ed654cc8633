"""What several end-to-end tests start from, made once per test run. Change a fork, never these."""

from pathlib import Path

import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.preprocessing import Preprocessing
from tests.sharing import make_once


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
