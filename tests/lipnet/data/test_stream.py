"""The stream: a function of (seed, epoch, step), the same for any sharing and after a resume."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lipnet.data.augment import Draws, draw, random_view
from lipnet.data.batch import View
from lipnet.data.stream import Stream, split_batch
from lipnet.recipe import Recipe
from tests.lipnet.clips import make_store

RECIPE = Recipe(batch=8, input_size=24, mixup=0.4, seed=3)
CLIPS = 29


def views_of(stream: Stream, epoch: int, *, first_step: int = 0) -> list[View]:
    steps = stream.epoch(epoch, first_step=first_step)
    return [own.view for micro_batches in steps for own in micro_batches]


def same(one: View, two: View) -> bool:
    names = ("frames_BTHW", "lengths_B", "word_BT", "labels_B", "partner_labels_B")
    pairs = [(getattr(one, name), getattr(two, name)) for name in names]
    return one.share == two.share and all(torch.equal(a, b) for a, b in pairs)


def rows_of(
    stream: Stream, *, rank: int = 0, world_size: int = 1
) -> dict[int, tuple[Tensor, int, float]]:
    """Each row of an epoch's views: valid frames, label and share, by its number."""
    rows = {}
    for micro_batches in stream.epoch(0, rank=rank, world_size=world_size):
        for own in micro_batches:
            if own.weight == 0:
                continue
            view = own.view
            for index, row in enumerate((own.first_clip + own.rows_R).tolist()):
                frames = view.frames_BTHW[index, : int(view.lengths_B[index])]
                rows[row] = frames, int(view.labels_B[index]), view.share
    return rows


def test_the_same_seed_and_epoch_give_the_same_views() -> None:
    stream = Stream(make_store(CLIPS), RECIPE)
    one, two, other = views_of(stream, 1), views_of(stream, 1), views_of(stream, 2)
    assert all(same(a, b) for a, b in zip(one, two, strict=True))
    assert not any(same(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("first_step", [0, 1, 3, 4])
def test_a_stream_resumes_at_any_step(first_step: int) -> None:
    stream = Stream(make_store(CLIPS), RECIPE)
    assert stream.steps_per_epoch == 4
    whole, rest = views_of(stream, 0), views_of(stream, 0, first_step=first_step)
    assert all(same(a, b) for a, b in zip(whole[first_step:], rest, strict=True))


@pytest.mark.parametrize("micro_batch", [0, 3])
def test_a_step_is_drawn_when_it_is_needed(
    micro_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch of LRW has 15,000 steps, whose draws would take 0.8 GiB."""
    drawn: list[int] = []

    def count(recipe: Recipe, clips: int, *, epoch: int, step: int) -> Draws:
        drawn.append(step)
        return draw(recipe, clips, epoch=epoch, step=step)

    monkeypatch.setattr("lipnet.data.stream.draw", count)
    steps = Stream(make_store(CLIPS), replace(RECIPE, micro_batch=micro_batch)).epoch(0)
    for number in range(2):
        next(steps)
        assert drawn == list(range(number + 1))


def test_a_step_has_the_views_of_its_draws() -> None:
    store = make_store(CLIPS)
    clips = store.batches(torch.split(store.order(seed=RECIPE.stream_seed, epoch=1), 8))
    for step, (batch, view) in enumerate(
        zip(clips, views_of(Stream(store, RECIPE), 1), strict=True)
    ):
        draws = draw(RECIPE, len(batch.labels_B), epoch=1, step=step)
        assert same(view, random_view(batch, draws, RECIPE))


def test_trainings_that_share_a_stream_seed_see_the_same_views() -> None:
    store = make_store(CLIPS)
    one = Stream(store, replace(RECIPE, seed=1, stream=9))
    two = Stream(store, replace(RECIPE, seed=2, stream=9))
    assert all(same(a, b) for a, b in zip(views_of(one, 0), views_of(two, 0), strict=True))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 30),
    st.integers(2, 9),
    st.integers(1, 3),
    st.sampled_from((0.0, 0.4)),
    st.integers(2, 9),
)
def test_rows_do_not_depend_on_micro_batches_or_processes(
    clips: int, batch: int, world_size: int, mixup: float, micro: int
) -> None:
    recipe = replace(RECIPE, batch=batch, mixup=mixup)
    store = make_store(clips)
    whole = rows_of(Stream(store, recipe))
    split = Stream(store, replace(recipe, micro_batch=min(micro, batch)))
    shared: dict[int, tuple[Tensor, int, float]] = {}
    for rank in range(world_size):
        own = rows_of(split, rank=rank, world_size=world_size)
        assert not set(own) & set(shared)
        shared |= own
    assert set(shared) == set(whole) == set(range(split.clips_per_epoch))
    for row, (frames, label, share) in whole.items():
        assert torch.equal(shared[row][0], frames)
        assert shared[row][1:] == (label, share)


@pytest.mark.slow
@given(st.integers(2, 40), st.integers(0, 12).filter(lambda micro: micro != 1), st.integers(1, 5))
def test_the_weights_of_all_processes_sum_to_one(clips: int, micro: int, world_size: int) -> None:
    split = split_batch(clips, micro)
    assert torch.equal(torch.cat(split), torch.arange(clips))
    assert all(len(rows_R) >= 2 for rows_R in split)
    assert max(map(len, split)) <= max(micro or clips, 3)
    recipe = replace(RECIPE, batch=clips, micro_batch=micro if micro <= clips else 0)
    stream = Stream(make_store(clips), recipe)
    weights = [
        micro_batch.weight
        for rank in range(world_size)
        for micro_batch in next(iter(stream.epoch(0, rank=rank, world_size=world_size)))
    ]
    assert sum(weights) == pytest.approx(1)
