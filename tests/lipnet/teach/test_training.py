"""Teaching: from weights to a model of other words, and its accuracy on held-back takes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lipnet.clip import Clip
from lipnet.crops.crop import CropOptions
from lipnet.data.augment import draw, random_view
from lipnet.data.clip_set import ClipSet
from lipnet.errors import InputError
from lipnet.inference.read import Reader
from lipnet.labels import BACKGROUND
from lipnet.live.reader import LiveModel
from lipnet.measure.accuracy import wilson
from lipnet.models.lengths import Lengths
from lipnet.models.weights import ModelCard, load_card, load_model, save_tensors
from lipnet.teach.clips import Collected, Cut, collect_clips
from lipnet.teach.training import (
    CROPPING,
    TRAINING,
    build_data,
    check_start,
    make_recipe,
    teach,
)
from tests.lipnet.teach.conftest import TAKES, WORDS

LABELS = [BACKGROUND, *WORDS]


@pytest.mark.slow
def test_a_model_is_taught_and_measured_on_held_back_takes(takes: Path, released: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    notes: list[str] = []
    out = takes / "taught.safetensors"
    found = teach(
        takes,
        released,
        out,
        epochs=2,
        on_progress=lambda *step: steps.append(step),
        on_note=notes.append,
    )
    all_takes = TAKES * len(WORDS)
    assert [step for step in steps if step[0] == CROPPING][-1] == (CROPPING, all_takes, all_takes)
    assert [step for step in steps if step[0] == TRAINING][:2] == [(TRAINING, n, 2) for n in (1, 2)]
    assert any("2 tensors (classifier.bias, classifier.weight)" in note for note in notes)
    before, after = (
        load_model(path)[0].state_dict()["frontend.conv.weight"] for path in (released, out)
    )
    assert torch.nn.functional.cosine_similarity(before.flatten(), after.flatten(), 0) > 0.9
    assert LiveModel.load(out).landmarks == "mesh"
    card = load_card(out)
    assert card.labels == LABELS == found.card.labels
    clips = collect_clips(takes, check_start(load_card(released), released))
    ids = [cut.clip.clip_id for cut in clips.splits["train"]]
    assert card.origin["trained_on"] == ClipSet.of("folder", ids).dump()

    reader, right = Reader(out), 0
    words = [cut for cut in clips.splits["test"] if cut.clip.label != BACKGROUND]
    pauses = [cut for cut in clips.splits["test"] if cut.clip.label == BACKGROUND]
    for cut in words:
        right += reader.read_crops(cut.crops_THW).answers[0][0] == cut.clip.label
    own = found.held_back.words
    assert (own.value, own.clips) == (right / len(words), len(words))
    assert (own.low, own.high) == wilson(right, len(words))
    assert {word: all_ for word, (_, all_) in found.held_back.per_word.items()} == {
        word: 1 for word in WORDS
    }
    quiet = [reader.read_crops(cut.crops_THW).answers[0][0] == BACKGROUND for cut in pauses]
    assert found.held_back.pauses is not None
    assert found.held_back.pauses.value == sum(quiet) / len(quiet)
    mistaken = len(words) + len(pauses) - right - sum(quiet)
    assert sum(pair.mistaken for pair in found.held_back.confused) == mistaken

    written = out.read_bytes()
    steps.clear()
    again = teach(takes, released, out, epochs=2, on_progress=lambda *step: steps.append(step))
    assert (out.read_bytes(), again.held_back) == (written, found.held_back)
    assert TRAINING not in {step[0] for step in steps}  # nothing changed


def test_epochs_follow_from_the_clips(released: Path) -> None:
    card = load_card(released)
    assert [make_recipe(card, clips).epochs for clips in (20, 140, 4000)] == [60, 29, 12]
    recipe = make_recipe(card, 140)
    assert (recipe.field, recipe.input_size) == (60, 32)  # of the weights
    assert make_recipe(card, 140, epochs=1).warmup_epochs == 0


def test_the_lengths_are_those_that_random_cuts_leave(released: Path) -> None:
    clip = Clip("a/1", "a/1.mp4", "a", "train", "", "a/1", "", 0, 29, 0, 29)
    cuts = [Cut(clip, np.zeros((frames, 96, 96), np.uint8)) for frames in (29, 18, 24)]
    splits = {"train": cuts, "val": cuts, "test": cuts}
    recipe = make_recipe(load_card(released), len(cuts), epochs=1).resolve(mean=0.5, std=0.2)
    data = build_data(Collected(splits, ["a", "b"], []), CropOptions(), recipe)
    lengths = data.find_lengths(recipe)
    (batch,) = data.train.batches([torch.arange(3).repeat(100)])
    view = random_view(batch, draw(recipe, 300, epoch=0, step=0), recipe)
    assert int(view.lengths_B.min()) == lengths.shortest
    assert lengths == Lengths(29, 0.5, shortest=11)
    assert "3 frames were read" in lengths.find_fault(3)


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("resnet18_0.125x + tcn_0.25x + boundary", "use a model without boundary"),
        ("resnet18_0.125x + tcn_0.25x + motion", "cannot read a stream"),
        ("densenet3d + mean", "cannot read a stream"),
        ("alexnet_slow_0.0625x", "cannot read a stream"),
    ],
)
def test_weights_that_cannot_read_a_stream_are_refused(
    tmp_path: Path, spec: str, fault: str
) -> None:
    weights = tmp_path / "w.safetensors"
    tensors = {"classifier.bias": torch.zeros(2)}
    save_tensors(weights, tensors, ModelCard(spec, ["a", "b"], {}, {}))
    with pytest.raises(InputError, match=fault):
        teach(tmp_path, weights, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
