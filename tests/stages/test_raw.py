"""Stage raw: renders missing clips, whole or not at all; lists an existing corpus."""

from pathlib import Path
from typing import Any

import pytest

from lipnet.errors import InputError
from lipnet.sources.inventory import read_inventory
from lipnet.sources.synthetic.corpus import write_clip
from lipnet.sources.synthetic.options import SyntheticOptions
from pipeline.paths import Paths
from stages import raw
from tests.stages.working import Killed, map_here

FEW = {"train": 2, "val": 1, "test": 1}
OPTIONS = SyntheticOptions(words=("BARK", "PARK"), clips_per_word=FEW, speakers=FEW)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(raw, "map_jobs", map_here)


def read_tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_rendered_corpus_is_listed_with_its_sizes() -> None:
    paths = Paths("tiny")
    assert raw.render_corpus(OPTIONS, paths) == 16
    sizes = {name: entry.size for name, entry in read_inventory(paths.inventory).items()}
    assert list(sizes) == sorted(sizes)
    assert sizes == {
        name.removeprefix("videos/"): len(content)
        for name, content in read_tree(paths.raw).items()
        if name != "inventory.tsv"
    }
    assert len(sizes) == 16


@pytest.mark.slow
def test_a_killed_run_continues_and_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = Paths("whole"), Paths("broken")
    raw.render_corpus(OPTIONS, whole)
    written: list[str] = []
    write = write_clip

    def write_then_die(plan: Any, options: Any, root: Path) -> None:
        if len(written) == 3:
            half = root / f"{plan.stem}.mp4"
            half.parent.mkdir(parents=True, exist_ok=True)
            half.with_name(f".{half.name}.1.tmp.mp4").write_bytes(b"half")
            raise Killed
        write(plan, options, root)
        written.append(plan.stem)

    monkeypatch.setattr(raw, "write_clip", write_then_die)
    with pytest.raises(Killed):
        raw.render_corpus(OPTIONS, broken)
    assert not broken.raw.exists()

    def write_and_note(plan: Any, options: Any, root: Path) -> None:
        assert plan.stem not in written
        write(plan, options, root)

    monkeypatch.setattr(raw, "write_clip", write_and_note)
    raw.render_corpus(OPTIONS, broken)
    assert read_tree(broken.raw) == read_tree(whole.raw)


def test_clips_of_other_options_are_not_reused(tmp_path: Path) -> None:
    state = raw.open_state(OPTIONS, tmp_path / "state")
    (state / "left").touch()
    assert raw.open_state(OPTIONS, tmp_path / "state") == state
    assert (state / "left").exists()
    other = raw.open_state(SyntheticOptions(seed=9), tmp_path / "state")
    assert other != state
    assert not state.exists()


def test_an_existing_corpus_is_listed(tmp_path: Path) -> None:
    (tmp_path / "lrw/ABOUT/train").mkdir(parents=True)
    (tmp_path / "lrw/ABOUT/train/ABOUT_00001.mp4").write_bytes(b"12345")
    paths = Paths("lrw")
    assert raw.list_corpus(tmp_path / "lrw", paths) == 1
    assert paths.inventory.read_text() == "ABOUT/train/ABOUT_00001.mp4\t5\n"


@pytest.mark.parametrize("made", ["nothing", "empty", "empty_folders"])
def test_an_empty_root_is_named_and_nothing_is_written(tmp_path: Path, made: str) -> None:
    root = tmp_path / "corpus"
    if made != "nothing":
        (root / "A" if made == "empty_folders" else root).mkdir(parents=True)
    with pytest.raises(InputError, match=rf"source\.root {root}"):
        raw.list_corpus(root, Paths("lrw"))
    assert not Paths("lrw").raw.exists()
