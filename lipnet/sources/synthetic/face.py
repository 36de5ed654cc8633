"""The face that is rendered: a photograph with its lips brought together, upright and centred.

The photograph is scikit-image's astronaut (Eileen Collins, NASA, public domain).
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

# H W pixels of the canvas; positions (x, y) in canvas pixels unless noted otherwise
CANVAS = 400
ENLARGED = 1.45  # canvas pixels for each of the photograph's: a face about 130 pixels wide
# In the photograph's pixels: dlib's 68-point predictor on the photograph enlarged four times (so
# that it rounds to quarters), only the points used here, by their usual numbers.
LANDMARKS = {
    8: (220.25, 178.5),
    33: (224.5, 134.5),
    36: (195.25, 101.25),
    45: (255.5, 104.5),
    48: (201.0, 139.5),
    51: (223.5, 141.25),
    54: (245.75, 141.0),
    57: (222.5, 156.0),
    62: (223.25, 144.25),
    66: (223.0, 151.0),
}
CENTRE = (226.0, 131.0)  # of the face in the photograph


@dataclass(frozen=True)
class Rest:
    """The closed mouth on the canvas: its centre, half its width, and distances from the seam up
    to the nose and down to the chin, with the thickness of each lip, all in canvas pixels."""

    x: float
    y: float
    half_width: float = 25.0
    nose: float = 17.0
    chin: float = 43.0
    upper: float = 5.5
    lower: float = 7.5


# Beyond these distances from the mouth's centre nothing moves.
STILL_ASIDE = 72.0
STILL_BELOW = 45.0  # below the chin
STILL_ABOVE = 14.0  # above the nose's base


def place_landmarks() -> dict[int, NDArray[np.float64]]:
    """The landmarks on the canvas, the eyes level."""
    matrix_23 = _canvas_matrix()
    return {i: matrix_23[:, :2] @ np.array(p) + matrix_23[:, 2] for i, p in LANDMARKS.items()}


@cache
def rest_mouth() -> Rest:
    """The position of the closed mouth on the canvas."""
    points = place_landmarks()
    x, y = (points[48] + points[54] + 2 * points[62] + 2 * points[66]) / 6
    return Rest(float(x), float(y), chin=float(points[8][1] - y), nose=float(y - points[33][1]))


@cache
def load_face() -> NDArray[np.uint8]:
    """The photograph [CANVAS, CANVAS, 3] in BGR with its mouth closed."""
    from skimage import data  # takes a while to import, and only renderers need it

    photograph = np.asarray(data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    matrix_23 = _canvas_matrix()
    upright = cv2.warpAffine(
        np.ascontiguousarray(photograph[:, :, ::-1]),
        matrix_23,
        (CANVAS, CANVAS),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    x_HW, y_HW = _closing_maps()
    closed = cv2.remap(upright, x_HW, y_HW, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(closed, np.uint8)


def spread_columns(
    x: NDArray[np.float32], half_width: float, rest_half_width: float
) -> NDArray[np.float32]:
    """Distances x from the mouth's middle, moved so that half_width becomes rest_half_width.

    Linear inside the mouth, evened out up to STILL_ASIDE; never folds.
    """
    far = np.abs(x)
    outside = (STILL_ASIDE - rest_half_width) / (STILL_ASIDE - half_width)
    moved = np.minimum(far, half_width) * (rest_half_width / half_width)
    moved += np.clip(far - half_width, 0, STILL_ASIDE - half_width) * outside
    moved += np.maximum(far - STILL_ASIDE, 0)
    return np.copysign(moved, x)


def lip_profile(across: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far lips part, and how thick they are, at -1..1 across the mouth (1 in the middle)."""
    part = np.maximum(1 - across * across, 0)
    return part, np.float32(0.12) + np.float32(0.88) * np.sqrt(part)


def _canvas_matrix() -> NDArray[np.float64]:
    """The similarity [2, 3] from the photograph to the canvas."""
    left, right = np.array(LANDMARKS[36]), np.array(LANDMARKS[45])
    degrees = float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))
    matrix_23 = np.asarray(cv2.getRotationMatrix2D(CENTRE, degrees, ENLARGED), np.float64)
    matrix_23[:, 2] += CANVAS / 2 - np.array(CENTRE)
    return matrix_23


def _closing_maps() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each pixel of the closed face, its position in the smiling one (x and y maps)."""
    rest, points = rest_mouth(), place_landmarks()
    rows, columns = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32)
    x, y = columns - np.float32(rest.x), rows - np.float32(rest.y)
    smile = float(points[54][0] - points[48][0]) / 2
    level = np.exp(-((y / 34) ** 2))
    smiling_x = x + level * (spread_columns(x, rest.half_width, smile) - x)
    part, thick = lip_profile(x / np.float32(rest.half_width))
    corner = float(points[48][1] + points[54][1]) / 2 - rest.y
    outside = np.maximum(np.abs(x) - rest.half_width, 0)
    raised = corner * np.exp(-((outside / 14) ** 2))
    # The smile's corners are dark, and the landmarks are a little inside the teeth: cut wider.
    dark = np.exp(-(((np.abs(x) / rest.half_width - 0.92) / 0.14) ** 2))
    upper_inner = raised + part * (points[62][1] - rest.y - corner) - 1.2 * thick - 2.0 * dark
    lower_inner = raised + part * (points[66][1] - rest.y - corner) + 2.6 * thick + 2.0 * dark
    upper_outer = upper_inner - thick * (points[62][1] - points[51][1] - 0.8)
    lower_outer = lower_inner + thick * (points[57][1] - points[66][1] - 1.6)
    smiling_y = np.minimum(y, -rest.nose)
    for (top, bottom), (from_top, from_bottom) in (
        ((-rest.nose, -rest.upper * thick), (-rest.nose, upper_outer)),
        ((-rest.upper * thick, 0.0), (upper_outer, upper_inner)),
        ((0.0, rest.lower * thick), (lower_inner, lower_outer)),
        ((rest.lower * thick, rest.chin), (lower_outer, rest.chin)),
    ):
        slope = (from_bottom - from_top) / (bottom - top)
        smiling_y = np.where(y > top, from_top + slope * (np.minimum(y, bottom) - top), smiling_y)
    smiling_y += np.maximum(y - rest.chin, 0)
    fade = np.clip((STILL_ASIDE - np.abs(x)) / 20, 0, 1)
    smiling_y = y + fade * (smiling_y - y)
    return (
        (smiling_x + rest.x).astype(np.float32),
        (smiling_y + rest.y).astype(np.float32),
    )
