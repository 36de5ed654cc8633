"""The manifest: what is written reads back equal, and equal corpora give equal bytes."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.clip import SPLITS, Clip, Rejected
from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.labels import BACKGROUND
from lipnet.sources.manifest import (
    check_complete,
    describe_gaps,
    read_clips,
    read_frame,
    read_labels,
    read_rejected,
    read_summary,
    write_manifest,
)
from lipnet.text import is_writable

CLIP = Clip("A/train/A_1", "A/train/A_1.mp4", "A", "train", "", "A/train/A_1", "", 0, -1, 9, 20)

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8)
INDICES = st.integers(-1_000_000, 1_000_000)
CLIPS = st.builds(
    Clip,
    clip_id=NAMES,
    video=NAMES.filter(lambda name: name[0] != "/" and ".." not in name),
    label=NAMES.filter(is_writable)
    | st.sampled_from(["NA", "null", "1", "1e5", "True", '"', "a,b"]),
    split=st.sampled_from(SPLITS),
    speaker=st.just("") | NAMES,
    unit=NAMES,
    slot=st.sampled_from(["", "colour"]),
    first=INDICES,
    last=INDICES,
    word_first=INDICES,
    word_last=INDICES,
    fps=st.just(25.0),
    centred=st.booleans(),
    ready=st.booleans(),
)
RECORDS = st.builds(Rejected, path=NAMES, reason=NAMES, detail=NAMES | st.just(""))


def make_clips(counts: dict[str, int]) -> list[Clip]:
    """Clips by "label split", as many as asked for."""
    made = []
    for key, count in counts.items():
        label, split = key.split()
        ids = [f"{label}/{split}/{n}" for n in range(count)]
        made += [replace(CLIP, clip_id=i, label=label, split=split, video=i) for i in ids]
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of six clips, with equal counts of A and B in each split."""
    folder = tmp_path_factory.mktemp("manifest") / "manifest"
    counts = {f"{label} {split}": 1 for split in ("train", "val", "test") for label in "AB"}
    rejected = [Rejected("x", "zero_bytes", "")]
    write_manifest(folder, make_clips(counts), rejected, source="lrw", options={})
    return folder


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(CLIPS, unique_by=lambda clip: clip.clip_id, min_size=1), st.lists(RECORDS))
def test_manifest_reads_back_as_written(clips: list[Clip], rejected: list[Rejected]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "manifest"
        write_manifest(folder, clips, rejected, source="lrw", options={})
        assert read_clips(folder) == sorted(clips, key=lambda clip: clip.clip_id)
        assert sorted(read_rejected(folder), key=repr) == sorted(rejected, key=repr)
        assert read_labels(folder) == sorted({clip.label for clip in clips})


def test_order_of_discovery_does_not_change_a_byte(tmp_path: Path) -> None:
    clips = make_clips({"A train": 3, "B val": 2, "A test": 1})
    rejected = [Rejected("x", "zero_bytes", ""), Rejected("a", "no_duration", "")]
    write_manifest(tmp_path / "one", clips, rejected, source="lrw", options={})
    write_manifest(tmp_path / "two", clips[::-1], rejected[::-1], source="lrw", options={})
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["clips.csv", "labels.json", "rejected.csv", "summary.json"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_summary_adds_up(tmp_path: Path) -> None:
    clips = make_clips({"A train": 3, "B train": 1, "B val": 2})
    twin = replace(clips[0], clip_id="A/train/0-again")  # two clips of one video
    rejected = [Rejected("x", "zero_bytes", ""), Rejected("y", "zero_bytes", "")]
    write_manifest(tmp_path, [*clips, twin], rejected, source="grid", options={"seed": 1})
    summary = read_summary(tmp_path)
    assert (summary.clips, summary.videos, summary.total) == (7, 6, 8)
    assert summary.rejected == {"zero_bytes": 2}
    assert (summary.splits["train"].clips, summary.splits["train"].videos) == (5, 4)
    assert summary.splits["val"].labels == 1
    assert sum(size.clips for size in summary.splits.values()) == summary.clips


def test_the_lines_of_label_files_are_clips_or_rejected(tmp_path: Path) -> None:
    clips = [replace(clip, video="images/f") for clip in make_clips({"A train": 3})]
    rejected = [Rejected("info/trn_1000.txt:4", "bad_line", "")]
    write_manifest(tmp_path, clips, rejected, source="lrw1000", options={}, counted="lines")
    summary = read_summary(tmp_path)
    assert (summary.videos, summary.total_rejected, summary.total) == (1, 1, 4)
    assert summary.describe_total() == "4 lines = 3 clips + 1 rejected"
    found = read_json(tmp_path / "summary.json")
    assert isinstance(found, dict)
    assert (found.pop("lines"), found.pop("rejected_lines")) == (4, 1)
    old = {**found, "files": 2, "rejected_files": 1}  # as earlier versions counted
    write_json(tmp_path / "summary.json", old)
    assert read_summary(tmp_path).describe_total() == "2 files = 1 videos with clips + 1 rejected"


@pytest.mark.parametrize(("key", "value"), [("clips", "7"), ("files", 9), ("splits", {"val": 1})])
def test_a_damaged_summary_is_named(tmp_path: Path, key: str, value: object) -> None:
    write_manifest(tmp_path, make_clips({"A train": 3}), [], source="grid", options={})
    found = read_json(tmp_path / "summary.json")
    assert isinstance(found, dict)
    write_json(tmp_path / "summary.json", {**found, key: value})
    with pytest.raises(InputError, match=r"summary\.json is not what the stage manifest writes"):
        read_summary(tmp_path)


def test_frame_has_typed_columns(tmp_path: Path) -> None:
    write_manifest(tmp_path, make_clips({"NA train": 2}), [], source="lrw", options={})
    frame = read_frame(tmp_path)
    assert frame["label"].tolist() == ["NA", "NA"]
    assert frame["speaker"].tolist() == ["", ""]
    assert frame["last"].dtype.kind == "i"
    assert frame["fps"].dtype.kind == "f"


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, r"no clip in split train, val, test \(found: none\)"),
        ({"A train": 1, "A test": 1}, r"no clip in split val \(found: train 1, test 1\)"),
        ({"A train": 1, "A val": 1, "B test": 1}, r"to train on for B:"),
        ({"A train": 1, "A val": 1, "A test": 1, "C unseen": 2}, r"train on for C:"),
    ],
)
def test_missing_split_or_untrained_label_is_named(counts: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_complete(make_clips(counts))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(SPLITS)), min_size=1))
def test_a_gap_is_reported_and_nothing_else(places: list[tuple[str, str]]) -> None:
    clips = [replace(CLIP, label=label, split=split) for label, split in places]
    labels = {label for label, _ in places}
    lines = describe_gaps(clips)
    assert any("all clips have the label" in line for line in lines) == (len(labels) == 1)
    for split in ("val", "test", "unseen"):
        lacking = sorted(labels - {label for label, own in places if own == split})
        reported = [line for line in lines if line.startswith(f"{split} has no clip of")]
        assert len(reported) == bool(lacking and split in {own for _, own in places})
        assert all(line.endswith(": " + ", ".join(lacking)) for line in reported)


def test_background_is_reported_and_is_no_word() -> None:
    clips = [replace(CLIP, label=label) for label in ("A", "B", BACKGROUND)]
    (line,) = describe_gaps(clips)
    assert line.startswith("1 of 3 clips are windows without a word (label <background>)")


def test_complete_corpus_passes() -> None:
    check_complete(make_clips({"A train": 1, "A val": 1, "A test": 1}))


def test_absent_or_foreign_manifest_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no manifest at"):
        read_clips(tmp_path)
    for content in ("a,b\n1,2\n", ""):
        (tmp_path / "clips.csv").write_text(content)
        with pytest.raises(InputError, match="no manifest at"):
            read_clips(tmp_path)


@settings(max_examples=30)
@given(st.sampled_from(["clips.csv", "labels.json", "rejected.csv"]), st.data())
def test_a_changed_byte_is_refused_also_if_all_counts_stay_the_same(
    written: Path, name: str, data: st.DataObject
) -> None:
    path = written / name
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    swapped = whole.replace(b",A,train,", b",x,train,").replace(b",B,train,", b",A,train,")
    swapped = swapped.replace(b",x,train,", b",B,train,")  # every count is as it was
    try:
        for content in (changed, swapped) if name == "clips.csv" else (changed,):
            path.write_bytes(content)
            with pytest.raises(InputError, match=rf"{name} was changed"):
                read_clips(written)
    finally:
        path.write_bytes(whole)
    assert len(read_clips(written)) == 6


def test_a_manifest_without_digests_is_made_again(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "old")
    summary = read_json(written / "summary.json")
    assert isinstance(summary, dict)
    del summary["digests"]
    write_json(tmp_path / "old" / "summary.json", summary)
    assert read_summary(tmp_path / "old").clips == 6
    with pytest.raises(InputError, match=r"no digest of clips\.csv; run the stage manifest again"):
        read_clips(tmp_path / "old")
