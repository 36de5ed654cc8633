"""Drawing: marks are at the landmarks and crops, and a movie is whole or not written."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lipnet.crops.align import load_face
from lipnet.crops.crop import CropOptions, crop_matrices
from lipnet.inference.draw import FILLED, MOUTH, SEEN, draw_face, square_of, write_movie
from lipnet.video.decode import read_frames

FACE = load_face()
ALIKE = 70  # grey levels


def find_colour(drawn: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.int64]:
    """Rows and columns [N, 2] of the pixels of about that colour; lines' edges are mixed."""
    return np.argwhere((np.abs(drawn - np.array(colour)) < ALIKE).all(axis=2))


@pytest.mark.parametrize(("seen", "colour", "other"), [(True, SEEN, FILLED), (False, FILLED, SEEN)])
def test_every_point_is_marked_and_interpolated_ones_differ(
    seen: bool, colour: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    matrix = np.array([[1.0, 0.0, -80.0], [0.0, 1.0, -120.0]])
    drawn = draw_face(np.full((256, 256), 90, np.uint8), FACE, matrix, size=96, seen=seen)
    marked = find_colour(drawn, colour)
    for x, y in FACE:
        assert np.abs(marked - (y, x)).max(axis=1).min() <= 1
    assert len(find_colour(drawn, other)) == 0


def test_the_square_is_the_crop_of_the_matrix() -> None:
    options = CropOptions(size=96, smooth=1)
    turn = np.array([[0.8, -0.3], [0.3, 0.8]])
    points = (FACE @ turn.T + (60, 10))[None]
    [matrix] = crop_matrices(points, FACE, options)
    corners = square_of(matrix, 96)
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    assert sides == pytest.approx([96 * np.hypot(0.8, 0.3)] * 4)
    assert corners.mean(axis=0) == pytest.approx(points[0, 48:68].mean(axis=0), abs=0.7)
    drawn = draw_face(np.full((300, 300), 90, np.uint8), points[0], matrix, size=96, seen=True)
    marked = find_colour(drawn, MOUTH)
    for x, y in corners:
        assert np.abs(marked - (y, x)).max(axis=1).min() <= 2


def test_a_movie_that_fails_midway_is_not_written(tmp_path: Path) -> None:
    def frames() -> Iterator[NDArray[np.uint8]]:
        yield np.zeros((32, 32, 3), np.uint8)
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write_movie(tmp_path / "m.mp4", frames())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="0 of 2 frames"):
        write_movie(tmp_path / "gone" / "m.mp4", remove_folder(tmp_path / "gone"))


def remove_folder(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames of a movie whose folder vanishes before the first is written."""
    folder.rmdir()
    yield from np.zeros((2, 32, 32, 3), np.uint8)


def test_a_movie_holds_its_frames(tmp_path: Path) -> None:
    write_movie(tmp_path / "m.mp4", (np.full((33, 31, 3), 20 * t, np.uint8) for t in range(5)))
    frames = read_frames(tmp_path / "m.mp4")
    assert frames.shape == (5, 34, 32)
    assert frames.mean(axis=(1, 2)) == pytest.approx([0, 20, 40, 60, 80], abs=3)
