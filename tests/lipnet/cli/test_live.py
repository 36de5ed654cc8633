"""`lipnet live`: words as lines, as JSON and as a drawn video; one line for what cannot be read."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest

from lipnet.cli.live_screen import NOTHING, Painter, TextScreen, WindowScreen, open_window
from lipnet.cli.main import main
from lipnet.landmarks.finder import Finder
from lipnet.live.tracker import DetectorTracker
from lipnet.models.weights import load_card
from lipnet.video.decode import read_frames
from tests.lipnet.inference.embedding import write_weights
from tests.lipnet.live.test_evaluate import LABELS, corpus  # noqa: F401
from tests.lipnet.video.making import FakeDetector, flat_frame, write_faces, write_video

Printed = pytest.CaptureFixture[str]
FAST = ("--frames", "5", "--hop", "4")
CHOOSE = (
    *("--evaluate", "--source", "grid", "--root", "r", "--split", "val"),
    *("--choose", "x.safetensors"),
)


@pytest.fixture(autouse=True)
def _fake_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lipnet.live.reader.make_tracker", lambda _: DetectorTracker(Finder(FakeDetector()))
    )
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "w.safetensors", labels=LABELS)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "v.mp4", 30)


def run(weights: Path, *arguments: str | Path, fast: Sequence[str] = FAST) -> None:
    main(["live", "--weights", str(weights), *map(str, arguments), *fast])


@pytest.mark.slow
def test_words_are_lines_and_the_limits_are_notes(
    weights: Path, video: Path, capsys: Printed
) -> None:
    run(weights, "--file", video, "--threshold", "0")
    out, notes = capsys.readouterr()
    assert out.splitlines()
    assert all(line.split()[2] in LABELS[1:] for line in out.splitlines())
    assert notes == "   0.00 s  (face)\n"
    run(weights, "--file", video)
    assert "no threshold was chosen for streams of these weights: 0.5 is" in capsys.readouterr().err


def test_weights_without_background_are_noted(tmp_path: Path, video: Path, capsys: Printed) -> None:
    run(write_weights(tmp_path / "x.safetensors"), "--file", video)
    notes = capsys.readouterr().err
    assert "has no <background> class: some word is likely at every moment" in notes
    assert "0.9 is used" in notes


def test_a_video_given_as_a_camera_is_read_like_the_file(
    weights: Path, video: Path, capsys: Printed
) -> None:
    run(weights, "--file", video, "--threshold", "0")
    as_file = capsys.readouterr()
    run(weights, "--camera", video.as_uri(), "--wait", "0", "--threshold", "0")
    assert capsys.readouterr() == as_file
    assert as_file.out


def test_silence_is_printed(weights: Path, video: Path, capsys: Printed) -> None:
    run(weights, "--file", video, "--threshold", "1")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(NOTHING)
    assert 0.6 <= float(lines[0].split()[0]) < 30 / 25  # the middle of a window


@pytest.mark.parametrize("form", [(), ("--json",), ("--cached-edges",)])
def test_a_video_shorter_than_a_window_is_not_silence(
    weights: Path, tmp_path: Path, capsys: Printed, form: tuple[str, ...]
) -> None:
    needed = 7 if "--cached-edges" in form else 5
    faces = list(read_frames(write_faces(tmp_path / "short.mp4", needed - 1)))
    run(weights, "--file", write_video(tmp_path / "v.mp4", [flat_frame(0)] * 5 + faces), *form)
    out, notes = capsys.readouterr()
    assert f"frames with a face has {needed - 1}, and a window needs {needed}" in notes
    assert NOTHING not in out
    run(weights, "--file", write_faces(tmp_path / "enough.mp4", needed), *form)
    assert "nothing was read" not in capsys.readouterr().err


def test_a_video_without_a_face_is_not_silence(
    weights: Path, tmp_path: Path, capsys: Printed
) -> None:
    run(weights, "--file", write_video(tmp_path / "v.mp4", [flat_frame(0)] * 8), "--json")
    out, notes = capsys.readouterr()
    assert notes.endswith("nothing was read: no face was seen\n")
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["state"]


def test_json_has_an_object_per_line(weights: Path, video: Path, capsys: Printed) -> None:
    run(weights, "--file", video, "--threshold", "0", "--json")
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert entries[0] == {"event": "state", "state": "face", "seconds": 0.0}
    words = [entry for entry in entries if entry["event"] == "word"]
    assert words
    for entry in words:
        assert 0 <= entry["probability"] <= 1
        assert 0 < entry["seconds"] < entry["reported"] <= 30 / 25


@pytest.mark.slow
def test_a_prompt_gives_one_answer_and_a_grammar_whole_sentences(
    weights: Path, video: Path, tmp_path: Path, capsys: Printed
) -> None:
    run(weights, "--file", video, "--prompt", "bin, blue", "--threshold", "0", "--json")
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["word"] in ("bin", "blue") for entry in entries[1:]] == [True]
    grammar = tmp_path / "g.json"
    grammar.write_text(json.dumps([["bin", "at"], ["f", "two"]]))
    run(weights, "--file", video, "--grammar", grammar, "--threshold", "0", "--json")
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()][1:]
    words = [entry["word"] for entry in entries if entry["event"] == "word"]
    assert [word in ("bin", "at") for word in words] == [True, False] * (len(words) // 2)


def test_a_drawn_video_has_every_frame(weights: Path, tmp_path: Path, capsys: Printed) -> None:
    frames = list(read_frames(write_faces(tmp_path / "v.mp4", 12))) + [flat_frame(0)] * 30
    video, out = write_video(tmp_path / "w.mp4", frames), tmp_path / "drawn.mp4"
    run(weights, "--file", video, "--draw", out)
    assert read_frames(out).shape == (42, 96 + 48, 96)
    assert "(no face)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--file", "none.mp4"), "error: none.mp4 cannot be read: missing"),
        (("--camera", "4321"), "error: .*camera"),
        (("--camera", "none.there/x"), "OpenCV finds no video there"),
        (("--camera", "0", "--draw", "x.mp4"), "--draw needs --file"),
        (("--file", "x.mp4", "--draw", "./x.mp4"), "--draw x.mp4 is the video to be read"),
        (("--file", "v", "--draw", "x.avi"), "--draw x.avi: must be an .mp4 file in a folder"),
        (("--file", "v", "--draw", "none/x.mp4"), "--draw none/x.mp4: must be an .mp4 file in"),
        (("--file", "v", "--draw", "."), "--draw .: must be an .mp4 file in a folder that exists"),
        (("--file", "v", "--threshold", "2"), r"--threshold must be in 0\.\.1, not 2"),
        (("--file", "v", "--top", "0"), "--top must be in 1"),
        (("--evaluate",), "--evaluate needs --source and --root"),
        (("--file", "v", "--source", "grid", "--root", "r"), "these need --evaluate"),
        (("--file", "v", "--choose", "x"), "--choose needs --evaluate and --split val"),
        ((*CHOOSE, "--grammar", "grid", "--json"), "leave out --grammar, --json"),
        ((*CHOOSE, "--threshold", "0", "--refractory", "0"), "out --threshold, --refractory"),
        (("--file", "v", "--grammar", "grid", "--refractory", "0"), "neither --grammar nor"),
        (("--file", "v", "--prompt", "bin,at", "--refractory", "1"), "nor --prompt: leave it"),
        (("--file", "v", "--prompt", ""), "--prompt needs two different words or more"),
        (("--file", "v", "--grammar", ""), "not a known grammar"),
        (("--file", "v", "--prompt", "bin,z"), "--prompt: the model has no label z"),
        (("--file", "v", "--grammar", "none"), "--grammar none: not a known grammar"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    weights: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SystemExit, match=message):
        run(weights, *arguments)


@pytest.mark.slow
def test_sentences_are_scored_and_validation_chooses(
    weights: Path,
    corpus,  # noqa: F811
    tmp_path: Path,
    capsys: Printed,
) -> None:
    asked = ("--evaluate", "--source", "grid", "--root", corpus.folder)
    run(weights, *asked, "--split", "all", "--limit", "1", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["sentences"], found["words"], found["failed"]) == (1, 6, 0)
    run(weights, *asked, "--split", "all", "--limit", "1")
    assert "1 sentences, 6 words, 0 failed" in capsys.readouterr().out
    out, options = tmp_path / "out.safetensors", json.dumps({"val_fraction": 0.5})
    chosen = ("--split", "val", "--options", options, "--limit", "1", "--choose", out)
    run(weights, *asked, *chosen)
    assert "false words per minute of silence on 1 sentences of val" in capsys.readouterr().out
    spotting = load_card(out).spotting
    assert spotting is not None
    run(out, *asked, "--split", "all", "--limit", "1")
    assert "no threshold was chosen" not in capsys.readouterr().err


class Library:
    """OpenCV with a window."""

    error = cv2.error

    def __init__(self, works: bool) -> None:
        self.works = works
        self.shown = 0

    def namedWindow(self, title: str) -> None:
        if not self.works:
            raise cv2.error("no window")

    def imshow(self, title: str, image: object) -> None:
        self.shown += 1

    def waitKey(self, wait: int) -> int:
        return ord("q")


def test_a_window_is_opened_only_if_there_is_a_display(
    weights: Path, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    painter = Painter(LABELS, top=1, threshold=0.5, crop_size=96)
    lines = TextScreen(LABELS, top=1, threshold=0.5)
    notes: list[str] = []
    assert open_window(painter, lines, Library(works=True), notes.append) is lines
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_window(painter, lines, Library(works=False), notes.append) is lines
    [line] = notes
    assert line.startswith("no window: this OpenCV has none")
    window = open_window(painter, lines, Library(works=True), notes.append)
    assert isinstance(window, WindowScreen)
    library = Library(works=True)
    monkeypatch.setattr("lipnet.cli.live.with_window", lambda *_: WindowScreen(*_, library))
    run(weights, "--file", video)
    assert library.shown == 1  # its key ended the session
    assert capsys.readouterr().err.endswith("stopped\n")
