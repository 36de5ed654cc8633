"""Live evaluation: sentences of a corpus as streams, and a threshold chosen on validation."""

from pathlib import Path

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.inference.evaluate import Corpus
from lipnet.labels import BACKGROUND
from lipnet.live.evaluate import (
    REFRACTORY,
    THRESHOLDS,
    ReadSentence,
    Sentence,
    choose_spotting,
    evaluate_stream,
    list_sentences,
)
from lipnet.live.reader import LiveModel, LiveReader
from lipnet.live.scores import Spoken, combine, score_sentence
from lipnet.live.spotter import Reading, Spotter
from lipnet.models.spotting import Spotting, describe_spotting
from lipnet.models.weights import copy_weights, load_card, load_model
from tests.lipnet.inference.embedding import write_weights
from tests.lipnet.live.test_reader import make_reader
from tests.lipnet.sources.test_grid import GOOD, WORDS
from tests.lipnet.video.making import flat_frame, write_faces, write_video

LABELS = [BACKGROUND, *WORDS]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two sentences of GRID that show a face, and one that shows none."""
    root = tmp_path / "grid"
    (root / "alignments/s1").mkdir(parents=True)
    for name in ("a", "b", "dark"):
        (root / f"alignments/s1/{name}.align").write_text(GOOD)
    for name in ("a", "b"):
        write_faces(root / f"s1/{name}.mp4", 75)
    write_video(root / "s1/dark.mp4", [flat_frame(0)] * 75)
    (root / "alignments/s1/gone.align").write_text(GOOD)
    (root / "s1/gone.mp4").write_bytes(b"no video")
    return Corpus("grid", root, "all", {"background": 4})


def test_sentences_have_their_words_and_no_background(corpus: Corpus) -> None:
    split, sentences = list_sentences(corpus)
    assert (split, [own.video for own in sentences]) == (
        "all",
        ["s1/a.mp4", "s1/b.mp4", "s1/dark.mp4", "s1/gone.mp4"],
    )
    assert [own.word for own in sentences[0].spoken] == list(WORDS)
    assert sentences[0].spoken[0] == Spoken("bin", 23 / 25, 30 / 25)
    with pytest.raises(InputError, match=r"--source lrw does not give .* that do: grid"):
        list_sentences(Corpus("lrw", corpus.root))


@pytest.mark.slow
def test_scores_count_every_sentence_and_failures_have_reasons(
    corpus: Corpus, tmp_path: Path
) -> None:
    model = LiveModel.load(write_weights(tmp_path / "w.safetensors", labels=LABELS))

    def make() -> LiveReader:
        return make_reader(model, hop=5)

    spotter = Spotter(LABELS, threshold=0.0, refractory=0.0)
    found = evaluate_stream(model, corpus, make, lambda: spotter)
    assert found.score.sentences == 3
    assert found.score.words == 18
    # In two sentences windows of 7 frames are read, that end with frames 6, 11, ... 71, and words
    # have 30 frames in between. The third shows no face.
    silence = (71 - 6 - 30) / 25
    assert found.score.silence_minutes == pytest.approx(2 * silence / 60)
    assert found.trained_on is None
    [(video, reason)] = found.failed.items()
    assert video == "s1/gone.mp4"
    assert "cannot be read: unreadable" in reason
    first = evaluate_stream(model, corpus, make, lambda: spotter, limit=1)
    assert (first.score.sentences, first.failed) == (1, {})


def make_sentence(seed: int) -> ReadSentence:
    """Two words, seen with noise, and noise in the silence around them."""
    rng = np.random.default_rng(seed)
    spoken = (Spoken("bin", 1.0, 1.2), Spoken("blue", 1.4, 1.7))
    readings = []
    for step in range(35):
        middle = 0.08 * step
        row = rng.uniform(0, 0.4, len(LABELS))
        for word in spoken:
            row[LABELS.index(word.word)] += max(0.0, 2 - 12 * abs(middle - word.middle))
        readings.append(Reading(middle, middle + 0.6, row / row.sum()))
    sentence = Sentence(f"{seed}.mp4", spoken, ())
    return ReadSentence(sentence, [readings[:17], readings[17:]])


def test_the_setting_chosen_is_the_best_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipnet.live.scores.RESAMPLES", 1)
    read = [make_sentence(seed) for seed in range(2)]
    chosen = choose_spotting(read, LABELS)
    results = []
    for threshold in THRESHOLDS:
        for refractory in REFRACTORY:
            scores = []
            for own in read:
                events = []
                for run in own.runs:
                    spotter = Spotter(LABELS, threshold=threshold, refractory=refractory)
                    for reading in run:
                        events += spotter.push(reading)
                    events += spotter.finish()
                scores.append(score_sentence(own.sentence.spoken, events, own.spans))
            both = combine(scores)
            results.append((both.f1.value, both.false_per_minute, threshold, refractory))
    quiet = [own for own in results if own[1] <= 3] or [min(results, key=lambda own: own[1])]
    best = max(own[0] for own in quiet)
    assert chosen.f1 == pytest.approx(best)
    assert (chosen.f1, chosen.false_per_minute, chosen.threshold, chosen.refractory) in [
        pytest.approx(own) for own in quiet
    ]
    assert chosen.sentences == 2
    assert chosen.f1 > 0.8


def test_the_setting_is_kept_in_the_weights_file(tmp_path: Path) -> None:
    path, out = write_weights(tmp_path / "w.safetensors"), tmp_path / "out.safetensors"
    chosen = Spotting(0.6, 0.12, 0.7, 2.5, 75)
    copy_weights(path, out, describe_spotting(chosen))
    assert load_card(path).spotting is None
    assert load_card(out).spotting == chosen
    assert load_card(out).origin["model"] == load_card(path).origin["model"]
    one, other = (load_model(each)[0].state_dict() for each in (path, out))
    assert all(one[name].equal(other[name]) for name in one)
    copy_weights(out, out, describe_spotting(Spotting(0.5, 0.0, 0.7, 2.5, 75)))
    assert load_card(out).spotting == Spotting(0.5, 0.0, 0.7, 2.5, 75)


@pytest.mark.parametrize("entry", [3, {}, {"threshold": 2.0}, {"threshold": 0.5, "refractory": -1}])
def test_a_damaged_setting_is_an_input_error(tmp_path: Path, entry: object) -> None:
    path = write_weights(tmp_path / "w.safetensors")
    copy_weights(path, path, {"spotting": entry})
    with pytest.raises(InputError, match="its card has a wrong spotting"):
        load_card(path)
