"""The page in a real browser computes what the library computes, on the same PNG frames."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page
from scipy.special import softmax

from lipnet.clip import FPS
from lipnet.crops.crop import MIN_SCALE
from lipnet.labels import BACKGROUND
from lipnet.live.spotter import Reading, Spotter
from lipnet.web.folder import PAGE
from lipnet.web.server import serve_folder
from tests.lipnet.inference.embedding import RECIPE, WORDS
from tests.lipnet.landmarks.portrait import PHOTO
from tests.lipnet.web.browser import NEEDS_BROWSER, open_page, read_frames
from tests.lipnet.web.reference import Reference, read_images, read_stream

pytestmark = NEEDS_BROWSER
FRAMES, LARGE = 36, 3
SIDE = RECIPE.input_size
POINT, GREY, LOGIT = 0.01, 1, 1e-3  # pixels, levels, and a share of the logits' spread


def make_frames() -> list[NDArray[np.uint8]]:
    """A head that moves and grows; at the end it is so large that frames are averaged down."""
    frames = []
    for n in range(FRAMES):
        size, scale = ((480, 320), 1 + 0.01 * n) if n < FRAMES - LARGE else ((960, 800), 6.5)
        matrix_23 = cv2.getRotationMatrix2D((228.0, 120.0), 3 * np.sin(n / 4), scale)
        matrix_23[:, 2] += np.array(size) / 2 - (228, 120) + (6 * np.cos(n / 5), n / 2)
        frames.append(cv2.warpAffine(PHOTO, matrix_23, size, borderMode=cv2.BORDER_REPLICATE))
    return frames


@pytest.fixture(scope="module")
def compared(
    exported: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[dict[str, Any], Reference]]:
    """What the page and what the library found, frame by frame."""
    web = tmp_path_factory.mktemp("web") / "page"
    shutil.copytree(exported / "page", web)
    frames = make_frames()
    for n, frame in enumerate(frames):
        cv2.imwrite(str(web / f"{n}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    requests: list[str] = []
    with serve_folder(web) as address, open_page() as page:
        page.on("request", lambda request: requests.append(request.url))
        steps, _ = read_frames(page, address, [f"{n}.png" for n in range(FRAMES)])
    assert all(url.startswith((address, "blob:")) for url in requests)
    fresh = [n for n, step in enumerate(steps) if step["state"] == "new face"]
    assert fresh == [FRAMES - LARGE]  # so much larger that it counts as another face
    own = read_stream(exported / "w.safetensors", frames, fresh=fresh)
    return list(zip(steps, own, strict=True))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """The page's scripts, without a model."""
    with serve_folder(PAGE) as address, open_page() as opened:
        opened.goto(address)
        yield opened


Compared = list[tuple[dict[str, Any], Reference]]


def test_landmarks_are_equal(compared: Compared) -> None:
    for step, own in compared:
        np.testing.assert_allclose(np.array(step["points"]), own.points_P2, atol=POINT)


def test_crops_are_equal(compared: Compared) -> None:
    for step, own in compared:
        crop_HW = np.array(step["crop"], np.int16).reshape(own.crop_HW.shape)
        assert np.abs(crop_HW - own.crop_HW).max() <= GREY
        assert (crop_HW != own.crop_HW).mean() < 0.01
    scales = [np.hypot(own.matrix_23[0, 0], own.matrix_23[1, 0]) for _, own in compared]
    assert min(scales) <= MIN_SCALE / 2 < MIN_SCALE < max(scales)  # both ways of sampling


def test_logits_of_equal_images_are_equal(exported: Path, compared: Compared) -> None:
    steps = [step for step, _ in compared[: FRAMES - LARGE]]
    seen_THW = np.array([step["seen"] for step in steps], np.uint8).reshape(len(steps), SIDE, SIDE)
    for step, own_K in zip(steps, read_images(exported / "w.safetensors", seen_THW), strict=True):
        if step["logits"] is not None:
            assert own_K is not None
            apart_K = np.abs(np.array(step["logits"]) - own_K)
            assert apart_K.max() <= 1e-5 * own_K.std()


def test_logits_are_equal(compared: Compared) -> None:
    read = [(step, own) for step, own in compared if step["logits"] is not None]
    assert len(read) == 3
    for step, own in read:
        assert own.logits_K is not None
        apart_K = np.abs(np.array(step["logits"]) - own.logits_K)
        assert apart_K.max() <= LOGIT * own.logits_K.std()
        best = softmax(own.logits_K)
        assert step["reading"]["top"][0]["word"] == WORDS[best.argmax()]
        assert step["reading"]["top"][0]["probability"] == pytest.approx(best.max(), abs=LOGIT)


SPOTS = """async ([facts, readings]) => {
  const { Spotter } = await import("/spotter.js");
  const spotter = new Spotter(facts);
  const events = readings.map((reading) => spotter.push(reading));
  return [...events, spotter.interrupt()].filter(Boolean);
}"""


@pytest.mark.parametrize(("threshold", "refractory"), [(0.45, 0.0), (0.2, 0.12)])
def test_words_of_equal_probabilities_are_equal(
    page: Page, threshold: float, refractory: float
) -> None:
    """Of 500 readings, every second frame."""
    labels = [*WORDS, BACKGROUND]
    rows_NK = np.random.default_rng(1).dirichlet(np.full(len(labels), 0.4), 500)
    times = np.arange(len(rows_NK)) * 2 / FPS
    settings = {"threshold": threshold, "refractory": refractory}
    spotter = Spotter(labels, **settings)
    own = [
        (event.word, event.probability, event.seconds)
        for time, row_K in zip(times, rows_NK, strict=True)
        for event in spotter.push(Reading(time, time, row_K))
    ]
    own += [(event.word, event.probability, event.seconds) for event in spotter.finish()]
    readings = [
        {"seconds": time, "probabilities": row_K}
        for time, row_K in zip(times.tolist(), rows_NK.tolist(), strict=True)
    ]
    facts = {"labels": labels, "background": BACKGROUND, **settings}
    found = page.evaluate(SPOTS, [facts, readings])
    assert [(event["word"], event["probability"], event["seconds"]) for event in found] == own
    assert len(own) > 50
