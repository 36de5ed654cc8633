"""LRW's layout: clips, and a record for each file that cannot be one."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.clip import Clip, Rejected
from lipnet.cutting.window import Window, find_window
from lipnet.errors import InputError
from lipnet.sources import lrw
from lipnet.sources.discover import SOURCES, discover_clips

GOOD = "Text:  ABOUT\nConf:  3\nDuration: 0.47 seconds\n\nWORD START END\nABOUT 0.34 0.81\n"


def add_clip(root: Path, place: str, text: str | None = GOOD, video: bytes = b"x") -> None:
    path = root / f"{place}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(video)
    if text is not None:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")


def discover_rejected(root: Path) -> dict[str, str]:
    """The rejected paths with their reasons, of a tree that also holds one good clip."""
    add_clip(root, "GOOD/train/GOOD_00001")
    clips, rejected = discover_clips("lrw", root, {})
    assert [clip.clip_id for clip in clips] == ["GOOD/train/GOOD_00001"]
    return {record.path: record.reason for record in rejected}


def test_clip_is_the_whole_video_with_its_word_in_the_middle(tmp_path: Path) -> None:
    add_clip(tmp_path, "ABOUT/train/ABOUT_00001")
    clips, rejected = lrw.discover(tmp_path, {})
    place = "ABOUT/train/ABOUT_00001"
    ends = lrw.EARLIEST, -1, -5, 6
    expected = Clip(place, f"{place}.mp4", "ABOUT", "train", "", place, "", *ends, centred=True)
    assert clips == [expected]
    assert rejected == []


def test_clips_are_sorted_by_id_in_any_order_of_writing(tmp_path: Path) -> None:
    for place in ("B/val/B_00002", "A/test/A_00010", "B/val/B_00001", "A-A/train/A-A_00001"):
        add_clip(tmp_path, place)
    ids = [clip.clip_id for clip in lrw.discover(tmp_path, {})[0]]
    assert ids == sorted(ids)
    assert len(ids) == 4


def test_synthetic_reads_the_speaker_that_its_text_names(tmp_path: Path) -> None:
    add_clip(tmp_path, "PARK/val/PARK_00001", "Speaker: val-03\r\nDuration: 0.5 seconds\r\n")
    clips, _ = SOURCES["synthetic"].discover(tmp_path, {})
    assert clips[0].speaker == "val-03"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no_annotation"),
        ("", "no_duration"),
        ("Text: ABOUT\n", "no_duration"),
        ("Duration:\nText: 3", "no_duration"),
        ("Duration: 0 seconds", "bad_duration"),
        ("Duration: -0.3 seconds", "bad_duration"),
        ("Duration: nan seconds", "bad_duration"),
        ("Duration: inf", "bad_duration"),
        ("Duration: 1e308", "bad_duration"),
        ("Duration: 1-1", "bad_duration"),
        ("Duration: half a second", "bad_duration"),
    ],
)
def test_text_without_a_usable_duration_is_recorded(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    add_clip(tmp_path, "ABOUT/val/ABOUT_00001", text)
    assert discover_rejected(tmp_path) == {"ABOUT/val/ABOUT_00001.mp4": reason}


@pytest.mark.parametrize(
    "line",
    ["Duration: 0.47 seconds", "  duration :0.47   ", "Duration:0.47seconds\r", "DURATION:\t.47 s"],
)
def test_duration_is_read_with_any_spaces(line: str) -> None:
    found = lrw.DURATION.search(f"Text: X\n{line}\nEnd".encode())
    assert found is not None
    assert lrw.parse_seconds(found[1].strip()) == 0.47


@given(st.floats(0.001, lrw.MAX_SECONDS))
def test_word_is_centred_and_as_long_as_its_duration(seconds: float) -> None:
    clip = lrw.make_clip("W/train/W_1.mp4", seconds, "")
    assert clip.word_first + clip.word_last - 1 == 0
    assert abs(clip.word_last - clip.word_first - seconds * 25) <= 2


@pytest.mark.parametrize(
    ("frames", "word"), [(29, (9, 20)), (30, (9, 20)), (47, (18, 29)), (75, (32, 43))]
)
def test_word_is_in_the_middle_of_a_video_of_any_length(frames: int, word: tuple[int, int]) -> None:
    window = find_window(lrw.make_clip("W/train/W_1.mp4", 0.47, ""), frames)
    assert window == Window(0, frames, *word)


@given(st.binary(max_size=40))
def test_no_text_raises(text: bytes) -> None:
    seconds = lrw.parse_seconds(text)
    assert seconds is None or 0 < seconds <= lrw.MAX_SECONDS


def test_bad_files_are_recorded_by_reason(tmp_path: Path) -> None:
    add_clip(tmp_path, "ABOUT/test/ABOUT_00001", video=b"")
    add_clip(tmp_path, "ABOUT/dev/ABOUT_00002")
    add_clip(tmp_path, "ABOUT/test/OTHER_00003")
    add_clip(tmp_path, "ABOUT/test/ABOUT_x", text=None)
    add_clip(tmp_path, "IT'S/test/IT'S_00001")
    (tmp_path / "ABOUT/test/ABOUT_00009.txt").write_text(GOOD)
    (tmp_path / "ABOUT/notes.md").write_text("x")
    (tmp_path / "ABOUT/test/ABOUT_00010.mp4").mkdir()
    (tmp_path / "README").write_text("documents in the root are no part of the corpus")
    assert discover_rejected(tmp_path) == {
        "ABOUT/test/ABOUT_00001.mp4": "zero_bytes",
        "ABOUT/dev/ABOUT_00002.mp4": "unknown_split",
        "ABOUT/test/OTHER_00003.mp4": "unexpected_name",
        "ABOUT/test/ABOUT_x.mp4": "unexpected_name",
        "IT'S/test/IT'S_00001.mp4": "unexpected_name",
        "ABOUT/test/ABOUT_00009.txt": "no_video",
        "ABOUT/notes.md": "unexpected_name",
        "ABOUT/test/ABOUT_00010.mp4": "unexpected_name",
    }


def test_dead_link_and_undecodable_name_are_recorded_in_plain_text(tmp_path: Path) -> None:
    folder = tmp_path / "ABOUT/val"
    folder.mkdir(parents=True)
    (folder / "ABOUT_00001.mp4").symlink_to(tmp_path / "nowhere")
    try:
        (folder / os.fsdecode(b"ABOUT_\xff\n.mp4")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such name")
    found = discover_rejected(tmp_path)
    assert found["ABOUT/val/ABOUT_00001.mp4"] == "unreadable_video"
    assert found[r"ABOUT/val/ABOUT_\udcff\n.mp4"] == "unexpected_name"


def test_every_video_is_a_clip_or_a_record(tmp_path: Path) -> None:
    for index, text in enumerate([GOOD, "", None, GOOD]):
        add_clip(tmp_path, f"A/{('train', 'val', 'dev')[index % 3]}/A_{index}", text)
    clips, rejected = lrw.discover(tmp_path, {})
    assert len(clips) + len(rejected) == len(list(tmp_path.rglob("*.mp4")))


def test_option_words_keeps_only_those(tmp_path: Path) -> None:
    for word in ("A", "B", "C"):
        add_clip(tmp_path, f"{word}/train/{word}_00001")
    clips, _ = lrw.discover(tmp_path, {"words": ["C", "A"]})
    assert [clip.label for clip in clips] == ["A", "C"]
    with pytest.raises(InputError, match=r"words names D, with no folder.*3 words"):
        lrw.discover(tmp_path, {"words": ["A", "D"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"word": ["A"]}, r"unknown source\.options word; known: words"),
        ({"words": "A"}, r"source\.options\.words must be a list"),
        ({"words": [True]}, r"source\.options\.words must be a list of names in quotes"),
        ({"words": ["A", "A"]}, "names A more than once"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    add_clip(tmp_path, "A/train/A_00001")
    with pytest.raises(InputError, match=message):
        lrw.discover(tmp_path, options)


def test_root_that_is_missing_a_file_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"source\.root .*nowhere does not exist"):
        discover_clips("lrw", tmp_path / "nowhere", {})
    with pytest.raises(InputError, match=r"source\.root .* is empty"):
        discover_clips("lrw", tmp_path, {})
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"source\.root .*file is not a folder"):
        discover_clips("lrw", tmp_path / "file", {})


def test_root_one_level_too_high_is_an_error_that_lists_it(tmp_path: Path) -> None:
    add_clip(tmp_path, "lipread_mp4/ABOUT/train/ABOUT_00001")
    message = r"it holds lipread_mp4/; unknown_split: 1 .*expected layout: <WORD>/"
    with pytest.raises(InputError, match=message):
        discover_clips("lrw", tmp_path, {})


def test_unknown_source_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"name 'lwr'; known: .*grid, .*lrw, lrw1000"):
        discover_clips("lwr", tmp_path, {})


def test_records_escape_control_characters() -> None:
    from lipnet.sources.scan import reject

    assert reject("a\tb", "x", "é\n") == Rejected(r"a\tb", "x", r"é\n")
