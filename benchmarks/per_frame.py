"""The baselines of preprocess.py: dlib on every frame, as in most scripts for LRW.

(a) HOG with one upsampling, 68 points, scikit-image's warp to 256 x 256, then the mouth is cut;
(b) HOG without upsampling, 68 points, OpenCV's warp directly to 96 x 96.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray
from skimage.transform import AffineTransform, warp

from benchmarks.stopwatch import Stopwatch
from lipnet.crops.align import MOUTH, align_to_face, apply_similarity, load_face
from lipnet.landmarks.detector import find_predictor

# T frames  H W pixels  P landmark points (68)
Frame = NDArray[np.uint8]
Warp = Callable[[Frame, NDArray[np.float64], NDArray[np.float64]], Frame]
FACE_SIDE, CROP_SIDE = 256, 96


class PerFrame:
    """Crops a video with dlib's own predictor, frame by frame."""

    def __init__(self, upsample: int, warp_frame: Warp) -> None:
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(find_predictor()))
        self._upsample = upsample
        self._warp = warp_frame

    def __call__(self, video: Path, watch: Stopwatch) -> NDArray[np.float64] | None:
        """Cut the mouth in every frame; returns the points [T, P, 2], or None without any face."""
        frames = list(watch.each("decode", read_grey(video)))
        marked = [self._mark(frame, watch) for frame in frames]
        points_TP2 = fill_between(marked)
        if points_TP2 is None:
            return None
        with watch.time("warp"):
            face_P2 = load_face()
            matrices_T23 = align_to_face(points_TP2, face_P2)
            mouths_T12 = points_TP2[:, MOUTH].mean(axis=1, keepdims=True)
            centres_T2 = apply_similarity(matrices_T23, mouths_T12)[:, 0]
            for frame, matrix_23, centre in zip(frames, matrices_T23, centres_T2, strict=True):
                self._warp(frame, matrix_23, centre)
        return points_TP2

    def _mark(self, frame: Frame, watch: Stopwatch) -> NDArray[np.float64] | None:
        with watch.time("detect"):
            faces = self._detector(frame, self._upsample)
        if not faces:
            return None
        with watch.time("predict"):
            shape = self._predictor(frame, max(faces, key=lambda face: face.area()))
            return np.array([(point.x, point.y) for point in shape.parts()], np.float64)


def read_grey(video: Path) -> Any:
    """The video's frames from OpenCV, in grey."""
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while True:
        found, frame = capture.read()
        if not found:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)


def fill_between(marked: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    """Points of every frame; frames without a face are interpolated linearly."""
    found = [place for place, points in enumerate(marked) if points is not None]
    if not found:
        return None
    flat = np.stack([points.ravel() for points in marked if points is not None])
    times = np.arange(len(marked))
    filled = [np.interp(times, found, column) for column in flat.T]
    return np.stack(filled, axis=1).reshape(len(marked), -1, 2)


def warp_by_skimage(
    frame: Frame, matrix_23: NDArray[np.float64], centre: NDArray[np.float64]
) -> Frame:
    """Warp the whole face to 256 x 256, then cut the mouth."""
    there = AffineTransform(np.vstack([matrix_23, (0, 0, 1)]))  # type: ignore[no-untyped-call]
    face = warp(  # type: ignore[no-untyped-call]
        frame, there.inverse, output_shape=(FACE_SIDE, FACE_SIDE), mode="edge"
    )
    left, top = np.clip(np.round(centre - CROP_SIDE / 2), 0, FACE_SIDE - CROP_SIDE).astype(int)
    mouth = face[top : top + CROP_SIDE, left : left + CROP_SIDE]
    return np.asarray(np.round(mouth * 255), np.uint8)


def warp_by_opencv(
    frame: Frame, matrix_23: NDArray[np.float64], centre: NDArray[np.float64]
) -> Frame:
    """Warp the mouth directly."""
    moved_23 = matrix_23.copy()
    moved_23[:, 2] += CROP_SIDE / 2 - centre
    size = (CROP_SIDE, CROP_SIDE)
    warped = cv2.warpAffine(frame, moved_23, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)
