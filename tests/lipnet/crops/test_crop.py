"""Crops: the mouth is in the middle, at the face's scale, in any frame."""

import numpy as np
import pytest

from lipnet.crops.align import MOUTH, apply_similarity, face_digest, load_face
from lipnet.crops.crop import (
    CropOptions,
    crop_matrices,
    crop_mouth,
    describe_crops,
    parse_crops,
    warp_frame,
)
from lipnet.errors import InputError
from lipnet.video.decode import VideoError

FACE = load_face()


def still_face(frames: int, *, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return np.repeat((FACE * scale + shift)[None], frames, axis=0)


def blob_frame(centre: np.ndarray, side: int, width: float) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    distance = (columns - centre[0]) ** 2 + (rows - centre[1]) ** 2
    return (255 * np.exp(-distance / (2 * width**2))).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 4.0])
def test_the_mouth_lands_in_the_middle_at_any_scale(scale: float) -> None:
    points = still_face(3, scale=scale, shift=11)
    side = int(300 * scale)
    frame = blob_frame(points[0, MOUTH].mean(axis=0), side, 5 * scale)
    matrices = crop_matrices(points, FACE, CropOptions())
    crops = crop_mouth([frame] * 3, matrices, 96)
    assert crops.shape == (3, 96, 96)
    assert crops.dtype == np.uint8
    weights = crops[0].astype(float)
    rows, columns = np.mgrid[:96, :96]
    middle = [(axis * weights).sum() / weights.sum() for axis in (columns, rows)]
    np.testing.assert_allclose(middle, [48, 48], atol=0.1)
    spread = np.sqrt(((columns - 48) ** 2 * weights).sum() / weights.sum())
    assert spread == pytest.approx(5, abs=0.3)


def test_a_centre_without_smoothing_follows_every_frame() -> None:
    points = still_face(29) + 2.0 * np.arange(29)[:, None, None]
    mouths = points[:, MOUTH].mean(axis=1, keepdims=True)
    followed = crop_matrices(points, FACE, CropOptions(smooth_centre=1))
    np.testing.assert_allclose(apply_similarity(followed, mouths)[:, 0], 48, atol=1e-6)
    ahead = crop_matrices(points, FACE, CropOptions(smooth_centre=12))
    np.testing.assert_allclose(apply_similarity(ahead, mouths)[:18, 0], 48 - 11, atol=1e-6)


@pytest.mark.parametrize("shift", [-400.0, -130.0, 150.0, 5000.0])
def test_a_crop_may_leave_the_frame(shift: float) -> None:
    matrices = crop_matrices(still_face(1, shift=shift), FACE, CropOptions())
    assert (crop_mouth([np.full((256, 256), 77, np.uint8)], matrices, 96) == 77).all()


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((1024, 1024), np.uint8)
    stripes[:, ::8] = 255
    matrix = np.array([[0.09375, 0, 0], [0, 0.09375, 0]])
    crop = warp_frame(stripes, matrix, 96)
    assert crop.std() < 20  # 84 in the frame, as much in a crop that skips
    assert crop.mean() == pytest.approx(255 / 8, abs=3)


@pytest.mark.parametrize("frames", [2, 4])
def test_landmarks_of_another_length_are_refused(frames: int) -> None:
    matrices = crop_matrices(still_face(3), FACE, CropOptions())
    with pytest.raises(VideoError) as caught:
        crop_mouth([np.zeros((256, 256), np.uint8)] * frames, matrices, 96)
    assert caught.value.reason == "changed"


def test_wrong_options_are_named() -> None:
    with pytest.raises(InputError, match=r"crops\.size must be at least 1, not 0"):
        CropOptions(size=0)


def test_recorded_options_are_read_back() -> None:
    options = CropOptions(size=122, smooth=3, smooth_centre=7)
    assert parse_crops(describe_crops(options)) == options


def test_an_option_that_is_a_fraction_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CropOptions, "smooth", 2.5)
    facts = {**describe_crops(CropOptions()), "smooth": 3.5}
    assert parse_crops(facts).smooth == 3.5
    with pytest.raises(ValueError, match="not a number"):
        parse_crops({**facts, "smooth": "x"})


def test_a_record_from_before_later_options_is_read() -> None:
    first = {"size": 96, "smooth": 12, "smooth_centre": 1}  # of released models
    assert parse_crops(first) == CropOptions(), "give the later option's value in DEFAULT_FACTS"


def test_the_landmark_model_and_its_face_are_recorded() -> None:
    dlib, mesh = describe_crops(CropOptions()), describe_crops(CropOptions(), "mesh")
    assert (dlib["landmarks"], mesh["landmarks"]) == ("dlib", "mesh")
    assert dlib["reference_face"] == face_digest() == face_digest("dlib")
    assert mesh["reference_face"] == face_digest("mesh") != face_digest()
    own = CropOptions(face="own.npy")
    assert own.for_landmarks("mesh") == own


@pytest.mark.parametrize("name", ["size", "smooth", "smooth_centre"])
def test_a_record_without_an_option_is_refused(name: str) -> None:
    facts = describe_crops(CropOptions())
    del facts[name]
    with pytest.raises(ValueError, match=f"it has no {name}"):
        parse_crops(facts)
