"""The crops of a take, and the reasons for which one is refused."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lipnet.crops.crop import CropOptions
from lipnet.inference.crop import crop_video
from lipnet.landmarks.options import LandmarkOptions
from lipnet.teach import cropping
from lipnet.teach.cropping import Lengths, crop_once, crop_take
from lipnet.video.decode import VideoError
from tests.lipnet.landmarks.portrait import FACE, PHOTO, black

OPTIONS = CropOptions(face="mesh")
FRAMES = 30


def write(path: Path, frames: Sequence[NDArray[np.uint8]], rate: float = 25.0) -> Path:
    """RGB frames as a video."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def shifted(x: float) -> NDArray[np.uint8]:
    """The head moved to the right; the photograph's edge is repeated."""
    matrix_23 = np.array([[1.0, 0, x - 100], [0, 1.0, -20]])
    return cv2.warpAffine(PHOTO, matrix_23, (256, 256), borderMode=cv2.BORDER_REPLICATE)


FAULTS = {
    "no_face": [black()] * FRAMES,
    "face_lost": [FACE] * 20 + [black()] * 10,
    "moved_away": [shifted(x) for x in np.linspace(-60, 70, FRAMES)],
    "cut_off": [FACE[:140]] * FRAMES,  # below the lips
    "too_short": [FACE] * 7,
    "too_long": [FACE] * 41,
}


@pytest.mark.parametrize("reason", FAULTS)
def test_a_take_that_cannot_be_used_has_a_reason(tmp_path: Path, reason: str) -> None:
    video = write(tmp_path / "a.mp4", FAULTS[reason])
    with pytest.raises(VideoError) as caught:
        crop_take(video, OPTIONS, Lengths(8, 40))
    assert caught.value.reason == reason
    assert caught.value.detail


def test_a_camera_that_is_too_slow(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="gave 8 frames per second, and 12 are needed"):
        crop_take(write(tmp_path / "a.mp4", [FACE] * 12, rate=8.0), OPTIONS)


def test_a_file_that_is_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "a.webm").write_bytes(b"\x1a\x45\xdf\xa3 and nothing else")
    with pytest.raises(VideoError, match="unreadable"):
        crop_take(tmp_path / "a.webm", OPTIONS)


def test_crops_are_those_of_the_library_and_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, kept = write(tmp_path / "a.mp4", [FACE] * 9), tmp_path / "kept"
    crops_THW = crop_once(video, OPTIONS, kept)
    landmarks = LandmarkOptions(model="mesh")
    wanted_THW = crop_video(video, crops=OPTIONS, landmarks=landmarks).crops_THW
    np.testing.assert_array_equal(crops_THW, wanted_THW)
    (path,) = kept.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(cropping, "crop_take", None)
        np.testing.assert_array_equal(crop_once(video, OPTIONS, kept), wanted_THW)
    with monkeypatch.context() as patched:  # other code or another landmark model
        patched.setattr(cropping, "_describe_maker", lambda: {"code": "other"})
        patched.setattr(cropping, "crop_take", lambda *_: wanted_THW[:1])
        assert len(crop_once(video, OPTIONS, kept)) == 1
    path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(crop_once(video, OPTIONS, kept), wanted_THW)
