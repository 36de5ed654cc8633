"""FaceGap: zero between equal faces, and a known similarity comes out as it went in."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.crops.align import MOUTH, load_face
from lipnet.quality.face_gap import measure_gap


@given(st.floats(0.8, 1.25), st.floats(-20, 20), st.floats(-9, 9))
def test_a_moved_face_differs_by_its_similarity_alone(
    scale: float, degrees: float, shift: float
) -> None:
    ours_P2 = load_face()
    angle = np.radians(degrees)
    turn_22 = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    theirs_P2 = scale * ours_P2 @ turn_22.T + shift
    gap = measure_gap(ours_P2, theirs_P2)
    assert gap.scale == pytest.approx(scale)
    assert gap.turn_degrees == pytest.approx(degrees, abs=1e-9)
    assert gap.stable_fitted_px == pytest.approx(0, abs=1e-9)
    assert gap.all_fitted_px == pytest.approx(0, abs=1e-9)
    assert gap.all_px == pytest.approx(np.linalg.norm(ours_P2 - theirs_P2, axis=1).mean())
    mouth_M2 = ours_P2[MOUTH] - ours_P2[MOUTH].mean(0)
    moved_M2 = theirs_P2[MOUTH] - theirs_P2[MOUTH].mean(0)
    assert gap.mouth_px == pytest.approx(np.linalg.norm(mouth_M2 - moved_M2, axis=1).mean())


def test_one_moved_point_is_its_share_of_the_mean() -> None:
    ours_P2 = load_face()
    theirs_P2 = ours_P2.copy()
    theirs_P2[33] += (3, 4)  # the nose, one of the five stable points
    gap = measure_gap(ours_P2, theirs_P2)
    assert gap.stable_px == pytest.approx(1)
    assert gap.all_px == pytest.approx(5 / 68)
    assert 0 < gap.stable_fitted_px < 3
    assert "1.00 px over the stable points" in str(gap)


def test_crops_by_the_authors_face_hardly_differ_from_ours(reference_root: Path) -> None:
    gap = measure_gap(load_face(), np.load(reference_root / "20words_mean_face.npy"))
    assert gap.stable_px < 2 < gap.all_px < 3
    assert abs(gap.scale - 1) < 0.02
    assert gap.mouth_px < 0.25
