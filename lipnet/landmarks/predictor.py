"""The landmark predictor: dlib's regression trees, evaluated for many faces at once."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.landmarks.predictor_file import Cascade, read_trees
from lipnet.video.decode import Frame

# N faces  H W pixels  P landmark points (68)  F pixels sampled by one cascade  R trees  S splits
Box = tuple[float, float, float, float]  # left, top, right, bottom
MARGIN = 1.0  # of the box's sides: pixels further out count as black, like those outside of a frame
MAX_FACE = 200  # pixels; a face of at least twice that is averaged down before sampling
BATCH = 96  # faces evaluated together: fewer repeat the work per tree, more leave the cache


@dataclass(frozen=True)
class Marks:
    """The points (x, y) of faces in fractional pixels, and each shape's distance from the mean
    face: root mean square over the points, after a similarity, in widths of the mean face's box."""

    points_NP2: NDArray[np.float32]
    strain_N: NDArray[np.float32]


class Predictor:
    """The trees of one model file (66 MB), loaded once; results equal dlib's to the last bit
    (except for very large faces, which dlib samples at full resolution).

    dlib evaluates its 7,500 trees for one face after another, and spends most of the time on cache
    misses in the leaves. Here each tree is evaluated for all faces of a batch.
    """

    def __init__(self, path: Path) -> None:
        trees = read_trees(path)
        self._mean_2P = np.ascontiguousarray(trees.mean_P2.T)
        self._cascades = [_add_rows(cascade) for cascade in trees.cascades]
        self._lock = threading.Lock()  # guards the extra rows of the cascades' tables

    @property
    def points(self) -> int:
        """The number of points per face."""
        return len(self._mean_2P[0])

    def mark(self, frames: Sequence[Frame], boxes: Sequence[Box]) -> Marks:
        """The marks of the face in each frame's box; thread-safe."""
        with self._lock:
            parts = [
                self._mark_batch(frames[first : first + BATCH], boxes[first : first + BATCH])
                for first in range(0, len(frames), BATCH)
            ]
        points = [part.points_NP2 for part in parts]
        none = np.zeros((0, self.points, 2), np.float32)
        strain = [part.strain_N for part in parts]
        return Marks(
            np.concatenate([none, *points]), np.concatenate([np.zeros(0, np.float32), *strain])
        )

    def _mark_batch(self, frames: Sequence[Frame], boxes: Sequence[Box]) -> Marks:
        faces = _Faces(frames, boxes)
        shape_2PN = np.repeat(self._mean_2P[:, :, None], len(frames), axis=2)
        for cascade in self._cascades:
            pixels_FN = faces.sample(*_place_pixels(cascade, shape_2PN, self._mean_2P))
            shape_2PN = _move(cascade, shape_2PN, _choose_leaves(cascade, pixels_FN))
        points_N2P = np.moveaxis(shape_2PN, 2, 0) * faces.size_N2[:, :, None]
        points_N2P += faces.corner_N2[:, :, None]
        points = np.ascontiguousarray(np.swapaxes(points_N2P, 1, 2), np.float32)
        return Marks(points, _strain(shape_2PN, self._mean_2P))


class _Faces:
    """The pixels around faces, concatenated, and the boxes that shapes are relative to."""

    def __init__(self, frames: Sequence[Frame], boxes: Sequence[Box]) -> None:
        sides_N4 = np.round(np.array(boxes, np.float64))
        self.corner_N2 = sides_N4[:, :2]
        self.size_N2 = sides_N4[:, 2:] - self.corner_N2
        sizes_N2 = np.array([frame.shape[::-1] for frame in frames])
        reach_N2 = MARGIN * np.maximum(self.size_N2, 1)
        first_N2 = np.clip(self.corner_N2 - reach_N2, 0, sizes_N2 - 1).astype(np.int64)
        last_N2 = np.clip(sides_N4[:, 2:] + reach_N2 + 1, first_N2 + 1, sizes_N2).astype(np.int64)
        factor_N1 = np.maximum(1, self.size_N2[:, :1] // MAX_FACE).astype(np.int64)
        patches = [
            _average_down(frame[top:bottom, left:right], factor)
            for frame, (left, top), (right, bottom), factor in zip(
                frames, first_N2, last_N2, factor_N1[:, 0], strict=True
            )
        ]
        self._pixels = np.concatenate([patch.ravel() for patch in patches])
        self._starts_N = np.cumsum([0, *(patch.size for patch in patches[:-1])])
        self._height_N, self._width_N = np.array([patch.shape for patch in patches]).T
        self._scale_N2 = self.size_N2 / factor_N1
        # Adding a half rounds to the nearest pixel.
        self._shift_N2 = (self.corner_N2 - first_N2 + 0.5) / factor_N1

    def sample(self, x_FN: NDArray[np.float32], y_FN: NDArray[np.float32]) -> NDArray[np.int16]:
        """The pixels nearest to positions in the boxes (0 to 1 inside); 0 outside of the frame."""
        x_FN = x_FN * self._scale_N2[:, 0] + self._shift_N2[:, 0]
        y_FN = y_FN * self._scale_N2[:, 1] + self._shift_N2[:, 1]
        column_FN, row_FN = x_FN.astype(np.int64), y_FN.astype(np.int64)
        inside_FN = (x_FN >= 0) & (y_FN >= 0)
        inside_FN &= (column_FN < self._width_N) & (row_FN < self._height_N)
        row_FN *= self._width_N
        row_FN += column_FN + self._starts_N
        row_FN *= inside_FN
        pixels_FN = self._pixels.take(row_FN)
        pixels_FN *= inside_FN
        return pixels_FN.astype(np.int16)


def _average_down(patch_HW: Frame, factor: int) -> Frame:
    height, width = (side // factor for side in patch_HW.shape)
    if factor == 1 or not height or not width:
        return patch_HW
    whole = patch_HW[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _add_rows(cascade: Cascade) -> Cascade:
    """The cascade with extra rows after its leaves, for the shapes that leaves are added to."""
    rows = np.zeros((BATCH, cascade.leaves_LD.shape[1]), np.float32)
    return replace(cascade, leaves_LD=np.concatenate([cascade.leaves_LD, rows]))


def _place_pixels(
    cascade: Cascade, shape_2PN: NDArray[np.float32], mean_2P: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The positions of the cascade's pixels in each box: offset from their points, turned with the
    shape."""
    cosine_N, sine_N = (part.astype(np.float32) for part in _turn(shape_2PN, mean_2P))
    x_F1, y_F1 = cascade.offset_F2.T[:, :, None]
    x_FN, y_FN = (side.take(cascade.anchor_F, axis=0) for side in shape_2PN)
    x_FN += x_F1 * cosine_N - y_F1 * sine_N
    y_FN += x_F1 * sine_N + y_F1 * cosine_N
    return x_FN, y_FN


def _turn(
    shape_2PN: NDArray[np.float32], mean_2P: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The similarity from the mean shape to each shape: scale times cosine, scale times sine."""
    mean_2P = mean_2P.astype(np.float64)
    (mean_x, mean_y) = mean_2P - mean_2P.mean(axis=1, keepdims=True)
    x_PN, y_PN = shape_2PN.astype(np.float64)
    spread = (mean_x**2 + mean_y**2).sum()
    return (mean_x @ x_PN + mean_y @ y_PN) / spread, (mean_x @ y_PN - mean_y @ x_PN) / spread


def _choose_leaves(cascade: Cascade, pixels_FN: NDArray[np.int16]) -> NDArray[np.int32]:
    """The row of each tree's leaf [R, N], found from the root down for all trees and faces."""
    differences_SRN = pixels_FN.take(cascade.first_SR, axis=0)
    differences_SRN -= pixels_FN.take(cascade.second_SR, axis=0)
    left_SRN: NDArray[np.bool_] = differences_SRN > cascade.limit_SR[:, :, None]
    splits, trees, faces = left_SRN.shape
    taken: list[NDArray[np.bool_]] = []

    def walk(split: int, level: int) -> NDArray[np.bool_]:
        if level == len(taken):
            return np.asarray(left_SRN[split])
        left, right = (walk(2 * split + side, level + 1) for side in (1, 2))
        return np.asarray(np.where(taken[level], left, right), np.bool_)

    leaf_RN = np.zeros((trees, faces), np.uint8)
    for _ in range((splits + 1).bit_length() - 1):
        taken.append(walk(0, 0))
        leaf_RN += leaf_RN
        leaf_RN += ~taken[-1]
    first_R = np.arange(0, trees * (splits + 1), splits + 1, dtype=np.int32)
    return np.asarray(leaf_RN + first_R[:, None], np.int32)


def _move(
    cascade: Cascade, shape_2PN: NDArray[np.float32], leaf_RN: NDArray[np.int32]
) -> NDArray[np.float32]:
    """The shapes with their leaves added in dlib's order."""
    # Imported here: only the landmark stage needs it, and it slows the start of every stage.
    from scipy.sparse import csr_array

    table_LD = cascade.leaves_LD
    faces, width = shape_2PN.shape[2], table_LD.shape[1]
    first = len(table_LD) - BATCH
    table_LD[first : first + faces] = shape_2PN.transpose(2, 1, 0).reshape(faces, width)
    own_1N = np.arange(first, first + faces, dtype=np.int32)[None]
    rows_NR = np.ascontiguousarray(np.concatenate([own_1N, leaf_RN]).T)
    ends = np.arange(faces + 1, dtype=np.int32) * rows_NR.shape[1]
    ones = np.ones(rows_NR.size, np.float32)
    picks = csr_array((ones, rows_NR.reshape(-1), ends), shape=(faces, len(table_LD)))
    moved_NP2 = np.asarray(picks @ table_LD, np.float32).reshape(faces, -1, 2)
    return np.ascontiguousarray(moved_NP2.transpose(2, 1, 0))


def _strain(shape_2PN: NDArray[np.float32], mean_2P: NDArray[np.float32]) -> NDArray[np.float32]:
    cosine_N, sine_N = _turn(shape_2PN, mean_2P)
    x_P1, y_P1 = (mean_2P - mean_2P.mean(axis=1, keepdims=True))[:, :, None]
    gap_2PN = shape_2PN - shape_2PN.mean(axis=1, keepdims=True)
    gap_2PN -= np.stack([x_P1 * cosine_N - y_P1 * sine_N, x_P1 * sine_N + y_P1 * cosine_N])
    scale_N = np.maximum(np.hypot(cosine_N, sine_N), 1e-9)
    return np.asarray(np.sqrt((gap_2PN**2).sum(axis=0).mean(axis=0)) / scale_N, np.float32)
