"""The live reader: a stream's readings are those of the same windows as clips."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lipnet.data.augment import central_view
from lipnet.data.batch import collate
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.inference.read import Reader
from lipnet.landmarks.finder import Finder
from lipnet.live.frames import TimedFrame
from lipnet.live.reader import (
    FACE,
    HELD_FACE,
    NEW_FACE,
    NO_FACE,
    RESTART,
    LiveModel,
    LiveReader,
    Step,
)
from lipnet.live.session import QuietWatch, run_session
from lipnet.live.spotter import Spotter
from lipnet.live.tracker import DetectorTracker
from lipnet.shards.meta import ClipMeta
from lipnet.video.decode import Frame
from tests.lipnet.inference.embedding import RECIPE, write_weights
from tests.lipnet.video.making import FakeDetector, face_frame, flat_frame

SIZE = 7


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("live") / "w.safetensors")


@pytest.fixture(scope="module")
def model(weights: Path) -> LiveModel:
    return LiveModel.load(weights)


def make_reader(model: LiveModel, hop: int = 2) -> LiveReader:
    return LiveReader(model, DetectorTracker(Finder(FakeDetector())), hop=hop, frames=SIZE)


def push_all(reader: LiveReader, images: list[Frame]) -> list[Step]:
    return [reader.push(TimedFrame(n / 25, image)) for n, image in enumerate(images)]


def drifting(frames: int) -> list[Frame]:
    return [face_frame(left=10 + t // 2, top=20 + t % 3) for t in range(frames)]


def test_a_reading_is_that_of_its_window_as_a_clip(weights: Path, model: LiveModel) -> None:
    steps = push_all(make_reader(model), drifting(16))
    crops_THW = np.stack([step.crop_HW for step in steps if step.crop_HW is not None])
    reader = Reader(weights)
    read = [(n, step.reading) for n, step in enumerate(steps) if step.reading is not None]
    assert [n for n, _ in read] == [6, 8, 10, 12, 14]
    for newest, reading in read:
        answers = dict(reader.read_crops(crops_THW[newest + 1 - SIZE : newest + 1]).answers)
        expected_K = [answers[label] for label in model.labels]
        assert reading.probabilities_K == pytest.approx(expected_K, abs=1e-5)
        shrunk_1HW = Shrink.for_recipe(RECIPE)(crops_THW[newest : newest + 1])
        batch = collate([(shrunk_1HW, ClipMeta.unlabelled("", 0, 1))])
        seen_HW = steps[newest].seen_HW
        assert seen_HW is not None
        view_HW = central_view(batch, RECIPE).frames_BTHW[0, 0].numpy()
        assert np.array_equal(np.rint((view_HW * RECIPE.std + RECIPE.mean) * 255), seen_HW)
        assert reading.end == pytest.approx((newest + 1) / 25)
        assert reading.middle == pytest.approx((newest + 1 - SIZE / 2) / 25)


def test_a_short_loss_is_bridged_and_a_long_one_starts_again(model: LiveModel) -> None:
    lost = [*drifting(10), *[flat_frame(0)] * 25, *drifting(12)]
    steps = push_all(make_reader(model, hop=1), lost)
    states = [step.state for step in steps]
    assert states[:10] == [FACE] * 10
    assert set(states[10:22]) == {HELD_FACE}
    assert set(states[22:35]) == {NO_FACE}
    assert all(step.reading is None for step in steps[22:35])
    back = next(n for n in range(35, 47) if states[n] != NO_FACE)
    readings = [n for n in range(back, 47) if steps[n].reading is not None]
    assert readings[0] == back + SIZE - 1


def test_another_face_and_a_restart_forget_what_was_before(model: LiveModel) -> None:
    one, other = face_frame(left=5, width=30), face_frame(left=60, width=30)
    steps = push_all(make_reader(model), [one] * 10 + [other] * 10)
    fresh = [n for n, step in enumerate(steps) if step.is_fresh]
    assert [steps[n].state for n in fresh] == [NEW_FACE]
    reader = make_reader(model, hop=1)
    frames = [TimedFrame(n / 25, one, n == 9) for n in range(20)]
    found = [reader.push(frame) for frame in frames]
    assert found[9].state == RESTART
    assert [n for n, step in enumerate(found) if step.reading is None] == [*range(6), *range(9, 15)]


def test_a_damaged_model_is_an_input_error(model: LiveModel) -> None:
    class Broken:
        def features(self, windows_N5HW: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(windows_N5HW), 3)

        def logits(self, features_TC: torch.Tensor) -> torch.Tensor:
            return torch.full((3,), float("nan"))

    with pytest.raises(InputError, match="not finite for 0.24 s"):
        push_all(make_reader(replace(model, graphs=Broken())), drifting(9))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("densenet3d + tcn_0.25x", "its features are not those of a frame"),
        ("resnet18_0.125x + tcn_0.25x + motion", "its features are not those of a frame"),
        ("resnet18_0.125x + tcn_0.25x + boundary", "needs the frames of the word"),
    ],
)
def test_a_model_that_cannot_read_a_stream_is_refused(
    tmp_path: Path, spec: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        LiveModel.load(write_weights(tmp_path / "w.safetensors", spec))


def test_a_model_of_cut_clips_reads_windows_of_their_length(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "w.safetensors", eval_context=2)
    assert LiveModel.load(path).frames == 10


@pytest.mark.parametrize(("name", "value"), [("hop", 0), ("frames", 4)])
def test_a_window_that_is_too_short_is_refused(model: LiveModel, name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"--{name} must be at least"):
        LiveReader(model, DetectorTracker(Finder(FakeDetector())), **{name: value})


def test_a_session_ends_with_what_was_still_rising_and_knows_when_it_is_quiet(
    model: LiveModel,
) -> None:
    frames = [TimedFrame(n / 25, image) for n, image in enumerate(drifting(40))]
    spotter = Spotter(model.labels, threshold=0.0, refractory=0.0)
    watch = QuietWatch(list(model.labels), 1.1)
    updates = list(run_session(frames, make_reader(model), spotter, watch))
    assert [update.step is None for update in updates] == [False] * 40 + [True]
    assert sum(len(update.events) for update in updates) >= 1
    silent = Spotter(model.labels, threshold=1.0, refractory=0.0)
    quiet = [u.is_quiet for u in run_session(frames, make_reader(model), silent, watch)]
    assert quiet.count(True) == 1
