"""Teachers: their views, their loss term, their recordings, and no gradients."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lipnet.data.batch import View
from lipnet.distill.loss import (
    correlation_loss,
    decoupled_loss,
    distillation_loss,
    standardise,
)
from lipnet.distill.recording import Recording, make_room, recording_bytes
from lipnet.distill.teacher import (
    FrozenTeacher,
    NoTeacher,
    RecordedTeacher,
    StreamPosition,
    round_weights,
)
from lipnet.models.build import build_model
from lipnet.models.fold import fold_batchnorm
from lipnet.models.packing import find_valid_frames
from lipnet.recipe import DISTILLATIONS, Recipe
from lipnet.spec import ModelSpec

CLIPS = 4
POSITION = StreamPosition(0, 0, torch.arange(CLIPS))


class Recorder(nn.Module):
    """A linear model of mean pixels; all copies record their inputs in `seen`."""

    seen: list[Tensor]

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Linear(1, 3)
        self.dropout = nn.Dropout(0.5)

    def forward(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor, valid: object = None
    ) -> Tensor:
        type(self).seen.append(frames_BTHW)
        mean_B1 = frames_BTHW.flatten(1).mean(1, keepdim=True)
        return self.dropout(self.layer(mean_B1))


@pytest.fixture(autouse=True)
def forget() -> None:
    Recorder.seen = []


def make_view(seed: int = 1) -> View:
    frames_BTHW = torch.randn((CLIPS, 2, 3, 3), generator=torch.Generator().manual_seed(seed))
    labels_B = torch.tensor([0, 1, 2, 0])
    lengths_B, word_BT = torch.full((4,), 2), torch.ones(4, 2)
    valid = find_valid_frames(lengths_B, steps=2, device=torch.device("cpu"))
    return View(frames_BTHW, lengths_B, word_BT, labels_B, labels_B.flip(0), 0.6, valid)


def random_logits(seed: int) -> Tensor:
    return torch.randn((CLIPS, 3), generator=torch.Generator().manual_seed(seed))


def test_student_gradients_never_reach_the_teacher() -> None:
    student, model = Recorder(1), Recorder(2)
    view = make_view()
    teacher = FrozenTeacher([model], Recipe(alpha=1.0))
    teacher.loss(student(view.frames_BTHW, view.lengths_B, view.word_BT), view, POSITION).backward()
    assert all(p.grad is None for p in model.parameters())
    assert any(p.grad is not None for p in student.parameters())


def test_teacher_sees_the_students_view_in_eval_mode() -> None:
    view = make_view()
    teacher = FrozenTeacher([Recorder().train()], Recipe(alpha=1.0))
    first = teacher.loss(torch.zeros(4, 3), view, POSITION)
    second = teacher.loss(torch.zeros(4, 3), view, POSITION)
    assert all(seen is view.frames_BTHW for seen in Recorder.seen)
    assert float(first) == float(second)  # no dropout


def test_alpha_scales_the_term() -> None:
    view, logits, model = make_view(), random_logits(3), Recorder()
    once = float(FrozenTeacher([model], Recipe(alpha=1.0)).loss(logits, view, POSITION))
    more = float(FrozenTeacher([model], Recipe(alpha=2.5)).loss(logits, view, POSITION))
    assert more == pytest.approx(2.5 * once)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_several_teachers_teach_by_the_mean_of_their_probabilities(temperature: float) -> None:
    view, logits = make_view(), random_logits(3)
    models = [Recorder(seed).eval() for seed in (1, 2, 3)]
    loss = FrozenTeacher(models, Recipe(temperature=temperature)).loss(logits, view, POSITION)
    with torch.no_grad():
        member_logits = [model(view.frames_BTHW, view.lengths_B, view.word_BT) for model in models]
    mean_BK = torch.stack([torch.softmax(one / temperature, 1) for one in member_logits]).mean(0)
    student_BK = torch.log_softmax(logits / temperature, 1)
    divergence = (mean_BK * (mean_BK.log() - student_BK)).sum(1).mean()
    assert float(loss) == pytest.approx(float(divergence) * temperature**2, rel=2e-3)


def test_the_recipe_chooses_the_loss() -> None:
    view, own_BK = make_view(), random_logits(3)
    known_BK = FrozenTeacher([Recorder()], Recipe()).logits(view, POSITION).to(own_BK)

    def loss(**changes: object) -> Tensor:
        recipe = Recipe(temperature=2.0, **changes)  # type: ignore[arg-type]
        return FrozenTeacher([Recorder()], recipe).loss(own_BK, view, POSITION)

    assert view.share < 1
    labels = ((view.labels_B, view.share), (view.partner_labels_B, 1 - view.share))
    expected = sum(
        share * decoupled_loss(own_BK, known_BK, labels_B, beta=3.0, temperature=2.0)
        for labels_B, share in labels
    )
    torch.testing.assert_close(loss(distillation="dkd", dkd_beta=3.0), expected)
    both = standardise(own_BK), standardise(known_BK)
    torch.testing.assert_close(loss(standardise=True), distillation_loss(*both, temperature=2.0))
    torch.testing.assert_close(
        loss(distillation="dist"), correlation_loss(own_BK, known_BK, temperature=2.0)
    )
    assert len({float(loss(distillation=own)) for own in DISTILLATIONS}) == len(DISTILLATIONS)


def test_no_teacher_adds_nothing() -> None:
    assert float(NoTeacher().loss(random_logits(3), make_view(), POSITION)) == 0.0


def recorded(folder: Path, *, writer: str = "w", clips: int = CLIPS) -> RecordedTeacher:
    recording = Recording(folder, clips=clips, classes=3, writer=writer)
    return RecordedTeacher([Recorder()], Recipe(), recording)


def test_a_recorded_teacher_runs_once_and_gives_the_same_loss(tmp_path: Path) -> None:
    view, logits = make_view(), random_logits(3)
    online = FrozenTeacher([Recorder()], Recipe(alpha=1.0)).loss(logits, view, POSITION)
    first = recorded(tmp_path)
    assert torch.equal(first.loss(logits, view, POSITION), online)
    first.finish_epoch(0)
    calls = len(Recorder.seen)
    assert torch.equal(recorded(tmp_path).loss(logits, view, POSITION), online)
    assert torch.equal(recorded(tmp_path, writer="").loss(logits, view, POSITION), online)
    assert len(Recorder.seen) == calls


def test_an_epoch_is_replayed_only_when_it_is_complete(tmp_path: Path) -> None:
    half = StreamPosition(0, 0, torch.tensor([0, 2, 3, 1]))
    first = recorded(tmp_path, clips=2 * CLIPS)
    first.loss(random_logits(3), make_view(), half)
    first.finish_epoch(0)
    calls = len(Recorder.seen)
    recorded(tmp_path, clips=2 * CLIPS).loss(random_logits(3), make_view(), half)
    assert len(Recorder.seen) == calls + 1


def test_a_recording_continues_after_an_interruption(tmp_path: Path) -> None:
    early, late = (
        StreamPosition(0, 0, torch.arange(CLIPS)),
        StreamPosition(0, 1, CLIPS + torch.arange(CLIPS)),
    )
    first = recorded(tmp_path, clips=2 * CLIPS)
    first.loss(random_logits(3), make_view(1), early)
    first.flush(0)
    second = recorded(tmp_path, clips=2 * CLIPS)
    second.loss(random_logits(3), make_view(2), late)
    second.finish_epoch(0)
    calls = len(Recorder.seen)
    third = recorded(tmp_path, clips=2 * CLIPS)
    for position, seed in ((early, 1), (late, 2)):
        online = FrozenTeacher([Recorder()], Recipe(alpha=1.0)).logits(make_view(seed), position)
        assert torch.equal(third.logits(make_view(seed), position), online)
    assert len(Recorder.seen) == calls + 2  # the two online ones


def test_two_trainings_that_record_at_once_never_share_a_file(tmp_path: Path) -> None:
    one, two = recorded(tmp_path, writer="one"), recorded(tmp_path, writer="two")
    for teacher in (one, two):
        teacher.loss(random_logits(3), make_view(), POSITION)
    one.finish_epoch(0)
    two.finish_epoch(0)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-000.npy"]


def test_a_damaged_recording_is_made_again(tmp_path: Path) -> None:
    first = recorded(tmp_path)
    expected = first.logits(make_view(), POSITION)
    first.finish_epoch(0)
    file = tmp_path / "epoch-000.npy"
    file.write_bytes(file.read_bytes()[:-3])
    second = recorded(tmp_path)
    assert torch.equal(second.logits(make_view(), POSITION), expected)
    second.finish_epoch(0)
    calls = len(Recorder.seen)
    assert torch.equal(recorded(tmp_path).logits(make_view(), POSITION), expected)
    assert len(Recorder.seen) == calls


def test_a_recording_removed_by_another_training_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    first = recorded(tmp_path / "r")
    expected = first.logits(make_view(), POSITION)
    shutil.rmtree(tmp_path / "r")
    first.finish_epoch(0)
    assert torch.equal(first.logits(make_view(), POSITION), expected)
    first.finish_epoch(0)
    assert not (tmp_path / "r").exists()


def start(folder: Path, *, when: int, epochs: int, budget: int) -> bool:
    """Make room at a time: those of the file system may be equal within a test."""
    size = recording_bytes(1, CLIPS, 3)
    fits = make_room(folder, epochs * size, budget * size)
    os.utime(folder, (when, when))
    return fits


def test_recordings_that_start_together_stay_within_the_budget(tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    for when, name in enumerate("abc"):
        assert start(folder / name, when=when, epochs=3, budget=6)
    assert sorted(path.name for path in folder.iterdir()) == ["b", "c"]


@pytest.mark.parametrize("writer", ["", "one"])
def test_reading_an_epoch_is_a_use_of_the_recording(tmp_path: Path, writer: str) -> None:
    folder = tmp_path / "recorded"
    for when, name in enumerate("ab"):
        assert start(folder / name, when=when, epochs=30, budget=60)
        recorded(folder / name).logits(make_view(), POSITION)
        recorded(folder / name).finish_epoch(0)
        os.utime(folder / name, (when, when))
    assert recorded(folder / "a", writer=writer).logits(make_view(), POSITION) is not None
    assert start(folder / "c", when=2, epochs=30, budget=60)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "c"]


def test_a_recording_keeps_the_size_that_it_was_started_for(tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    for when, (name, epochs) in enumerate((("long", 2), ("long", 1), ("short", 1), ("other", 1))):
        assert start(folder / name, when=when, epochs=epochs, budget=3)
    assert sorted(path.name for path in folder.iterdir()) == ["other", "short"]
    assert start(folder / "short", when=4, epochs=1, budget=1)
    assert [path.name for path in folder.iterdir()] == ["short"]


def test_what_a_removed_recording_leaves_behind_is_no_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On NFS a file that a training has open stays in its folder, under another name."""
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    for when in range(3):
        assert start(tmp_path / "a", when=when, epochs=1, budget=1)
        assert start(tmp_path / "b", when=when, epochs=1, budget=1)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".removed"] == ["b"]


def test_the_most_recently_used_recordings_stay_as_far_as_they_fit(tmp_path: Path) -> None:
    size = recording_bytes(1, CLIPS, 3)
    for number, name in enumerate(("old", "older", "new")):
        file = tmp_path / name / "epoch-000.npy"
        file.parent.mkdir()
        file.write_bytes(b"x" * size)
        os.utime(file.parent, (100 - number, 100 - number))
    os.utime(tmp_path / "new", (200, 200))
    assert make_room(tmp_path / "next", size, 3 * size)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "next", "old"]
    assert not make_room(tmp_path / "huge", 4 * size, 3 * size)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "next", "old"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        "resnet18_0.125x + mstcn_0.375x",
        "shufflenetv2_0.5x + dsmstcn_0.375x + prelu",
        "resnet18_0.125x + dctcn + swish",
    ],
)
def test_weights_rounded_once_give_the_logits_of_autocast(spec: str) -> None:
    torch.manual_seed(0)
    model = fold_batchnorm(build_model(ModelSpec.parse(spec), 3))
    frames_BTHW, lengths_B = torch.randn(2, 7, 24, 24), torch.tensor([7, 5])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        before_BK = model(frames_BTHW, lengths_B)
        after_BK = round_weights(model)(frames_BTHW, lengths_B)
    assert before_BK.std() > 0
    assert torch.equal(before_BK, after_BK)
