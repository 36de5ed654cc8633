"""Odd videos are read, and noted: pixels that are not square, stretched time, several streams."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lipnet.landmarks.index import read_index
from lipnet.landmarks.notes import list_notes
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.tracker import Tracker, TrackJob
from lipnet.video.boxes import count_video_tracks
from lipnet.video.decode import Decoding, iter_frames
from tests.lipnet.video.making import FakeDetector

FACE = np.full((48, 64), 40, np.uint8)
FACE[8:40, 16:48] = 220


def write(path: Path, *, aspect: str = "1", rate: int = 25, streams: int = 1) -> Path:
    """Five frames of 64 x 48, after their index."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        made = [out.add_stream("mpeg4", rate=rate) for _ in range(streams)]
        for stream in made:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        for time in range(5):
            for stream in made:
                picture = av.VideoFrame.from_ndarray(FACE, format="gray").reformat(format="yuv420p")
                picture.pts, picture.time_base = time, Fraction(1, rate)
                out.mux(stream.encode(picture))
        for stream in made:
            out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("aspect", "shape"),
    [("1", (48, 64)), ("2", (48, 128)), ("12/11", (48, 70)), ("1/2", (96, 64)), ("9", (48, 64))],
)
def test_pixels_are_made_square(tmp_path: Path, aspect: str, shape: tuple[int, int]) -> None:
    found = Decoding()
    frames = list(iter_frames(write(tmp_path / "v.mp4", aspect=aspect), found))
    assert {frame.shape for frame in frames} == {shape}
    assert found.frames == len(frames) == 5
    assert (found.aspect != 1) == (shape != (48, 64))


def turn(path: Path) -> Path:
    """The same MP4, to be shown after a quarter turn."""
    content = path.read_bytes()
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    track = content.index(b"tkhd")
    path.write_bytes(content[:track] + content[track:].replace(upright, turned, 1))
    return path


@pytest.mark.parametrize(
    ("aspect", "shape"), [("1", (64, 48)), ("2", (128, 48)), ("1/2", (64, 96))]
)
def test_pixels_of_a_turned_video_are_made_square(
    tmp_path: Path, aspect: str, shape: tuple[int, int]
) -> None:
    frames = list(iter_frames(turn(write(tmp_path / "v.mp4", aspect=aspect))))
    assert {frame.shape for frame in frames} == {shape}


@pytest.mark.parametrize(
    ("made", "notes"),
    [
        ({}, []),
        ({"aspect": "4/3"}, ["not_square"]),
        ({"rate": 13}, []),
        ({"rate": 5}, ["stretched"]),
        ({"streams": 2}, ["several_streams"]),
    ],
)
def test_what_is_odd_is_in_the_index_and_nothing_else(
    tmp_path: Path, made: dict[str, str | int], notes: list[str]
) -> None:
    write(tmp_path / "v.mp4", **made)  # type: ignore[arg-type]
    options = LandmarkOptions()
    track = Tracker(FakeDetector(), root=tmp_path, folder=tmp_path, options=options, made_by={})
    index = track(TrackJob("000000", ("v.mp4",)))
    assert read_index(tmp_path / "000000.json") == index
    assert [found.note for found in index.notes] == notes
    assert ("notes" in (tmp_path / "000000.json").read_text(encoding="utf-8")) == bool(notes)


def test_a_file_that_ends_within_its_frames_is_noted(tmp_path: Path) -> None:
    whole = write(tmp_path / "v.mp4").read_bytes()
    assert list_notes(tmp_path / "v.mp4", Decoding(frames=5), 5) == []
    (tmp_path / "v.mp4").write_bytes(whole[:-20])
    assert list_notes(tmp_path / "v.mp4", Decoding(frames=5), 5) == ["cut_short"]


def test_every_cut_and_change_of_an_mp4_is_counted_without_an_error(tmp_path: Path) -> None:
    whole = write(tmp_path / "v.mp4", streams=2).read_bytes()
    assert count_video_tracks(tmp_path / "v.mp4") == 2
    draw = np.random.default_rng(1)
    for size in range(0, len(whole), len(whole) // 25):
        changed = bytearray(whole[:size] if size % 2 else whole)
        for place in draw.integers(0, max(1, len(changed)), 5)[: len(changed)]:
            changed[place] ^= int(draw.integers(1, 256))
        (tmp_path / "c.mp4").write_bytes(changed)
        assert count_video_tracks(tmp_path / "c.mp4") in (0, 1, 2)
        notes = list_notes(tmp_path / "c.mp4", Decoding(frames=5), 5)
        assert set(notes) <= {"several_streams", "cut_short"}
