"""The study of takes per word: its takes, its trainings, which are kept, and its page."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import takes, takes_page
from benchmarks.takes import COUNTS, SEEDS, SETS, Cell, Result, choose_epochs, pick_takes
from benchmarks.takes_sets import find_first, pick_digits, pick_others
from lipnet.clip import Clip
from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.sources.grid import Sentence
from lipnet.sources.grid_alignment import Word
from lipnet.teach.clips import Collected, Cut, cut_take

WORDS = ("no", "yes")
CELL = Cell("rendered", "released", 3, 1)


def make_cuts(split: str, count: int, size: int = 2) -> list[Cut]:
    """Takes of 75 frames, with their pauses."""
    cuts: list[Cut] = []
    for word in WORDS:
        for number in range(count):
            name = f"{word}/{split}-{number}"
            ends = (-14, 15, -14, 15)
            clip = Clip(name, f"{name}.mp4", word, split, "", name, "", *ends, centred=True)
            pixels_THW = np.random.default_rng(number).integers(0, 255, (75, size, size), np.uint8)
            cuts += cut_take(clip, pixels_THW)
    return cuts


def make_collected(count: int, size: int = 2) -> Collected:
    splits = {
        name: make_cuts(name, own, size)
        for name, own in (("train", count), ("val", 4), ("test", 2))
    }
    return Collected(splits, [BACKGROUND, *WORDS], [])


def test_more_takes_include_the_fewer() -> None:
    found = make_collected(6)
    few, more = (pick_takes(found, count) for count in (2, 5))
    few_ids, more_ids = (
        {cut.clip.clip_id for cut in own.splits["train"] if cut.clip.label != BACKGROUND}
        for own in (few, more)
    )
    assert few_ids < more_ids
    assert Counter(cut.clip.label for cut in more.splits["train"]) == {
        BACKGROUND: 20,
        "no": 5,
        "yes": 5,
    }
    assert Counter(cut.clip.label for cut in few.splits["val"])["yes"] == takes.CHOOSING
    assert few.splits["test"] == more.splits["test"] == found.splits["test"]
    with pytest.raises(InputError, match="no has 6 takes to train on, not 7"):
        pick_takes(found, 7)


@pytest.mark.slow
def test_a_training_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(takes, "EPOCHS", (1, 1))
    monkeypatch.setattr(takes, "make_takes", lambda folder, name, grid: folder / name)
    monkeypatch.setattr(takes, "collect", lambda path: make_collected(3, 96))
    monkeypatch.setattr(takes, "SETS", {"rendered": takes.TakeSet(("speaker-0",), ("released",))})
    asked = ["takes", str(tmp_path), "--counts", "3", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", asked)
    takes.main()
    assert "1 of 1 trainings are missing" in capsys.readouterr().out
    kept = takes.find_result(tmp_path, CELL).read_bytes()
    result = takes_page.read_result(takes.find_result(tmp_path, CELL))
    assert len(result.right) == 4
    assert result.pauses[1] == 8
    assert {unit.partition("/")[0] for unit in result.units} == {"speaker-0"}
    takes.main()
    assert "0 of 1 trainings are missing" in capsys.readouterr().out
    assert takes.find_result(tmp_path, CELL).read_bytes() == kept


@pytest.mark.parametrize(("clips", "epochs"), [(1, 60), (100, 32), (10_000, 4)])
def test_trainings_see_as_many_clips(clips: int, epochs: int) -> None:
    assert choose_epochs(clips, 3200) == epochs


def test_takes_that_only_grid_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name its folder by --grid"):
        takes.make_takes(tmp_path, "s1-digits", None)


def make_sentence(number: int, digit: str) -> Sentence:
    """Six words of six frames each, after 15 frames of silence."""
    texts = ("bin", "blue", "at", "f", digit, "now")
    words = tuple(
        Word(text, (15 + 6 * n) * 1000, (21 + 6 * n) * 1000) for n, text in enumerate(texts)
    )
    return Sentence(f"s1/{number}", f"s1/{number}.mp4", words, 75_000)


def test_a_take_has_the_word_in_its_middle() -> None:
    sentences = [make_sentence(number, "two") for number in range(3)]
    short = replace(sentences[0], end=56_000)  # the window ends at 57
    picks = pick_digits([short, *sentences], 2)
    assert [sentence for sentence, _ in picks["two"]] == sentences[:2]
    assert find_first(*picks["two"][0]) + 14 == 15 + 6 * 4 + 3
    with pytest.raises(InputError, match="fewer than 4 takes of two"):
        pick_digits(sentences, 4)


def test_other_words_are_no_digits() -> None:
    picks = pick_others([make_sentence(number, "two") for number in range(3)], 2)
    assert {word: len(own) for word, own in picks.items()} == {
        "bin": 2,
        "blue": 2,
        "at": 2,
        "f": 2,
        "now": 2,
    }


def write_results(folder: Path, accuracies: dict[int, float]) -> None:
    """A result of every training, of 20 takes; the accuracy depends on the number of takes."""
    for cell in takes.plan_cells(list(SETS), COUNTS, SEEDS):
        right = [number < 20 * accuracies[cell.count] for number in range(20)]
        units = [f"{number}" for number in range(20)]
        pauses = (3, 4) if cell.takes == "rendered" else (0, 0)
        epochs = choose_epochs(50, takes.CLIPS)
        result = Result(units, right, pauses, epochs, clips=50, cpu_seconds=40)
        takes.write_result(takes.find_result(folder, cell), result)


def test_the_page_names_the_takes_that_pay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_results(tmp_path, {3: 0.4, 5: 0.6, 10: 0.8, 20: 0.8, 40: 0.9})
    monkeypatch.setattr(
        sys, "argv", ["takes_page", str(tmp_path), "--docs", str(tmp_path / "docs")]
    )
    takes_page.main()
    text = (tmp_path / "docs" / "results" / "teach.md").read_text()
    assert "Record 10 takes of each word" in text
    assert "10 takes read 80% of rendered speakers' words right" in text
    assert "10 takes read 80% of a real speaker's digits" in text
    assert text.count("\n| 10 | 80.0 (") == len(SETS)
    assert text.count("pauses 75") == 3 * len(COUNTS)
    assert "trainings took 1.0 hours" in text
    assert (tmp_path / "docs" / "images" / "teach_takes.png").stat().st_size > 10_000


def test_a_page_of_a_part_or_of_another_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"s1-from-scratch-03-1\.json is missing"):
        takes_page.read_results(tmp_path)
    write_results(tmp_path, dict.fromkeys(COUNTS, 0.5))
    path = takes.find_result(tmp_path, CELL)
    takes.write_result(path, replace(takes_page.read_result(path), epochs=1))
    with pytest.raises(
        InputError, match=r"from-released-03-1\.json is of a study of another length"
    ):
        takes_page.read_results(tmp_path)


def test_released_weights_of_two_names_are_refused(tmp_path: Path) -> None:
    write_results(tmp_path, dict.fromkeys(COUNTS, 0.5))
    results = takes_page.read_results(tmp_path)
    assert f"`{takes.FIRST_RELEASED}`; `lipnet teach`" in takes_page.find_released(results)
    results[CELL] = replace(results[CELL], start="another")
    with pytest.raises(InputError, match="different weights, another, grid_release"):
        takes_page.find_released(results)
