"""Measures of quality: steady motion has no jumps, gaps are counted in the clips that have them."""

from pathlib import Path

import numpy as np
import pytest

from lipnet.clip import Clip
from lipnet.crops.align import load_face
from lipnet.crops.crop import CropOptions
from lipnet.landmarks.store import Track, TrackSpan, write_tracks
from lipnet.quality.measures import measure_faces, measure_pixels, measure_track
from lipnet.shards.index import ShardIndex, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.tar import write_shard

OPTIONS = CropOptions(smooth=4)


def track(shifts: list[float], *, size: float = 1.0, unseen: tuple[int, ...] = ()) -> Track:
    """The reference face at a size, shifted to the right frame by frame."""
    points = np.stack([size * load_face() + [shift, 0.0] for shift in shifts])
    seen = np.array([frame not in unseen for frame in range(len(shifts))])
    return Track(points.astype(np.float32), seen, np.where(seen, 2.0, 0.0).astype(np.float32))


def clip(name: str, first: int, last: int) -> Clip:
    return Clip(name, "v.mp4", "w", "train", "s", "u", "", first, last, first, last)


@pytest.mark.parametrize("size", [0.5, 1.0, 3.0])
def test_steady_motion_has_no_jumps_at_any_size_of_the_face(size: float) -> None:
    found = measure_track(track([size * 5 * frame for frame in range(20)], size=size), OPTIONS)
    assert found.jitter_T == pytest.approx(np.zeros(20), abs=1e-4)
    shaking = measure_track(track([size * (frame % 2) for frame in range(20)], size=size), OPTIONS)
    assert shaking.jitter_T == pytest.approx(np.ones(20), abs=1e-4)  # in the crop's pixels
    assert shaking.smoothed_T.max() < 1e-4  # the mean of four frames takes the shaking out


def test_one_frame_has_no_jumps() -> None:
    assert measure_track(track([3.0]), OPTIONS).jitter_T.tolist() == [0.0]


def test_a_gap_counts_in_the_clips_that_have_it(tmp_path: Path) -> None:
    write_tracks(tmp_path / "000000.npz", {"v.mp4": track([0.0] * 30, unseen=(10, 11))})
    clips = [clip("a", 0, 10), clip("b", 10, 14), clip("late", 40, 50)]
    faces = measure_faces(clips, {"v.mp4": TrackSpan("000000", 0, 30)}, tmp_path, OPTIONS)
    assert faces.interpolated == 2
    assert len(faces.frames.seen_T) == 30
    assert faces.clips.set_index("clip_id")["interpolated"].to_dict() == {"a": 0.0, "b": 0.5}
    assert faces.clips.set_index("clip_id")["score"].to_dict() == {"a": 2.0, "b": 1.0}


def test_pixels_come_from_the_tables_alone(tmp_path: Path) -> None:
    crops = np.full((4, 8, 8), 51, np.uint8)
    meta = ClipMeta("a", "w", 0, 0, 4, outside=0.25)
    contents = write_shard(tmp_path / "val/000000.tar", [(crops, meta)])
    write_index(tmp_path / "val/000000.json", ShardIndex("val/000000", contents))
    (tmp_path / "val/000000.tar").unlink()
    pixels = measure_pixels(tmp_path)
    assert pixels.clips.to_dict("records") == [
        {"clip_id": "a", "split": "val", "frames": 4, "mean": 0.2, "std": 0.0, "outside": 0.25}
    ]
    assert pixels.stored["a"][1].frames == 4
