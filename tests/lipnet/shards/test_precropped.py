"""Ready crops: a window of images with its word counted from there, no landmarks on the way."""

from pathlib import Path

import numpy as np
import pytest

from lipnet.clip import Clip
from lipnet.crops.crop import CropOptions
from lipnet.shards.cut import CutPlaces, Cutter, plan_shards
from lipnet.shards.precropped import digest_ready, read_ready
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
    own, crops = read_ready(clip("a", 9, 14), root, 122)
    assert crops.mean(axis=(1, 2)).tolist() == [20, 22, 24, 26, 28]
    assert crops.shape[1:] == (122, 122)
    assert (own.first, own.last, own.word_first, own.word_last) == (0, 5, 0, 5)
    with pytest.raises(VideoError, match="frame_missing: no image is frame 29"):
        read_ready(clip("b", 20, 30), root, 122)


def test_a_digest_is_of_the_windows_alone(root: Path) -> None:
    clips = [clip("a", 0, 5), clip("b", 10, 12), clip("c", 0, 99), clip("d", 0, 2, "none")]
    before = digest_ready(clips, root)
    (root / "f/20.png").unlink()
    assert digest_ready(clips[:2], root) == digest_ready(clips[:2], root)
    (root / "f/11.png").write_bytes(b"")
    assert digest_ready(clips, root) != before


def test_shards_hold_what_can_be_read_and_count_the_rest(root: Path) -> None:
    (root / "f/25.png").write_bytes(b"")
    clips = [clip("a", 0, 8), clip("b", 20, 26), clip("c", 8, 9), clip("d", 0, 2, "none")]
    [unit] = plan_shards(clips, {}, 99)
    places = CutPlaces(root, root / "no landmarks", root / "out")
    cutter = Cutter(places, options=CropOptions(size=122), labels=["hao"], made_by={})
    record = cutter(unit)
    reasons = {failure["clip_id"]: failure["reason"] for failure in record["failures"]}
    assert reasons == {"b": "unreadable_frame", "d": "missing"}
    samples = {
        str(meta["clip_id"]): (crops, meta)
        for crops, meta in read_shard(root / "out/train/000000.tar")
    }
    assert {name: crops.shape for name, (crops, _) in samples.items()} == {
        "a": (8, 122, 122),
        "c": (1, 122, 122),
    }
    assert [samples["a"][1][key] for key in ("word_first", "word_last", "label_index")] == [0, 8, 0]
    assert np.all(samples["c"][0] == 18)
    assert cutter(unit) == record
