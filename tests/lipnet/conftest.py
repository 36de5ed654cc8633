"""dlib's models take a second to load: once for all of these tests."""

import pytest

from lipnet.landmarks.detector import DlibDetector, find_predictor


@pytest.fixture(scope="session")
def dlib_detector() -> DlibDetector:
    """The detector with the installed landmark model, without a CNN."""
    return DlibDetector(find_predictor())
