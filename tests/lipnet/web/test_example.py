"""The page of `make demo`: a released model reads a sentence of GRID, from a file and a camera, and
computes what the library computes.

PAGE_VIDEOS names more videos to compare, separated by colons; the largest differences are printed.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from lipnet.cli.demo import EXAMPLE, MODEL
from lipnet.clip import FPS
from lipnet.live.reader import find_window
from lipnet.live.spotter import Reading, Spotter, find_settings
from lipnet.models.weights import load_card
from lipnet.selection.ensemble import softmax
from lipnet.web.folder import write_page
from lipnet.web.server import serve_folder
from tests.lipnet.web.browser import (
    MS,
    NEEDS_BROWSER,
    open_page,
    open_ready,
    read_frames,
    write_y4m,
)
from tests.lipnet.web.reference import read_stream

pytestmark = NEEDS_BROWSER
SENTENCE = ("bin", "blue", "at", "l", "seven", "soon")  # what the example says
MIN_WORDS = 2  # of the sentence's
# Pixels, levels, and logits, which a level in a few pixels of a crop moves.
POINT, GREY, LOGIT = 0.01, 1, 0.05


@dataclass(frozen=True)
class Demo:
    """The page of the released model: open, its address, and its folder."""

    page: Page
    address: str
    folder: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """In a browser whose camera shows the example again and again."""
    folder = tmp_path_factory.mktemp("example")
    write_page(MODEL, folder / "page", example=EXAMPLE)
    write_y4m(folder / "camera.y4m", read_film(EXAMPLE))
    expect.set_options(timeout=120 * MS)
    with (
        serve_folder(folder / "page") as address,
        open_page(camera=folder / "camera.y4m") as opened,
    ):
        yield Demo(opened, address, folder / "page")


def read_film(path: Path) -> list[NDArray[np.uint8]]:
    """All frames, RGB."""
    film, frames = cv2.VideoCapture(str(path)), []
    while (read := film.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB).astype(np.uint8))
    return frames


def read_words(page: Page) -> list[str]:
    """The words that the page has read so far."""
    return [text.split()[0] for text in page.locator("#transcript li").all_inner_texts()]


def test_the_example_is_read_to_its_end(demo: Demo) -> None:
    """A machine that is too slow for a video leaves frames out, and may read other words too."""
    open_ready(demo.page, demo.address)
    demo.page.get_by_role("button", name="Play the example").click()
    expect(demo.page.get_by_text("The video is over")).to_be_visible()
    places = [SENTENCE.index(word) for word in read_words(demo.page) if word in SENTENCE]
    assert places == sorted(places)
    assert len(places) >= MIN_WORDS


def test_a_camera_that_shows_the_sentence_is_read(demo: Demo) -> None:
    open_ready(demo.page, demo.address)
    demo.page.locator("#camera").click()
    own = demo.page.locator("#transcript li").filter(
        has_text=re.compile(rf"^({'|'.join(SENTENCE)})\b")
    )
    expect(own.nth(MIN_WORDS - 1)).to_be_visible()
    demo.page.locator("#stop").click()


def test_the_same_words_are_likeliest_as_in_the_library(demo: Demo) -> None:
    """By frames as PNG, so that both see the same pixels."""
    videos = [EXAMPLE, *map(Path, filter(None, os.environ.get("PAGE_VIDEOS", "").split(":")))]
    found = np.array([row for video in videos for row in compare(demo, read_film(video))])
    points, crops, logits, _ = np.nanmax(found, axis=0)
    windows = int((~np.isnan(found[:, 2])).sum())
    print(
        f"\n{len(videos)} videos, {len(found)} frames, {windows} windows: landmarks {points:.4f} "
        f"pixels, crops {crops:.0f} grey levels, logits {logits:.4f}"
    )
    assert found[:, 3].all()
    assert points <= POINT
    assert crops <= GREY
    assert logits <= LOGIT


def spot(steps: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """The words, and the times of their middles, that the library reports for these logits."""
    card = load_card(MODEL)
    threshold, refractory = find_settings(card)
    spotter = Spotter(card.labels, threshold=threshold, refractory=refractory)
    half = find_window(card) / 2
    found = []
    for number, step in enumerate(steps):
        if step["logits"] is not None:
            probabilities_K = softmax(np.array([step["logits"]]))[0]
            found += spotter.push(Reading((number + 1 - half) / FPS, 0.0, probabilities_K))
    found += spotter.finish()
    assert found
    return [(str(event.word), pytest.approx(event.seconds)) for event in found]


def compare(demo: Demo, frames: Sequence[NDArray[np.uint8]]) -> Iterator[list[float]]:
    """Of each frame the largest differences of landmarks, crop and logits (NaN if none were read),
    and whether the likeliest word is the same."""
    names = [f"{n}.png" for n in range(len(frames))]
    for name, frame in zip(names, frames, strict=True):
        cv2.imwrite(str(demo.folder / name), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    steps, last = read_frames(demo.page, demo.address, names)
    events = [event for event in (*(step["event"] for step in steps), last) if event]
    assert [(event["word"], event["seconds"]) for event in events] == spot(steps)
    for step, own in zip(steps, read_stream(MODEL, frames), strict=True):
        crop_HW = np.array(step["crop"], np.int16).reshape(own.crop_HW.shape)
        apart = [
            float(np.abs(np.array(step["points"]) - own.points_P2).max()),
            float(np.abs(crop_HW - own.crop_HW).max()),
        ]
        if step["logits"] is None or own.logits_K is None:
            yield [*apart, np.nan, True]
            continue
        logits_K = np.array(step["logits"])
        logit = float(np.abs(logits_K - own.logits_K).max())
        yield [*apart, logit, logits_K.argmax() == own.logits_K.argmax()]
