"""The page of `lipnet export --web` in headless Chromium: CPU time per frame, and until its first
word, of a video.

CPU time depends little on other load, and a page that needs less than 40 ms per frame in all its
threads reads 25 frames per second on one core. The times by the clock do depend on it. Nothing is
drawn by a GPU here, so that drawing counts as well; a busy machine draws less often. The worker's
CPU time is shared among its parts as its time by the clock.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from benchmarks.compare import describe_machine
from lipnet.cli.demo import EXAMPLE, MODEL
from lipnet.clip import FPS
from lipnet.errors import InputError
from lipnet.web.folder import write_page
from lipnet.web.server import serve_folder

MS = 1000
TIMEOUT = 600 * MS
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
WORKER = "DedicatedWorker"  # how Chromium names the thread of the page's worker
REST = "faces' pixels and crop"  # of the worker's time, what is not one of the parts that it notes
# Notes what the page's worker answers: frames, their milliseconds in all and by part, and when the
# first word came.
WATCH = """
window.found = { frames: 0, took: 0, word: 0, parts: {} };
const Own = window.Worker;
window.Worker = class extends Own {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => {
      if (data.kind !== "step") return;
      window.found.frames += 1;
      window.found.took += data.took;
      for (const [part, took] of Object.entries(data.parts)) {
        window.found.parts[part] = (window.found.parts[part] || 0) + took;
      }
      if (data.event && !window.found.word) window.found.word = performance.now();
    });
  }
};
"""


@dataclass(frozen=True)
class Moment:
    """A page at one time: frames that were read, seconds of CPU time by thread since the browser's
    start, seconds by the clock since the page was opened, and those that reading took by part."""

    frames: int
    cpu: Mapping[str, float]
    clock: float
    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """Seconds of CPU time of all threads."""
        return sum(self.cpu.values())


def main() -> None:
    """Print what loading, the first word and a frame cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path, nargs="?", default=EXAMPLE)
    parser.add_argument("--weights", type=Path, default=MODEL)
    asked = parser.parse_args()
    print(describe_machine(1))
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "page"
        size = write_page(asked.weights, folder, example=asked.video).bytes
        with serve_folder(folder) as address, open_browser() as page:
            opened = look(page)
            page.add_init_script(WATCH)
            page.goto(address)
            moments = list(play(page))
            words = page.locator("#transcript li").all_inner_texts()
    print(f"{asked.weights.stem}: {size / 1e6:.1f} MB, {asked.video.name}: {', '.join(words)}")
    for line in describe(opened, moments):
        print(line)


@contextmanager
def open_browser() -> Iterator[Page]:
    """A page of a browser of its own; InputError if there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise InputError("no chromium in PATH: install it (Debian's package chromium)")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(TIMEOUT)
        yield page
        browser.close()


def play(page: Page) -> Iterator[Moment]:
    """The page when it is ready, at its first word, and at the video's end."""
    page.get_by_text("Ready", exact=True).wait_for()
    yield look(page)
    page.get_by_role("button", name="Play the example").click()
    page.locator("#transcript li").first.wait_for()
    yield look(page)
    page.get_by_text("The video is over").wait_for()
    yield look(page)


def look(page: Page) -> Moment:
    """The page now."""
    found: dict[str, Any] = page.evaluate(
        "({ frames: 0, took: 0, parts: {}, ...window.found, "
        "clock: window.found?.word || performance.now() })"
    )
    parts = {name: took / MS for name, took in found["parts"].items()}
    parts[REST] = found["took"] / MS - sum(parts.values())
    cpu = measure_threads(find_browser())
    return Moment(int(found["frames"]), cpu, found["clock"] / MS, parts)


def find_browser() -> psutil.Process:
    """The browser that this process started: the first process below it named chromium."""
    below = psutil.Process().children(recursive=True)
    return next(own for own in below if own.name().startswith("chrom"))


def measure_threads(root: psutil.Process) -> dict[str, float]:
    """Seconds of CPU time of a process and of those below it, by the name of the thread; a process
    that has ended counts no more."""
    seconds: Counter[str] = Counter()
    for process in (root, *root.children(recursive=True)):
        try:
            for thread in process.threads():
                name = Path(f"/proc/{process.pid}/task/{thread.id}/comm").read_text().strip()
                seconds[name] += thread.user_time + thread.system_time
        except (psutil.Error, OSError):
            continue
    return dict(seconds)


def describe(opened: Moment, moments: list[Moment]) -> Iterator[str]:
    """What happened between the moments, one line each."""
    ready, word, over = moments
    yield f"loading: {ready.total - opened.total:.2f} s of CPU time; {ready.clock:.2f} s"
    yield (
        f"first word: {word.total - opened.total:.2f} s of CPU time since the page was opened, "
        f"after {word.frames} frames; {word.clock:.2f} s"
    )
    frames = over.frames - word.frames
    threads = subtract(over.cpu, word.cpu)
    whole = MS * (over.total - word.total) / frames
    yield (
        f"then, per frame of {frames}: {whole:.1f} ms of CPU time, "
        f"so {MS / whole:.0f} frames per second on one core ({FPS:g} are needed)"
    )
    yield f"of them: {join(dict(islice(threads.items(), 4)), MS / frames)}"
    parts = subtract(over.parts, word.parts)
    share = threads[WORKER] / sum(parts.values())
    yield f"of {WORKER}: {join(parts, share * MS / frames)}"


def subtract(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """What each number has grown by, the largest first."""
    grown = {name: own - before.get(name, 0) for name, own in after.items()}
    return dict(sorted(grown.items(), key=lambda each: -each[1]))


def join(seconds: Mapping[str, float], scale: float) -> str:
    """Names with their seconds, as milliseconds per frame after `scale`."""
    return ", ".join(f"{name} {scale * own:.1f} ms" for name, own in seconds.items())


if __name__ == "__main__":
    main()
