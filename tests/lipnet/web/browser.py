"""Headless Chromium on the page of an export, as the tests of this folder use it."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from lipnet.web.runtime import MODULES, PACKAGE

CHROMIUM = shutil.which("chromium")
MS = 1000
LIMIT = 120 * MS
NEEDS_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian's package chromium)"),
    pytest.mark.skipif(
        not (MODULES / PACKAGE).is_dir(), reason=f"no {PACKAGE} in web/node_modules (make web)"
    ),
]
# As root, without a network and a desktop: nothing but pages of 127.0.0.1.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-dev-shm-usage",  # a container may have little shared memory
)
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


@contextmanager
def open_page(*flags: str, camera: Path | None = None) -> Iterator[Page]:
    """A page of a browser of its own; `camera` is a y4m file that plays as its camera."""
    if camera is not None:
        flags = (*flags, *FAKE_CAMERA, f"--use-file-for-fake-video-capture={camera}")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        page = browser.new_page(viewport=DESKTOP)
        page.set_default_timeout(LIMIT)
        yield page
        browser.close()


def open_ready(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()


def write_y4m(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    """RGB frames as an uncompressed video that Chromium plays as a camera."""
    height, width = frames[0].shape[:2]
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420\n".encode())
        for frame in frames:
            out.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())


# Playwright sets no limit to what a page evaluates, so the script has its own.
READ_FRAMES = """async ([names, limit]) => {
  const within = (work, what) => Promise.race([work, new Promise((_, fail) =>
    setTimeout(() => fail(new Error(`${what} took more than ${limit} ms`)), limit))]);
  const worker = new Worker("worker.js", { type: "module" });
  const answers = [];
  let wake = () => {};
  worker.onmessage = ({ data }) => {
    if (data.kind !== "progress") { answers.push(data); wake(); }
  };
  worker.onerror = (event) => { answers.push({ kind: "failed", reason: event.message }); wake(); };
  const next = async () => {
    while (!answers.length) await new Promise((resolve) => { wake = resolve; });
    const answer = answers.shift();
    if (answer.kind === "failed") throw new Error(answer.reason);
    return answer;
  };
  worker.onmessageerror = () => worker.onerror({ message: "an answer could not be read" });
  worker.postMessage({ kind: "load", isDetailed: true });
  await within(next(), "loading");
  const steps = [];
  for (const [n, name] of names.entries()) {
    const blob = await within(fetch(name).then((answer) => answer.blob()), `fetching ${name}`);
    const settings = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    const bitmap = await within(createImageBitmap(blob, settings), `decoding ${name}`);
    worker.postMessage({ kind: "frame", bitmap, seconds: n / 25, isRestart: n === 0 }, [bitmap]);
    const { state, took, points, crop, seen, logits, reading, event } =
      await within(next(), `reading ${name}`);
    const plain = (values) => (values ? Array.from(values) : null);
    steps.push({
      state, took, points, reading, event,
      crop: plain(crop), seen: plain(seen), logits: plain(logits),
    });
  }
  worker.postMessage({ kind: "end", generation: 0 });
  const { kind, event } = await within(next(), "ending");
  if (kind !== "ended") throw new Error(`${kind} in place of ended`);
  worker.terminate();
  return [steps, event];
}"""


def read_frames(
    page: Page, address: str, names: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """What the page's worker answers to the PNG frames of these names, one after another, and the
    word that it reports at their end, if any."""
    page.goto(address)
    steps, last = page.evaluate(READ_FRAMES, [list(names), LIMIT])
    return steps, last
