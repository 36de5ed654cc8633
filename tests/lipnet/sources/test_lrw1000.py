"""LRW-1000's layout: lines of label files become clips of images, or records."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.clip import Clip
from lipnet.errors import InputError
from lipnet.sources import lrw1000
from lipnet.sources.discover import discover_clips
from lipnet.sources.lrw1000 import Line, parse_line
from lipnet.sources.manifest import check_complete


def make_corpus(root: Path, *, trn: str = "", val: str = "", tst: str = "") -> Path:
    """Label files with these lines and one valid line each, and its folder of 30 images."""
    add_images(root, "good", range(1, 31))
    (root / "info").mkdir()
    for name, times, lines in (
        ("trn", "0.6,1", trn),
        ("val", "0.2,0.6", val),
        ("tst", "0.1,0.5", tst),
    ):
        (root / f"info/{name}_1000.txt").write_text(f"good,是,shi,{times}\n{lines}", "utf-8")
    return root


def add_images(root: Path, folder: str, numbers: range, kind: str = "jpg") -> None:
    place = root / "images" / folder
    place.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (place / f"{number}.{kind}").write_bytes(b"x")


def find_rejected(root: Path) -> dict[str, str]:
    """Where each record comes from, with its reason; each line is a clip or a record."""
    clips, rejected = discover_clips("lrw1000", root, {})
    texts = [(root / "info" / name).read_text("utf-8") for name in lrw1000.LABEL_FILES]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    assert len(lines) == len(clips) + len(rejected)
    check_complete(clips)
    return {record.path: record.reason for record in rejected}


def test_a_line_is_a_clip_of_its_images_without_context(tmp_path: Path) -> None:
    clips, rejected = discover_clips("lrw1000", make_corpus(tmp_path), {})
    assert rejected == []
    place = "images/good"
    assert clips == [
        Clip(
            f"{split}/good/{first}-{last}-shi",
            *(place, "shi", split, "", place, "", first, last, first, last),
            ready=True,
        )
        for split, first, last in (("test", 2, 12), ("train", 15, 25), ("val", 5, 15))
    ]


def test_a_label_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    root = make_corpus(tmp_path)
    (root / "info/val_1000.txt").write_text("good,shi,0.2,0.6\ngood,是,0.7,0.9\n", "gbk")
    with pytest.raises(InputError, match=r"val_1000\.txt line 2: .* `iconv"):
        discover_clips("lrw1000", root, {})


@pytest.mark.parametrize(
    "line", ["good,shi,0.2,0.6", "good,是,shi,0.2,0.6", " good , shi,.2,6e-1 "]
)
def test_four_and_five_fields_are_equivalent(line: str) -> None:
    assert parse_line(line, "p:1", "val") == Line("p:1", "val", "good", "shi", 5, 15)


@given(st.floats(0, 100), st.floats(0, 5))
def test_frames_are_counted_as_the_corpus_does(start: float, length: float) -> None:
    end = start + length
    found = parse_line(f"a,b,{start!r},{end!r}", "p:1", "train")
    numbers = range(int(start * 25) + 1, int(end * 25) + 1)
    if isinstance(found, Line):
        assert range(found.first + 1, found.last + 1) == numbers
    else:
        assert len(numbers) == 0
        assert found.reason == "empty_window"


@given(st.text(alphabet="ab,.0123456789-e \t/'", max_size=30))
def test_any_line_is_a_clip_or_a_record(text: str) -> None:
    found = parse_line(text, "p:1", "train")
    assert not isinstance(found, Line) or 0 <= found.first < found.last


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("good,shi,0.2", "bad_line"),
        ("good,shi,0.2,0.6,x,y", "bad_line"),
        (",shi,0.2,0.6", "bad_line"),
        ("good,,0.2,0.6", "bad_line"),
        ("../good,shi,0.2,0.6", "bad_line"),
        ("/good,shi,0.2,0.6", "bad_line"),
        ("good,s\x07hi,0.2,0.6", "bad_line"),
        ("good,shi,soon,0.6", "bad_times"),
        ("good,shi,0.6,0.2", "bad_times"),
        ("good,shi,-0.2,0.6", "bad_times"),
        ("good,shi,nan,0.6", "bad_times"),
        ("good,shi,0.2,inf", "bad_times"),
        ("good,shi,0.2,1e308", "bad_times"),
        (".,shi,0.2,0.6", "bad_line"),
        ("good/..,shi,0.2,0.6", "bad_line"),
        ("good,shi,0.21,0.23", "empty_window"),
        ("good,shi,0.2,0.2", "empty_window"),
        ("good,shi,0.2,2.0", "frame_missing"),
        ("good,shi,0.2,1e300", "frame_missing"),
        ("none,shi,0.2,0.6", "no_frames"),
        ("good,shi,0.2,0.6", "repeated_line"),
        ("good,是,shi,0.2,0.6", "repeated_line"),
        ("./good,shi,0.2,0.6", "repeated_line"),
        ("good/,shi,0.2,0.6", "repeated_line"),
        ("good,shi,0.1,0.5", "split_leak"),
        ("./good,hao,0.1,0.5", "split_leak"),
    ],
)
def test_a_line_that_is_not_a_clip_is_recorded(tmp_path: Path, line: str, reason: str) -> None:
    root = make_corpus(tmp_path, val=f"\n{line}\n")
    assert find_rejected(root) == {"info/val_1000.txt:3": reason}


def test_the_test_split_stays_whole(tmp_path: Path) -> None:
    repeated = "good,shi,0.1,0.5\ngood,hao,0.1,0.5\ngood,shi,0.2,0.6\ngood,shi,0.6,1\n"
    root = make_corpus(tmp_path, tst=repeated)
    clips, rejected = discover_clips("lrw1000", root, {})
    assert [(record.path, record.reason) for record in rejected] == [
        (f"info/{name}_1000.txt:1", "split_leak") for name in ("trn", "val")
    ]
    assert [clip.clip_id.removeprefix("test/good/") for clip in clips] == [
        *("15-25-shi", "2-12-hao", "2-12-shi", "2-12-shi_2", "5-15-shi")
    ]


def test_a_window_of_val_is_left_out_of_train(tmp_path: Path) -> None:
    root = make_corpus(tmp_path, trn="good,shi,0.2,0.6\n")
    assert find_rejected(root) == {"info/trn_1000.txt:2": "split_leak"}


def test_one_missing_frame_costs_the_lines_that_need_it(tmp_path: Path) -> None:
    root = make_corpus(tmp_path, trn="gap,hao,0,0.4\ngap,hao,0.4,0.8\ngap,ni,0.8,1.2\n")
    add_images(root, "gap", range(1, 31))
    (root / "images/gap/15.jpg").unlink()
    assert find_rejected(root) == {"info/trn_1000.txt:3": "frame_missing"}


def test_a_frame_with_two_images_is_no_frame(tmp_path: Path) -> None:
    root = make_corpus(tmp_path, trn="two,hao,0,0.4\n")
    add_images(root, "two", range(1, 11))
    add_images(root, "two", range(3, 4), kind="PNG")
    _, (record,) = discover_clips("lrw1000", root, {})
    assert (record.reason, record.path) == ("frame_missing", "info/trn_1000.txt:2")
    assert "3.PNG and 3.jpg are both frame 3" in record.detail


@pytest.mark.parametrize("name", lrw1000.LABEL_FILES)
def test_a_missing_label_file_is_named(tmp_path: Path, name: str) -> None:
    root = make_corpus(tmp_path)
    (root / "info" / name).unlink()
    with pytest.raises(InputError, match=rf"info/{name} cannot be read .*source\.options\.labels"):
        discover_clips("lrw1000", root, {})


def test_a_split_without_a_line_is_named(tmp_path: Path) -> None:
    root = make_corpus(tmp_path)
    (root / "info/val_1000.txt").write_text("\n")
    clips, _ = discover_clips("lrw1000", root, {})
    with pytest.raises(InputError, match="no clip in split val"):
        check_complete(clips)


def test_a_root_without_frames_is_an_error_with_the_layout(tmp_path: Path) -> None:
    root = make_corpus(tmp_path)
    (root / "images").rename(root / "frames")
    with pytest.raises(InputError, match=r"no_frames: 3 .*such as info/.*images/<folder>/<n>\.jpg"):
        discover_clips("lrw1000", root, {})
    clips, _ = discover_clips("lrw1000", root, {"images": "frames"})
    assert {clip.video for clip in clips} == {"frames/good"}


def test_other_encodings_and_ends_of_lines_are_read(tmp_path: Path) -> None:
    root = make_corpus(tmp_path)
    text = "good,是,shi,{}\r\n"
    (root / "info/trn_1000.txt").write_bytes(b"\xef\xbb\xbf" + text.format("0.6,1").encode())
    (root / "info/val_1000.txt").write_bytes(text.format("0.2,0.6").encode("gbk"))
    clips, rejected = discover_clips("lrw1000", root, {})
    assert ({clip.label for clip in clips}, rejected) == ({"shi"}, [])


def test_ids_are_plain_and_distinct_for_odd_names(tmp_path: Path) -> None:
    odd = ["a b", "a_b", "A B", "x/y"]
    lines = [f"{folder},lü,0.2,0.6" for folder in odd] + ["a b,lu,0.2,0.6"]
    root = make_corpus(tmp_path, trn="\n".join(lines))
    for folder in odd:
        add_images(root, folder, range(1, 31))
    clips, rejected = discover_clips("lrw1000", root, {})
    assert rejected == []
    assert len({clip.clip_id for clip in clips}) == 3 + len(lines)
    assert all(set(clip.clip_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-/") for clip in clips)


def test_option_words_keeps_only_those(tmp_path: Path) -> None:
    root = make_corpus(tmp_path, trn="good,hao,0.2,0.6\n")
    clips, _ = discover_clips("lrw1000", root, {"words": ["hao"]})
    assert [clip.label for clip in clips] == ["hao"]
    with pytest.raises(InputError, match="names ni, which no label file has; they have 2 words"):
        discover_clips("lrw1000", root, {"words": ["ni"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "info"}, r"unknown source\.options label; known: images, labels, words"),
        ({"labels": "."}, "labels must name a folder below source.root"),
        ({"images": "../images"}, "images must be a folder below source.root"),
        ({"images": 3}, "images must be a text"),
        ({"labels": "nowhere"}, r"nowhere/trn_1000\.txt cannot be read"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        discover_clips("lrw1000", make_corpus(tmp_path), options)


def test_a_root_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"source\.root .*nowhere does not exist"):
        discover_clips("lrw1000", tmp_path / "nowhere", {})
    with pytest.raises(InputError, match=r"source\.root .* is empty"):
        discover_clips("lrw1000", tmp_path, {})
