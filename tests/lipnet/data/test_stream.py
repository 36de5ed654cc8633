"""The stream: a function of (seed, epoch, step), the same however it is shared or resumed."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lipnet.data.augment import View, random_view
from lipnet.data.stream import ALONE, Part, Share, Stream, cut_batch
from lipnet.recipe import Recipe
from tests.lipnet.clips import make_store

RECIPE = Recipe(batch=8, input_size=24, mixup=0.4, seed=3)
CLIPS = 29


def views_of(stream: Stream, epoch: int, *, begin: int = 0, share: Share = ALONE) -> list[View]:
    steps = stream.epoch(epoch, begin=begin, share=share)
    return [view_of(part, stream.recipe) for parts in steps for part in parts]


def view_of(part: Part, recipe: Recipe) -> View:
    return random_view(part.batch, part.draws, recipe)


def same(one: View, two: View) -> bool:
    names = ("frames_BTHW", "lengths_B", "word_BT", "labels_B", "partner_labels_B")
    pairs = [(getattr(one, name), getattr(two, name)) for name in names]
    return one.share == two.share and all(torch.equal(a, b) for a, b in pairs)


def rows_of(stream: Stream, *, share: Share = ALONE) -> dict[int, tuple[Tensor, int, float]]:
    """Each row of an epoch's views: valid frames, label and share, by its number."""
    rows = {}
    for parts in stream.epoch(0, share=share):
        for part in parts:
            if part.weight == 0:
                continue
            view = view_of(part, stream.recipe)
            for place, row in enumerate((part.first + part.rows_R).tolist()):
                frames = view.frames_BTHW[place, : int(view.lengths_B[place])]
                rows[row] = frames, int(view.labels_B[place]), view.share
    return rows


def test_the_same_seed_and_epoch_give_the_same_views() -> None:
    stream = Stream(make_store(CLIPS), RECIPE)
    one, two, other = views_of(stream, 1), views_of(stream, 1), views_of(stream, 2)
    assert all(same(a, b) for a, b in zip(one, two, strict=True))
    assert not any(same(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("begin", [0, 1, 3, 4])
def test_a_stream_goes_on_from_any_step(begin: int) -> None:
    stream = Stream(make_store(CLIPS), RECIPE)
    assert stream.steps() == 4
    whole, rest = views_of(stream, 0), views_of(stream, 0, begin=begin)
    assert all(same(a, b) for a, b in zip(whole[begin:], rest, strict=True))


def test_runs_that_share_a_stream_seed_see_the_same_views() -> None:
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
def test_however_a_batch_is_cut_and_shared_each_row_is_the_same(
    clips: int, batch: int, world: int, mixup: float, micro: int
) -> None:
    recipe = replace(RECIPE, batch=batch, mixup=mixup)
    store = make_store(clips)
    whole = rows_of(Stream(store, recipe))
    cut = Stream(store, replace(recipe, micro_batch=min(micro, batch)))
    shared: dict[int, tuple[Tensor, int, float]] = {}
    for rank in range(world):
        own = rows_of(cut, share=Share(rank, world))
        assert not set(own) & set(shared)
        shared |= own
    assert set(shared) == set(whole) == set(range(cut.seen()))
    for row, (frames, label, share) in whole.items():
        assert torch.equal(shared[row][0], frames)
        assert shared[row][1:] == (label, share)


@given(st.integers(2, 40), st.integers(0, 12).filter(lambda micro: micro != 1), st.integers(1, 5))
def test_the_weights_of_all_processes_add_up_to_one(clips: int, micro: int, world: int) -> None:
    parts = cut_batch(clips, micro)
    assert torch.equal(torch.cat(parts), torch.arange(clips))
    assert all(len(part) >= 2 for part in parts)
    assert max(map(len, parts)) <= max(micro or clips, 3)
    store = make_store(clips)
    recipe = replace(RECIPE, batch=clips, micro_batch=micro if micro <= clips else 0)
    shares = [Share(rank, world) for rank in range(world)]
    steps = [next(iter(Stream(store, recipe).epoch(0, share=share))) for share in shares]
    assert sum(part.weight for parts in steps for part in parts) == pytest.approx(1)
