"""The page of `lipnet teach` in a real browser: takes of a fake camera, and a training."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from lipnet.labels import BACKGROUND
from lipnet.models.weights import load_card
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan, render_clip
from lipnet.teach.server import serve_session
from lipnet.teach.session import Plan, TeachSession
from lipnet.teach.takes import list_takes
from tests.lipnet.inference.embedding import write_weights
from tests.lipnet.web.browser import CHROMIUM, MS, PHONE, open_page
from tests.lipnet.web.test_page import write_y4m

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian's package chromium)"),
]
WORDS = ("bark", "family")
TAKES = 3
REFUSED = "409 (Conflict)"  # the browser's line about an answer that refuses


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser whose camera shows a rendered face that speaks, again and again."""
    expect.set_options(timeout=120 * MS)
    options = SyntheticOptions(words=("BARK", "FAMILY"), pauses=1.0)
    frames_THWC, _ = render_clip(ClipPlan("FAMILY", "test", 1, 0), options)
    camera = tmp_path_factory.mktemp("camera") / "camera.y4m"
    write_y4m(camera, [np.ascontiguousarray(frame[..., ::-1]) for frame in frames_THWC])
    with open_page(camera=camera) as opened:
        yield opened


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TeachSession:
    monkeypatch.chdir(tmp_path)
    root = Path("takes")
    root.mkdir()
    weights = write_weights(tmp_path / "w.safetensors", "resnet18_0.125x + tcn_0.25x")
    return TeachSession(Plan(root, weights, root / "taught.safetensors", takes=TAKES, epochs=1))


def take(page: Page, name: str) -> None:
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / name, full_page=True)


def test_words_are_recorded_and_taught(page: Page, session: TeachSession) -> None:
    faults: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: requests.append(request.url))
    with serve_session(session) as address:
        page.goto(address)
        page.get_by_label("Your words").fill("bark, =family")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("the word '=family' has control characters")).to_be_visible()
        page.get_by_label("Your words").fill("bark, family,")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#takes li")).to_have_count(len(WORDS))
        expect(page.locator("#train")).to_be_disabled()
        page.get_by_role("button", name="Use the camera").click()
        page.get_by_role("button", name="Record").click()
        expect(page.locator("#cue")).to_have_text("bark")
        take(page, "teach_recording.png")
        expect(page.get_by_text("All takes are there")).to_be_visible()
        assert [len(list_takes(session.plan.root, word)) for word in WORDS] == [TAKES, TAKES]
        expect(page.locator("#last")).to_have_text("family, take-003.webm")
        page.get_by_role("button", name="Discard it").click()
        expect(page.get_by_text("2 of 3")).to_be_visible()
        assert len(list_takes(session.plan.root, "family")) == TAKES - 1
        page.get_by_role("button", name="Record").click()
        expect(page.locator("#last")).to_have_text("family, take-003.webm")
        page.get_by_role("button", name="Train").click()
        expect(page.get_by_text("Words read right")).to_be_visible()
        expect(page.get_by_text("Pauses read as such")).to_be_visible()
        take(page, "teach_trained.png")
        page.set_viewport_size(PHONE)
        take(page, "teach_phone.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert all(url.startswith(address) for url in requests)
    assert load_card(session.plan.out).labels == ["<background>", *WORDS]
    assert [text for text in faults if REFUSED not in text] == []


def test_takes_without_a_face_are_refused(page: Page, session: TeachSession) -> None:
    """The camera's picture is covered in the page."""
    session.set_words(WORDS)
    with serve_session(session) as address:
        page.goto(address)
        page.evaluate(
            """() => {
              const canvas = document.createElement("canvas");
              const context = canvas.getContext("2d");
              setInterval(() => context.fillRect(0, 0, 300, 150), 40);
              navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(25);
            }"""
        )
        page.get_by_role("button", name="Use the camera").click()
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_text("bark: not used")).to_be_visible()
        expect(page.get_by_text("no_face")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#record")).to_be_enabled()
    assert list_takes(session.plan.root, "bark") == []


def test_words_that_are_not_saved_stay_and_one_camera_is_opened(
    page: Page, session: TeachSession
) -> None:
    session.set_words(WORDS)
    with serve_session(session) as address:
        page.goto(address)
        page.evaluate(
            """() => {
              const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
              window.opened = 0;
              navigator.mediaDevices.getUserMedia = (wanted) => {
                window.opened += 1;
                return open(wanted);
              };
            }"""
        )
        words = page.get_by_label("Your words")
        expect(words).to_have_value("bark, family")
        words.fill("bark, family, =help")
        page.get_by_role("button", name="Use the camera").dblclick()
        expect(page.locator("#record")).to_be_enabled()
        assert page.evaluate("window.opened") == 1
        expect(words).to_have_value("bark, family, =help")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("the word '=help' has control characters")).to_be_visible()
        expect(words).to_have_value("bark, family, =help")
        words.fill(" bark,help,")
        page.get_by_role("button", name="Save").click()
        expect(words).to_have_value("bark, help")


def test_a_recorder_that_fails_is_reported(page: Page, session: TeachSession) -> None:
    session.set_words(WORDS)
    with serve_session(session) as address:
        page.goto(address)
        page.evaluate(
            """() => {
              MediaRecorder.prototype.start = () => { throw new Error("no encoder"); };
            }"""
        )
        page.get_by_role("button", name="Use the camera").click()
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_text("bark: not used")).to_be_visible()
        expect(page.get_by_text("no encoder")).to_be_visible()
        expect(page.locator("#record")).to_be_enabled()


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (WORDS, "No take that was trained on has pauses"),
        ((BACKGROUND, *WORDS), "No take that was held back has pauses"),
    ],
)
def test_why_there_are_no_pauses(
    page: Page, session: TeachSession, labels: tuple[str, ...], text: str
) -> None:
    share = {"top1": 1.0, "low": 0.5, "high": 1.0, "clips": 2}
    taught = {"path": "a.safetensors", "labels": labels, "words": share, "pauses": None}
    state = {**session.state(), "taught": {**taught, "per_word": {}, "confused": []}}
    with serve_session(session) as address:
        page.route("**/state", lambda route: route.fulfill(json=state))
        try:
            page.goto(address)
            expect(page.get_by_text(text)).to_be_visible()
        finally:
            page.unroute("**/state")
