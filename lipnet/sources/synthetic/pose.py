"""The head's pose in each frame of a clip: turned, scaled, moved and sheared, drifting slowly."""

import numpy as np
from numpy.typing import NDArray

from lipnet.sources.synthetic.face import CANVAS

# T frames
SIDE = 256  # pixels of a frame
TURN = 0.06  # radians
SHIFT = 7.0  # pixels
SCALE = 0.04
SHEAR = 0.05
DRIFT = 0.45  # of the above: how far a pose drifts through a clip


def draw_poses(frames: int, sway: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Turn, x, y, log scale, shear x, shear y [T, 6]: a pose per clip and slow waves around it."""
    spread = sway * np.array([TURN, SHIFT, SHIFT, SCALE, SHEAR, SHEAR / 2])
    pose = spread * np.clip(generator.standard_normal(6), -2, 2)
    times_T1 = np.arange(frames)[:, None] / 25
    hertz_26 = generator.uniform(0.2, 1.1, (2, 6))
    phase_26 = generator.uniform(0, 2 * np.pi, (2, 6))
    waves = [np.sin(2 * np.pi * hertz_26[i] * times_T1 + phase_26[i]) for i in (0, 1)]
    return np.asarray(pose + DRIFT * spread * (waves[0] + 0.5 * waves[1]), np.float64)


def place_face(pose: NDArray[np.float64], *, scale: float, aspect: float) -> NDArray[np.float64]:
    """The matrix [2, 3] from a frame's pixels to the canvas's, for a face of that scale, and of
    that width against its height."""
    turn, x, y, log_scale, shear_x, shear_y = (float(value) for value in pose)
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = np.array([[cosine, -sine], [sine, cosine]])
    sheared = np.array([[1.0, shear_x], [shear_y, 1.0]])
    sized = scale * np.exp(log_scale) * np.diag([aspect, 1.0])
    back = np.linalg.inv(turned @ sheared @ sized)
    middle = np.array([SIDE / 2 + x, SIDE / 2 + y])
    return np.column_stack([back, CANVAS / 2 - back @ middle])
