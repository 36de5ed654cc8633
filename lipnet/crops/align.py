"""Aligning faces: forward smoothing, the similarity to a reference face, and that face itself."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.landmark_names import DLIB, MESH
from lipnet.npz import parse_npy

# N shapes  T frames  P landmark points (68)  S stable points (5)
STABLE = (33, 36, 39, 42, 45)  # base of the nose, corners of the eyes: speaking does not move them
MOUTH = slice(48, 68)
SMOOTH_FRAMES = 12
MAX_FACE_BYTES = 2**16
# The package's reference faces by landmark model: each marks eyes and mouth a little differently.
OWN_FACES: Mapping[str, Path] = {
    DLIB: Path(__file__).with_name("reference_face.npy"),
    MESH: Path(__file__).with_name("mesh_face.npy"),
}


def smooth_forward(
    values_TP2: NDArray[np.floating], window: int = SMOOTH_FRAMES
) -> NDArray[np.float64]:
    """Means over frames t..t+window-1; the last window-1 frames reuse the last full window's.

    All frames of a video shorter than the window have the same mean.
    """
    window = min(window, len(values_TP2))
    windows = np.lib.stride_tricks.sliding_window_view(values_TP2, window, axis=0)
    means = windows.mean(axis=-1, dtype=np.float64)
    return np.concatenate([means, np.repeat(means[-1:], window - 1, axis=0)])


def fit_similarity(
    source_TS2: NDArray[np.floating], target_S2: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The least-squares rotation, scale and shift [T, 2, 3] of each source onto the target.

    Umeyama's solution without reflection; in two dimensions it is one complex quotient.
    """
    source_TS = np.asarray(source_TS2, np.float64) @ np.array([1, 1j])
    target_S = np.asarray(target_S2, np.float64) @ np.array([1, 1j])
    middle_T = source_TS.mean(axis=1, keepdims=True)
    centred_TS = source_TS - middle_T
    spread_T = (np.abs(centred_TS) ** 2).sum(axis=1)
    if not (spread_T > 0).all():
        raise ValueError("the stable points of a face coincide: there is no similarity transform")
    turn_T = (centred_TS.conj() * (target_S - target_S.mean())).sum(axis=1) / spread_T
    shift_T = target_S.mean() - turn_T * middle_T[:, 0]
    rows = [[turn_T.real, -turn_T.imag, shift_T.real], [turn_T.imag, turn_T.real, shift_T.imag]]
    return np.moveaxis(np.array(rows), -1, 0)


def apply_similarity(
    matrices_T23: NDArray[np.float64], points_TP2: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Each frame's points, transformed by its matrix."""
    turned = points_TP2 @ np.swapaxes(matrices_T23[:, :, :2], 1, 2)
    return np.asarray(turned + matrices_T23[:, None, :, 2], np.float64)


def align_to_face(
    points_TP2: NDArray[np.floating], face_P2: NDArray[np.float64], window: int = SMOOTH_FRAMES
) -> NDArray[np.float64]:
    """The similarity [T, 2, 3] of each frame's smoothed stable points to the reference face."""
    stable = list(STABLE)
    return fit_similarity(smooth_forward(points_TP2[:, stable], window), face_P2[stable])


def load_face(face: str = DLIB) -> NDArray[np.float64]:
    """A reference face [68, 2], x and y in a 256 x 256 frame: the package's for a landmark model,
    by its name (empty: dlib's), or that of a file."""
    own = OWN_FACES.get(face or DLIB)
    return _load_face(Path(face) if own is None else own)


def face_digest(face: str = DLIB) -> str:
    """16 hex characters: a digest of the reference face that crops are aligned to."""
    return hashlib.sha256(load_face(face).tobytes()).hexdigest()[:16]


@cache
def _load_face(path: Path) -> NDArray[np.float64]:
    try:
        with path.open("rb") as file:
            face = parse_npy(file.read(MAX_FACE_BYTES))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a reference face: {error}") from error
    if face.shape != (68, 2):
        raise InputError(f"{path} is not a reference face: an array of 68 x 2 numbers is needed")
    if face.dtype.kind not in "fiu" or not np.isfinite(face).all():
        raise InputError(f"{path} is not a reference face: not all values are finite numbers")
    return np.asarray(face, np.float64)


def mean_shape(
    shapes_NP2: NDArray[np.floating], *, rounds: int = 100, tolerance: float = 1e-9
) -> NDArray[np.float64]:
    """The generalised Procrustes mean: centred, of unit size, rotated like the first shape."""
    shapes = np.asarray(shapes_NP2, np.float64)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    shapes /= np.linalg.norm(shapes, axis=(1, 2), keepdims=True)
    first = np.asarray(shapes[0], np.float64)
    mean = first
    for _ in range(rounds):
        fitted = apply_similarity(fit_similarity(shapes, mean), shapes)
        turned = fit_similarity(fitted.mean(axis=0)[None], first)
        updated = apply_similarity(turned, fitted.mean(axis=0)[None])[0]
        updated = updated - updated.mean(axis=0)
        updated = np.asarray(updated / np.linalg.norm(updated), np.float64)
        change = float(np.abs(updated - mean).max())
        mean = updated
        if change < tolerance:
            break
    return mean
