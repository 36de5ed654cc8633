"""`lipnet live`: the words of a stream as they are spoken, by a trained model."""

import argparse
import queue
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.face import OF_CARD, add_face, add_landmarks
from lipnet.cli.live_evaluation import VAL, choose, evaluate
from lipnet.cli.live_modes import (
    describe_limits,
    has_words,
    make_reader,
    make_reporter,
    settings_of,
)
from lipnet.cli.live_screen import (
    DrawingScreen,
    JsonScreen,
    Painter,
    Screen,
    TextScreen,
    note,
    note_unread,
    open_window,
)
from lipnet.errors import InputError
from lipnet.files import is_same_path
from lipnet.sources.discover import SOURCES

if TYPE_CHECKING:
    from lipnet.live.frames import TimedFrame
    from lipnet.live.reader import LiveModel
    from lipnet.live.session import Update
    from lipnet.live.spotter import Reporter
    from lipnet.video.decode import Pixels

ABOUT = (
    "A word is reported half a window and some frames after its middle (the released models: "
    "0.36 s). The weights need a background class to know when nothing is spoken "
    "(source.options.background); with others, use --grammar or --prompt."
)
PATIENCE = 30.0  # seconds that an unplugged camera is waited for


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser("live", help="the words of a stream, as they are spoken", epilog=ABOUT)
    verb.add_argument(
        "--weights",
        type=Path,
        required=True,
        help="a weights file, or an .onnx of lipnet export --stream",
    )
    stream = verb.add_mutually_exclusive_group(required=True)
    stream.add_argument("--file", type=Path, metavar="VIDEO", help="read a video file")
    stream.add_argument(
        "--camera", metavar="N", help="read a camera by its number, or any URL that OpenCV opens"
    )
    stream.add_argument(
        "--evaluate", action="store_true", help="score on the sentences of --source and --root"
    )
    _add_reading(verb)
    _add_evaluation(verb)
    verb.add_argument("--top", type=int, default=3, help="number of words in the status line")
    verb.add_argument("--draw", type=Path, metavar="OUT.mp4", help="also draw the --file read")
    verb.add_argument("--no-window", action="store_true", help="only text, also with a display")
    verb.add_argument(
        "--wait",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help="how long to wait for a camera that stopped",
    )
    verb.add_argument("--json", action="store_true", help="print JSON, one object per line")
    verb.set_defaults(run=run)


def _add_reading(verb: argparse.ArgumentParser) -> None:
    mode = verb.add_mutually_exclusive_group()
    mode.add_argument(
        "--prompt", metavar="WORD,WORD", help="one of these words: in the file, or after each Enter"
    )
    mode.add_argument(
        "--grammar", metavar="NAME|FILE", help="sentences: grid, or a JSON file of slots of words"
    )
    verb.add_argument(
        "--threshold", type=float, metavar="P", help="the probability from which a word is reported"
    )
    verb.add_argument(
        "--refractory", type=float, metavar="SECONDS", help="the least time between two words"
    )
    verb.add_argument("--hop", type=int, default=2, help="frames between two readings")
    verb.add_argument("--frames", type=int, default=0, help="frames per window; 0: the model's")
    verb.add_argument(
        "--cached-edges",
        action="store_true",
        help="do not compute a window's first and last features again: faster, 0.08 s later",
    )
    add_face(verb)
    add_landmarks(verb, text=f"the landmark model; {OF_CARD}")


def _add_evaluation(verb: argparse.ArgumentParser) -> None:
    sources = [name for name, source in SOURCES.items() if source.gives_every_word]
    verb.add_argument("--source", choices=sources, help="the layout of the sentences")
    verb.add_argument("--root", type=Path, metavar="DIR", help="their folder")
    verb.add_argument("--split", default="", help="one of the source's splits, or all")
    verb.add_argument("--options", default="{}", metavar="JSON", help="the source's options")
    verb.add_argument("--limit", type=int, default=0, help="only the first sentences")
    verb.add_argument(
        "--choose",
        type=Path,
        metavar="OUT",
        help="choose threshold and refractory time on --split val, and write the weights with them",
    )


def run(parsed: argparse.Namespace) -> None:
    """Read the stream, or score sentences."""
    from lipnet.live.reader import LiveModel

    check_request(parsed)
    model = LiveModel.load(parsed.weights, face=parsed.face, landmarks=parsed.landmarks)
    if parsed.choose is not None:
        choose(parsed, model)
        return
    for line in describe_limits(parsed, model):
        note(line)
    if parsed.evaluate:
        evaluate(parsed, model)
    else:
        read_stream(parsed, model)


def check_request(parsed: argparse.Namespace) -> None:
    """InputError for options that do not go together, or are out of range."""
    if parsed.evaluate != (parsed.source is not None and parsed.root is not None):
        raise InputError("--evaluate needs --source and --root, and these need --evaluate")
    if parsed.choose is not None and not (parsed.evaluate and parsed.split == VAL):
        raise InputError("--choose needs --evaluate and --split val: validation chooses")
    given = {name: getattr(parsed, name) for name in ("grammar", "threshold", "refractory")}
    unused = [f"--{name}" for name, value in given.items() if value is not None]
    unused += ["--json"] if parsed.json else []
    if parsed.choose is not None and unused:
        raise InputError(
            "--choose chooses the threshold and the refractory time of single words, and prints "
            f"text: leave out {', '.join(unused)}"
        )
    if parsed.refractory is not None and has_words(parsed):
        raise InputError("--refractory goes with neither --grammar nor --prompt: leave it out")
    if parsed.evaluate and parsed.prompt is not None:
        raise InputError("--prompt cannot be evaluated on sentences: leave out one of them")
    if parsed.draw is not None:
        check_draw(parsed.draw, parsed.file)
    for name, low, high in (
        ("threshold", 0, 1),
        ("refractory", 0, 60),
        ("top", 1, 1000),
        ("wait", 0, 86400),
        ("limit", 0, 10**9),
    ):
        value = getattr(parsed, name)
        if value is not None and not low <= value <= high:
            raise InputError(f"--{name} must be in {low}..{high}, not {value:g}")


def check_draw(path: Path, video: Path | None) -> None:
    """InputError if the video cannot be drawn there, before it is read."""
    if video is None:
        raise InputError("--draw needs --file")
    if is_same_path(path, video):
        raise InputError(f"--draw {path} is the video to be read: name another file")
    if path.suffix.lower() != ".mp4" or path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"--draw {path}: must be an .mp4 file in a folder that exists")


def read_stream(parsed: argparse.Namespace, model: "LiveModel") -> None:
    """Show the words of a file or a camera until it ends, or until Ctrl-C."""
    from lipnet.inference.draw import write_movie
    from lipnet.live.session import QuietWatch, run_session

    reporter = make_reporter(parsed, model)
    threshold, _ = settings_of(parsed, model)
    reader = make_reader(parsed, model)
    frames = open_frames(parsed, reader.pixels)
    quiet = QuietWatch(list(model.labels), threshold)
    if parsed.camera is not None and parsed.prompt is not None:
        frames = prompt_by_enter(frames, reporter)
    updates = note_unread(run_session(frames, reader, reporter, quiet), reader.needed)
    size = model.crops.size
    painter = Painter(model.labels, top=parsed.top, threshold=threshold, crop_size=size)
    text = TextScreen(model.labels, top=parsed.top, threshold=threshold)
    lines: Screen = JsonScreen() if parsed.json else text
    if parsed.draw is not None:
        drawing = DrawingScreen(painter, lines)
        write_movie(parsed.draw, (d for u in updates if (d := drawing.draw(u)) is not None))
        return
    show_all(updates, lines if parsed.json or parsed.no_window else with_window(painter, lines))


def with_window(painter: Painter, lines: Screen) -> Screen:
    """A window as well, if there is a display."""
    import cv2

    return open_window(painter, lines, cv2, note)


def show_all(updates: Iterable["Update"], screen: Screen) -> None:
    """Show everything; Ctrl-C ends the session like the end of the stream."""
    try:
        for update in updates:
            screen.show(update)
    except KeyboardInterrupt:
        note("stopped")


def open_frames(parsed: argparse.Namespace, pixels: "Pixels") -> "Iterator[TimedFrame]":
    """The frames of the file or the camera, with notes about their rate."""
    from lipnet.live.camera import (
        Surroundings,
        describe_closed,
        has_end,
        open_capture,
        read_camera,
    )
    from lipnet.live.frames import read_capture, read_file
    from lipnet.live.session import check_file_rate, read_ahead
    from lipnet.video.decode import Decoding

    found = Decoding()
    if parsed.file is not None:
        return check_file_rate(read_file(parsed.file, found, pixels=pixels), found, note)
    name = int(parsed.camera) if parsed.camera.isdecimal() else parsed.camera
    capture = open_capture(name)
    if capture is None:
        raise InputError(describe_closed(name))
    if isinstance(name, str) and has_end(capture):
        video = read_capture(name, capture, found, pixels=pixels)
        return check_file_rate(video, found, note)
    around = Surroundings(time.monotonic, time.sleep, open_capture, note)
    camera = read_camera(name, around, patience=parsed.wait, pixels=pixels, opened=capture)
    return read_ahead(camera, note)


def prompt_by_enter(frames: "Iterable[TimedFrame]", reporter: "Reporter") -> "Iterator[TimedFrame]":
    """The same frames; each line on standard input is a prompt."""
    from lipnet.live.prompt import PromptReporter

    assert isinstance(reporter, PromptReporter)
    pressed: queue.SimpleQueue[str] = queue.SimpleQueue()

    def wait() -> None:
        for line in sys.stdin:
            pressed.put(line)

    threading.Thread(target=wait, daemon=True).start()
    note("press Enter, then say one of the words")
    for frame in frames:
        while not pressed.empty():
            pressed.get()
            reporter.prompt(frame.seconds)
        yield frame
