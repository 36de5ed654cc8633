"""Stage manifest: written whole, or not at all."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from lipnet.errors import InputError
from lipnet.sources.manifest import read_clips, read_summary
from pipeline.paths import Paths
from stages import manifest


def make_lrw(root: Path, *places: str) -> Path:
    """A corpus of one-byte videos, each with its duration."""
    for place in places:
        path = root / f"{place}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        path.with_suffix(".txt").write_text("Duration: 0.4 seconds\n")
    return root


COMPLETE = ("A/train/A_1", "A/val/A_1", "A/test/A_1")


def test_the_stage_writes_the_manifest_and_prints_its_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_lrw(tmp_path / "corpus", *COMPLETE)
    (root / "A/val/A_2.mp4").write_bytes(b"")
    source = SimpleNamespace(name="lrw", root=str(root), options={})
    params = SimpleNamespace(profile="tiny", source=source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(manifest, "load_params", lambda: params)
    monkeypatch.setattr(manifest, "source_root", lambda params: root)
    manifest.main()
    assert len(read_clips(Paths("tiny").manifest)) == 3
    summary = read_summary(Paths("tiny").manifest)
    assert summary.rejected == {"zero_bytes": 1}
    assert {size.speakers for size in summary.splits.values()} == {0}
    printed = capsys.readouterr().out
    assert "4 files = 3 videos with clips + 1 rejected" in " ".join(printed.split())
    assert "zero_bytes: 1" in printed
    assert "The speakers are not known" in printed


@pytest.mark.parametrize("lacking", ["train", "val", "test"])
def test_split_with_no_clip_leaves_no_manifest(tmp_path: Path, lacking: str) -> None:
    places = [place for place in COMPLETE if f"/{lacking}/" not in place]
    root = make_lrw(tmp_path / "corpus", *places)
    message = f"no clip in split {lacking} .*: add videos of it to source.root$"
    with pytest.raises(InputError, match=message):
        manifest.make_manifest("lrw", root, {}, folder=tmp_path / "manifest")
    assert not (tmp_path / "manifest").exists()


@pytest.mark.parametrize(
    ("places", "speaker_until", "advice"),
    [
        (("hi/a_1", "hi/b_1"), "", "3 videos of a word are needed) or change the fractions"),
        (("hi/a_1", "hi/a_2", "hi/b_1"), "_", "3 speakers are needed) or change the fractions"),
        (("train/hi/1", "test/hi/2"), "", "add videos of it to source.root"),
    ],
)
def test_the_advice_for_own_words_is_about_what_is_split(
    tmp_path: Path, places: tuple[str, ...], speaker_until: str, advice: str
) -> None:
    root, options = make_lrw(tmp_path / "corpus", *places), {"speaker_until": speaker_until}
    for text in root.rglob("*.txt"):
        text.unlink()
    with pytest.raises(InputError, match=re.escape(advice)) as caught:
        manifest.make_manifest("folder", root, options, folder=tmp_path / "manifest")
    assert ("fractions" in str(caught.value)) == ("fractions" in advice)


def test_label_with_nothing_to_train_on_is_named(tmp_path: Path) -> None:
    root = make_lrw(tmp_path / "corpus", *COMPLETE, "B/test/B_1")
    with pytest.raises(InputError, match=r"no clip to train on for B: add"):
        manifest.make_manifest("lrw", root, {}, folder=tmp_path / "manifest")


def test_failed_discovery_keeps_the_manifest_that_was_there(tmp_path: Path) -> None:
    root = make_lrw(tmp_path / "corpus", *COMPLETE)
    folder = tmp_path / "manifest"
    manifest.make_manifest("lrw", root, {}, folder=folder)
    before = (folder / "clips.csv").read_bytes()
    with pytest.raises(InputError, match="does not exist"):
        manifest.make_manifest("lrw", tmp_path / "gone", {}, folder=folder)
    assert (folder / "clips.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "tmp" in path.name] == []
