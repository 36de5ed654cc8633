"""Fixtures that several parts share: real data beside the checkout, and an S3-compatible server."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

# How long one example takes says more of the machine's other work than of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def grid_root() -> Path:
    """GRID video in its own layout; skips where a checkout has none."""
    root = SHARED / "grid"
    if not root.is_dir():
        pytest.skip("no GRID video beside this checkout (../shared/data/grid)")
    return root


@pytest.fixture(scope="session")
def reference_root() -> Path:
    """The reference face and logits of the paper's authors; skips where a checkout has none."""
    root = SHARED / "reference"
    if not root.is_dir():
        pytest.skip("no reference numbers beside this checkout (../shared/data/reference)")
    return root


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


@pytest.fixture
def bucket(_s3_server: None) -> str:
    """The URL of a fresh bucket."""
    import fsspec

    name = f"clips-{uuid4().hex[:8]}"
    fsspec.filesystem("s3", use_listings_cache=False).mkdir(name)
    return f"s3://{name}"
