"""Cropping the mouth of a stream: the crops of training, smoothed over past frames only."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from lipnet.crops.align import MOUTH, STABLE, apply_similarity, fit_similarity
from lipnet.crops.crop import CropOptions, warp_frame
from lipnet.video.decode import Frame

# H W pixels  P landmark points (68)


class CausalCropper:
    """Crops frame by frame. Training smooths landmarks over a frame and those after it; here the
    same numbers of frames, up to the newest one, are averaged."""

    def __init__(self, options: CropOptions, face_P2: NDArray[np.float64]) -> None:
        self._size = options.size
        self._face_S2 = face_P2[list(STABLE)]
        self._stable: deque[NDArray[np.float64]] = deque(maxlen=options.smooth)
        self._mouths: deque[NDArray[np.float64]] = deque(maxlen=options.smooth_centre)

    def reset(self) -> None:
        """Forget the frames so far: the next one shows another face."""
        self._stable.clear()
        self._mouths.clear()

    def place(self, points_P2: NDArray[np.floating]) -> NDArray[np.float64]:
        """The matrix [2, 3] from the next frame's pixels to its crop's, with the mouth centred.

        ValueError if the stable points coincide.
        """
        self._stable.append(np.asarray(points_P2[list(STABLE)], np.float64))
        self._mouths.append(np.asarray(points_P2[MOUTH].mean(axis=0), np.float64))
        stable_1S2 = np.mean(self._stable, axis=0)[None]
        matrix_123 = fit_similarity(stable_1S2, self._face_S2)
        mouth_112 = np.mean(self._mouths, axis=0)[None, None]
        centre_2 = apply_similarity(matrix_123, mouth_112)[0, 0]
        matrix_123[0, :, 2] += self._size / 2 - centre_2
        return np.asarray(matrix_123[0], np.float64)

    def cut(self, frame_HW: Frame, matrix_23: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The crop [size, size] of a frame."""
        return warp_frame(frame_HW, matrix_23, self._size)
