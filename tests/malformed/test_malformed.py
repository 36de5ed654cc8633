"""Odd and broken inputs through the real path: none crashes it, each ends where it belongs."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.summary import LandmarksSummary
from lipnet.shards.summary import ShardsSummary
from lipnet.shards.tar import read_shard
from lipnet.sources.discover import discover_clips
from lipnet.sources.inventory import read_inventory, scan_inventory, write_inventory
from lipnet.sources.manifest import ManifestSummary
from lipnet.sources.scan import escape
from lipnet.video import decode
from stages.landmarks import LandmarkFolders, make_landmarks
from stages.manifest import make_manifest
from stages.shards import ShardFolders, make_shards
from tests.malformed.inputs import INPUTS
from tests.malformed.odd import PLACE, TEXT, WORD, Odd, movie, put
from tests.malformed.powers import obeying_permissions
from tests.malformed.scenes import face

pytestmark = pytest.mark.slow
# Each split needs a clip, and each word one to train on.
WHOLE = [f"{WORD}/{split}/{WORD}_99999" for split in ("train", "val", "test")]


@dataclass(frozen=True)
class Ends:
    """Where every file and clip of the corpus ended, and the summaries that count them."""

    by_file: dict[str, str]
    manifest: ManifestSummary
    landmarks: LandmarksSummary
    shards: ShardsSummary


def place_of(number: int, odd: Odd) -> str:
    return f"{PLACE}/{odd.file or f'{WORD}_{number:05d}.mp4'}"


def write_corpus(root: Path, inputs: list[Odd]) -> None:
    """The inputs in LRW's layout, with a whole clip for each split."""
    for stem in WHOLE:
        (root / stem).parent.mkdir(parents=True, exist_ok=True)
        movie()(root / f"{stem}.mp4")
        put(TEXT)(root / f"{stem}.txt")
    for number, odd in enumerate(inputs):
        path = root / place_of(number, odd)
        odd.write(path)
        text = path.with_suffix(".txt")
        if odd.text is not None:
            odd.text(text)
        elif path.suffix == ".mp4" and not text.exists():
            put(TEXT)(text)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def run_path(root: Path, place: Path) -> Ends:
    """Inventory, manifest, landmarks and shards of the corpus, by the stages' own functions."""
    inventory = scan_inventory(root)
    write_inventory(place / "inventory.tsv", inventory)
    assert read_inventory(place / "inventory.tsv") == inventory
    manifest = make_manifest("lrw", root, {}, folder=place / "manifest")
    tracked = LandmarkFolders(root, place / "tmp/landmarks", place / "landmarks")
    videos = [row["video"] for row in read_rows(place / "manifest/clips.csv")]
    landmarks = make_landmarks(videos, tracked, LandmarkOptions(), actors=1)
    folders = ShardFolders(
        root, place / "manifest", place / "landmarks", place / "tmp/shards", place / "shards"
    )
    shards = make_shards(folders, CropOptions(), actors=1)
    return Ends(dict(list_ends(place)), manifest, landmarks, shards)


def list_ends(place: Path) -> Iterator[tuple[str, str]]:
    """Each file with its end; a file that ends twice would come twice."""
    for row in read_rows(place / "manifest/rejected.csv"):
        yield row["path"], f"manifest {row['reason']}"
    lost = {row["video"]: row["reason"] for row in read_rows(place / "landmarks/failures.csv")}
    for row in read_rows(place / "shards/failures.csv"):
        video = f"{row['clip_id']}.mp4"
        stage = "landmarks" if lost.get(video) == row["reason"] else "cut"
        yield video, f"{stage} {row['reason']}"
    for tar in sorted((place / "shards").glob("*/*.tar")):
        for _, meta in read_shard(tar):
            yield f"{meta.clip_id}.mp4", "fine"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    write_corpus(root, INPUTS)
    return root


@pytest.fixture(scope="module")
def ends(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Ends:
    with obeying_permissions():
        return run_path(corpus, tmp_path_factory.mktemp("made"))


def test_there_are_two_hundred_inputs_and_more() -> None:
    assert len(INPUTS) >= 200
    assert len({odd.name for odd in INPUTS}) == len(INPUTS)


@pytest.mark.parametrize("number", range(len(INPUTS)), ids=[odd.name for odd in INPUTS])
def test_it_ends_where_it_belongs(number: int, ends: Ends) -> None:
    odd = INPUTS[number]
    assert ends.by_file[escape(place_of(number, odd))] in odd.ends


def test_what_goes_in_comes_out_or_is_counted_as_failed(ends: Ends) -> None:
    manifest, landmarks, shards = ends.manifest, ends.landmarks, ends.shards
    assert manifest.total == manifest.clips + manifest.total_rejected == len(ends.by_file)
    assert manifest.total == len(INPUTS) + len(WHOLE)
    assert landmarks.videos == manifest.clips
    assert landmarks.videos == landmarks.tracked_videos + sum(landmarks.failed.values())
    cut = sum(split.clips for split in shards.splits.values())
    assert sum(split.total for split in shards.splits.values()) == manifest.clips
    assert cut == sum(end == "fine" for end in ends.by_file.values())


def test_the_same_files_in_a_folder_a_word_are_clips_or_rejected(
    corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "odd").symlink_to(corpus / PLACE)
    with obeying_permissions():
        clips, rejected = discover_clips("folder", tmp_path, {})
    files = [*(clip.video for clip in clips), *(record.path for record in rejected)]
    assert len(files) == len(set(files)) == len(list((corpus / PLACE).iterdir()))


def test_a_pipe_for_an_alignment_is_not_waited_for(tmp_path: Path) -> None:
    for path in ("s1/bbaf1n.mp4", "alignments/s1/bbaf1n.align"):
        (tmp_path / path).parent.mkdir(parents=True)
    put(b"video")(tmp_path / "s1/bbaf1n.mp4")
    os.mkfifo(tmp_path / "alignments/s1/bbaf1n.align")
    with pytest.raises(InputError, match="unreadable_alignment: 1"):
        discover_clips("grid", tmp_path, {})


def test_two_videos_of_one_clip_are_named(tmp_path: Path) -> None:
    text = "".join(
        f"{1000 * t} {1000 * (t + 1)} {word}\n"
        for t, word in enumerate(("bin", "blue", "at", "a", "one", "now"))
    )
    for path in ("s1/bbaf1n.mp4", "s1/bbaf1n.mpg", "alignments/s1/bbaf1n.align"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        put(text.encode())(tmp_path / path)
    with pytest.raises(InputError, match=r"s1/bbaf1n\.mp4 and s1/bbaf1n\.mpg are both clip"):
        make_manifest("grid", tmp_path, {}, folder=tmp_path / "manifest")


def test_a_forbidden_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / PLACE
    folder.mkdir(parents=True)
    folder.chmod(0)
    with obeying_permissions(), pytest.raises(InputError, match=f"{PLACE}.*Permission denied"):
        make_manifest("lrw", tmp_path, {}, folder=tmp_path / "manifest")
    folder.chmod(0o700)


def test_a_video_of_hours_is_given_up_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = Odd("30-frames", movie(partial(face, 30)))
    write_corpus(tmp_path / "corpus", [long])
    monkeypatch.setattr(decode, "MAX_FRAMES", 29)
    ends = run_path(tmp_path / "corpus", tmp_path / "made")
    assert ends.by_file[place_of(0, long)] == "landmarks too_long"
    assert ends.shards.splits["train"].clips == 1
