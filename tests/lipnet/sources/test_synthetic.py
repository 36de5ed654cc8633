"""The renderer: a corpus from a seed alone, in LRW's layout, with a known ceiling."""

import resource
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.sources.discover import discover_clips
from lipnet.sources.synthetic.corpus import is_written, plan_corpus, write_clip
from lipnet.sources.synthetic.face import Rest, rest_mouth
from lipnet.sources.synthetic.lips import MouthBuild, shape_lips, warp_lips
from lipnet.sources.synthetic.mouth import PARAMETERS, TARGETS
from lipnet.sources.synthetic.options import SPLITS, SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan, render_clip
from lipnet.sources.synthetic.speakers import make_speaker, name_speaker
from lipnet.sources.synthetic.utterance import LONGEST, SHORTEST, Delivery, say_word
from lipnet.sources.synthetic.words import (
    DEFAULT_WORDS,
    PRONUNCIATIONS,
    VISEMES,
    accuracy_ceiling,
    group_homophenes,
    spell_visemes,
)

FEW = {"train": 2, "val": 1, "test": 1}
SMALL = SyntheticOptions(words=("BARK", "PARK"), clips_per_word=FEW, speakers=FEW, seed=3)
MOUTH = [st.floats(-1 if name == "width" else 0, 1.2) for name in PARAMETERS]
WORDS = st.sampled_from(sorted(PRONUNCIATIONS))


def test_every_phoneme_has_visemes_and_every_viseme_a_target() -> None:
    for pronunciation in PRONUNCIATIONS.values():
        for phoneme in pronunciation.split():
            assert set(VISEMES[phoneme]) <= set(TARGETS)
    assert len(PRONUNCIATIONS) >= 20


def test_default_words_have_one_homophene_pair_and_look_alikes() -> None:
    groups = group_homophenes(DEFAULT_WORDS)
    assert [group for group in groups if len(group) > 1] == [("BARK", "PARK")]
    assert spell_visemes("MILLIONS") == (*spell_visemes("MILLION"), "S")


def test_ceiling_of_the_default_corpus_is_eleven_twelfths() -> None:
    assert accuracy_ceiling(DEFAULT_WORDS, dict.fromkeys(DEFAULT_WORDS, 24)) == 11 / 12


def test_ceiling_takes_the_larger_of_unequal_homophenes() -> None:
    assert accuracy_ceiling(["PARK", "BARK", "FORCE"], {"PARK": 1, "BARK": 3, "FORCE": 6}) == 0.9


@given(st.sets(WORDS, min_size=1), st.data())
def test_ceiling_is_between_one_per_group_and_one(words: set[str], data: st.DataObject) -> None:
    counts = {word: data.draw(st.integers(1, 50)) for word in words}
    ceiling = accuracy_ceiling(sorted(words), counts)
    assert max(counts.values()) / sum(counts.values()) <= ceiling <= 1
    assert (ceiling == 1) == (len(group_homophenes(sorted(words))) == len(words))


def test_unknown_word_names_the_known() -> None:
    with pytest.raises(InputError, match=r"synthetic\.words: .*'GRUFFALO'; known: ABOUT, "):
        SyntheticOptions(words=("PARK", "GRUFFALO"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"words": ("PARK",)}, "two words or more"),
        ({"words": ("PARK", "PARK")}, "names PARK more than once"),
        ({"clips_per_word": {"train": 2}}, "clips_per_word must give train, val and test"),
        ({"clips_per_word": {**FEW, "test": 0}}, r"clips_per_word\.test is 0"),
        ({"clips_per_word": {**FEW, "test": 100_000}}, r"clips_per_word\.test is 100000"),
        ({"speakers": {**FEW, "unseen": 2}}, "speakers must give train, val and test"),
        ({"speakers": {**FEW, "val": -1}}, r"speakers\.val is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"mumble": 1.5}, "mumble is 1.5"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"sway": -0.1}, "sway is -0.1"),
        ({"light": 3.0}, "light is 3.0"),
    ],
)
def test_bad_option_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SMALL, **change)  # type: ignore[arg-type]


def test_plan_has_each_clip_once_and_splits_share_no_speaker() -> None:
    options = SyntheticOptions()
    plans = plan_corpus(options)
    assert len({plan.stem for plan in plans}) == len(plans) == 12 * (40 + 14 + 24)
    named = {
        split: {name_speaker(p.split, p.speaker) for p in plans if p.split == split}
        for split in SPLITS
    }
    assert {split: len(names) for split, names in named.items()} == options.speakers
    assert not set.intersection(*named.values())
    assert len(set.union(*named.values())) == sum(options.speakers.values())


def test_speakers_of_one_number_in_two_splits_have_other_faces() -> None:
    train, val = make_speaker("train", 0, 1), make_speaker("val", 0, 1)
    assert train.anchors != val.anchors
    assert train.mouth != val.mouth


@given(word=WORDS, seed=st.integers(0, 2**32), mumble=st.floats(0, 1), rate=st.floats(0.6, 1.6))
def test_word_is_within_the_clip_and_shapes_stay_in_range(
    word: str, seed: int, mumble: float, rate: float
) -> None:
    utterance = say_word(
        spell_visemes(word), Delivery(rate, 1.0, mumble), np.random.default_rng(seed)
    )
    assert SHORTEST <= utterance.seconds <= LONGEST
    assert utterance.shapes_TM.shape == (29, 7)
    assert utterance.shapes_TM.min() >= -1
    assert utterance.shapes_TM.max() <= 1.2


def test_homophenes_from_one_generator_are_one_utterance() -> None:
    utterance = [
        say_word(spell_visemes(word), Delivery(), np.random.default_rng(5))
        for word in ("PARK", "BARK")
    ]
    np.testing.assert_array_equal(utterance[0].shapes_TM, utterance[1].shapes_TM)
    assert utterance[0].seconds == utterance[1].seconds


def test_lips_meet_in_the_middle_of_a_closure_and_part_in_a_vowel() -> None:
    rest = rest_mouth()
    closed = shape_lips(np.array(TARGETS["P"][0]), rest, MouthBuild())
    parted = shape_lips(np.array(TARGETS["AA"][0]), rest, MouthBuild())
    assert closed.raised + closed.dropped == 0
    assert parted.raised + parted.dropped > 8
    rounded = shape_lips(np.array(TARGETS["W"][0]), rest, MouthBuild())
    spread = shape_lips(np.array(TARGETS["IY"][0]), rest, MouthBuild())
    assert rounded.half_width < 0.75 * spread.half_width


@settings(deadline=None)
@given(
    shape=st.tuples(*MOUTH),
    size=st.floats(0.85, 1.35),
    column=st.floats(-70, 70),
)
def test_face_never_folds(shape: tuple[float, ...], size: float, column: float) -> None:
    rest: Rest = rest_mouth()
    lips = shape_lips(np.array(shape), rest, MouthBuild(min(size, 1.12), size, size, size))
    y_N = np.arange(-40, 110, 0.5, dtype=np.float32)
    x_N = np.full_like(y_N, column)
    _, closed_y_N, inside_N = warp_lips(x_N, y_N, lips, rest)
    assert all(later >= before - 0.3 for before, later in pairwise(closed_y_N.tolist()))
    assert inside_N.min() >= 0
    assert inside_N.max() <= 1


@pytest.mark.slow
def test_clip_depends_on_seed_and_plan_alone() -> None:
    plan = ClipPlan("PARK", "train", 1, 0)
    frames, seconds = render_clip(plan, SMALL)
    render_clip(ClipPlan("BARK", "val", 1, 0), SMALL)
    again, same_seconds = render_clip(plan, replace(SMALL, words=("FORCE", "PARK", "WOMEN")))
    np.testing.assert_array_equal(frames, again)
    assert seconds == same_seconds
    assert frames.shape == (29, 256, 256, 3)
    assert frames.dtype == np.uint8
    for other, options in (
        (replace(plan, word="BARK"), SMALL),
        (replace(plan, number=2), SMALL),
        (replace(plan, split="val"), SMALL),
        (plan, replace(SMALL, seed=4)),
    ):
        assert (render_clip(other, options)[0] != frames).mean() > 0.5


@pytest.mark.slow
def test_corpus_is_lrw_layout_and_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    plans = plan_corpus(SMALL)
    for plan in plans:
        write_clip(plan, SMALL, tmp_path / "a")
    for plan in reversed(plans):
        write_clip(plan, SMALL, tmp_path / "b")
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 2 * len(plans)
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    clips, rejected = discover_clips("synthetic", tmp_path / "a", {})
    assert rejected == []
    assert [clip.clip_id for clip in clips] == sorted(plan.stem for plan in plans)
    assert {clip.speaker for clip in clips} == {"train-00", "train-01", "val-00", "test-00"}


def test_text_agrees_with_the_rendered_word(tmp_path: Path) -> None:
    plan = ClipPlan("PARK", "val", 1, 0)
    write_clip(plan, SMALL, tmp_path)
    text = (tmp_path / "PARK/val/PARK_00001.txt").read_text()
    seconds = render_clip(plan, SMALL)[1]
    assert text.startswith("Text:  PARK\n")
    assert f"\nDuration: {seconds:.2f} seconds\n" in text
    assert "\nSpeaker: val-00\n" in text
    start, end = map(float, text.split("\nPARK ")[1].split())
    assert end - start == pytest.approx(seconds, abs=0.011)
    assert (start + end) / 2 == pytest.approx(29 / 25 / 2, abs=0.011)
    clips, _ = discover_clips("synthetic", tmp_path, {})
    assert (clips[0].word_last - clips[0].word_first) / 25 == pytest.approx(seconds, abs=0.08)


def test_video_reads_back_at_25_fps(tmp_path: Path) -> None:
    plan = ClipPlan("BARK", "test", 1, 0)
    write_clip(plan, SMALL, tmp_path)
    reader = cv2.VideoCapture(str(tmp_path / "BARK/test/BARK_00001.mp4"))
    assert reader.get(cv2.CAP_PROP_FPS) == 25
    frames = []
    while (read := reader.read())[0]:
        frames.append(read[1])
    assert np.stack(frames).shape == (29, 256, 256, 3)
    written = render_clip(plan, SMALL)[0]
    assert np.abs(np.stack(frames).astype(int) - written).mean() < 12


def test_disk_that_fills_leaves_no_clip(tmp_path: Path) -> None:
    plan = ClipPlan("BARK", "test", 1, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="BARK"):
            write_clip(plan, SMALL, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not is_written(plan, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_dlib_finds_the_face_in_99_of_100_frames() -> None:
    dlib = pytest.importorskip("dlib")
    find = dlib.get_frontal_face_detector()
    choose = np.random.default_rng(0)
    options = SyntheticOptions()
    found = []
    for index, plan in enumerate(plan_corpus(options)):
        if index % 13 == 0:
            frames, _ = render_clip(plan, options)
            for frame in frames[choose.choice(29, 3, replace=False)]:
                found.append(len(find(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 0)))
    assert len(found) >= 200
    assert np.mean(np.array(found) == 1) > 0.99
