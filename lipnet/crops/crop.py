"""Cropping the mouth: one warp per frame, from the whole frame to a small grey square."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.crops.align import (
    MOUTH,
    SMOOTH_FRAMES,
    STABLE,
    align_to_face,
    apply_similarity,
    face_digest,
    smooth_forward,
)
from lipnet.errors import InputError
from lipnet.landmark_names import DLIB
from lipnet.records import Record
from lipnet.video.decode import Frame, VideoError

# T frames  H W pixels  P landmark points (68)
MAX_SIZE = 1024  # pixels: a minute of such crops is 1.6 GB, and all are in memory
MIN_SCALE = 0.5  # below it, bilinear sampling would skip pixels


@dataclass(frozen=True)
class CropOptions:
    """How mouths are cropped; `face` is the path of a reference face, empty for the package's for
    the landmark model that found the points.

    `smooth` frames smooth the similarity, `smooth_centre` frames the mouth's centre.
    """

    size: int = 96
    smooth: int = SMOOTH_FRAMES
    smooth_centre: int = 1  # as the authors do: the mouth is centred in each frame
    face: str = ""

    def __post_init__(self) -> None:
        for name in ("size", "smooth", "smooth_centre"):
            if getattr(self, name) < 1:
                raise InputError(f"crops.{name} must be at least 1, not {getattr(self, name)}")
        if self.size > MAX_SIZE:
            raise InputError(f"crops.size must be at most {MAX_SIZE}, not {self.size}")

    def for_landmarks(self, model: str) -> "CropOptions":
        """These options with the landmark model's own reference face, if they name no other."""
        return self if self.face else replace(self, face=model)


# The options as shards and models record them; a face is recorded by its digest.
RECORDED = tuple(own.name for own in fields(CropOptions) if own.name != "face")
LANDMARKS = "landmarks"  # the name of the landmark model
CROP_FACTS = (*RECORDED, "reference_face", LANDMARKS)  # crops with other values look different
DEFAULT_FACTS = {LANDMARKS: DLIB}  # of models and shards that do not record it


def describe_crops(options: CropOptions, landmarks: str = DLIB) -> dict[str, object]:
    """What decides a crop besides video and code: options, the face's digest, and the name of the
    landmark model."""
    return {
        **{name: getattr(options, name) for name in RECORDED},
        LANDMARKS: landmarks,
        "stable_points": list(STABLE),
        "reference_face": face_digest(options.for_landmarks(landmarks).face),
        "opencv": cv2.__version__,
    }


def parse_crops(facts: Mapping[str, object], *, face: str = "") -> CropOptions:
    """The options that `describe_crops` recorded; ValueError if one is wrong, or is missing and not
    in DEFAULT_FACTS."""
    read = Record({**DEFAULT_FACTS, **facts})
    readers = {int: read.integer, float: read.number, str: read.text}
    found: dict[str, Any] = {
        name: readers[type(getattr(CropOptions, name))](name) for name in RECORDED
    }
    return CropOptions(**found, face=face)


def crop_matrices(
    points_TP2: NDArray[np.floating], face_P2: NDArray[np.float64], options: CropOptions
) -> NDArray[np.float64]:
    """The matrix [2, 3] of each frame from its pixels to the crop's, with the mouth centred."""
    matrices_T23 = align_to_face(points_TP2, face_P2, options.smooth)
    mouth_T12 = smooth_forward(
        points_TP2[:, MOUTH].mean(axis=1, keepdims=True), options.smooth_centre
    )
    centre_T2 = apply_similarity(matrices_T23, mouth_T12)[:, 0]
    matrices_T23[:, :, 2] += options.size / 2 - centre_T2
    return matrices_T23


def crop_mouth(
    frames: Iterable[Frame], matrices_T23: NDArray[np.float64], size: int
) -> NDArray[np.uint8]:
    """Crops [T, size, size] of T frames; outside of the frame its edge is repeated."""
    crops: list[NDArray[np.uint8]] = []
    decoded = 0
    for decoded, frame in enumerate(frames, start=1):
        if decoded <= len(matrices_T23):
            crops.append(warp_frame(frame, matrices_T23[decoded - 1], size))
    if decoded != len(matrices_T23):
        raise VideoError("changed", f"{decoded} frames, but landmarks for {len(matrices_T23)}")
    return np.stack(crops)


def warp_frame(frame_HW: Frame, matrix_23: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """One crop; a frame scaled below MIN_SCALE is first averaged down by a whole factor."""
    scale = float(np.hypot(matrix_23[0, 0], matrix_23[1, 0]))
    factor = int(MIN_SCALE / max(scale, 1e-6)) if scale < MIN_SCALE else 1
    if factor > 1:
        frame_HW, matrix_23 = _average_down(frame_HW, matrix_23, factor)
    flags = cv2.INTER_LINEAR
    warped = cv2.warpAffine(
        frame_HW, matrix_23, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _average_down(
    frame_HW: Frame, matrix_23: NDArray[np.float64], factor: int
) -> tuple[Frame, NDArray[np.float64]]:
    """The frame at 1/factor, and the matrix from its pixels (pixel centres kept)."""
    height, width = (max(1, side // factor) for side in frame_HW.shape)
    small = cv2.resize(frame_HW, (width, height), interpolation=cv2.INTER_AREA)
    steps = np.array([frame_HW.shape[1] / width, frame_HW.shape[0] / height])
    scaled = matrix_23.copy()
    scaled[:, :2] = matrix_23[:, :2] * steps
    scaled[:, 2] = matrix_23[:, 2] + matrix_23[:, :2] @ ((steps - 1) / 2)
    return np.asarray(small, np.uint8), scaled
