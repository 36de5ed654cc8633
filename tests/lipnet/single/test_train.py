"""Training from Python: a model from crops in memory, resumed, taught, and refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipnet.crops.crop import CropOptions
from lipnet.data.clip_set import ClipSet
from lipnet.errors import InputError
from lipnet.inference.read import crop_options_of
from lipnet.models.weights import load_model, save_weights
from lipnet.recipe import Recipe
from lipnet.single.train import LabelledCrops, stack_crops, train_model
from lipnet.train.history import EpochRecord

SPEC = "resnet18_0.125x + tcn_0.25x"
CROPS = CropOptions(size=48)
RECIPE = Recipe(
    epochs=2, batch=4, lr=2e-3, field=40, input_size=24, mixup=0.0, variable_length=False
)


def make_clips(count: int, seed: int = 0) -> list[LabelledCrops]:
    """Clips of 6 to 9 frames with a bright bar at a height that differs by word."""
    rng = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        label = number % 2
        clip = rng.integers(0, 90, (6 + number % 4, 48, 48)).astype(np.uint8)
        clip[:, 10 + 20 * label : 20 + 20 * label] += 120
        clips.append((clip, ("LOW", "HIGH")[label]))
    return clips


def train(out: Path, **options: object) -> Path:
    given = {"recipe": RECIPE, "crops": CROPS, **options}
    return train_model(SPEC, make_clips(12), make_clips(6, seed=1), out, **given)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_weights_file_has_what_reading_a_video_needs(tmp_path: Path) -> None:
    epochs: list[EpochRecord] = []
    weights = train(tmp_path / "model", on_epoch=epochs.append)
    model, card = load_model(weights)
    assert card.labels == ["HIGH", "LOW"]
    assert crop_options_of(card.preprocessing, weights) == CROPS.for_landmarks("dlib")
    assert Recipe.for_input(card.preprocessing).field == RECIPE.field
    assert [record.epoch for record in epochs] == [0, 1]
    assert model.classifier.out_features == 2
    trained_on = ClipSet.of("crops", [f"clip-{number}" for number in range(12)])
    assert card.origin["trained_on"] == trained_on.dump()
    assert (card.lengths.shortest, card.lengths.longest) == (6, 9)


def test_another_split_or_preprocessing_of_the_same_clips_is_another_training() -> None:
    clips = make_clips(12)
    known = {"recipe": RECIPE, "crops": CROPS}
    digests = {
        stack_crops(clips[:8], clips[8:], **known).digest,
        stack_crops(clips[:6], clips[6:], **known).digest,
        stack_crops(clips[:8], clips[8:], **known, landmarks="mesh").digest,
        stack_crops(clips[:8], clips[8:], recipe=RECIPE, crops=replace(CROPS, smooth=3)).digest,
    }
    assert len(digests) == 4
    assert stack_crops(clips[:8], clips[8:], **known).digest in digests


def test_the_clips_own_mean_and_deviation_can_be_measured(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1, mean="auto", std="auto")
    card = load_model(train(tmp_path / "model", recipe=recipe))[1]
    pixels = np.concatenate([clip.ravel() for clip, _ in make_clips(12)]) / 255
    found = [card.preprocessing["mean"], card.preprocessing["std"]]
    assert found == pytest.approx([pixels.mean(), pixels.std()], abs=1e-6)


@pytest.mark.slow
def test_a_finished_model_is_not_trained_again(tmp_path: Path) -> None:
    weights = train(tmp_path / "model")
    before = weights.read_bytes()
    epochs: list[EpochRecord] = []
    assert train(tmp_path / "model", on_epoch=epochs.append) == weights
    assert (epochs, weights.read_bytes()) == ([], before)
    train(tmp_path / "model", recipe=replace(RECIPE, lr=1e-3))
    assert {path.name for path in weights.parents[1].iterdir()} == {"g0", "lineage.json"}


@pytest.mark.slow
def test_a_teacher_changes_what_is_learned(tmp_path: Path) -> None:
    first = train(tmp_path / "first")
    taught = train(tmp_path / "taught", teachers=[first])
    assert load_model(taught)[1].origin["teacher"] == "first-g0"
    assert taught.read_bytes() != first.read_bytes()


@pytest.mark.slow
def test_an_imported_teacher_is_named_by_its_file(tmp_path: Path) -> None:
    model, card = load_model(train(tmp_path / "first"))
    save_weights(tmp_path / "imported.safetensors", model, replace(card, origin={}))
    taught = train(tmp_path / "taught", teachers=[tmp_path / "imported.safetensors"])
    assert load_model(taught)[1].origin["teacher"] == "imported.safetensors"


@pytest.mark.parametrize(
    ("train_clips", "val_clips", "fault"),
    [
        ([], make_clips(2), "train has no clips"),
        (make_clips(4), [], "val has no clips"),
        (make_clips(4), [(make_clips(1)[0][0], "OTHER")], "val clip 0 shows 'OTHER'"),
        ([(np.zeros((3, 40, 40), np.uint8), "A")], make_clips(2), r"\(3, 40, 40\)"),
        ([(np.zeros((3, 48, 48), np.float32), "A")], make_clips(2), "float32"),
        ([(np.zeros((0, 48, 48), np.uint8), "A")], make_clips(2), "has no frames"),
    ],
)
def test_clips_that_cannot_be_used_are_named(
    tmp_path: Path,
    train_clips: list[LabelledCrops],
    val_clips: list[LabelledCrops],
    fault: str,
) -> None:
    with pytest.raises(InputError, match=fault):
        train_model(SPEC, train_clips, val_clips, tmp_path / "model", recipe=RECIPE, crops=CROPS)
    assert not (tmp_path / "model").exists()


def test_crops_too_small_for_the_recipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too small for recipe.field"):
        train(tmp_path / "model", recipe=Recipe())


@pytest.mark.parametrize("grey", [0, 255])
@pytest.mark.parametrize("per_word", [1, 4])
def test_clips_without_a_picture_and_one_clip_per_word_give_finite_weights(
    grey: int, per_word: int, tmp_path: Path
) -> None:
    clips = [(np.full_like(crops, grey), word) for crops, word in make_clips(2 * per_word)]
    epochs: list[EpochRecord] = []
    weights = train_model(
        SPEC, clips, clips, tmp_path, recipe=RECIPE, crops=CROPS, on_epoch=epochs.append
    )
    assert all(np.isfinite([epoch.train_loss, epoch.val_loss]).all() for epoch in epochs)
    load_model(weights)  # refuses weights that are not finite
