"""Tracking one face's 68 landmarks through a video; gaps are interpolated and marked as such."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lipnet.landmarks.options import LandmarkModel, LandmarkOptions
from lipnet.landmarks.store import Track
from lipnet.video.decode import Frame, VideoError

# T frames  P landmark points (68)


def track_landmarks(
    frames: Iterable[Frame], model: LandmarkModel, options: LandmarkOptions | None = None
) -> Track:
    """The face's landmarks in every frame, which has the model's pixels; VideoError "no_face" if no
    frame shows one."""
    seen = list(model.follow(frames, options or LandmarkOptions()))
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
