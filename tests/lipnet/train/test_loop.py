"""The loop: it learns, keeps the best weights, and reports faults."""

import errno
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lipnet.distill.teacher import NoTeacher
from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.models.build import build_model
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec
from lipnet.train.aside import MAX_KEPT, aside_path, exchange
from lipnet.train.history import EpochRecord, beats, best_epoch, read_history, write_history
from lipnet.train.loop import Training, TrainingDiverged, fit
from lipnet.train.sanity import warn_after
from lipnet.train.step import Stepper
from tests.lipnet.clips import make_store

COLUMNS = [field.name for field in fields(EpochRecord)]
RECIPE = Recipe(lr=3e-3, batch=8, epochs=6, input_size=24, mixup=0.0, seed=5)


class Quiet:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def on_batch(self, done: int, total: int) -> None: ...

    def on_epoch(self, record: EpochRecord) -> None: ...

    def on_note(self, text: str) -> None:
        return

    def on_warning(self, text: str) -> None:
        self.warnings.append(text)


def make_training(recipe: Recipe = RECIPE) -> Training:
    torch.manual_seed(0)
    model = build_model(ModelSpec.parse("resnet18_0.125x + tcn_0.125x"), 3)
    stores = make_store(30), make_store(12, seed=1)
    return Training(model, *stores, recipe, NoTeacher(), 3)


@pytest.mark.slow
def test_it_learns_and_leaves_the_best_weights_in_the_model(tmp_path: Path) -> None:
    training = make_training()
    history = fit(training, checkpoint=tmp_path / "c", facts={"f": 1}, listener=Quiet())
    best = best_epoch(history)
    assert best.val_top1 > 0.8
    assert best.val_top1 == max(record.val_top1 for record in history)
    kept = torch.load(tmp_path / "c", weights_only=True)["best"]
    now = training.model.state_dict()
    assert all(torch.equal(now[name], tensor) for name, tensor in kept.items())


def test_a_loss_that_is_not_a_number_stops_the_training(tmp_path: Path) -> None:
    training = make_training(replace(RECIPE, lr=1e30))
    with pytest.raises(TrainingDiverged, match=r"lower recipe\.lr"):
        fit(training, checkpoint=tmp_path / "c", facts={"f": 1}, listener=Quiet())


@pytest.mark.slow
def test_a_loss_that_does_not_fall_is_reported(tmp_path: Path) -> None:
    listener = Quiet()
    training = make_training(replace(RECIPE, lr=1e-12, epochs=3))
    fit(training, checkpoint=tmp_path / "c", facts={"f": 1}, listener=listener)
    assert [" ".join(text.split()[:6]) for text in listener.warnings] == [
        "recipe.lr 1e-12 is so low that",
        "the training loss does not fall:",
    ]


def test_too_little_memory_is_one_line_that_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Stepper, "step", run_out)
    with pytest.raises(InputError, match=r"8 clips at a time: set recipe\.micro_batch to 4"):
        fit(make_training(), checkpoint=tmp_path / "c", facts={}, listener=Quiet())


@pytest.mark.parametrize(
    ("losses", "warned"),
    [
        ((1.2, 1.2, 1.2), True),
        ((1.0987, 1.1, 1.0988), True),
        ((9.0, 6.0, 4.0), False),  # it falls, from far above chance
        ((1.2, 1.1, 1.0), False),
        ((1.0, 1.0, 1.0), False),  # better than chance
    ],
)
def test_only_a_loss_that_does_not_move_is_reported(
    losses: tuple[float, ...], warned: bool
) -> None:
    history = [
        EpochRecord(n, 1e-3, ce, ce, 0.0, 1.0, 0.3, 1.0, True) for n, ce in enumerate(losses)
    ]
    assert bool(list(warn_after(history, classes=3, clips=30))) == warned
    assert not list(warn_after(history[:2], classes=3, clips=30))


@pytest.mark.slow
def test_a_checkpoint_of_another_training_is_set_aside(tmp_path: Path) -> None:
    short = replace(RECIPE, epochs=1)
    fit(make_training(short), checkpoint=tmp_path / "c", facts={"f": 1}, listener=Quiet())
    before = (tmp_path / "c").read_bytes()
    listener = Quiet()
    training = make_training(short)
    history = fit(training, checkpoint=tmp_path / "c", facts={"f": 2}, listener=listener)
    assert len(history) == 1
    assert "f was 1, is 2" in listener.warnings[0]
    assert (tmp_path / f"c.{digest_of({'f': 1})}").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("others", [1, 2])
def test_a_checkpoint_that_was_set_aside_is_resumed_by_its_training(
    tmp_path: Path, others: int
) -> None:
    """However many trainings came in between, and also if the last one wrote no checkpoint."""
    short = replace(RECIPE, epochs=1)
    trained = fit(make_training(short), checkpoint=tmp_path / "c", facts={}, listener=Quiet())
    before = (tmp_path / "c").read_bytes()
    for other in range(others):
        training, facts = make_training(short), {"f": other}
        fit(training, checkpoint=tmp_path / "c", facts=facts, listener=Quiet())
    if others == 1:
        (tmp_path / "c").unlink()
    listener = Quiet()
    training = make_training(short)
    assert fit(training, checkpoint=tmp_path / "c", facts={}, listener=listener) == trained
    assert (tmp_path / "c").read_bytes() == before
    assert all("continues from its own" in text for text in listener.warnings)


def test_few_of_what_was_set_aside_are_kept(tmp_path: Path) -> None:
    folder, names = tmp_path / "g0", [digest_of(number) for number in range(9)]
    for own, following in zip(names, names[1:], strict=False):
        folder.mkdir()
        assert not exchange(folder, found=own, wanted=following)
    assert set(tmp_path.iterdir()) == {aside_path(folder, own) for own in names[-1 - MAX_KEPT : -1]}
    folder.mkdir()
    oldest = names[-1 - MAX_KEPT]
    assert exchange(folder, found=names[-1], wanted=oldest)
    assert not aside_path(folder, oldest).exists()


def test_history_round_trips_exactly(tmp_path: Path) -> None:
    record = EpochRecord(0, 1 / 3, 0.1, 0.2, 1e-17, 2.5, 0.3, 0.7, True)
    write_history(tmp_path / "history.csv", [record])
    assert read_history(tmp_path / "history.csv") == [record]


def test_equal_accuracies_are_decided_by_the_loss() -> None:
    assert beats((0.5, 1.0), (0.5, 1.1))
    assert not beats((0.5, 1.0), (0.5, 1.0))
    assert not beats((0.4, 0.1), (0.5, 9.0))


@pytest.mark.slow
def test_a_full_disk_is_an_error_of_the_system_and_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(RECIPE, epochs=1)
    fit(make_training(short), checkpoint=tmp_path / "c", facts={"f": 1}, listener=Quiet())
    before = (tmp_path / "c").read_bytes()

    def fill(path: Path, data: object) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OSError, match="No space left"):
        fit(make_training(), checkpoint=tmp_path / "c", facts={"f": 1}, listener=Quiet())
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    assert (tmp_path / "c").read_bytes() == before


@given(st.sets(st.sampled_from(COLUMNS), max_size=4), st.booleans())
def test_a_history_with_other_columns_names_them(
    tmp_path_factory: pytest.TempPathFactory, gone: set[str], extra: bool
) -> None:
    path = tmp_path_factory.mktemp("history") / "history.csv"
    write_history(path, [EpochRecord(0, 1e-3, 2.0, 1.5, 0.5, 1.7, 0.25, 0.75, True)])
    header, *rows = path.read_text().splitlines()
    kept = [name for name in header.split(",") if name not in gone]
    path.write_text("\n".join([",".join([*kept, *["train_other"] * extra]), *rows]) + "\n")
    if not gone and not extra:
        assert len(read_history(path)) == 1
        return
    with pytest.raises(InputError) as refused:
        read_history(path)
    for name in [*gone, *["train_other"] * extra]:
        assert name in str(refused.value)
