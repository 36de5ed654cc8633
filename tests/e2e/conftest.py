"""What several end-to-end tests start from, made once."""

import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.preprocessing import Preprocessing


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The whole of the profile `tiny`, reproduced."""
    checkout = Checkout(tmp_path_factory.mktemp("e2e") / "undisturbed")
    checkout.run("pipeline.profile", "tiny")
    checkout.run("dvc", "repro")
    return checkout


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Preprocessing:
    """Landmarks and shards of the small corpus, undisturbed."""
    return Preprocessing.undisturbed(tmp_path_factory.mktemp("preprocessing") / "calm")
