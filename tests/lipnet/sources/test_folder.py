"""One folder per word: every file is a clip or a record, and splits are stable."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.clip import Clip
from lipnet.errors import InputError
from lipnet.sources import folder
from lipnet.sources.discover import discover_clips
from lipnet.sources.folder import FolderOptions, draw_splits
from lipnet.sources.manifest import check_complete

PLAIN = set("abcdefghijklmnopqrstuvwxyz0123456789-/")


def add_videos(root: Path, place: str, *names: str, content: bytes = b"x") -> Path:
    """Files of a word's folder; a name without an ending is an mp4."""
    (root / place).mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / place / (name if "." in name else f"{name}.mp4")).write_bytes(content)
    return root


def count_files(root: Path) -> int:
    return sum(path.is_file() for path in root.rglob("*"))


def find_rejected(root: Path) -> dict[str, str]:
    """Records by path; each file is a clip or a record."""
    clips, rejected = discover_clips("folder", root, {})
    records = {record.path: record.reason for record in rejected}
    files = [path for path in records if (root / path).is_file() or "\\" in path]
    assert count_files(root) == len(clips) + len(files)
    return records


def test_a_clip_is_the_middle_of_its_video_and_all_of_it_the_word(tmp_path: Path) -> None:
    root = add_videos(tmp_path, "yes", "one")
    expected = Clip(
        "yes/one", "yes/one.mp4", "yes", "train", "", "yes/one", "", -14, 15, -14, 15, centred=True
    )
    assert discover_clips("folder", root, {}) == ([expected], [])
    (clip,), _ = discover_clips("folder", root, {"frames": 40})
    assert (clip.first, clip.last, clip.last - clip.first) == (-19, 21, 40)


def test_every_usual_ending_is_a_video(tmp_path: Path) -> None:
    kinds = ["mp4", "MOV", "avi", "mkv", "webm", "mpg", "mpeg", "m4v", "wmv"]
    root = add_videos(tmp_path, "yes", *(f"{i}.{kind}" for i, kind in enumerate(kinds)))
    clips, rejected = discover_clips("folder", root, {})
    assert (len(clips), rejected) == (len(kinds), [])


def test_what_is_not_a_video_is_recorded(tmp_path: Path) -> None:
    root = add_videos(tmp_path, "yes", "good")
    add_videos(root, "yes", "notes.txt", "photo.jpg", ".DS_Store", "._good.mp4", "mp4.")
    add_videos(root, "yes", "empty", content=b"")
    add_videos(root, "no")
    add_videos(root, "yes/anna/new", "deep")
    add_videos(root, "yes/ben")
    (root / "loose.mp4").write_bytes(b"x")
    (root / "yes/link.mp4").symlink_to(root / "nowhere")
    records = find_rejected(root)
    assert records == {
        "yes/notes.txt": "not_a_video",
        "yes/photo.jpg": "not_a_video",
        "yes/.DS_Store": "not_a_video",
        "yes/._good.mp4": "not_a_video",
        "yes/mp4.": "not_a_video",
        "yes/empty.mp4": "zero_bytes",
        "no": "no_clips",
        "yes/anna/new/deep.mp4": "unexpected_folder",
        "yes/ben": "unexpected_folder",
        "loose.mp4": "no_word",
        "yes/link.mp4": "unreadable_video",
    }


def test_names_of_any_script_are_labels_with_plain_ids(tmp_path: Path) -> None:
    words = [
        "héllo",
        "привет",
        "你好",
        "yes, no",
        'the "one"',
        "it's",
        "A",
        "a",
        "a-b",
        "é",
        "नमस्ते",
    ]
    for word in words:
        add_videos(tmp_path, word, "clip 1", "клип", "100%d", "x" * 200, "Clip_1", "clip-1")
    clips, rejected = discover_clips("folder", tmp_path, {})
    assert rejected == []
    assert {clip.label for clip in clips} == set(words)
    assert len({clip.clip_id for clip in clips}) == len(clips) == 6 * len(words)
    assert all(set(clip.clip_id) <= PLAIN and len(clip.clip_id) < 130 for clip in clips)
    assert "a/clip-1" in {clip.clip_id for clip in clips}


def test_a_names_accents_may_be_written_either_way(tmp_path: Path) -> None:
    one, other = (
        add_videos(tmp_path / "a", "\u00e9", "x"),
        add_videos(tmp_path / "b", "e\u0301", "x"),
    )
    ids = [discover_clips("folder", root, {})[0][0] for root in (one, other)]
    assert ids[0].clip_id == ids[1].clip_id
    assert {clip.label for clip in ids} == {"\u00e9"}


def test_names_that_no_table_can_hold_are_recorded(tmp_path: Path) -> None:
    root = add_videos(tmp_path, "yes", "good")
    try:
        add_videos(root, "yes", "new\nline", os.fsdecode(b"\xff.mp4"))
    except OSError:
        pytest.skip("this file system takes no such name")
    assert find_rejected(root) == {
        r"yes/new\nline.mp4": "unexpected_name",
        r"yes/\udcff.mp4": "unexpected_name",
    }


@pytest.mark.parametrize(
    "word", ["=1+1", "@SUM(A1)", "-2", "+3", "a\x1b[2Jb", "a\u202eb", "a\u2028b"]
)
@pytest.mark.parametrize("split", ["", "train"])
def test_labels_that_a_terminal_or_spreadsheet_would_run_are_recorded(
    word: str, split: str, tmp_path: Path
) -> None:
    add_videos(tmp_path / split, word, "clip")
    for name in ("train", "val", "test") if split else ("",):
        add_videos(tmp_path / name, "yes", "good")
    (reason,) = find_rejected(tmp_path).values()
    assert reason == "unexpected_name"


def test_one_clip_in_two_formats_is_an_input_error(tmp_path: Path) -> None:
    root = add_videos(tmp_path, "yes", "one.mp4", "one.mov")
    with pytest.raises(InputError, match=r"yes/one\.mov and yes/one\.mp4 are both clip yes/one"):
        discover_clips("folder", root, {})


def test_folders_named_for_splits_decide(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        add_videos(tmp_path, f"{split}/yes", "1", "2")
        add_videos(tmp_path, split, "loose")
        add_videos(tmp_path, f"{split}/.Trash-1000", "old")
    clips, rejected = discover_clips("folder", tmp_path, {})
    assert {clip.clip_id: clip.split for clip in clips} == {
        f"{split}/yes/{n}": split for split in ("train", "val", "test") for n in (1, 2)
    }
    assert {record.reason for record in rejected} == {"no_word"}
    assert {clip.label for clip in clips} == {"yes"}


def test_test_may_be_a_word(tmp_path: Path) -> None:
    add_videos(add_videos(tmp_path, "test", "a"), "cricket", "a")
    clips, _ = discover_clips("folder", tmp_path, {})
    assert {(clip.label, clip.split) for clip in clips} == {("test", "train"), ("cricket", "train")}


def test_a_split_without_clips_is_named(tmp_path: Path) -> None:
    for split in ("train", "test"):
        add_videos(tmp_path, f"{split}/yes", "1")
    clips, _ = discover_clips("folder", tmp_path, {})
    with pytest.raises(InputError, match=r"no clip in split val \(found: train 1, test 1\)"):
        check_complete(clips)


def test_every_word_of_three_clips_is_in_every_split(tmp_path: Path) -> None:
    for word, count in (("a", 3), ("b", 10), ("c", 41), ("d", 2)):
        add_videos(tmp_path, word, *map(str, range(count)))
    clips, _ = discover_clips("folder", tmp_path, {"val_fraction": 0.2, "test_fraction": 0.1})
    check_complete(clips)
    counts = Counter((clip.label, clip.split) for clip in clips)
    assert counts == {
        ("a", "train"): 1, ("a", "val"): 1, ("a", "test"): 1,
        ("b", "train"): 7, ("b", "val"): 2, ("b", "test"): 1,
        ("c", "train"): 29, ("c", "val"): 8, ("c", "test"): 4,
        ("d", "train"): 2,
    }  # fmt: skip


@given(st.integers(0, 200), st.integers(0, 9), st.floats(0, 0.99), st.floats(0, 0.99))
def test_draws_hold_out_their_fractions_and_leave_some(
    count: int, seed: int, val: float, test: float
) -> None:
    options = FolderOptions(val, min(test, 0.99 - val), seed, 29, "")
    drawn = draw_splits({str(i): str(i) for i in range(count)}, options)
    counts = Counter(drawn.values())
    assert counts.total() == count
    assert counts["train"] > 0 or count == 0
    if count >= 3:
        for split, fraction in (("val", options.val_fraction), ("test", options.test_fraction)):
            assert (counts[split] > 0) == (fraction > 0)
            assert abs(counts[split] - fraction * count) <= 2
    assert drawn == draw_splits({str(i): str(i) for i in reversed(range(count))}, options)


def test_a_new_word_leaves_the_others_splits_alone(tmp_path: Path) -> None:
    root = add_videos(tmp_path, "a", *map(str, range(20)))
    before, _ = discover_clips("folder", root, {})
    after, _ = discover_clips("folder", add_videos(root, "b", *map(str, range(9))), {})
    assert before == [clip for clip in after if clip.label == "a"]
    other, _ = discover_clips("folder", root, {"seed": 1})
    assert [c.split for c in other if c.label == "a"] != [c.split for c in before]


def test_speakers_named_in_the_files_are_kept_in_one_split(tmp_path: Path) -> None:
    for word in ("yes", "no"):
        names = [f"{who}_{n}" for who in ("anna", "ben", "caro", "dan", "eve") for n in range(4)]
        add_videos(tmp_path, word, *names)
    clips, _ = discover_clips("folder", tmp_path, {"speaker_until": "_", "val_fraction": 0.2})
    check_complete(clips)
    by_speaker = {clip.speaker: clip.split for clip in clips}
    assert Counter(by_speaker.values()) == {"train": 3, "val": 1, "test": 1}
    assert all(by_speaker[clip.speaker] == clip.split for clip in clips)


def test_a_name_without_a_speaker_is_recorded_and_only_such_names_are_an_error(
    tmp_path: Path,
) -> None:
    root = add_videos(tmp_path / "own", "yes", "anna-1", "ben-1", "caro-1")
    with pytest.raises(InputError, match=r"speaker_until is '_', .*such as yes/anna-1\.mp4"):
        discover_clips("folder", root, {"speaker_until": "_"})
    for split in ("train", "val", "test"):  # given by the folders, not by speakers
        add_videos(tmp_path / "laid" / split, "yes", "anna-1")
    laid = discover_clips("folder", tmp_path / "laid", {"speaker_until": "_"})
    assert ({clip.speaker for clip in laid[0]}, laid[1]) == ({""}, [])
    add_videos(root, "yes", "anna_2", "_3")
    clips, rejected = discover_clips("folder", root, {"speaker_until": "_"})
    assert [clip.speaker for clip in clips] == ["anna"]
    assert {record.path: record.reason for record in rejected} == {
        f"yes/{name}.mp4": "no_speaker" for name in ("_3", "anna-1", "ben-1", "caro-1")
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val": 0.1}, "unknown source.options val; known: frames, seed, speaker_until, test_fr"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
        ({"frames": 0}, "frames must be at least 1, not 0"),
        ({"frames": 2.5}, "frames must be a whole number"),
        ({"speaker_until": 1}, "speaker_until must be a text in quotes"),
        ({"test_fraction": 1}, r"test_fraction must be a number in \[0, 1\)"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        discover_clips("folder", add_videos(tmp_path, "a", "1"), options)


def test_a_root_that_is_missing_empty_or_without_words_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"source\.root .*nowhere does not exist"):
        discover_clips("folder", tmp_path / "nowhere", {})
    with pytest.raises(InputError, match=r"source\.root .* is empty"):
        discover_clips("folder", tmp_path, {})
    add_videos(tmp_path, "", "loose")
    with pytest.raises(InputError, match=r"it holds loose\.mp4; no_word: 1 .*layout: <word>/"):
        discover_clips("folder", tmp_path, {})


def test_layout_names_every_ending() -> None:
    assert all(kind in folder.LAYOUT for kind in folder.VIDEO_KINDS)
