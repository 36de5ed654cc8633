"""Alignment: known transforms are recovered, smoothing looks forward, the face is our own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.crops.align import (
    MOUTH,
    STABLE,
    align_to_face,
    apply_similarity,
    fit_similarity,
    load_face,
    mean_shape,
    smooth_forward,
)
from lipnet.errors import InputError

ANGLES, SCALES, SHIFTS = st.floats(-3.1, 3.1), st.floats(0.05, 20), st.floats(-500, 500)


def similarity(angle: float, scale: float, x: float, y: float) -> np.ndarray:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


@given(angle=ANGLES, scale=SCALES, x=SHIFTS, y=SHIFTS, seed=st.integers(0, 99))
def test_a_known_similarity_is_recovered(
    angle: float, scale: float, x: float, y: float, seed: int
) -> None:
    source_TS2 = np.random.default_rng(seed).normal(0, 40, (3, 5, 2))
    known = similarity(angle, scale, x, y)
    target_S2 = apply_similarity(known[None], source_TS2[:1])[0]
    np.testing.assert_allclose(fit_similarity(source_TS2[:1], target_S2)[0], known, atol=1e-6)
    assert fit_similarity(source_TS2, target_S2).shape == (3, 2, 3)


@given(seed=st.integers(0, 99))
def test_no_other_similarity_fits_better(seed: int) -> None:
    draw = np.random.default_rng(seed)
    source, target = draw.normal(0, 40, (1, 5, 2)), draw.normal(0, 40, (5, 2))
    best = fit_similarity(source, target)
    other = best + similarity(*draw.normal(0, 0.1, 4)) * 0.1

    def error(matrix: np.ndarray) -> float:
        return float(((apply_similarity(matrix, source)[0] - target) ** 2).sum())

    assert error(best) <= error(other)


def test_coincident_points_have_no_similarity() -> None:
    with pytest.raises(ValueError, match="coincide"):
        fit_similarity(np.ones((1, 5, 2)), load_face()[list(STABLE)])


@given(count=st.integers(1, 40), window=st.integers(1, 15))
def test_smoothing_averages_forward_and_the_end_reuses_the_last_window(
    count: int, window: int
) -> None:
    values = np.random.default_rng(count).normal(size=(count, 5, 2))
    smooth = smooth_forward(values, window)
    full = max(1, count - window + 1)
    assert smooth.shape == values.shape
    for t in range(count):
        start = min(t, full - 1)
        np.testing.assert_allclose(smooth[t], values[start : start + window].mean(axis=0))


def test_the_last_eleven_frames_share_one_transform() -> None:
    face = load_face()
    drift_TP2 = face + np.arange(29)[:, None, None] * 1.5
    matrices = align_to_face(drift_TP2, face)
    assert (matrices[17:] == matrices[17]).all()
    assert (np.diff(matrices[:18, 0, 2]) < 0).all()


def test_the_mean_of_moved_copies_is_the_shape_itself() -> None:
    face = load_face()
    moved = [
        apply_similarity(similarity(0.3 * i, 0.5 + i, 40 * i, -9)[None], face[None])[0]
        for i in range(5)
    ]
    mean = mean_shape(np.stack(moved))
    fitted = apply_similarity(fit_similarity(mean[None], face), mean[None])[0]
    np.testing.assert_allclose(fitted, face, atol=1e-6)
    np.testing.assert_allclose(mean.mean(axis=0), 0, atol=1e-9)


def test_the_reference_face_is_symmetric_and_in_its_place() -> None:
    face = load_face()
    assert face.shape == (68, 2)
    np.testing.assert_allclose(face[0] + face[16] * [1, -1], [256, 0], atol=0.01)
    eyes = face[36:42].mean(axis=0), face[42:48].mean(axis=0)
    np.testing.assert_allclose(eyes[1] - eyes[0], [54, 0], atol=0.01)


def test_the_reference_face_is_our_own_and_close_to_the_authors(reference_root: Path) -> None:
    theirs = np.load(reference_root / "20words_mean_face.npy")
    gap_P = np.linalg.norm(load_face() - theirs, axis=1)
    stable = list(STABLE)
    turn = fit_similarity(load_face()[None, stable], theirs[stable])[0]
    assert 0.1 < gap_P.mean() < 4
    assert gap_P[stable].mean() < 2
    assert gap_P[MOUTH].mean() < 3
    assert np.hypot(turn[0, 0], turn[1, 0]) == pytest.approx(1, abs=0.03)


def test_a_wrong_reference_face_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", np.zeros((5, 2)))
    (tmp_path / "text.npy").write_text("no array")
    for name in ("small.npy", "text.npy", "gone.npy"):
        with pytest.raises(InputError, match=name):
            load_face(str(tmp_path / name))
