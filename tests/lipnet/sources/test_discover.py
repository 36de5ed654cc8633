"""The table of sources: every adapter's facts, and what a new one needs."""

from dataclasses import replace
from pathlib import Path

import pytest

from lipnet.clip import CLIP_FRAMES, Clip
from lipnet.errors import InputError
from lipnet.landmarks.options import PREFERENCES
from lipnet.measure.paper import CLASSES
from lipnet.sources.discover import SOURCES, discover_clips, find_source
from lipnet.sources.names import hash_name, make_id
from lipnet.sources.source import Discovered, Source
from lipnet.text import escape


def make_clip(clip_id: str) -> Clip:
    return Clip(
        clip_id=clip_id,
        video=f"{clip_id}.mp4",
        label="ja",
        split="train",
        speaker="",
        unit=clip_id,
        slot="",
        first=0,
        last=-1,
        word_first=0,
        word_last=29,
    )


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_facts_of_a_source_are_ones_that_others_can_use(name: str) -> None:
    source = SOURCES[name]
    assert source.layout
    assert source.face in PREFERENCES
    assert source.paper_name in ("", *CLASSES)
    assert source.frames_per_clip({}) >= 1
    assert source.frames_per_video >= CLIP_FRAMES
    assert bool(source.attribution) == source.shareable


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_refuses_an_empty_root_and_an_unknown_option(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"source\.root .* is empty"):
        discover_clips(name, tmp_path, {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"unknown source\.options no_such_option"):
        discover_clips(name, tmp_path, {"no_such_option": 1})


def test_clips_per_option_and_facts_that_the_layouts_differ_in() -> None:
    assert SOURCES["folder"].frames_per_clip({"frames": 60}) == 60
    assert [name for name, source in SOURCES.items() if source.cropped] == ["lrw1000"]
    assert [name for name, source in SOURCES.items() if source.rendered] == ["synthetic"]


def test_a_row_is_all_that_a_new_corpus_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def discover(root: Path, options: object) -> Discovered:
        return [make_clip(path.stem) for path in sorted(root.glob("*.mp4"))], []

    monkeypatch.setitem(SOURCES, "films", Source(discover, "<name>.mp4", face="centre"))
    with pytest.raises(InputError, match=r"no clip in source\.root .*expected layout: <name>\.mp4"):
        discover_clips("films", tmp_path, {})
    (tmp_path / "a.mp4").write_bytes(b"x")
    clips, rejected = discover_clips("films", tmp_path, {})
    assert ([clip.clip_id for clip in clips], rejected) == (["a"], [])
    assert find_source("films").face == "centre"
    with pytest.raises(InputError, match="known: .*films, folder"):
        find_source("movies")


@pytest.mark.parametrize("odd", [{"label": "=1+1"}, {"speaker": "@a"}, {"video": "x\n.mp4"}])
def test_names_that_no_table_can_hold_are_recorded_for_every_source(
    odd: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [replace(make_clip("a"), **odd), make_clip("b")]
    monkeypatch.setitem(SOURCES, "films", Source(lambda *_: (found, []), "<name>.mp4"))
    clips, (record,) = discover_clips("films", tmp_path, {})
    assert [clip.clip_id for clip in clips] == ["b"]
    assert (record.path, record.reason) == (escape(found[0].video), "unexpected_name")


def test_a_speaker_with_an_undecodable_name_is_recorded_after_a_draw_of_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speakers = ("\udcff", "b")

    def discover(root: Path, options: object) -> Discovered:
        order = sorted(speakers, key=lambda name: hash_name(name, seed=0))
        return [replace(make_clip(make_id(name)), speaker=name) for name in order], []

    monkeypatch.setitem(SOURCES, "films", Source(discover, "<speaker>/<name>.mp4"))
    clips, (record,) = discover_clips("films", tmp_path, {})
    assert [clip.speaker for clip in clips] == ["b"]
    assert record.reason == "unexpected_name"


def test_a_speaker_that_a_spreadsheet_would_run_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    for name in ("=a_1.mp4", "b_1.mp4"):
        (tmp_path / "yes" / name).write_bytes(b"x")
    clips, (record,) = discover_clips("folder", tmp_path, {"speaker_until": "_"})
    assert [clip.speaker for clip in clips] == ["b"]
    assert (record.path, record.reason) == ("yes/=a_1.mp4", "unexpected_name")


def test_two_clips_of_one_id_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def discover(root: Path, options: object) -> Discovered:
        return [make_clip("a"), make_clip("a")], []

    monkeypatch.setitem(SOURCES, "films", Source(discover, "<name>.mp4"))
    with pytest.raises(InputError, match=r"a\.mp4 and a\.mp4 are both clip a;"):
        discover_clips("films", tmp_path, {})
