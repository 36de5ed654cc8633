"""Embeddings equal model.embed of the same clips; what cannot be embedded is reported."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lipnet.data.augment import central_view
from lipnet.data.batch import collate
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.files import write_json
from lipnet.inference.crop import crop_video
from lipnet.inference.embed import Embeddings, embed_shards, embed_videos, write_embeddings
from lipnet.models.weights import load_model
from lipnet.shards.meta import ClipMeta
from lipnet.shards.tar import read_shard
from tests.lipnet.inference.embedding import RECIPE, SPEC, make_meta, write_shards, write_weights
from tests.lipnet.video.making import FakeDetector, flat_frame, write_faces, write_video


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "w.safetensors")


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "shards")


def embed_one(weights: Path, crops_THW: NDArray[np.uint8], meta: ClipMeta) -> NDArray[np.float32]:
    """A clip's features by the model as it is, alone."""
    model, _ = load_model(weights)
    view = central_view(collate([(Shrink.for_recipe(RECIPE)(crops_THW), meta)]), RECIPE)
    with torch.inference_mode():
        return model.embed(view.frames_BTHW, view.lengths_B, view.word_BT)[0].numpy()


@pytest.mark.slow
@pytest.mark.parametrize("spec", [SPEC, f"{SPEC} + boundary"])
def test_shards_give_what_the_model_gives_for_each_clip(
    tmp_path: Path, shards: Path, spec: str
) -> None:
    weights = write_weights(tmp_path / "w.safetensors", spec)
    made = embed_shards(weights, shards, "test")
    assert made.clip_ids == [f"clip-{number}" for number in range(5)]
    assert made.labels == ["A", "B", "C", "A", "B"]
    assert (made.embeddings.shape, made.embeddings.dtype) == ((5, 64), np.float32)
    stored = [clip for tar in sorted((shards / "test").glob("*.tar")) for clip in read_shard(tar)]
    expected = np.stack([embed_one(weights, crops, meta) for crops, meta in stored])
    assert expected.std(axis=0).max() > 1e-3
    np.testing.assert_allclose(made.embeddings, expected, rtol=1e-4, atol=1e-5 * expected.std())


@pytest.mark.slow
def test_videos_give_what_the_model_gives_for_their_crops(tmp_path: Path, weights: Path) -> None:
    good, more = write_faces(tmp_path / "good.mp4", 6), write_faces(tmp_path / "more.mp4", 9)
    blank = write_video(tmp_path / "blank.mp4", [flat_frame(40)] * 3)
    missing = tmp_path / "missing.mp4"
    made = embed_videos(weights, [good, blank, missing, more], FakeDetector())
    assert made.clip_ids == [str(good), str(more)]
    assert made.labels == ["", ""]
    assert made.failed == [str(blank), str(missing)]
    assert [reason.split(":")[0] for reason in made.reasons] == ["no_face", "missing"]
    for row, video in zip(made.embeddings, (good, more), strict=True):
        crops = crop_video(video, FakeDetector()).crops_THW
        expected = embed_one(weights, crops, make_meta(0, len(crops)))
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5 * expected.std())


def test_only_failures_leave_no_rows(tmp_path: Path, weights: Path) -> None:
    made = embed_videos(weights, [tmp_path / "none.mp4"], FakeDetector())
    assert made.embeddings.shape == (0, 64)
    assert (len(made.clip_ids), len(made.failed)) == (0, 1)


def test_the_file_holds_the_embeddings(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    made = Embeddings(rows, ["a", "b"], ["x", ""], ["c"], ["no_face: none"])
    write_embeddings(tmp_path / "e.npz", made)
    write_embeddings(tmp_path / "again.npz", made)
    with np.load(tmp_path / "e.npz", allow_pickle=False) as stored:
        assert np.array_equal(stored["embeddings"], rows)
        texts = {name: stored[name].tolist() for name in stored.files if name != "embeddings"}
    assert texts == {
        "clip_ids": ["a", "b"],
        "labels": ["x", ""],
        "failed": ["c"],
        "reasons": ["no_face: none"],
    }
    assert (tmp_path / "e.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_crops_made_in_another_way_are_refused(tmp_path: Path, shards: Path) -> None:
    other = write_weights(tmp_path / "other.safetensors", size=112)
    with pytest.raises(InputError, match=r"other.safetensors .* size 112, .*shards has size 96"):
        embed_shards(other, shards, "test")


def test_missing_and_damaged_shards_are_named(weights: Path, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shards in .*nowhere"):
        embed_shards(weights, tmp_path / "nowhere", "test")
    with pytest.raises(InputError, match="no shards in .*val"):
        embed_shards(weights, shards, "val")
    write_json(shards / "summary.json", [])
    with pytest.raises(InputError, match="not what the stage `shards` writes"):
        embed_shards(weights, shards, "test")


def test_a_video_given_twice_is_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(InputError, match="given twice"):
        embed_videos(weights, [tmp_path / "a.mp4"] * 2, FakeDetector())


def test_a_model_that_needs_the_words_frames_takes_no_videos(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "b.safetensors", f"{SPEC} + boundary")
    with pytest.raises(InputError, match="needs the frames of the word.*embed shards"):
        embed_videos(weights, [tmp_path / "a.mp4"], FakeDetector())
