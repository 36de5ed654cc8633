"""Raw video to accuracy: counts add up, failures have reasons, numbers are the pipeline's."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lipnet.cli import main as cli
from lipnet.cli.evaluate import format_lines
from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.data.clip_set import ClipSet, KnownClips
from lipnet.errors import InputError
from lipnet.inference.conditions import ROBUSTNESS, parse_contexts, score_conditions, vary_context
from lipnet.inference.evaluate import Corpus, choose_clips, evaluate, read_corpus
from lipnet.inference.read import read_video
from tests.lipnet.inference.embedding import WORDS, write_weights
from tests.lipnet.video.making import FakeDetector, flat_frame, write_faces, write_video

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "w.safetensors")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two videos per word, one folder per word."""
    for word in WORDS:
        for number, frames in enumerate((6, 9)):
            folder = tmp_path / "videos" / word
            folder.mkdir(parents=True, exist_ok=True)
            write_faces(folder / f"{number}.mp4", frames)
    return Corpus("folder", tmp_path / "videos")


@pytest.fixture(autouse=True)
def _fake_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipnet.inference.crop.shared_detector", lambda *_: FakeDetector())
    monkeypatch.setattr("lipnet.inference.evaluate.shared_detector", lambda *_: FakeDetector())


def run(arguments: Sequence[str]) -> None:
    cli.main(["evaluate", *arguments])


@pytest.mark.slow
def test_each_clip_is_read_as_its_video_alone(weights: Path, corpus: Corpus) -> None:
    made = read_corpus(weights, corpus, FakeDetector())
    assert len(made.clips) == 6
    assert not made.failures
    for clip, logits in zip(made.clips, made.logits_NK, strict=True):
        best = read_video(corpus.folder / clip.video, weights, top=1)[0][0]
        assert best == WORDS[int(logits.argmax())]


def test_what_cannot_be_read_is_counted_by_its_reason(weights: Path, corpus: Corpus) -> None:
    write_video(corpus.folder / "A" / "blank.mp4", [flat_frame(40)] * 9)
    (corpus.folder / "B" / "broken.mp4").write_bytes(b"no video at all")
    (corpus.folder / "Z").mkdir()
    write_faces(corpus.folder / "Z" / "0.mp4", 9)
    found = evaluate(weights, corpus, FakeDetector())
    assert found.clips == 6
    assert found.failed["no_face"] == 1
    assert found.failed["unknown_label"] == 1
    assert sum(found.failed.values()) == 3
    assert found.top1.clips == 6
    assert found.top1.low <= found.top1.value <= found.top1.high
    assert found.top5.value == 1.0  # of three labels


def test_the_test_split_is_read_if_the_layout_gives_one(weights: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_faces(tmp_path / "laid" / split / "A" / "0.mp4", 6)
    found = evaluate(weights, Corpus("folder", str(tmp_path / "laid")), FakeDetector())
    assert (found.split, found.clips) == ("test", 1)
    everything = Corpus("folder", tmp_path / "laid", split="all")
    assert evaluate(weights, everything, FakeDetector()).clips == 2


def test_clips_that_the_model_was_trained_on_are_counted(
    tmp_path: Path, corpus: Corpus, capsys: Printed
) -> None:
    ids = [clip.clip_id for clip in choose_clips(corpus)[1]]
    trained_on = ClipSet.of("folder", [*ids[:2], "another"])
    known = write_weights(tmp_path / "known.safetensors", trained_on=trained_on)
    found = evaluate(known, corpus, FakeDetector())
    assert (found.split, found.clips, found.trained_on) == ("all", 6, KnownClips(2, 6))
    run([str(known), "--source", "folder", "--root", str(corpus.root)])
    assert "2 of these clips have the names of clips that the model was" in capsys.readouterr().out


def test_a_model_that_lists_no_training_clips_says_so(
    weights: Path, corpus: Corpus, capsys: Printed
) -> None:
    run([str(weights), "--source", "folder", "--root", str(corpus.root)])
    assert "does not list its training clips" in capsys.readouterr().out


def test_files_that_are_not_clips_of_the_layout_are_counted(weights: Path, corpus: Corpus) -> None:
    (corpus.folder / "A" / "notes.txt").write_text("not a video")
    found = evaluate(weights, corpus, FakeDetector())
    assert (found.clips, sum(found.failed.values())) == (6, 0)
    assert sum(found.rejected.values()) == 1


def test_json_has_counts_and_fractions(weights: Path, corpus: Corpus, capsys: Printed) -> None:
    run([str(weights), "--source", "folder", "--root", str(corpus.root), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["clips"], found["failed"], found["per_slot"]) == (6, 0, {})
    assert 0 <= found["top1_95"][0] <= found["top1"] <= found["top1_95"][1] <= 1


def test_the_text_has_the_same_numbers(weights: Path, corpus: Corpus, capsys: Printed) -> None:
    run([str(weights), "--source", "folder", "--root", str(corpus.root)])
    printed = capsys.readouterr().out
    assert "6 clips of 6 units read, 0 failed" in printed
    assert "top-1" in printed
    assert "top-5" not in printed  # of three labels


def make_sentence(root: Path, speaker: str, name: str, words: Sequence[str]) -> None:
    write_faces((root / speaker).joinpath(f"{name}.mp4"), 40)
    lines = [f"{6000 * n} {6000 * (n + 1)} {word}" for n, word in enumerate(words)]
    place = root / "alignments" / speaker / f"{name}.align"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(lines), encoding="utf-8")


def test_grid_has_an_accuracy_per_slot_over_sentences(tmp_path: Path) -> None:
    words = ["bin", "blue", "at", "a", "one", "now"]
    weights = write_weights(tmp_path / "w.safetensors", labels=words)
    for name in ("bbaaoa", "bbaaob"):
        (tmp_path / "grid" / "s1").mkdir(parents=True, exist_ok=True)
        make_sentence(tmp_path / "grid", "s1", name, words)
    found = evaluate(weights, Corpus("grid", tmp_path / "grid"), FakeDetector())
    assert (found.clips, found.top1.units) == (12, 2)
    assert sorted(found.per_slot) == sorted(
        ["command", "colour", "preposition", "letter", "digit", "adverb"]
    )
    assert any(line.startswith("top-5") for line in format_lines(found))  # of six labels
    assert np.isclose(np.mean([own.value for own in found.per_slot.values()]), found.top1.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--split", "tets"], "no such split .*; known: all, "),
        (["--options", "[1]"], "a JSON object"),
        (["--options", "{"], "not JSON"),
        (["--context", ""], "'' is neither a number of frames"),
        (["--root", "/no/videos"], "--root /no/videos does not exist"),
        (["--root", __file__], "is not a folder"),
    ],
)
def test_a_mistake_is_one_line(
    weights: Path, corpus: Corpus, more: list[str], message: str, capsys: Printed
) -> None:
    with pytest.raises(SystemExit, match=message):
        run([str(weights), "--source", "folder", "--root", str(corpus.root), *more])


def test_nothing_read_is_an_error(weights: Path, tmp_path: Path) -> None:
    place = tmp_path / "videos" / "A" / "0.mp4"
    place.parent.mkdir(parents=True)
    write_video(place, [flat_frame(40)] * 9)
    with pytest.raises(InputError, match=r"none of 1 clips could be read: 1 no_face"):
        evaluate(weights, Corpus("folder", tmp_path / "videos"), FakeDetector())


def test_another_landmark_model_than_the_cards_is_reported(
    tmp_path: Path, corpus: Corpus, capsys: Printed
) -> None:
    mesh = write_weights(tmp_path / "m.safetensors", **describe_crops(CropOptions(), "mesh"))
    arguments = [str(mesh), "--source", "folder", "--root", str(corpus.root)]
    run(arguments)  # the detector of these tests is called dlib
    assert "warning: the mouth was found by the landmark model dlib" in capsys.readouterr().out
    run([*arguments, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["landmarks"] == "dlib"
    assert found["warning"].endswith("by mesh: its accuracy may differ")


@pytest.mark.slow
def test_conditions_are_compared_with_the_clips_as_they_are(tmp_path: Path, corpus: Corpus) -> None:
    weights = write_weights(tmp_path / "w.safetensors", eval_context=1)
    conditions = [*vary_context([1, -1]), *ROBUSTNESS]
    made = read_corpus(weights, corpus, FakeDetector(), conditions=conditions)
    scores = score_conditions(made.answers, [clip.unit for clip in made.clips])
    assert [own.name for own in scores] == [own.name for own in conditions]
    right_N = made.logits_NK.argmax(1) == made.labels_N
    assert scores[0].top1.value == right_N.mean()  # the model's own context
    own_context = scores[0].difference
    assert (own_context.value, own_context.low, own_context.high) == (0, 0, 0)
    for score, own in zip(scores, conditions, strict=True):
        changed_N = made.answers[own].logits_NK.argmax(1) == made.labels_N
        assert score.top1.value == changed_N.mean()
        assert np.isclose(score.difference.value, changed_N.mean() - right_N.mean())
        assert score.difference.low <= score.difference.value <= score.difference.high


def test_a_context_is_read_as_a_model_that_is_evaluated_on_it(tmp_path: Path) -> None:
    words = ["bin", "blue", "at", "a", "one", "now"]
    make_sentence(tmp_path / "grid", "s1", "bbaaoa", words)
    corpus = Corpus("grid", tmp_path / "grid")
    whole, cut = (
        write_weights(tmp_path / f"{context}.safetensors", labels=words, eval_context=context)
        for context in (-1, 2)
    )
    (condition,) = vary_context([2])
    found = read_corpus(whole, corpus, FakeDetector(), conditions=[condition])
    assert found.answers[condition].frames_N.tolist() == [8, *[10] * 5]  # words of 6 frames
    alone = read_corpus(cut, corpus, FakeDetector())
    assert np.array_equal(found.answers[condition].logits_NK, alone.logits_NK)


@pytest.mark.slow
def test_the_curve_and_the_changes_are_printed(
    weights: Path, corpus: Corpus, capsys: Printed
) -> None:
    arguments = [str(weights), "--source", "folder", "--root", str(corpus.root)]
    run([*arguments, "--context", "0,whole"])
    printed = capsys.readouterr().out
    assert "context whole            7.5" in printed  # the mean of 6 and 9 frames
    assert "warning: 6 of these clips were read at a length on which the model was not" in printed
    run([*arguments, "--robustness", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [own["name"] for own in found["conditions"]] == [own.name for own in ROBUSTNESS]
    for own in found["conditions"]:
        assert own["difference_95"][0] <= own["difference"] <= own["difference_95"][1]


@pytest.mark.parametrize("text", ["two", "0,,4", "-1", "1.5", "99999", "4,4", "²"])
def test_a_list_of_contexts_is_checked(text: str) -> None:
    with pytest.raises(InputError, match="--context"):
        parse_contexts(text)
