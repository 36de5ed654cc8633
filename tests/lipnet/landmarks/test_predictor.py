"""The predictor: the same points as one face at a time, and as dlib itself to the last digit."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.landmarks import predictor
from lipnet.landmarks.detector import DlibDetector, find_predictor
from lipnet.landmarks.predictor import Predictor
from lipnet.video.decode import iter_frames
from tests.lipnet.landmarks.dlib_files import make_trees, mark_one, write_trees

# H W pixels  P landmark points


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    paths = [folder / f"{seed}.dat" for seed in range(4)]
    for seed, path in enumerate(paths):
        write_trees(path, make_trees(seed, depth=1 + seed % 4))
    return paths


SIDES = st.integers(2, 40)
BOXES = st.tuples(st.floats(-30, 40), st.floats(-30, 40), st.floats(1, 60), st.floats(1, 60))


@settings(max_examples=50)
@given(
    seed=st.integers(0, 3),
    shapes=st.lists(st.tuples(SIDES, SIDES, BOXES), min_size=1, max_size=6),
)
def test_many_faces_are_marked_as_one_at_a_time(
    models: list[Path],
    seed: int,
    shapes: list[tuple[int, int, tuple[float, float, float, float]]],
) -> None:
    draw = np.random.default_rng(seed)
    frames = [draw.integers(0, 256, (h, w), np.uint8) for h, w, _ in shapes]
    boxes = [(x, y, x + w, y + h) for _, _, (x, y, w, h) in shapes]
    marked = Predictor(models[seed]).mark(frames, boxes).points_NP2
    trees = make_trees(seed, depth=1 + seed % 4)
    each = [mark_one(trees, f, box) for f, box in zip(frames, boxes, strict=True)]
    np.testing.assert_allclose(marked, each, atol=1e-3)


def test_the_marks_of_a_face_do_not_depend_on_its_batch(models: list[Path]) -> None:
    frames = list(np.random.default_rng(0).integers(0, 256, (200, 40, 50), np.uint8))
    boxes = [(5.0 + t % 7, 4.0, 40.0, 30.0 + t % 5) for t in range(200)]
    loaded = Predictor(models[2])
    together = loaded.mark(frames, boxes)
    assert len(together.points_NP2) == 200 > 2 * predictor.BATCH
    for place in (0, 95, 96, 137, 199):
        alone = loaded.mark(frames[place : place + 1], boxes[place : place + 1])
        np.testing.assert_array_equal(alone.points_NP2[0], together.points_NP2[place])
        assert alone.strain_N[0] == pytest.approx(together.strain_N[place], abs=1e-6)


def test_threads_may_share_a_predictor(models: list[Path]) -> None:
    frames = list(np.random.default_rng(0).integers(0, 256, (96, 40, 50), np.uint8))
    boxes = [(5.0 + t % 7, 4.0, 40.0, 30.0 + t % 5) for t in range(96)]
    loaded = Predictor(models[2])
    turns = [(frames[k:], boxes[k:]) for k in range(0, 96, 4)] * 4
    expected = [loaded.mark(*turn).points_NP2 for turn in turns]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda turn: loaded.mark(*turn).points_NP2, turns))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_faces_have_no_marks(models: list[Path]) -> None:
    marks = Predictor(models[0]).mark([], [])
    assert marks.points_NP2.shape == (0, 5, 2)
    assert marks.strain_N.shape == (0,)


@pytest.mark.slow
def test_a_model_with_another_number_of_points_is_refused(models: list[Path]) -> None:
    with pytest.raises(InputError, match=r"0\.dat does not mark 68 points"):
        DlibDetector(models[0])


@pytest.mark.slow
@pytest.mark.parametrize("times", [4, 9])
def test_a_very_large_face_has_the_points_of_a_small_one(
    grid_root: Path, dlib_detector: DlibDetector, times: int
) -> None:
    frame = next(iter_frames(grid_root / "s2" / "swwp2s.mpg"))
    box = dlib_detector.find(frame)[0].box
    large = cv2.resize(frame, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    x_1, y_1, x_2, y_2 = (times * side for side in box)
    marks = dlib_detector.mark([frame, large], [box, (x_1, y_1, x_2, y_2)])
    small_P2, large_P2 = marks.points_NP2
    gaps_P = np.linalg.norm(large_P2 / times - small_P2, axis=1)
    assert gaps_P.mean() < 1.2
    assert np.linalg.norm((large_P2 / times - small_P2)[48:].mean(axis=0)) < 0.8


@pytest.mark.slow
def test_the_points_are_those_of_dlib(grid_root: Path) -> None:
    ours, theirs = Predictor(find_predictor()), dlib.shape_predictor(str(find_predictor()))
    draw = np.random.default_rng(0)
    for video in ("s1/bbaf2n.mp4", "s2/swwp2s.mpg", "u1/brbk7n.mpg", "u6/sbia1a.mpg"):
        frames = list(iter_frames(grid_root / video))
        corners = draw.integers(40, 200, (len(frames), 2))
        sizes = draw.integers(30, 220, len(frames))
        boxes = [(x, y, x + s, y + s) for x, y, s in np.c_[corners, sizes].tolist()]
        each = [
            [(point.x, point.y) for point in theirs(frame, dlib.rectangle(*box)).parts()]
            for frame, box in zip(frames, boxes, strict=True)
        ]
        marked = ours.mark(frames, boxes).points_NP2
        np.testing.assert_array_equal(np.floor(marked + 0.5), each)
