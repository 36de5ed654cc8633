"""Precropped clips: a window of images with the word counted from its start, no landmarks."""

from pathlib import Path

import numpy as np
import pytest

from lipnet.clip import Clip
from lipnet.crops.crop import CropOptions
from lipnet.cutting.cut import CutFolders, Cutter
from lipnet.cutting.plan import plan_shards
from lipnet.cutting.precropped import digest_precropped, read_precropped
from lipnet.shards.tar import read_shard
from lipnet.video.decode import VideoError
from tests.lipnet.video.test_images import write_images


def clip(name: str, first: int, last: int, folder: str = "f") -> Clip:
    return Clip(name, folder, "hao", "train", "", folder, "", first, last, first, last, ready=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_images(tmp_path / "f", {f"{n}.png": 2 * n for n in range(1, 31)})
    return tmp_path


def test_a_window_is_read_alone(root: Path) -> None:
    (root / "f/29.png").unlink()
    own, crops = read_precropped(clip("a", 9, 14), root, 122)
    assert crops.mean(axis=(1, 2)).tolist() == [20, 22, 24, 26, 28]
    assert crops.shape[1:] == (122, 122)
    assert (own.first, own.last, own.word_first, own.word_last) == (0, 5, 0, 5)
    with pytest.raises(VideoError, match="frame_missing: no image is frame 29"):
        read_precropped(clip("b", 20, 30), root, 122)


def test_a_digest_is_of_the_windows_alone(root: Path) -> None:
    clips = [clip("a", 0, 5), clip("b", 10, 12), clip("c", 0, 99), clip("d", 0, 2, "none")]
    before = digest_precropped(clips, root)
    (root / "f/20.png").unlink()
    assert digest_precropped(clips[:2], root) == digest_precropped(clips[:2], root)
    (root / "f/11.png").write_bytes(b"")
    assert digest_precropped(clips, root) != before


def test_shards_hold_what_can_be_read_and_count_the_rest(root: Path) -> None:
    (root / "f/25.png").write_bytes(b"")
    clips = [clip("a", 0, 8), clip("b", 20, 26), clip("c", 8, 9), clip("d", 0, 2, "none")]
    [job] = plan_shards(clips, {}, 99)
    folders = CutFolders(root, root / "no landmarks", root / "out")
    cutter = Cutter(folders, options=CropOptions(size=122), labels=["hao"], made_by={})
    index = cutter(job)
    reasons = {failure.clip_id: failure.reason for failure in index.failures}
    assert reasons == {"b": "unreadable_frame", "d": "missing"}
    samples = {
        meta.clip_id: (crops, meta) for crops, meta in read_shard(root / "out/train/000000.tar")
    }
    assert {name: crops.shape for name, (crops, _) in samples.items()} == {
        "a": (8, 122, 122),
        "c": (1, 122, 122),
    }
    meta = samples["a"][1]
    assert (meta.word_first, meta.word_last, meta.label_index) == (0, 8, 0)
    assert np.all(samples["c"][0] == 18)
    assert cutter(job) == index
