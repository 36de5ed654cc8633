"""The page of `make demo`: a released model reads a sentence of GRID, from a file and a camera."""

from collections.abc import Iterator

import cv2
import pytest
from playwright.sync_api import Page, expect

from lipnet.cli.demo import EXAMPLE, MODEL
from lipnet.web.folder import write_page
from lipnet.web.server import serve_folder
from tests.lipnet.web.browser import MS, NEEDS_BROWSER, open_page, open_ready, write_y4m

pytestmark = NEEDS_BROWSER
SENTENCE = ("bin", "blue", "at", "l", "seven", "soon")  # what the example says
MIN_WORDS = 2  # of the sentence's


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, in a browser whose camera shows the example again and again."""
    folder = tmp_path_factory.mktemp("example")
    write_page(MODEL, folder / "page", example=EXAMPLE)
    film, frames = cv2.VideoCapture(str(EXAMPLE)), []
    while (read := film.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    write_y4m(folder / "camera.y4m", frames)
    expect.set_options(timeout=120 * MS)
    with (
        serve_folder(folder / "page") as address,
        open_page(camera=folder / "camera.y4m") as opened,
    ):
        open_ready(opened, address)
        yield opened


def read_words(page: Page) -> list[str]:
    """The words that the page has read so far."""
    return [text.split()[0] for text in page.locator("#transcript li").all_inner_texts()]


def test_the_example_is_read_to_its_end(page: Page) -> None:
    page.get_by_role("button", name="Play the example").click()
    expect(page.get_by_text("The video is over")).to_be_visible()
    words = read_words(page)
    places = [SENTENCE.index(word) for word in words]
    assert places == sorted(places)
    assert len(words) >= MIN_WORDS


def test_a_camera_that_shows_the_sentence_is_read(page: Page) -> None:
    page.locator("#camera").click()
    expect(page.locator("#transcript li").nth(MIN_WORDS)).to_be_visible()
    words = read_words(page)
    assert sum(word in SENTENCE for word in words) >= MIN_WORDS
    page.locator("#stop").click()
