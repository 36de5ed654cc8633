"""Region: a turned square of a frame, sampled as the input of a network."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.video.decode import Frame

# N points  H W pixels  S side of a sample
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """A square: its centre (x, y) and side in pixels, and its angle in radians.

    Here pixel (0, 0) covers 0 to 1, so the frame's centre is (W / 2, H / 2). Points that `place`
    returns are counted from the centre of pixel (0, 0), as OpenCV and the rest of the package do.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def of_frame(cls, frame: Frame) -> "Region":
        """The smallest upright square around the whole frame, with the same centre."""
        height, width = frame.shape[:2]
        return cls(width / 2, height / 2, float(max(height, width)))

    @classmethod
    def around(cls, points_N2: Floats, *, margin: float, eyes_22: Floats) -> "Region":
        """A square `margin` times as large as the points' box, turned so that the eyes (that at the
        left of an upright face first) are level. The points are counted as `place` does."""
        low, high = points_N2.min(axis=0), points_N2.max(axis=0)
        x, y = (low + high) / 2 + 0.5
        run, rise = eyes_22[1] - eyes_22[0]
        side = margin * float((high - low).max())
        return cls(float(x), float(y), side, math.atan2(rise, run))

    def place(self, unit_N2: Floats) -> Floats:
        """Points of the square (0 to 1 from its top left) as points of the frame."""
        return (unit_N2 - 0.5) @ self._axes().T + [self.x - 0.5, self.y - 0.5]

    def sample(self, frame: Frame, size: int, *, border: int) -> NDArray[np.float32] | None:
        """The square at size x size, bilinear and not rounded; None if it is outside of the frame.

        `border` is OpenCV's way to continue the frame beyond its edges.
        """
        part, left, top = self._cut(frame)
        if not part.size:
            return None
        axes_22 = self._axes() / size
        matrix_23 = np.empty((2, 3))
        matrix_23[:, :2] = axes_22
        # From the first pixel's centre in the sample to its place in the part.
        corner = np.array([self.x - 0.5 - left, self.y - 0.5 - top])
        matrix_23[:, 2] = corner + axes_22 @ np.full(2, (1 - size) / 2)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        # In float: a result that is rounded to bytes would depend on how ties are rounded.
        sampled = cv2.warpAffine(
            part.astype(np.float32), matrix_23, (size, size), flags=flags, borderMode=border
        )
        return np.asarray(sampled, np.float32)

    def _axes(self) -> Floats:
        """The square's sides as columns [2, 2]."""
        cosine, sine = self.side * math.cos(self.angle), self.side * math.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])

    def _cut(self, frame: Frame) -> tuple[Frame, int, int]:
        """The part of the frame that the square reaches, and its left and top."""
        corners_42 = self.place(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        left, top = np.floor(corners_42.min(axis=0)).astype(int) - 1
        right, bottom = np.ceil(corners_42.max(axis=0)).astype(int) + 2
        left, top = max(0, int(left)), max(0, int(top))
        return frame[top : max(0, int(bottom)), left : max(0, int(right))], left, top
