"""FaceGap: how far one reference face is from another, and how that changes crops."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.crops.align import MOUTH, STABLE, apply_similarity, fit_similarity

# P landmark points (68)  S stable points (5)  M points of the mouth (20)
Face = NDArray[np.float64]


@dataclass(frozen=True)
class FaceGap:
    """Mean distances in pixels of the faces' 256 x 256 frame, as given and after the best
    similarity of the same points; and how crops aligned to the second face differ from crops
    aligned to the first.
    """

    stable_px: float
    stable_fitted_px: float
    all_px: float
    all_fitted_px: float
    scale: float  # of crops aligned to the second face, relative to the first
    turn_degrees: float
    mouth_px: float  # mean distance that the mouth's points move in a crop

    def __str__(self) -> str:
        """Two lines of text."""
        return (
            f"mean distance {self.stable_px:.2f} px over the stable points "
            f"({self.stable_fitted_px:.2f} after the best similarity), {self.all_px:.2f} px over "
            f"all 68 ({self.all_fitted_px:.2f})\n"
            f"crops aligned to it: {self.scale:.4f} times as large, turned by "
            f"{self.turn_degrees:+.2f} degrees; the mouth's points move by {self.mouth_px:.2f} px"
        )


def measure_gap(ours_P2: Face, theirs_P2: Face) -> FaceGap:
    """The gap between two reference faces."""
    stable = list(STABLE)
    turn_22 = fit_similarity(ours_P2[None, stable], theirs_P2[stable])[0, :, :2]
    # A crop is centred on the mouth, so of the similarity only scale and turn remain.
    mouth_M2 = ours_P2[MOUTH] - ours_P2[MOUTH].mean(axis=0)
    return FaceGap(
        stable_px=_distance(ours_P2[stable], theirs_P2[stable]),
        stable_fitted_px=_fitted_distance(ours_P2[stable], theirs_P2[stable]),
        all_px=_distance(ours_P2, theirs_P2),
        all_fitted_px=_fitted_distance(ours_P2, theirs_P2),
        scale=float(np.hypot(*turn_22[:, 0])),
        turn_degrees=float(np.degrees(np.arctan2(turn_22[1, 0], turn_22[0, 0]))),
        mouth_px=_distance(mouth_M2, mouth_M2 @ turn_22.T),
    )


def _distance(one: Face, other: Face) -> float:
    return float(np.linalg.norm(one - other, axis=1).mean())


def _fitted_distance(one: Face, other: Face) -> float:
    matrices_123 = fit_similarity(one[None], other)
    return _distance(apply_similarity(matrices_123, one[None])[0], other)
