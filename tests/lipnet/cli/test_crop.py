"""`lipnet crop`: one line per video, and exit status 1 if none was cropped."""

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from lipnet.cli.main import main
from lipnet.inference.crop import crop_video
from lipnet.landmarks import detector
from tests.lipnet.video.making import FakeDetector, write_faces

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_dlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "DlibDetector", lambda *_: FakeDetector())


def test_each_video_is_a_line(tmp_path: Path, capsys: Printed) -> None:
    good, none = write_faces(tmp_path / "good.mp4", 6), tmp_path / "none.mp4"
    out = tmp_path / "out"
    main(["crop", str(good), str(none), "--out", str(out), "--draw"])
    assert capsys.readouterr().out.splitlines() == [
        f"{good}: 6 frames, 6 seen, 0 interpolated -> {out}/good.npz {out}/good-drawn.mp4",
        f"{none}: failed, missing (no such file)",
    ]


def test_json_is_one_object_per_line(tmp_path: Path, capsys: Printed) -> None:
    good, none = write_faces(tmp_path / "good.mp4", 6), tmp_path / "none.mp4"
    main(["crop", str(good), str(none), "--out", str(tmp_path / "out"), "--json", "--size", "32"])
    one, other = map(json.loads, capsys.readouterr().out.splitlines())
    assert (one["video"], one["frames"], one["interpolated"]) == (str(good), 6, 0)
    assert (one["reason"], other["reason"]) == ("", "missing")


def test_a_request_has_the_clips_that_were_cropped(tmp_path: Path, capsys: Printed) -> None:
    videos = [
        write_faces(tmp_path / f"{name}.mp4", frames) for name, frames in (("a", 6), ("b", 4))
    ]
    request = tmp_path / "crops.json"
    main(["crop", *map(str, [*videos, tmp_path / "none.mp4"]), "--request", str(request)])
    assert (
        capsys.readouterr().out.splitlines()[0] == f"{videos[0]}: 6 frames, 6 seen, 0 interpolated"
    )
    clips = [np.array(clip) for clip in json.loads(request.read_text())["inputs"]]
    assert [clip.shape for clip in clips] == [(6, 96, 96), (4, 96, 96)]
    assert np.array_equal(clips[1], crop_video(videos[1], FakeDetector()).crops_THW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4", "crops.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the folder to write into with --out"),
        (["--request", "none/crops.json"], "--request none/crops.json: a file in a folder"),
        (["--request", "./a.mp4"], "--request a.mp4 is a video to be cropped: name another"),
    ],
)
def test_there_must_be_something_to_write(arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["crop", "a.mp4", *arguments])


def test_any_name_is_printed_in_any_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = write_faces(tmp_path / "good.mp4", 6).rename(tmp_path / "déjà.mp4")
    odd = write_faces(tmp_path / "odd.mp4", 6).rename(tmp_path / os.fsdecode(b"b\xff.mp4"))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii", write_through=True))
    main(["crop", str(good), str(odd), "--out", str(tmp_path / "out")])
    one, other = written.getvalue().decode("ascii").splitlines()
    assert r"d\xe9j\xe0.mp4: 6 frames" in one
    assert r"b\udcff.mp4: failed, unreadable" in other


def test_a_closed_pipe_is_not_reported_as_an_unwritable_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(line: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys.stdout, "write", refuse)
    with pytest.raises(SystemExit) as ended:
        main(["crop", str(tmp_path / "none.mp4"), "--out", str(tmp_path / "out")])
    assert ended.value.code == 141


def test_nothing_cropped_is_exit_status_1(tmp_path: Path, capsys: Printed) -> None:
    with pytest.raises(SystemExit, match="error: none of 1 videos could be cropped"):
        main(["crop", str(tmp_path / "none.mp4"), "--out", str(tmp_path / "out")])
    assert "none.mp4: failed, missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--size", "0"], "crops.size must be at least 1, not 0"),
        (["--size", "1025"], "crops.size must be at most 1024, not 1025"),
        (["--prefer", "left"], "prefer 'left'; known: largest"),
    ],
)
def test_wrong_options_are_one_line(tmp_path: Path, extra: list[str], message: str) -> None:
    video = write_faces(tmp_path / "v.mp4", 3)
    with pytest.raises(SystemExit, match=message):
        main(["crop", str(video), "--out", str(tmp_path / "out"), *extra])


def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    video = write_faces(tmp_path / "v.mp4", 3)
    with pytest.raises(SystemExit, match=r"v\.mp4 cannot be written: .*(Not a directory|exists)"):
        main(["crop", str(video), "--out", str(video)])
