"""Mouth shapes: the target of each viseme, and the coarticulated path through several."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# T frames  V visemes in time  M mouth parameters (7)
PARAMETERS = ("jaw", "raise", "width", "round", "press", "tuck", "tongue")
JAW, RAISE, WIDTH, ROUND, PRESS, TUCK, TONGUE = range(len(PARAMETERS))
REST = "REST"

# Each target in PARAMETERS' order (width from -1 to 1, the others from 0 to 1), then how strongly
# the viseme holds its shape against its neighbours: /p/ must close, /k/ takes any shape.
TARGETS: dict[str, tuple[tuple[float, ...], float]] = {
    REST: ((0.05, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0), 0.8),
    "P": ((0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0), 2.4),
    "F": ((0.1, 0.9, 0.1, 0.0, 0.0, 1.0, 0.0), 2.0),
    "TH": ((0.25, 0.35, 0.1, 0.0, 0.0, 0.0, 1.0), 1.1),
    "T": ((0.18, 0.3, 0.1, 0.0, 0.0, 0.0, 0.35), 0.6),
    "S": ((0.08, 0.5, 0.45, 0.0, 0.0, 0.0, 0.0), 0.9),
    "CH": ((0.15, 0.7, -0.35, 0.7, 0.0, 0.0, 0.0), 1.2),
    "K": ((0.28, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0), 0.4),
    "L": ((0.4, 0.3, 0.1, 0.0, 0.0, 0.0, 0.8), 0.8),
    "R": ((0.2, 0.35, -0.3, 0.55, 0.0, 0.0, 0.1), 0.8),
    "W": ((0.1, 0.1, -0.8, 1.0, 0.0, 0.0, 0.0), 1.5),
    "IY": ((0.18, 0.4, 0.8, 0.0, 0.0, 0.0, 0.1), 1.0),
    "IH": ((0.3, 0.3, 0.35, 0.0, 0.0, 0.0, 0.1), 0.8),
    "EH": ((0.5, 0.35, 0.4, 0.0, 0.0, 0.0, 0.1), 1.0),
    "AE": ((0.75, 0.45, 0.5, 0.0, 0.0, 0.0, 0.1), 1.1),
    "AA": ((1.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0), 1.1),
    "AH": ((0.5, 0.2, 0.0, 0.0, 0.0, 0.0, 0.1), 0.7),
    "AO": ((0.75, 0.2, -0.45, 0.5, 0.0, 0.0, 0.0), 1.1),
    "UW": ((0.2, 0.15, -0.75, 0.9, 0.0, 0.0, 0.0), 1.2),
    "UH": ((0.3, 0.2, -0.4, 0.5, 0.0, 0.0, 0.0), 0.8),
    "ER": ((0.3, 0.35, -0.3, 0.45, 0.0, 0.0, 0.1), 0.9),
}
# How far a parameter reaches into the neighbours, as a share of a viseme's length: lips round early
# and closures are brief.
REACH_M = np.array([0.5, 0.5, 0.6, 0.7, 0.38, 0.4, 0.42])


@dataclass(frozen=True)
class Articulation:
    """Visemes in time order: middle and length in seconds, target shape and strength of each."""

    middle_V: NDArray[np.float64]
    length_V: NDArray[np.float64]
    target_VM: NDArray[np.float64]
    strength_V: NDArray[np.float64]


def look_up_targets(
    visemes: Sequence[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The targets [V, M] and strengths [V] of visemes."""
    found = [TARGETS[viseme] for viseme in visemes]
    return np.array([target for target, _ in found]), np.array([strength for _, strength in found])


def trace_mouth(articulation: Articulation, times_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mouth's parameters [T, M]: at each time the mean of all targets, weighted by strength
    and by nearness, so that neighbours blend into each other (coarticulation)."""
    far_TV = (times_T[:, None] - articulation.middle_V) / articulation.length_V
    near_TVM = np.exp(-0.5 * (far_TV[:, :, None] / REACH_M) ** 2)
    weight_TVM = articulation.strength_V[None, :, None] * near_TVM + 1e-12
    path_TM = (weight_TVM * articulation.target_VM).sum(axis=1) / weight_TVM.sum(axis=1)
    return np.asarray(path_TM, np.float64)
