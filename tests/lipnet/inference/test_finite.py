"""Outputs that are not finite never become a word, an accuracy or an embedding."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lipnet.device import choose_device
from lipnet.errors import InputError
from lipnet.inference.embed import embed_shards, embed_videos
from lipnet.inference.evaluate import Corpus, evaluate
from lipnet.inference.finite import NonFiniteOutput, check_finite
from lipnet.inference.predict import predict_logits
from lipnet.inference.read import read_video
from lipnet.train.loop import TrainingDiverged, fit
from tests.lipnet.clips import make_store
from tests.lipnet.inference.embedding import write_shards, write_weights
from tests.lipnet.train.tiny import RECIPE, Quiet, make_model, make_training
from tests.lipnet.video.making import FakeDetector, write_faces
from tracking.pyfunc import LipreaderModel


@pytest.fixture(autouse=True)
def _fake_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipnet.inference.crop.shared_detector", lambda *_: FakeDetector())


@pytest.fixture
def overflowing(tmp_path: Path) -> Path:
    """Finite weights, so large that every product of two overflows."""
    path = write_weights(tmp_path / "w.safetensors")
    with safe_open(path, framework="pt") as opened:
        header = opened.metadata()
    tensors = {
        name: torch.full_like(tensor, 3e38) if name.endswith("weight") else tensor
        for name, tensor in load_file(path).items()
    }
    save_file(tensors, path, header)
    return path


@given(
    st.lists(
        st.lists(st.floats(width=32), min_size=2, max_size=2),
        min_size=1,
        max_size=9,
    )
)
def test_exactly_the_clips_with_other_values_than_finite_ones_are_named(
    rows: Sequence[Sequence[float]],
) -> None:
    outputs_BD = torch.tensor(rows, dtype=torch.float32)
    names = [f"clip-{number}" for number in range(len(rows))]
    wrong = [name for name, row in zip(names, rows, strict=True) if not np.isfinite(row).all()]
    if not wrong:
        check_finite(outputs_BD, names, model="w")
        return
    with pytest.raises(NonFiniteOutput) as raised:
        check_finite(outputs_BD, names, model="w")
    assert f"for {', '.join(wrong[:3])}" in str(raised.value)


def _read(weights: Path, folder: Path) -> object:
    return read_video(write_faces(folder / "v.mp4", 6), weights)


def _evaluate(weights: Path, folder: Path) -> object:
    (folder / "videos" / "A").mkdir(parents=True)
    write_faces(folder / "videos" / "A" / "0.mp4", 6)
    return evaluate(weights, Corpus("folder", folder / "videos"), FakeDetector())


def _embed_videos(weights: Path, folder: Path) -> object:
    return embed_videos(weights, [write_faces(folder / "v.mp4", 6)], FakeDetector())


def _embed_shards(weights: Path, folder: Path) -> object:
    return embed_shards(weights, write_shards(folder / "shards"), "test")


def _serve(weights: Path, folder: Path) -> object:
    served = LipreaderModel()
    served.load_context(SimpleNamespace(artifacts={"weights": str(weights)}))
    return served.predict(None, np.zeros((2, 5, 96, 96), np.uint8))


@pytest.mark.parametrize(
    ("use", "named"),
    [
        (_read, r"w\.safetensors .*v\.mp4"),
        (_evaluate, r"w\.safetensors .*0\.mp4"),
        (_embed_videos, r"w\.safetensors .*v\.mp4"),
        (_embed_shards, r"w\.safetensors .*clip-0"),
        (_serve, "clip 0"),
    ],
)
def test_each_use_of_a_model_names_the_file_and_the_clip(
    overflowing: Path, tmp_path: Path, use: Callable[[Path, Path], object], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        use(overflowing, tmp_path)


def test_predicting_a_split_names_model_and_clips() -> None:
    model = make_model()
    model.classifier.bias.data[1] = torch.nan  # type: ignore[union-attr,operator,index]
    with pytest.raises(NonFiniteOutput, match=r"^g0\.safetensors .* for "):
        predict_logits(model, make_store(5), RECIPE, device=choose_device(), name="g0.safetensors")


def test_a_validation_that_is_not_finite_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflow(*args: object, **kwargs: object) -> None:
        raise NonFiniteOutput("the model returns values that are not finite for clip-0")

    monkeypatch.setattr("lipnet.train.loop.predict_logits", overflow)
    with pytest.raises(TrainingDiverged, match=r"clip-0.*lower recipe\.lr"):
        fit(make_training(epochs=1), checkpoint=tmp_path / "c", facts={}, listener=Quiet())
