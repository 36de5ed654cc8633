"""GRID's layout: sentences cut into words by time, and never split over two splits."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.sources import grid
from lipnet.sources.discover import discover_clips
from lipnet.sources.grid import (
    Fold,
    Sentence,
    SplitOptions,
    assign_splits,
    cut_clips,
    read_options,
)
from lipnet.sources.grid_alignment import SILENCES, SLOTS, Word, parse_alignment

GOOD = (
    "0 23750 sil\n23750 29500 bin\n29500 34000 blue\n34000 35500 at\n35500 41000 f\n"
    "41000 47250 two\n47250 53000 now\n53000 74500 sil\n"
)
WORDS = ("bin", "blue", "at", "f", "two", "now")


def add_sentence(
    root: Path, name: str, text: str | None = GOOD, *, kind: str = "mpg", video: bytes = b"x"
) -> None:
    path = root / f"{name}.{kind}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(video)
    if text is not None:
        alignment = root / "alignments" / f"{name}.align"
        alignment.parent.mkdir(parents=True, exist_ok=True)
        alignment.write_text(text)


@st.composite
def sentences(draw: st.DrawFn) -> tuple[str, tuple[Word, ...]]:
    """An alignment's text, silences anywhere between its words, and those words."""
    time, lines, words = 0, [], []
    for vocabulary in SLOTS.values():
        if draw(st.booleans()):
            silence = draw(st.integers(1, 30_000))
            lines.append(f"{time} {time + silence} {draw(st.sampled_from(SILENCES))}")
            time += silence
        length = draw(st.integers(1, 20_000))
        text = draw(st.sampled_from(sorted(vocabulary)))
        words.append(Word(text, time, time + length))
        lines.append(f"{time}  {time + length}\t{text}")
        time += length
    return draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines), tuple(words)


def test_vocabulary_has_51_words() -> None:
    assert sum(map(len, SLOTS.values())) == 51 == len(set().union(*SLOTS.values()))


@given(sentences())
def test_alignment_gives_its_six_words(drawn: tuple[str, tuple[Word, ...]]) -> None:
    text, words = drawn
    assert parse_alignment(text) == words


@given(sentences(), st.sampled_from([5, 17, 29]))
def test_a_window_is_about_the_word_unless_cut_at_the_start(
    drawn: tuple[str, tuple[Word, ...]], frames: int
) -> None:
    clips = cut_clips(Sentence("s1/x", "s1/x.mpg", drawn[1]), "val", frames)
    for clip, word in zip(clips, drawn[1], strict=True):
        middle = (word.start + word.end) / 2 / 1000
        assert clip.first <= middle < clip.last
        assert clip.last - clip.first == frames or (clip.first == 0 and clip.last < frames)
        assert clip.last - (frames + 1) / 2 <= middle < clip.last - (frames - 1) / 2
        assert clip.word_first * 1000 <= word.start < (clip.word_first + 1) * 1000
        assert (clip.word_last - 1) * 1000 < word.end <= clip.word_last * 1000
        assert clip.first <= (clip.word_first + clip.word_last) / 2 <= clip.last


@given(st.text(alphabet="0123456789 -.\nabinsl²", max_size=80))
def test_any_text_gives_words_or_an_input_error(text: str) -> None:
    try:
        words = parse_alignment(text)
    except InputError:
        return
    assert len(words) == 6


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "0 words, but a sentence has 6"),
        (GOOD.replace("bin", "bun"), "'bun' is not a command"),
        (GOOD.replace(" f\n", " w\n"), "'w' is not a letter"),
        (GOOD.replace("47250 53000 now\n", ""), "5 words"),
        (GOOD.replace("29500 bin", "30000 bin"), "'blue' starts at 29500, before 30000"),
        (GOOD.replace("23750 29500", "29500 29500"), "does not end after its start"),
        (GOOD.replace("0 23750", "-5 23750"), "is not `start end word`"),
        (GOOD.replace("0 23750", "0 soon"), "is not `start end word`"),
        (GOOD.replace("74500", "7" * 5000), "is not `start end word`"),
    ],
)
def test_unreadable_alignment_is_recorded(tmp_path: Path, text: str, detail: str) -> None:
    add_sentence(tmp_path, "s1/good")
    add_sentence(tmp_path, "s1/bad", text)
    clips, rejected = discover_clips("grid", tmp_path, {})
    assert {clip.unit for clip in clips} == {"s1/good"}
    (record,) = rejected
    assert (record.path, record.reason) == ("s1/bad.mpg", "unreadable_alignment")
    assert detail in record.detail


def test_other_bad_files_are_recorded(tmp_path: Path) -> None:
    add_sentence(tmp_path, "s1/good")
    add_sentence(tmp_path, "s1/none", text=None)
    add_sentence(tmp_path, "s1/zero", video=b"")
    add_sentence(tmp_path, "s1/odd name")
    add_sentence(tmp_path, "s1/song", kind="wav")
    (tmp_path / "alignments/s1/lost.align").write_text(GOOD)
    (tmp_path / "alignments/s1/dir.align").mkdir()
    add_sentence(tmp_path, "s1/dir", text=None)
    _, rejected = discover_clips("grid", tmp_path, {})
    assert {record.path: record.reason for record in rejected} == {
        "s1/none.mpg": "no_annotation",
        "s1/zero.mpg": "zero_bytes",
        "s1/odd name.mpg": "unexpected_name",
        "s1/song.wav": "unexpected_name",
        "alignments/s1/lost.align": "no_video",
        "s1/dir.mpg": "unreadable_alignment",
    }


def test_clip_of_the_second_word(tmp_path: Path) -> None:
    add_sentence(tmp_path, "s1/bbaf2n", kind="mp4")
    clip = discover_clips("grid", tmp_path, {})[0][1]
    assert (clip.clip_id, clip.video) == ("s1/bbaf2n/1-blue", "s1/bbaf2n.mp4")
    assert (clip.label, clip.slot, clip.unit) == ("blue", "colour", "s1/bbaf2n")
    assert (clip.first, clip.last, clip.word_first, clip.word_last) == (17, 46, 29, 34)


def test_one_sentence_in_two_formats_is_an_input_error(tmp_path: Path) -> None:
    add_sentence(tmp_path, "s1/a", kind="mp4")
    add_sentence(tmp_path, "s1/a", kind="mpg")
    with pytest.raises(InputError, match=r"s1/a\.mp4 and s1/a\.mpg are both clip s1/a/0-bin"):
        discover_clips("grid", tmp_path, {})


def test_root_without_alignments_is_an_error_with_the_layout(tmp_path: Path) -> None:
    add_sentence(tmp_path, "s1/a", text=None)
    with pytest.raises(InputError, match=r"no_annotation: 1 .*expected layout: <speaker>/"):
        discover_clips("grid", tmp_path, {})


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from(["s1", "s2", "u1"]), st.integers(1, 60), min_size=1),
    st.integers(0, 3),
    st.floats(0, 0.49),
    st.floats(0, 0.49),
)
def test_fractions_are_exact_for_each_trained_speaker(
    sizes: dict[str, int], seed: int, val: float, test: float
) -> None:
    names = {f"{speaker}/{n}" for speaker, size in sizes.items() for n in range(size)}
    splits = assign_splits(names, SplitOptions(["s1", "s2"], seed, val, test))
    assert splits.keys() == names
    for speaker, size in sizes.items():
        counts = Counter(split for name, split in splits.items() if name.startswith(f"{speaker}/"))
        if speaker == "u1":
            assert counts == {"unseen": size}
        else:
            assert counts["val"] == round(size * val)
            assert counts["test"] == round(size * test)
            assert counts.total() == size


@given(
    st.dictionaries(st.sampled_from(["s1", "s2", "u1"]), st.integers(1, 60), min_size=1),
    st.integers(0, 3),
    st.integers(2, 7),
    st.floats(0, 0.49),
)
def test_the_folds_test_every_sentence_of_a_trained_speaker_once(
    sizes: dict[str, int], seed: int, count: int, val: float
) -> None:
    names = {f"{speaker}/{n}" for speaker, size in sizes.items() for n in range(size)}
    trained = {name for name in names if not name.startswith("u1/")}
    tested: Counter[str] = Counter()
    for number in range(1, count + 1):
        options = SplitOptions(["s1", "s2"], seed, val, 1 / count, Fold(number, count))
        splits = assign_splits(names, options)
        assert splits == assign_splits(names, options)
        assert splits.keys() == names  # one split for each sentence
        assert {name for name in names if splits[name] == "unseen"} == names - trained
        tested.update(name for name in names if splits[name] == "test")
    assert tested == Counter(trained)


def test_three_folds_of_900_sentences() -> None:
    names = {f"s1/{n}" for n in range(900)}
    folds = [
        assign_splits(names, read_options({"fold": f"{number}/3", "val_fraction": 0.0833}))
        for number in (1, 2, 3)
    ]
    for splits in folds:
        assert Counter(splits.values()) == {"train": 525, "val": 75, "test": 300}
    selected = Counter(name for splits in folds for name in names if splits[name] == "val")
    assert max(selected.values()) == 1


def test_seed_changes_who_is_held_out() -> None:
    names = {f"s1/{n}" for n in range(50)}
    drawn = [assign_splits(names, SplitOptions([], seed, 0.2, 0.2)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_another_speaker_leaves_a_speakers_splits_alone() -> None:
    alone = {f"s1/{n}" for n in range(50)}
    options = SplitOptions([], 1, 0.2, 0.2)
    both = assign_splits(alone | {f"s2/{n}" for n in range(9)}, options)
    assert assign_splits(alone, options).items() <= both.items()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_speakers": ["s9"]}, "train_speakers names s9, with no folder.*it has s1"),
        ({"val_fraction": 0.6, "test_fraction": 0.4}, "leave nothing to train on"),
        ({"val_fraction": -0.1}, r"val_fraction must be a number in \[0, 1\)"),
        ({"val_fraction": float("nan")}, r"val_fraction must be a number in \[0, 1\)"),
        ({"seed": "one"}, "seed must be a whole number"),
        ({"speakers": []}, "unknown source.options speakers; known: background, fold, frames,"),
        ({"fold": "0/3"}, "fold must be k/n .* not '0/3'"),
        ({"fold": "4/3"}, "fold must be k/n .* not '4/3'"),
        ({"fold": "1/1"}, "fold must be k/n .* not '1/1'"),
        ({"fold": "1 of 3"}, "fold must be k/n .* not '1 of 3'"),
        ({"fold": 1}, "fold must be a text in quotes, not 1"),
        ({"fold": "1/3", "test_fraction": 0.3}, "both fold and test_fraction"),
        ({"fold": "1/2", "val_fraction": 0.5}, r"fold 1/2 \(0.5\) leave nothing to train on"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    add_sentence(tmp_path, "s1/a")
    with pytest.raises(InputError, match=message):
        discover_clips("grid", tmp_path, options)


def test_real_corpus_gives_six_clips_for_every_video(grid_root: Path) -> None:
    clips, rejected = discover_clips("grid", grid_root, {"train_speakers": ["s1"], "seed": 1})
    videos = [path for path in grid_root.glob("*/*") if path.suffix in (".mpg", ".mp4")]
    assert rejected == []
    assert len(clips) == 6 * len(videos)
    assert len({clip.label for clip in clips}) == 51
    assert {clip.speaker for clip in clips if clip.split == "unseen"} == {"s2", "u1", "u6"}
    splits_of: dict[str, set[str]] = {}
    for clip in clips:
        splits_of.setdefault(clip.unit, set()).add(clip.split)
    assert all(len(splits) == 1 for splits in splits_of.values())


def test_background_windows_add_clips_and_change_none(tmp_path: Path) -> None:
    add_sentence(tmp_path, "s1/a")
    words, _ = discover_clips("grid", tmp_path, {})
    clips, _ = discover_clips("grid", tmp_path, {"background": 4})
    background = [clip for clip in clips if clip.label == BACKGROUND]
    assert [clip for clip in clips if clip.label != BACKGROUND] == words
    assert len(background) == 4
    for clip in background:
        assert (clip.slot, clip.unit, clip.speaker) == ("background", "s1/a", "s1")
        assert 0 <= clip.first < clip.last
        middle = (clip.word_first + clip.word_last) / 2
        assert all(abs(middle - (word.word_first + word.word_last) / 2) >= 1 for word in words)
    silent = [c for c in background if c.word_last <= 27 or c.word_first >= 50]
    assert len(silent) == 2  # the others are between bin and blue, ..., two and now


@given(sentences(), st.integers(0, 12), st.integers(0, 40_000), st.integers(0, 3))
def test_background_is_apart_from_every_word(
    drawn: tuple[str, tuple[Word, ...]], count: int, silence: int, seed: int
) -> None:
    words = drawn[1]
    end = words[-1].end + silence
    moments = grid.choose_background(Sentence("s1/x", "s1/x.mpg", words, end), count, seed)
    assert len(set(moments)) == len(moments) <= count
    for moment in moments:
        assert 0 <= moment < end
        assert min(abs(moment - (word.start + word.end) / 2) for word in words) >= 2000
        inside = words[0].start <= moment < words[-1].end
        gaps = [(a.end + b.start) // 2 for a, b in pairwise(words)]
        assert moment in gaps if inside else True
    assert moments == grid.choose_background(Sentence("s1/x", "s1/y", words, end), count, seed)


def test_a_single_background_window_is_in_the_silence() -> None:
    words = (Word("bin", 20_000, 26_000), Word("at", 34_000, 40_000))
    (moment,) = grid.choose_background(Sentence("s1/x", "s1/x.mpg", words, 60_000), 1, 0)
    assert moment < 20_000 or moment >= 40_000


@pytest.mark.parametrize("value", [-1, 101, 1.5, True, "4"])
def test_a_wrong_number_of_background_windows_is_an_input_error(value: object) -> None:
    with pytest.raises(InputError, match=r"source\.options\.background must be"):
        read_options({"background": value})
