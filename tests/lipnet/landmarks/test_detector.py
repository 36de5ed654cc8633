"""dlib's detectors: the second one is optional, the user provides its model, and it finds more."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.landmarks.detector import CNN, DlibDetector, find_cnn, find_predictor
from lipnet.landmarks.track import track_landmarks
from lipnet.video.decode import VideoError, iter_frames

# H W pixels


def test_a_missing_cnn_is_named(tmp_path: Path) -> None:
    assert find_cnn() is None
    with pytest.raises(InputError, match=r"no CNN face detector at .*gone\.dat.*landmarks\.cnn"):
        find_cnn(str(tmp_path / "gone.dat"))


@pytest.fixture(scope="module")
def cnn() -> Path:
    found = find_predictor().with_name(CNN)  # some releases of the package have it
    if not found.is_file():
        pytest.skip(f"no {CNN} next to the landmark model")
    return found


@pytest.fixture(scope="module")
def turned(grid_root: Path) -> NDArray[np.uint8]:
    """A speaker with a tilted head: HOG was trained on upright faces."""
    frame = next(iter_frames(grid_root / "s2" / "swwp2s.mpg"))
    height, width = frame.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 55, 1.0)
    return np.asarray(cv2.warpAffine(frame, matrix, (width, height)), np.uint8)


@pytest.mark.slow
def test_a_file_that_is_not_a_cnn_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.dat").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"wrong\.dat is not a dlib CNN face detector"):
        DlibDetector(find_predictor(), tmp_path / "wrong.dat")


@pytest.mark.slow
def test_the_cnn_finds_a_face_that_hog_does_not(
    cnn: Path, dlib_detector: DlibDetector, turned: NDArray[np.uint8]
) -> None:
    assert dlib_detector.find_hard(turned) == []
    with pytest.raises(VideoError, match="no_face"):
        track_landmarks([turned], dlib_detector)
    with_cnn = DlibDetector(find_predictor(), cnn)
    found = with_cnn.find_hard(turned)
    assert len(found) == 1
    left, top, right, bottom = found[0].box
    assert 60 < right - left < 200
    assert 100 < (left + right) / 2 < 260
    assert 80 < (top + bottom) / 2 < 230
    assert track_landmarks([turned], with_cnn).score_T[0] > 0
    assert with_cnn.find_hard(np.zeros((16, 16), np.uint8)) == []


@pytest.mark.slow
def test_boxes_of_a_scaled_frame_are_in_its_own_pixels(cnn: Path, grid_root: Path) -> None:
    detector = DlibDetector(find_predictor(), cnn)
    frame = next(iter_frames(grid_root / "s2" / "swwp2s.mpg"))
    large = cv2.resize(frame, None, fx=3, fy=3)
    for find in (detector.find, detector.find_hard):
        small_box, large_box = (np.array(find(image)[0].box) for image in (frame, large))
        np.testing.assert_allclose(large_box / 3, small_box, atol=15)
