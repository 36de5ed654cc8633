"""Fixtures that several parts share: real data where it lies beside the checkout."""

from pathlib import Path

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
