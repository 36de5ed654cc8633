"""The mesh: points where dlib has them, that follow the face; gaps, jumps, and which of two."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lipnet.crops.align import MOUTH, STABLE, fit_similarity, load_face
from lipnet.errors import InputError
from lipnet.landmarks.index import VideoFailure
from lipnet.landmarks.mesh import MeshModel, MeshTracker
from lipnet.landmarks.mesh_points import IBUG
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.store import TrackSpan, read_track
from lipnet.landmarks.track import track_landmarks
from lipnet.landmarks.tracker import Tracker, TrackJob
from lipnet.sources.synthetic.face import LANDMARKS
from lipnet.video.decode import VideoError
from tests.lipnet.landmarks.portrait import FACE, PHOTO, black, moved, portrait

# H W pixels  P landmark points (68)
OPTIONS = LandmarkOptions(model="mesh")


@pytest.fixture(scope="module")
def mesh() -> MeshModel:
    return MeshModel()


def points_of(mesh: MeshModel, *frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    return track_landmarks(frames, mesh, OPTIONS).points_TP2


def test_points_are_near_dlibs_on_a_photograph(mesh: MeshModel) -> None:
    track = track_landmarks([PHOTO], mesh, OPTIONS)
    gaps = [np.hypot(*(track.points_TP2[0, i] - np.array(at))) for i, at in LANDMARKS.items()]
    assert max(gaps) < 0.06 * 60.25  # of the distance between the outer corners of the eyes
    assert track.seen_T.tolist() == [True]
    assert track.score_T[0] > 0.9
    assert len(set(IBUG)) == len(IBUG) == 68


def test_points_move_with_the_face(mesh: MeshModel) -> None:
    still = points_of(mesh, *[FACE] * 4)
    np.testing.assert_allclose(still[3], still[0], atol=0.2)
    steps = points_of(mesh, *(moved(2 * t, t) for t in range(12)))
    shift_P2 = steps[-1] - steps[0]
    np.testing.assert_allclose(shift_P2.mean(axis=0), [22, 11], atol=0.6)


@pytest.mark.parametrize("turn", [-40, 30, 90])
def test_a_turned_face_has_the_same_shape(mesh: MeshModel, turn: float) -> None:
    (upright,), (turned,) = (points_of(mesh, frame) for frame in (portrait(), portrait(turn=turn)))
    matrix_23 = cv2.getRotationMatrix2D((127.5, 127.5), -turn, 1.0)
    wanted_P2 = upright @ matrix_23[:, :2].T + matrix_23[:, 2]
    assert np.linalg.norm(turned - wanted_P2, axis=1).mean() < 1.5


def test_a_sample_is_rgb(mesh: MeshModel) -> None:
    rgb, bgr = points_of(mesh, FACE)[0], points_of(mesh, np.ascontiguousarray(FACE[..., ::-1]))[0]
    assert np.abs(rgb - bgr).max() > 0.1


def test_a_mirrored_face_has_mirrored_points(mesh: MeshModel) -> None:
    (seen,), (mirrored,) = (points_of(mesh, frame) for frame in (FACE, FACE[:, ::-1].copy()))
    pairs = {33: 33, 8: 8, 36: 45, 39: 42, 0: 16, 31: 35, 17: 26, 48: 54, 49: 53, 60: 64, 57: 57}
    left, right = (np.array([*one]) for one in (pairs, pairs.values()))
    gaps = np.stack([255 - mirrored[right, 0], mirrored[right, 1]], axis=1) - seen[left]
    assert np.abs(gaps.mean(axis=0)).max() < 2  # the head is turned; GRID's speakers: up to 0.6
    assert np.linalg.norm(gaps, axis=1).max() < 5


def test_a_face_that_is_covered_is_a_gap_and_is_found_again(mesh: MeshModel) -> None:
    frames = [black(), FACE, black(), black(), moved(40, 20), moved(40, 20)]
    track = track_landmarks(frames, mesh, OPTIONS)
    assert track.seen_T.tolist() == [False, True, False, False, True, True]
    np.testing.assert_array_equal(track.score_T > 0, track.seen_T)
    points = track.points_TP2
    np.testing.assert_allclose(points[0], points[1])  # constant at the ends
    np.testing.assert_allclose(points[2], (2 * points[1] + points[4]) / 3, atol=1e-3)
    np.testing.assert_allclose((points[5] - points[1]).mean(axis=0), [40, 20], atol=1)


def test_no_face_in_any_frame_is_a_reason(mesh: MeshModel) -> None:
    for shape in ((1, 1, 3), (7, 300, 3), (256, 256, 3)):
        with pytest.raises(VideoError, match="no_face: no face in any of 2 frames"):
            track_landmarks([np.zeros(shape, np.uint8)] * 2, mesh, OPTIONS)


@pytest.fixture(scope="module")
def two_faces() -> NDArray[np.uint8]:
    """A large face at the left, a smaller one in the middle."""
    frame = np.full((256, 460, 3), 128, np.uint8)
    frame[:, :200] = FACE[:, 28:228]
    frame[40:220, 200:380] = cv2.resize(FACE, (180, 180), interpolation=cv2.INTER_AREA)
    return frame


@pytest.mark.parametrize(("prefer", "left", "right"), [("largest", 0, 200), ("centre", 200, 380)])
def test_of_two_faces_the_preferred_one_is_followed(
    mesh: MeshModel, two_faces: NDArray[np.uint8], prefer: str, left: int, right: int
) -> None:
    options = LandmarkOptions(model="mesh", prefer=prefer)
    points_TP2 = track_landmarks([two_faces] * 2, mesh, options).points_TP2
    assert left < points_TP2[:, :, 0].mean() < right


def test_a_face_that_was_followed_is_preferred_after_a_gap(
    mesh: MeshModel, two_faces: NDArray[np.uint8]
) -> None:
    alone = two_faces.copy()
    alone[:, :200] = 128
    tracker = MeshTracker(mesh)
    seen = [tracker.step(frame) for frame in (alone, np.zeros_like(alone), two_faces)]
    assert seen[1] is None
    assert [200 < one[1][:, 0].mean() < 380 for one in seen if one] == [True, True]


def test_the_stage_finds_the_same_in_a_video_file(mesh: MeshModel, tmp_path: Path) -> None:
    write_colours(tmp_path / "face.mp4", [moved(t, 0) for t in range(5)])
    write_colours(tmp_path / "dark.mp4", [black()] * 3)
    tracker = Tracker(mesh, root=tmp_path, folder=tmp_path, options=OPTIONS, made_by={})
    index = tracker(TrackJob("000000", ("dark.mp4", "face.mp4")))
    (tracked,) = index.tracked
    assert (tracked.video, tracked.frames, index.seen_frames) == ("face.mp4", 5, 5)
    assert index.failures == (VideoFailure("dark.mp4", "no_face", "no face in any of 3 frames"),)
    track = read_track(tmp_path, TrackSpan("000000", 0, 5, tracked.digest))
    # Compression changes pixels a little.
    np.testing.assert_allclose(
        track.points_TP2, points_of(mesh, *(moved(t, 0) for t in range(5))), atol=2
    )


def write_colours(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (width, height))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


def test_the_mesh_has_its_own_reference_face(mesh: MeshModel) -> None:
    dlib, ours = load_face(), load_face("mesh")
    np.testing.assert_allclose(ours[:, 0].mean(), 128, atol=0.01)  # symmetric
    np.testing.assert_allclose(
        np.linalg.norm(ours[36:42].mean(axis=0) - ours[42:48].mean(axis=0)), 54, atol=0.01
    )
    stable = list(STABLE)
    gap = np.linalg.norm(dlib[stable] - ours[stable], axis=1).max()
    assert 0.3 < gap < 3
    found_P2 = points_of(mesh, PHOTO)[0]
    # Aligned to its own face, the points of a photograph fit it better than dlib's.
    errors = []
    for face in (ours, dlib):
        matrix_23 = fit_similarity(found_P2[None, stable], face[stable])[0]
        placed = found_P2 @ matrix_23[:, :2].T + matrix_23[:, 2]
        errors.append(np.linalg.norm(placed - face, axis=1)[[*stable, *range(68)[MOUTH]]].mean())
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "mesh2"}, r"unknown landmarks\.model 'mesh2'; known: dlib, mesh"),
        ({"model": "mesh", "predictor": "p.dat"}, r"landmarks\.predictor is a model of dlib"),
        ({"model": "mesh", "cnn": "c.dat"}, r"landmarks\.cnn is a model of dlib"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LandmarkOptions(**wrong)  # type: ignore[arg-type]
