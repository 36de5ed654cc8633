"""The face detector: anchors, merging of what overlaps, and a real face."""

import numpy as np
import pytest

from lipnet.landmarks.blaze_face import BlazeFace, make_anchors, merge
from lipnet.sources.synthetic.face import LANDMARKS
from tests.lipnet.landmarks.portrait import PHOTO, black, moved


@pytest.fixture(scope="module")
def detector() -> BlazeFace:
    return BlazeFace()


def test_anchors_are_the_cells_centres_row_by_row() -> None:
    anchors = make_anchors()
    assert anchors.shape == (896, 2)
    first = np.array([(1, 1), (1, 1), (3, 1), (1, 3)]) / 32
    np.testing.assert_allclose(anchors[[0, 1, 2, 32]], first)
    second = np.array([(1, 1), (1, 1), (3, 1), (15, 15)]) / 16
    np.testing.assert_allclose(anchors[[512, 517, 518, 895]], second)


def face_at(left: float) -> np.ndarray:
    corners = np.array([[left, 0.0], [left + 0.4, 0.4]])
    return np.concatenate([corners, np.full((6, 2), left)])


def test_overlapping_detections_are_averaged_by_score() -> None:
    faces = np.stack([face_at(0.5), face_at(0.0), face_at(0.1), face_at(0.5)])
    found = merge(faces, np.array([0.6, 0.8, 0.9, 0.4]))
    assert [score for _, score in found] == [0.9, 0.6]
    assert found[0][0][2, 0] == pytest.approx(0.1 * 0.9 / 1.7)
    np.testing.assert_allclose(found[1][0], face_at(0.5))  # the one below the limit is left out


def test_a_face_without_an_area_is_its_own() -> None:
    flat = np.zeros((1, 8, 2))
    assert len(merge(flat, np.array([0.7]))) == 1


def test_the_face_of_a_photograph_is_found_where_it_is(detector: BlazeFace) -> None:
    (found,) = detector.find(PHOTO)
    left, top, right, bottom = found.face.box
    for point, (x, y) in LANDMARKS.items():  # by dlib
        assert left < x < right
        assert top < y < bottom or point == 8  # the chin may be outside
    assert found.face.score > 0.8
    assert abs(found.region.angle - np.arctan2(3.25, 60.25)) < 0.15
    assert 0.9 < found.region.side / (1.5 * (right - left)) < 1.1


def test_it_moves_with_the_face_and_finds_none_in_the_dark(detector: BlazeFace) -> None:
    before, after = detector.find(moved(0, 0)), detector.find(moved(16, 8))
    shift = np.subtract(after[0].face.box, before[0].face.box)
    np.testing.assert_allclose(shift, [16, 8, 16, 8], atol=3)
    assert detector.find(black()) == []


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (40, 3), (1080, 1920)])
def test_frames_of_any_size_are_accepted(detector: BlazeFace, shape: tuple[int, int]) -> None:
    assert detector.find(np.zeros((*shape, 3), np.uint8)) == []
