"""Tracking one face's 68 landmarks through a video; gaps are interpolated and marked as such."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.landmarks.detector import Detector
from lipnet.landmarks.finder import PREFERENCES, Finder
from lipnet.landmarks.follow import follow_face
from lipnet.landmarks.store import Track
from lipnet.video.decode import Frame, VideoError

# T frames  P landmark points (68)


@dataclass(frozen=True)
class LandmarkOptions:
    """How landmarks are found: `predictor` is the path of a model, empty for the installed one;
    `cnn` that of dlib's CNN detector, used if nothing else finds a face."""

    predictor: str = ""
    cnn: str = ""
    detect_every: int = 10
    retry_upsample: int = 1
    prefer: str = "largest"
    videos_per_shard: int = 64

    def __post_init__(self) -> None:
        if self.prefer not in PREFERENCES:
            raise InputError(f"unknown landmarks.prefer {self.prefer!r}; known: largest, centre")
        for name, minimum in (("detect_every", 1), ("retry_upsample", 0), ("videos_per_shard", 1)):
            if getattr(self, name) < minimum:
                value = getattr(self, name)
                raise InputError(f"landmarks.{name} must be at least {minimum}, not {value}")


def track_landmarks(
    frames: Iterable[Frame], detector: Detector, options: LandmarkOptions | None = None
) -> Track:
    """The face's landmarks in every frame; VideoError "no_face" if no frame shows one.

    The detector runs on every `detect_every`-th frame and the last, and between two of them if the
    face strays from the interpolated boxes; the predictor runs on every frame that shows the face.
    """
    options = options or LandmarkOptions()
    finder = Finder(detector, options.prefer, options.retry_upsample)
    seen = list(follow_face(frames, finder, options.detect_every))
    found = [points_P2 for _, points_P2 in filter(None, seen)]
    if not found:
        raise VideoError("no_face", f"no face in any of {len(seen)} frames")
    seen_T = np.array([one is not None for one in seen], np.bool_)
    score_T = np.array([0.0 if one is None else one[0].score for one in seen], np.float32)
    return Track(fill_gaps(np.stack(found), seen_T), seen_T, score_T)


def fill_gaps(found_NP2: NDArray[np.float32], seen_T: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Points for all T frames from those of the seen ones: linear between, constant at the ends."""
    at_N = np.flatnonzero(seen_T)
    times_T = np.arange(len(seen_T))
    flat = found_NP2.reshape(len(at_N), -1)
    filled = [np.interp(times_T, at_N, column) for column in flat.T]
    return np.stack(filled, axis=1).reshape(-1, *found_NP2.shape[1:]).astype(np.float32)
