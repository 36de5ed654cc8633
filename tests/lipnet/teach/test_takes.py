"""Takes on disk: names that the source `folder` takes as well, numbers, and what is deleted."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.labels import parse_labels
from lipnet.sources.discover import discover_clips
from lipnet.teach.takes import (
    WORK,
    add_take,
    check_root,
    check_words,
    delete_takes,
    discard_take,
    list_takes,
    list_words,
    lock_root,
)


def record(root: Path, word: str, count: int = 1, kind: str = "webm") -> Path:
    """Takes without content that could be decoded."""
    for _ in range(count):
        video = root.parent / f"recorded.{kind}"
        video.write_bytes(b"a video")
        add_take(root, word, video)
    return root


@settings(max_examples=25)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=3))
def test_words_are_labels_and_folders_of_the_source_or_refused(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    root = tmp_path_factory.mktemp("root") / "takes"
    root.mkdir()
    try:
        named = check_words(words)
    except InputError:
        return
    assert parse_labels(named) == named
    for word in named:
        record(root, word)
    clips, rejected = discover_clips("folder", root, {})
    assert sorted(clip.label for clip in clips) == sorted(named) == list_words(root)
    assert rejected == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["a", ""], "is empty"),
        (["a", "  "], "is empty"),
        (["a", "=1+1"], "starts with one of"),
        (["a", "x\x1b[2J"], "control characters"),
        (["a", "../b"], "has one of /"),
        (["a", "b\\c"], "has one of /"),
        (["a", ".b"], "starts with a dot"),
        (["a", "Train"], "is the name of a split"),
        (["a", "<background>"], "what is no word"),
        (["a", "b" * 101], "longer than 100 bytes"),
        (["a", "yes", "Yes"], "Yes, yes are the same"),
        (["a"], "1 words: name 2 to 200"),
    ],
)
def test_a_word_that_cannot_be_taught_is_named(words: list[str], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        check_words(words)


def test_takes_are_numbered_and_discarded(tmp_path: Path) -> None:
    (tmp_path / "takes").mkdir()
    root = record(tmp_path / "takes", "yes", 3)
    discard_take(root, "yes", "take-002.webm")
    record(root, "yes", kind="mp4")
    assert list_takes(root, "yes") == ["take-001.webm", "take-003.webm", "take-004.mp4"]
    assert sorted(path.name for path in (root / "yes").iterdir()) == list_takes(root, "yes")
    for name in ("take-002.webm", "../yes/take-001.webm", ".."):
        with pytest.raises(InputError, match="is not a recorded take of yes"):
            discard_take(root, "yes", name)
    assert list_takes(root, "no") == []


def test_only_recorded_takes_and_crops_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "takes").mkdir()
    root = record(record(tmp_path / "takes", "yes", 2), "no")
    (root / "no" / "holiday.mp4").write_bytes(b"mine")
    (root / "no" / "take-002.mp4").write_bytes(b"mine")
    (root / "yes" / "take-002.webm").write_bytes(b"put in its place")
    (root / "taught.safetensors").write_bytes(b"a model")
    with lock_root(root):
        (root / WORK / "crops").mkdir()
    for name in ("holiday.mp4", "take-002.mp4"):
        with pytest.raises(InputError, match="is not a recorded take of no"):
            discard_take(root, "no", name)
    found = delete_takes(root)
    assert (found.takes, sorted(found.left)) == (2, ["no", "taught.safetensors", "yes"])
    assert found.others == ["no/take-002.mp4", "yes/take-002.webm"]
    assert sorted(path.name for path in (root / "no").iterdir()) == ["holiday.mp4", "take-002.mp4"]
    assert [path.name for path in (root / "yes").iterdir()] == ["take-002.webm"]
    with pytest.raises(InputError, match="has no takes that `lipnet teach` recorded"):
        delete_takes(root)


def test_a_list_of_takes_that_cannot_be_read(tmp_path: Path) -> None:
    root = record(tmp_path, "yes")
    (root / WORK / "recorded.json").write_text("[")
    with pytest.raises(InputError, match=r"recorded\.json cannot be read"):
        delete_takes(root)
    assert list_takes(root, "yes") == ["take-001.webm"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        lock_root(tmp_path),
        pytest.raises(InputError, match="another `lipnet teach` uses"),
        lock_root(tmp_path),
    ):
        pass
    with lock_root(tmp_path):
        pass


def test_a_folder_that_cannot_hold_takes(tmp_path: Path) -> None:
    check_root(tmp_path / "new" / "takes", create=True)
    assert (tmp_path / "new" / "takes").is_dir()
    with pytest.raises(InputError, match="does not exist"):
        check_root(tmp_path / "none", create=False)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        check_root(tmp_path / "file", create=True)
    (tmp_path / "split" / "train").mkdir(parents=True)
    with pytest.raises(InputError, match="folders train, val and test"):
        check_root(tmp_path / "split", create=True)
