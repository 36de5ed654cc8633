"""The page as a person uses it, in a real browser: reading, and what it reports if it cannot.

The pictures are in SCREENSHOTS, if that names a folder.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from lipnet.web.server import serve_folder
from tests.lipnet.landmarks.portrait import FACE, black
from tests.lipnet.web.browser import (
    MS,
    NEEDS_BROWSER,
    PHONE,
    open_page,
    open_ready,
    write_y4m,
)
from tests.malformed.movies import write_movie

pytestmark = NEEDS_BROWSER
FRAMES = 50
# A worker that knows a word of each video, and reports it at the end: at the start of the next one
# if nobody notified it of the end.
KNOWS_A_LAST_WORD = """
let word = null;
let videos = 0;
self.onmessage = ({ data: { kind, generation, bitmap, seconds, isRestart } }) => {
  if (kind === "load") self.postMessage({ kind: "ready", facts: FACTS });
  if (kind === "frame") {
    const { width, height } = bitmap;
    const event = isRestart ? word : null;
    videos += isRestart ? 1 : 0;
    word = { word: `last${videos}`, probability: 0.9, seconds: 0.4 };
    const step = { seconds, state: "no face", faces: 0, event, took: 1, parts: {} };
    self.postMessage({ kind: "step", generation, width, height, ...step });
  }
  if (kind === "end") {
    self.postMessage({ kind: "ended", generation, event: word });
    word = null;
  }
};
"""
# A worker that answers each frame late, so that a short video is over before the first answer.
ANSWERS_LATE = """
self.onmessage = ({ data: { kind, generation, bitmap, seconds } }) => {
  if (kind === "load") self.postMessage({ kind: "ready", facts: FACTS });
  if (kind === "frame") {
    const { width, height } = bitmap;
    const step = { seconds, state: "no face", faces: 0, event: null, took: 1, parts: {} };
    setTimeout(() => self.postMessage({ kind: "step", generation, width, height, ...step }), 2000);
  }
  if (kind === "end") self.postMessage({ kind: "ended", generation, event: null });
};
"""
# Follows the small face of one stream, loses it, and reads another stream with a large one as well.
READS_TWO_STREAMS = """async () => {
  const { MeshTracker } = await import("./face_mesh.js");
  const { Reader } = await import("./reader.js");
  const { Region, boundsOf } = await import("./region.js");
  const facts = await (await fetch("model.json")).json();
  const faceAt = (x, side) => {
    const box = { left: x - side / 2, top: 0, right: x + side / 2, bottom: side };
    return { box, region: new Region(x, side / 2, side) };
  };
  const [small, large] = [faceAt(20, 20), faceAt(120, 60)];
  let seen = [];
  const detector = { find: async () => seen };
  // The network finds a face in the middle of each region, so that a followed one stays in place.
  const { left, top, right, bottom } = boundsOf(facts.crops.face);
  const fit = (at, low, high) => 32 + (128 * (at - low)) / (high - low);
  const face = facts.crops.face.map(([x, y]) => [fit(x, left, right), fit(y, top, bottom), 0]);
  const values = [...Array(300).fill([96, 96, 0]), ...face];
  const network = async () => [values.flat(), [seen.length ? 9 : -9]];
  const places = face.map((_, n) => 300 + n);
  const tracker = new MeshTracker(detector, network, places);
  const reader = new Reader(facts, tracker, null);
  const frame = { data: new Uint8ClampedArray(4 * 160 * 60), width: 160, height: 60 };
  const found = [];
  for (const faces of [[small], ...Array(13).fill([]), [small, large], "end", [small, large]]) {
    if (faces === "end") reader.finish();
    else {
      seen = faces;
      const step = await reader.push(frame, found.length / 25, false);
      found.push([step.faces, step.box ? step.box.left < 60 : null]);
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def address(exported: Path) -> Iterator[str]:
    with serve_folder(exported / "page") as served:
        yield served


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser whose camera shows a face, then two, then none, again and again."""
    expect.set_options(timeout=120 * MS)
    one, two, none = (np.hstack(pair) for pair in ((FACE, black()), (FACE, FACE), (black(),) * 2))
    camera = tmp_path_factory.mktemp("camera") / "camera.y4m"
    write_y4m(camera, [one] * FRAMES + [two] * FRAMES + [none] * FRAMES)
    with open_page(camera=camera) as opened:
        yield opened


def take(page: Page, name: str) -> None:
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / name, full_page=True)


def test_a_camera_is_read_by_keyboard_until_it_is_stopped(page: Page, address: str) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_ready(page, address)
    page.keyboard.press("Tab")
    expect(page.locator("#camera")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#likely li").first).to_be_visible()
    take(page, "web_camera.png")
    expect(page.get_by_text("Several faces are seen")).to_be_visible()
    expect(page.get_by_text("No face is seen")).to_be_visible()
    expect(page.locator("#word")).to_have_text("nothing said")  # phrases: allow
    expect(page.get_by_text("frames per second read")).to_be_visible()
    page.set_viewport_size(PHONE)
    take(page, "web_camera_phone.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.locator("#stop").click()
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    expect(page.locator("#stop")).to_be_disabled()
    assert not errors


def test_a_camera_that_cannot_be_used(page: Page, address: str) -> None:
    open_ready(page, address)
    titles = {
        "NotAllowedError": "The camera is not allowed",
        "NotFoundError": "There is no camera",
        "NotReadableError": "The camera is busy",
        "OverconstrainedError": "The camera does not fit",
        "AbortError": "The camera cannot be used",
    }
    for name, title in titles.items():
        page.evaluate(
            "name => { navigator.mediaDevices.getUserMedia = async () => "
            "{ throw new DOMException('no', name); }; }",
            name,
        )
        page.locator("#camera").click()
        expect(page.get_by_text(title)).to_be_visible()
        expect(page.locator("#choose")).to_be_enabled()
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.locator("#camera").click()
    expect(page.get_by_text("The camera needs a secure address")).to_be_visible()


def test_a_camera_that_is_too_fast_and_then_unplugged(page: Page, address: str) -> None:
    """The worker answers no frame, as on a device that is far too slow."""
    open_ready(page, address)
    page.evaluate("() => { Worker.prototype.postMessage = () => {}; }")
    page.locator("#camera").click()
    expect(page.get_by_text("This device is too slow for the camera")).to_be_visible()
    page.evaluate(
        "document.getElementById('video').srcObject.getVideoTracks()[0]"
        ".dispatchEvent(new Event('ended'))"
    )
    expect(page.get_by_text("The camera stopped")).to_be_visible()
    expect(page.locator("#stop")).to_be_disabled()


def test_a_video_of_too_few_frames_is_read_to_its_end(
    page: Page, address: str, tmp_path: Path
) -> None:
    frames = [np.ascontiguousarray(FACE[..., ::-1])] * 40
    write_movie(tmp_path / "slow.webm", frames, codec="libvpx", kind="webm", rate=10)
    open_ready(page, address)
    page.locator("#file").set_input_files(tmp_path / "slow.webm")
    expect(page.locator("#likely li").first).to_be_visible()
    expect(page.get_by_text("Too few frames per second")).to_be_visible()
    expect(page.get_by_text("The video is over")).to_be_visible()


@contextmanager
def replace_worker(page: Page, address: str, script: str) -> Iterator[None]:
    """Open the page with another worker."""
    with urlopen(f"{address.rstrip('/')}/model.json") as answer:
        body = script.replace("FACTS", answer.read().decode())
    page.route(
        "**/worker.js",
        lambda route: route.fulfill(content_type="text/javascript", body=body),
    )
    try:
        open_ready(page, address)
        yield
    finally:
        page.unroute("**/worker.js")


def write_webm(path: Path, count: int) -> None:
    frames = [np.ascontiguousarray(FACE[..., ::-1])] * count
    write_movie(path, frames, codec="libvpx", kind="webm", rate=25)


@pytest.fixture
def worded(page: Page, address: str, tmp_path: Path) -> Iterator[Page]:
    """The page with a worker that knows a last word of each video, which are a.webm and b.webm."""
    write_webm(tmp_path / "a.webm", 250)
    write_webm(tmp_path / "b.webm", 10)
    with replace_worker(page, address, KNOWS_A_LAST_WORD):
        yield page


def test_a_video_that_is_over_is_not_played_again(page: Page, address: str, tmp_path: Path) -> None:
    """Its last frame is the first that makes one too many wait."""
    write_webm(tmp_path / "a.webm", 13)
    with replace_worker(page, address, ANSWERS_LATE):
        page.evaluate(
            """() => {
              const { play } = HTMLMediaElement.prototype;
              window.played = 0;
              HTMLMediaElement.prototype.play = function () {
                window.played += 1;
                return play.call(this);
              };
            }"""
        )
        page.locator("#file").set_input_files(tmp_path / "a.webm")
        expect(page.get_by_text("The video is over")).to_be_visible()
        assert page.evaluate("window.played") == 1


def test_a_stream_begins_with_its_own_largest_face(page: Page, address: str) -> None:
    page.goto(address)
    followed, *lost, found_again, next_stream = page.evaluate(READS_TWO_STREAMS)
    assert (followed, lost[-1], found_again) == ([1, True], [1, None], [1, True])
    assert next_stream == [2, False]


def read_words(page: Page) -> list[str]:
    return [text.split()[0] for text in page.locator("#transcript li").all_inner_texts()]


def test_the_last_word_of_a_video_is_read_with_it(worded: Page, tmp_path: Path) -> None:
    worded.locator("#file").set_input_files(tmp_path / "b.webm")
    expect(worded.get_by_text("The video is over")).to_be_visible()
    assert read_words(worded) == ["last1"]


def test_a_video_that_was_stopped_adds_no_word_to_the_next(worded: Page, tmp_path: Path) -> None:
    worded.locator("#file").set_input_files(tmp_path / "a.webm")
    expect(worded.locator("#state")).to_have_text("none")
    worded.locator("#stop").click()
    worded.locator("#file").set_input_files(tmp_path / "b.webm")
    expect(worded.get_by_text("The video is over")).to_be_visible()
    assert read_words(worded) == ["last2"]


def test_a_second_video_takes_the_place_of_one_that_loads(worded: Page, tmp_path: Path) -> None:
    for name in ("a.webm", "b.webm"):
        worded.locator("#file").set_input_files(tmp_path / name)
    expect(worded.get_by_text("The video is over")).to_be_visible()
    assert read_words(worded)[-1].startswith("last")


def test_a_file_that_is_not_a_video(page: Page, address: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video")
    open_ready(page, address)
    page.locator("#file").set_input_files(tmp_path / "a.mp4")
    expect(page.get_by_text("The video cannot be played")).to_be_visible()


@pytest.mark.parametrize(
    ("lack", "title"),
    [
        ("WebAssembly.validate = () => false", "This browser cannot run the networks"),
        ("delete window.OffscreenCanvas", "This browser is too old"),
    ],
)
def test_a_browser_that_lacks_something(page: Page, address: str, lack: str, title: str) -> None:
    hash_ = f"#{len(lack)}"  # the script stays in the page of later tests
    page.add_init_script(f"if (location.hash === '{hash_}') {lack}")
    page.goto("about:blank")
    page.goto(f"{address}{hash_}")
    expect(page.get_by_text(title)).to_be_visible()
    expect(page.locator("#camera")).to_be_disabled()


def test_a_page_that_is_opened_as_a_file(page: Page, exported: Path) -> None:
    page.goto((exported / "page" / "index.html").as_uri())
    expect(page.get_by_text("the page was opened as a file")).to_be_visible()
    expect(page.locator("#camera")).to_be_disabled()


def test_a_network_that_is_missing(page: Page, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "page", tmp_path / "page")
    (tmp_path / "page" / "networks" / "head.onnx").unlink()
    with serve_folder(tmp_path / "page") as address:
        page.goto(address)
        expect(page.get_by_text("Reading failed")).to_be_visible()
        expect(page.get_by_text("networks/head.onnx: 404")).to_be_visible()
