"""What the tests of teaching share: a few takes of two words, and small weights to start from."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from lipnet.sources.synthetic.corpus import encode_movie
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan, render_clip
from tests.lipnet.inference.embedding import write_weights
from tests.sharing import make_once

SPEC = "resnet18_0.125x + tcn_0.25x"
WORDS = {"bark": "BARK", "family": "FAMILY"}
TAKES = 3
STILL = 20  # frames before and after the rendered 29: pauses


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes of one rendered speaker, TAKES of each word, with pauses; not to be changed."""
    return make_once(tmp_path_factory, "takes", render_takes)


def render_takes(root: Path) -> None:
    options = SyntheticOptions(words=tuple(WORDS.values()), pauses=1.0)
    for word, spoken in WORDS.items():
        (root / word).mkdir(parents=True)
        for number in range(1, TAKES + 1):
            frames_THWC, _ = render_clip(ClipPlan(spoken, "test", number, 0), options)
            edges = [np.repeat(frames_THWC[at : at + 1], STILL, axis=0) for at in (0, 28)]
            movie = np.concatenate([edges[0], frames_THWC, edges[1]])
            encode_movie(root / word / f"take-{number:03d}.mp4", movie)


@pytest.fixture
def takes(recorded: Path, tmp_path: Path) -> Path:
    """A copy of the takes."""
    return Path(shutil.copytree(recorded, tmp_path / "takes"))


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of another three words, of crops by dlib."""
    return write_weights(tmp_path_factory.mktemp("released") / "w.safetensors", SPEC)
