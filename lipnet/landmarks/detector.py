"""dlib's landmark model: its detectors, its predictor of 68 points, and where their files are."""

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.landmark_names import DLIB
from lipnet.landmarks.face import POINTS, Face, Seen, shrink_frame
from lipnet.landmarks.follow import follow_face
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.predictor import Box, Marks, Predictor
from lipnet.landmarks.store import digest_video
from lipnet.video.decode import Frame, Pixels

# H W pixels
PREDICTOR = "shape_predictor_68_face_landmarks.dat"
CNN = "mmod_human_face_detector.dat"
MAX_SIDE = 640  # pixels; larger frames are shrunk for the detector, not for the predictor
CNN_SIDE = (
    400  # pixels; a frame is scaled to this for the CNN: 0.6 s and 130 MB per frame on one core
)


def find_predictor(path: str = "") -> Path:
    """The landmark model at `path`, or the installed one if `path` is empty."""
    if path:
        found = Path(path)
    else:
        package = importlib.util.find_spec("face_recognition_models")
        folders = package.submodule_search_locations if package else None
        if not folders:
            raise InputError(
                "the package face_recognition_models is not installed: install it, or set "
                f"landmarks.predictor to a {PREDICTOR}"
            )
        found = Path(folders[0]) / "models" / PREDICTOR
    if not found.is_file():
        raise InputError(f"no landmark model at {found}; set landmarks.predictor to a {PREDICTOR}")
    return found


def find_cnn(path: str = "") -> Path | None:
    """The CNN detector's model at `path`; None if `path` is empty."""
    if not path:
        return None
    if not Path(path).is_file():
        raise InputError(
            f"no CNN face detector at {path}: set landmarks.cnn to dlib's {CNN}, or leave it empty"
        )
    return Path(path)


class DlibDetector:
    """dlib's HOG detector and its regression-tree landmarks; loaded once, it takes 80 MB.

    With a model file for it, dlib's CNN detector as well: it is slow, and only for `find_hard`.
    """

    name = DLIB
    pixels: Pixels = "grey"

    def __init__(self, predictor: Path, cnn: Path | None = None) -> None:
        self._find = dlib.get_frontal_face_detector()
        try:
            self._predictor = Predictor(predictor)
        except ValueError as error:
            raise InputError(f"{predictor} is not a dlib landmark model: {error}") from error
        if self._predictor.points != POINTS:
            raise InputError(f"{predictor} does not mark {POINTS} points; use {PREDICTOR}")
        try:
            self._find_hard = dlib.cnn_face_detection_model_v1(str(cnn)) if cnn else None
        except RuntimeError as error:
            raise InputError(f"{cnn} is not a dlib CNN face detector: {error}") from error

    def find(self, frame_HW: NDArray[np.uint8], *, upsample: int = 0) -> list[Face]:
        """Every face of at least 80 pixels and an eighth of the frame's longer side (each halved by
        an upsampling), best first."""
        scale = min(1.0, MAX_SIDE / max(frame_HW.shape))
        boxes, scores, _ = self._find.run(shrink_frame(frame_HW, scale), upsample, 0.0)
        return [Face(_unscale(box, scale), score) for box, score in zip(boxes, scores, strict=True)]

    def find_hard(self, frame_HW: NDArray[np.uint8]) -> list[Face]:
        """Every face that the CNN finds, also if turned or partly hidden; none without a CNN."""
        if self._find_hard is None:
            return []
        scale = CNN_SIDE / max(frame_HW.shape)
        size = [max(1, round(side * scale)) for side in frame_HW.shape[::-1]]
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        found = self._find_hard(cv2.resize(frame_HW, size, interpolation=method), 0)
        return [Face(_unscale(face.rect, scale), face.confidence) for face in found]

    def mark(self, frames: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]) -> Marks:
        """The points of the face in each frame's box."""
        return self._predictor.mark(frames, boxes)

    def follow(self, frames: Iterable[Frame], options: LandmarkOptions) -> Iterator[Seen | None]:
        """The face in each grey frame, None if it is not seen."""
        return follow_face(frames, self, options)


def load_dlib(options: LandmarkOptions) -> DlibDetector:
    """dlib's models from the options' files."""
    return DlibDetector(find_predictor(options.predictor), find_cnn(options.cnn))


def describe_dlib(options: LandmarkOptions) -> dict[str, object]:
    """What decides dlib's points besides video and code: options, model files and libraries."""
    files = [find_predictor(options.predictor), find_cnn(options.cnn)]
    used = ("detect_every", "retry_upsample", "prefer")
    return {
        "options": {name: getattr(options, name) for name in used},
        "models": [digest_video(path) for path in files if path],
        "libraries": f"cv2 {cv2.__version__}, dlib {dlib.__version__}",
    }


def _unscale(box: dlib.rectangle, scale: float) -> Box:
    left, top, right, bottom = box.left(), box.top(), box.right(), box.bottom()
    return left / scale, top / scale, right / scale, bottom / scale
