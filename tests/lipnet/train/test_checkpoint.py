"""Checkpoints: read on another kind of machine, and anything else is refused in one line."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

CHECKPOINT = Checkpoint(
    facts={"spec": "x", "recipe": {"lr": 0.1}},
    model={"weight": torch.arange(6.0).reshape(2, 3)},
    optimiser={"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": []},
    average={"weight": torch.zeros(2, 3)},
    best={"weight": torch.zeros(2, 3)},
    history=[],
    step=7,
    sums=torch.zeros(3),
)


@pytest.mark.parametrize("device", ["cuda:0", "cuda:7", "mps"])
def test_a_checkpoint_of_another_kind_of_machine_is_read_on_this_one(
    tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.serialization.location_tag", lambda _: device)
    save_checkpoint(tmp_path / "c.pt", CHECKPOINT)
    monkeypatch.undo()
    found = load_checkpoint(tmp_path / "c.pt")
    assert found is not None
    assert torch.equal(found.model["weight"], CHECKPOINT.model["weight"])
    assert found.model["weight"].device.type == "cpu"
    assert (found.step, found.facts) == (7, CHECKPOINT.facts)


def test_a_checkpoint_without_the_fields_of_later_versions_is_read(tmp_path: Path) -> None:
    """Its facts are of other code: it is set aside, and nobody has to delete it."""
    path = tmp_path / "c.pt"
    save_checkpoint(path, CHECKPOINT)
    content = torch.load(path, weights_only=True)
    first = ("facts", "model", "optimiser", "average", "best", "history", "step", "sums")
    torch.save({name: content[name] for name in first}, path)
    found = load_checkpoint(path)
    assert found is not None
    assert found.facts == CHECKPOINT.facts


@settings(max_examples=25)
@given(place=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_checkpoint_is_refused_or_read(
    place: int, value: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.pt"
    save_checkpoint(path, CHECKPOINT)
    content = bytearray(path.read_bytes())
    if cut:
        content = content[: place % len(content)]
    else:
        content[place % len(content)] = value
    path.write_bytes(content)
    try:
        found = load_checkpoint(path)
    except InputError:
        return
    assert found is not None
    assert found.model["weight"].shape == (2, 3)
