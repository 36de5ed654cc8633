"""Stage shards: clips = cut + failed, missing splits and labels are named, kills lose nothing."""

import hashlib
import json
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from cluster import pool
from lipnet.clip import Clip
from lipnet.crops.align import face_digest
from lipnet.crops.crop import CropOptions
from lipnet.cutting import cut
from lipnet.data.loader import open_split, ordered
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.files import read_json
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.tracker import Tracker
from lipnet.shards.storage import list_shards
from lipnet.shards.summary import SplitSummary, read_labels, read_summary
from lipnet.shards.tar import read_shard
from lipnet.sources.manifest import write_manifest
from stages import landmarks, shards
from stages.landmarks import LandmarkFolders, make_landmarks
from stages.shards import ShardFolders, count_splits, make_shards
from tests.lipnet.video.making import flat_frame, write_faces, write_video
from tests.stages.working import Killed, fake_tracker, map_here, map_until_killed, tree_of

CROPS = CropOptions(size=32)


def clip(split: str, label: str, number: int) -> Clip:
    name = f"{label}/{split}/{number}"
    return Clip(name, f"{name}.mp4", label, split, "s1", name, "", 0, -1, 1, 4)


@pytest.fixture(autouse=True)
def no_ray_no_dlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "map_jobs", map_here)
    monkeypatch.setattr(shards, "map_jobs", map_here)
    monkeypatch.setattr(Tracker, "with_own_model", fake_tracker)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Two labels, three videos each a split; videos of 5 frames, so that one clip is too late."""
    made = [
        clip(split, label, i)
        for split in ("train", "val", "test")
        for label in ("blue", "red")
        for i in range(3)
    ]
    for one in made:
        write_faces(tmp_path / "root" / one.video, 5)
    return made


def prepare(
    tmp_path: Path, clips: list[Clip], name: str = "out", model: str = "dlib"
) -> ShardFolders:
    """The stages before: a manifest and landmarks."""
    root = tmp_path / "root"
    write_manifest(tmp_path / "manifest", clips, [], source="lrw", options={})
    places = LandmarkFolders(root, tmp_path / "landmark-state", tmp_path / "landmarks")
    options = LandmarkOptions(model, videos_per_shard=4)
    make_landmarks([one.video for one in clips], places, options)
    return folders(tmp_path, name)


def folders(tmp_path: Path, name: str, url: str = "") -> ShardFolders:
    inputs = tmp_path / "root", tmp_path / "manifest", tmp_path / "landmarks"
    timings = tmp_path / "timings" / f"{name}.csv"
    return ShardFolders(*inputs, tmp_path / f"{name}-state", tmp_path / name, url, timings)


def test_every_clip_is_cut_or_failed_with_a_reason(tmp_path: Path, clips: list[Clip]) -> None:
    write_video(tmp_path / "root" / clips[0].video, [flat_frame(0)] * 4)
    late = Clip("late", clips[1].video, "blue", "train", "s1", "late", "", 30, 59, 31, 40)
    summary = make_shards(prepare(tmp_path, [*clips, late]), CROPS, clips_per_shard=99)
    assert summary.splits == {
        "train": SplitSummary(5, {"no_face": 1, "window_empty": 1}, 1),
        "val": SplitSummary(6, {}, 1),
        "test": SplitSummary(6, {}, 1),
    }
    assert 0 < summary.pixel_mean < 1
    assert 0 <= summary.pixel_std < 1
    assert summary.preprocessing["size"] == 32
    assert read_summary(tmp_path / "out") == summary
    assert read_labels(tmp_path / "out") == ["blue", "red"]
    failures = (tmp_path / "out" / "failures.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in failures[1:]] == [
        [clips[0].clip_id, "no_face"],
        ["late", "window_empty"],
    ]
    tars = sorted((tmp_path / "out" / "val").glob("*.tar"))
    metas = [meta for tar in tars for _, meta in read_shard(tar)]
    assert sorted(m.clip_id for m in metas) == [c.clip_id for c in clips if c.split == "val"]
    assert {(m.label, m.label_index) for m in metas} == {("blue", 0), ("red", 1)}


def test_crops_are_aligned_to_the_face_of_their_landmark_model(
    tmp_path: Path, clips: list[Clip]
) -> None:
    facts = make_shards(prepare(tmp_path, clips, "out", "mesh"), CROPS).preprocessing
    assert (facts["landmarks"], facts["reference_face"]) == ("mesh", face_digest("mesh"))
    index = next((tmp_path / "out" / "val").glob("*.json"))
    assert json.loads(index.read_text())["made_by"]["crops"]["landmarks"] == "mesh"


def test_a_shard_whose_clips_all_failed_is_an_index_without_a_tar(
    tmp_path: Path, clips: list[Clip]
) -> None:
    video = write_faces(tmp_path / "root" / "late.mp4", 5).name
    late = Clip("late", video, "blue", "train", "s1", "late", "", 30, 59, 31, 40)
    summary = make_shards(prepare(tmp_path, [*clips, late]), CROPS, clips_per_shard=1)
    assert summary.splits["train"] == SplitSummary(6, {"window_empty": 1}, 6)
    assert len(list((tmp_path / "out" / "train").glob("*.tar"))) == 6
    assert len(list((tmp_path / "out" / "train").glob("*.csv"))) == 6
    assert len(list((tmp_path / "out" / "train").glob("*.json"))) == 7


@pytest.mark.parametrize("done", [1, 4])
def test_a_kill_and_a_rerun_give_the_bytes_of_an_undisturbed_run(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    make_shards(prepare(tmp_path, clips, "calm"), CROPS, clips_per_shard=4)
    shot = folders(tmp_path, "shot")
    monkeypatch.setattr(shards, "map_jobs", map_until_killed(done))
    with pytest.raises(Killed):
        make_shards(shot, CROPS, clips_per_shard=4)
    assert not shot.out.exists()
    monkeypatch.setattr(shards, "map_jobs", map_here)
    monkeypatch.setattr(shards, "Meter", made := MagicMock())
    make_shards(shot, CROPS, clips_per_shard=4)
    meter = made.return_value.__enter__.return_value
    assert (meter.skip.call_count, meter.advance.call_count) == (done, 6 - done)
    assert tree_of(shot.out) == tree_of(tmp_path / "calm")


def test_a_video_in_two_splits_under_other_names_is_reported(
    tmp_path: Path, clips: list[Clip], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, one in enumerate(clips):
        with (tmp_path / "root" / one.video).open("ab") as video:
            video.write(bytes([number % 12]))  # val's are train's and test's
    make_shards(prepare(tmp_path, clips), CROPS, clips_per_shard=4)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert line.startswith("warning: videos whose bytes are in several splits: 6, such as ")
    for number, one in enumerate(clips):
        with (tmp_path / "root" / one.video).open("ab") as video:
            video.write(bytes([number]))
    make_shards(prepare(tmp_path, clips, "again"), CROPS, clips_per_shard=4)
    assert "warning" not in capsys.readouterr().out


def test_a_split_whose_clips_all_failed_is_named(tmp_path: Path, clips: list[Clip]) -> None:
    for one in clips:
        if one.split == "val":
            (tmp_path / "root" / one.video).write_bytes(b"")
    with pytest.raises(InputError, match=r"(?s)val.*6 clips failed: 6 zero_bytes"):
        make_shards(prepare(tmp_path, clips), CROPS)
    assert not (tmp_path / "out").exists()


def test_a_label_without_a_training_clip_left_is_named(tmp_path: Path, clips: list[Clip]) -> None:
    lost = [one for one in clips if (one.split, one.label) == ("train", "red")]
    for one in lost:
        (tmp_path / "root" / one.video).unlink()
    with pytest.raises(InputError, match=r"(?s)red.*3 clips failed: 3 missing"):
        make_shards(prepare(tmp_path, clips), CROPS)


def test_a_node_without_the_corpus_ends_the_stage(tmp_path: Path, clips: list[Clip]) -> None:
    places = prepare(tmp_path, clips)
    places.root.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"root cannot be read \(No such file.* on node "):
        make_shards(places, CROPS)
    (tmp_path / "elsewhere").rename(places.root)
    assert make_shards(places, CROPS).splits["train"].failed == {}


def test_missing_landmarks_are_named(tmp_path: Path, clips: list[Clip]) -> None:
    places = prepare(tmp_path, clips)
    newer = clip("train", "red", 99)
    write_manifest(tmp_path / "manifest", [*clips, newer], [], source="lrw", options={})
    with pytest.raises(InputError, match=r"red/train/99\.mp4 has no landmarks"):
        make_shards(places, CROPS)
    empty = ShardFolders(tmp_path, tmp_path / "manifest", tmp_path / "no", tmp_path, tmp_path)
    with pytest.raises(InputError, match="run the stage landmarks first"):
        make_shards(empty, CROPS)


def test_a_clip_that_is_not_accounted_for_is_an_error(clips: list[Clip]) -> None:
    with pytest.raises(RuntimeError, match="train: 6 clips, but 0 cut"):
        count_splits(clips, [], [])


def test_timings_are_kept_apart_from_the_outputs(tmp_path: Path, clips: list[Clip]) -> None:
    make_shards(prepare(tmp_path, clips), CROPS, clips_per_shard=4)
    jobs = sorted(path.stem for path in (tmp_path / "out").glob("*/*.json"))
    lines = (tmp_path / "timings" / "out.csv").read_text().splitlines()
    assert lines[0] == "job,clips,failed,seconds"
    assert sorted(line.split(",")[0].partition("/")[2] for line in lines[1:]) == jobs
    outputs = b"".join(tree_of(tmp_path / "out").values())
    assert b"seconds" not in outputs


def test_an_index_has_what_its_shard_holds_and_what_made_it(
    tmp_path: Path, clips: list[Clip]
) -> None:
    write_video(tmp_path / "root" / "blue/train/0.mp4", [flat_frame(0)] * 4)
    late = Clip("late", "blue/train/1.mp4", "blue", "train", "s1", "late", "", 30, 59, 31, 40)
    make_shards(prepare(tmp_path, [*clips, late]), CROPS, clips_per_shard=99, codec="png")
    index = read_json(tmp_path / "out" / "train" / "000000.json")
    assert isinstance(index, dict)
    tar = tmp_path / "out" / "train" / "000000.tar"
    pixels = np.concatenate([crops.ravel() for crops, _ in read_shard(tar)]) / 255
    expected = pytest.approx({"mean": pixels.mean(), "std": pixels.std()}, abs=1e-6)
    assert index["brightness"] == expected
    assert (index["clips"], index["failed"]) == (5, {"window_empty": 1})
    assert index["labels"] == {"blue": 2, "red": 3}
    assert index["made_by"]["codec"] == index["codec"] == "png"
    assert index["made_by"]["crops"]["size"] == 32
    assert index["sha256"] == hashlib.sha256(tar.read_bytes()).hexdigest()


def test_another_codec_makes_the_shards_again(tmp_path: Path, clips: list[Clip]) -> None:
    places = prepare(tmp_path, clips)
    fingerprints = {
        make_shards(places, CROPS, codec=codec).fingerprint for codec in ("raw", "delta")
    }
    assert len(fingerprints) == 2
    assert make_shards(places, CROPS, codec="delta").fingerprint in fingerprints


@pytest.mark.slow
def test_shards_at_s3_are_the_local_ones_and_are_made_once(
    tmp_path: Path, clips: list[Clip], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(prepare(tmp_path, clips, "here"), CROPS, clips_per_shard=4)
    far = folders(tmp_path, "far", f"{bucket}/words")
    monkeypatch.setattr(shards, "map_jobs", map_until_killed(2))
    with pytest.raises(Killed):
        make_shards(far, CROPS, clips_per_shard=4)
    monkeypatch.setattr(shards, "map_jobs", map_here)
    summary = make_shards(far, CROPS, clips_per_shard=4)
    assert (summary.url, summary.splits["train"].clips) == (f"{bucket}/words", 6)
    assert {path.suffix for path in far.out.rglob("*.*")} == {".json", ".csv"}
    for split in ("train", "val", "test"):
        pairs = zip(list_shards(tmp_path / "here", split), list_shards(far.out, split), strict=True)
        for near, distant in pairs:
            for (one, meta), (two, same) in zip(read_shard(near), read_shard(distant), strict=True):
                np.testing.assert_array_equal(one, two)
                assert meta == same
    monkeypatch.setattr(cut, "write_shard", None)  # writing a shard now fails
    again = folders(tmp_path, "again", f"{bucket}/words")
    assert make_shards(again, CROPS, clips_per_shard=4) == summary
    assert tree_of(again.out) == tree_of(far.out)


@pytest.mark.slow
def test_training_reads_clips_from_s3(tmp_path: Path, clips: list[Clip], bucket: str) -> None:
    prepare(tmp_path, clips)
    far = folders(tmp_path, "far", f"{bucket}/words")
    make_shards(far, CROPS, clips_per_shard=2)
    make_shards(folders(tmp_path, "here"), CROPS, clips_per_shard=4)
    for memory_gib in (1.0, 1e-9):  # held, and streamed
        [distant, near] = (
            open_split(place, "train", shrink=Shrink(32, 16), memory_gib=memory_gib)
            for place in (far.out, tmp_path / "here")
        )
        assert len(distant) == 6
        for one, two in zip(ordered(distant, 4), ordered(near, 4), strict=True):
            assert torch.equal(one.frames_BTHW, two.frames_BTHW)


@pytest.mark.slow
def test_actors_write_to_s3(
    tmp_path: Path, clips: list[Clip], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, clips)
    far = folders(tmp_path, "far", f"{bucket}/words")
    monkeypatch.setattr(shards, "map_jobs", pool.map_jobs)
    make_shards(far, CROPS, clips_per_shard=2, actors=2)
    found = [ref for split in ("train", "val", "test") for ref in list_shards(far.out, split)]
    assert sum(len(list(read_shard(ref))) for ref in found) == 18
