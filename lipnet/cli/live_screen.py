"""Screens of `lipnet live`: lines of text, lines of JSON, a window, and a drawn video."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lipnet.cli.output import make_printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lipnet.live.reader import Step
    from lipnet.live.session import Update
    from lipnet.live.spotter import Event

NOTHING = "nothing said"  # phrases: allow
STATUS_WIDTH = 78
INSET = 96  # pixels of a drawn frame that show what the model sees
CHANGED = "face", "held"  # states in which a face is read


class Screen(Protocol):
    """Shows what a session brings."""

    def show(self, update: "Update") -> None: ...


def note(line: str) -> None:
    """A line about the stream, apart from what is read."""
    print(make_printable(line), file=sys.stderr, flush=True)


def name_state(step: "Step") -> str:
    """What is seen, as a reader of the lines needs to know it."""
    return "face" if step.state in CHANGED else step.state


class States:
    """Whether the state of the stream changed."""

    def __init__(self) -> None:
        self._last = ""

    def change(self, step: "Step") -> str:
        """The new state, "" if it is the same as before."""
        state = name_state(step)
        if state == self._last:
            return ""
        # A new face, or a restart, is also a face.
        self._last = "no face" if state == "no face" else "face"
        return state


def note_unread(updates: "Iterable[Update]", needed: int) -> "Iterator[Update]":
    """The same updates; a line at the end of a stream in which no face was in view for as many
    frames as a reading needs."""
    run = longest = 0  # frames in a row with a face
    has_reading = False
    for update in updates:
        step = update.step
        if step is not None:
            run = 0 if step.face is None else 1 if step.is_fresh else run + 1
            longest = max(longest, run)
            has_reading |= step.reading is not None
        elif not has_reading:
            note(f"nothing was read: {describe_unread(longest, needed)}")
        yield update


def describe_unread(frames: int, needed: int) -> str:
    """Why a stream whose longest run of frames with a face has `frames` has no reading."""
    if not frames:
        return "no face was seen"
    return (
        f"the longest run of frames with a face has {frames}, and a window needs {needed} "
        "(`lipnet read` reads a video of one word)"
    )


class TextScreen:
    """A line per word, and on a terminal a status line with the likeliest words now."""

    def __init__(self, labels: Sequence[str], *, top: int, threshold: float) -> None:
        self._labels, self._top, self._threshold = labels, top, threshold
        self._states = States()
        self._is_live = sys.stdout.isatty()
        self._reported = self._has_reading = False

    def show(self, update: "Update") -> None:
        """Print the words, a change of state, and the status."""
        for event in update.events:
            self._reported = True
            self._line(format_event(event))
        step = update.step
        if step is None:
            if self._has_reading and not self._reported:
                self._line(NOTHING)
            return
        self._has_reading |= step.reading is not None
        state = self._states.change(step)
        if state:
            note(f"{step.frame.seconds:7.2f} s  ({state})")
        if update.is_quiet and step.reading is not None:
            self._reported = True
            self._line(f"{step.reading.middle:7.2f} s  {NOTHING}")
        if self._is_live and step.reading is not None:
            status = format_status(step, self._labels, self._top, self._threshold)
            print("\r" + make_printable(status[:STATUS_WIDTH]).ljust(STATUS_WIDTH), end="")
            sys.stdout.flush()

    def _line(self, line: str) -> None:
        start = "\r" if self._is_live else ""
        line = line.ljust(STATUS_WIDTH) if self._is_live else line
        print(start + make_printable(line), flush=True)


class JsonScreen:
    """A JSON object per word, per change of state and per start of silence."""

    def __init__(self) -> None:
        self._states = States()

    def show(self, update: "Update") -> None:
        """Print the objects."""
        for event in update.events:
            entry: dict[str, object] = {
                "event": "word" if event.word is not None else "nothing",
                "word": event.word,
                "probability": event.probability,
                "seconds": round(event.seconds, 3),
                "reported": round(event.reported, 3),
            }
            print(json.dumps(entry), flush=True)
        step = update.step
        if step is None:
            return
        state = self._states.change(step)
        seconds = round(step.frame.seconds, 3)
        if state:
            print(json.dumps({"event": "state", "state": state, "seconds": seconds}), flush=True)
        if update.is_quiet and step.reading is not None:
            middle = round(step.reading.middle, 3)  # as of a word
            print(json.dumps({"event": "nothing", "word": None, "seconds": middle}), flush=True)


def format_event(event: "Event") -> str:
    """A word with its time and probability."""
    word = NOTHING if event.word is None else event.word
    return f"{event.seconds:7.2f} s  {word:<12} {event.probability:6.1%}"


def format_status(step: "Step", labels: Sequence[str], top: int, threshold: float) -> str:
    """The likeliest labels of the window that was read now; "nothing" if none is a likely
    word."""
    from lipnet.live.spotter import find_words

    assert step.reading is not None
    probabilities_K = step.reading.probabilities_K
    best = probabilities_K.argsort()[::-1][:top].tolist()
    words_K = find_words(labels)
    is_reported = float(probabilities_K[words_K].max(initial=0.0)) >= threshold
    shown = ", ".join(f"{labels[k]} {probabilities_K[k]:.0%}" for k in best)
    return (
        f"{step.frame.seconds:7.2f} s  {shown}"
        if is_reported
        else (f"{step.frame.seconds:7.2f} s  {NOTHING} ({shown})")
    )


class Painter:
    """Draws steps: the face's box and points, the square of the mouth, the crop as the model sees
    it, and the last words."""

    def __init__(
        self, labels: Sequence[str], *, top: int, threshold: float, crop_size: int
    ) -> None:
        self._labels, self._top, self._threshold = labels, top, threshold
        self._crop_size = crop_size
        self._words: list[str] = []
        self._status = ""

    def paint(self, update: "Update") -> "NDArray[np.uint8] | None":
        """The frame [H, W, 3] with all that; None for the end of the stream."""
        import cv2
        import numpy as np

        from lipnet.inference.draw import draw_face

        step = update.step
        self._words += [NOTHING if e.word is None else e.word for e in update.events]
        if step is None:
            return None
        if step.reading is not None:
            self._status = format_status(step, self._labels, self._top, self._threshold)
        image_HW = step.frame.image_HW
        if step.face is None or step.matrix_23 is None or step.seen_HW is None:
            drawn_HWC = np.asarray(cv2.cvtColor(image_HW, cv2.COLOR_GRAY2BGR), np.uint8)
            self._status = f"{step.frame.seconds:7.2f} s  ({step.state})"
        else:
            drawn_HWC = draw_face(
                image_HW,
                step.face.points_P2,
                step.matrix_23,
                size=self._crop_size,
                seen=step.state != "held",
            )
            _inset(drawn_HWC, step.seen_HW)
        bar_HWC = np.zeros((48, drawn_HWC.shape[1], 3), np.uint8)
        for row, text in ((18, self._status), (40, " ".join(self._words[-8:]))):
            cv2.putText(bar_HWC, text, (6, row), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255,) * 3, 1)
        return np.concatenate([drawn_HWC, bar_HWC])


def _inset(drawn_HWC: "NDArray[np.uint8]", seen_HW: "NDArray[np.uint8]") -> None:
    """Put what the model sees into the upper left corner, its pixels enlarged, as far as it
    fits."""
    enlarged_HW = seen_HW.repeat(max(1, INSET // len(seen_HW)), 0)
    enlarged_HW = enlarged_HW.repeat(max(1, INSET // len(seen_HW)), 1)
    height, width = (min(a, b) for a, b in zip(enlarged_HW.shape, drawn_HWC.shape, strict=False))
    drawn_HWC[:height, :width] = enlarged_HW[:height, :width, None]


class WindowScreen:
    """A window, and the lines of another screen. Its key q, or closing it, ends the session."""

    TITLE = "lipnet live (q ends)"

    def __init__(self, painter: Painter, lines: Screen, library: Any) -> None:
        self._painter, self._lines, self._library = painter, lines, library

    def show(self, update: "Update") -> None:
        """Draw the frame."""
        self._lines.show(update)
        image_HWC = self._painter.paint(update)
        if image_HWC is not None:
            self._library.imshow(self.TITLE, image_HWC)
            if self._library.waitKey(1) & 0xFF == ord("q"):
                raise KeyboardInterrupt


def open_window(
    painter: Painter, lines: Screen, library: Any, report: Callable[[str], None]
) -> Screen:
    """A window if there is a display and OpenCV can open one, else the lines alone."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return lines
    try:
        library.namedWindow(WindowScreen.TITLE)
    except library.error:
        report(
            "no window: this OpenCV has none (the package opencv-python has, instead of "
            "opencv-python-headless)"
        )
        return lines
    return WindowScreen(painter, lines, library)


class DrawingScreen:
    """The lines of another screen, and all frames drawn, to be written as a video at the end."""

    def __init__(self, painter: Painter, lines: Screen) -> None:
        self._painter, self._lines = painter, lines

    def draw(self, update: "Update") -> "NDArray[np.uint8] | None":
        """The drawn frame of an update, which was also shown."""
        with contextlib.suppress(BrokenPipeError):
            self._lines.show(update)
        return self._painter.paint(update)

    def show(self, update: "Update") -> None:
        """Show an update without keeping its drawing."""
        self.draw(update)
