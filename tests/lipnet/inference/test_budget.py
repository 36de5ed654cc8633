"""A choice of widths by GFLOPs per clip, or by the state of the battery."""

from pathlib import Path

import numpy as np
import pytest

from lipnet.cli.main import main
from lipnet.errors import InputError
from lipnet.inference.budget import BATTERY, WHOLE, Part, choose_part, list_gflops
from lipnet.inference.clip_model import Leave
from lipnet.inference.read import Reader
from lipnet.measure.cost import cost_of
from lipnet.models.rejection import Rejection
from lipnet.models.weights import ModelCard, load_card, load_model, save_weights
from lipnet.spec import ModelSpec
from tests.lipnet.inference.embedding import RECIPE, add_widths, write_weights

SPEC = "resnet18_0.25x + tcn_0.25x"
SHARES = (1.0, 0.75, 0.5)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_weights(tmp_path_factory.mktemp("weights") / "w.safetensors", SPEC)
    add_widths(path, SHARES)
    return path


@pytest.mark.slow
def test_the_widest_within_the_budget_is_chosen(weights: Path) -> None:
    card = load_card(weights)
    costs = list_gflops(card)
    spec = ModelSpec.parse(SPEC)
    for width in SHARES:
        own = cost_of(spec.at_width(width), len(card.labels), size=RECIPE.input_size).gflops
        assert costs[Part(width)] == own
        assert choose_part(card, budget=own) == Part(width)
    assert choose_part(card, budget=costs[Part(0.75)] - 1e-9) == Part(0.5)
    assert choose_part(card, budget=10.0) == choose_part(card) == WHOLE


def test_a_budget_that_is_too_small_names_the_smallest(weights: Path) -> None:
    smallest = f"{list_gflops(load_card(weights))[Part(0.5)]:.3f}"
    for budget in (1e-6, -1.0, float("nan")):
        with pytest.raises(InputError, match=f"takes at least {smallest}"):
            choose_part(load_card(weights), budget=budget)


def test_a_battery_allows_a_share_of_the_widest_or_the_narrowest(weights: Path) -> None:
    card = load_card(weights)
    costs = list_gflops(card)
    assert choose_part(card, battery="high") == WHOLE
    for state, share in BATTERY.items():
        limit = share * costs[WHOLE]
        allowed = [width for width in SHARES if costs[Part(width)] <= limit] or [SHARES[-1]]
        assert choose_part(card, battery=state) == Part(max(allowed))
    # so that the narrowest was taken all the same
    assert costs[Part(0.5)] > BATTERY["low"] * costs[WHOLE]
    with pytest.raises(InputError, match="unknown battery 'empty'; known: low, medium, high"):
        choose_part(card, battery="empty")
    with pytest.raises(InputError, match="give one of them"):
        choose_part(card, budget=1.0, battery="low")


@pytest.mark.slow
def test_a_reader_computes_with_the_width_of_its_budget(weights: Path) -> None:
    crops_THW = np.random.default_rng(1).integers(0, 256, (5, 96, 96), dtype=np.uint8)
    budget = list_gflops(load_card(weights))[Part(0.5)]
    reader = Reader(weights, budget=budget)
    narrow, card = load_model(weights, width=0.5)
    assert reader.card == card
    assert reader.card.spec == "resnet18_0.125x + tcn_0.125x"
    alone = weights.with_name("narrow.safetensors")
    save_weights(alone, narrow, card)
    assert reader.read_crops(crops_THW).answers == Reader(alone).read_crops(crops_THW).answers


def test_exits_are_parts_too() -> None:
    spec = ModelSpec.parse("resnet18_0.25x + tcn_0.25x + exits")
    card = ModelCard(str(spec), ["a", "b"], dict(RECIPE.input_facts))
    costs = list_gflops(card)
    assert list(costs) == [WHOLE, Part(exit=1), Part(exit=2)]
    assert costs[Part(exit=1)] < costs[Part(exit=2)] < costs[WHOLE]
    assert choose_part(card, budget=costs[WHOLE] - 1e-9) == Part(exit=2)
    assert choose_part(card, budget=costs[Part(exit=1)]) == Part(exit=1)


@pytest.mark.slow
def test_a_reader_leaves_early_if_it_is_sure(tmp_path: Path) -> None:
    crops_THW = np.random.default_rng(1).integers(0, 256, (5, 96, 96), dtype=np.uint8)
    path = write_weights(tmp_path / "w.safetensors", "resnet18_0.125x + tcn_0.125x + exits")
    whole_model, whole_card = load_model(path)
    weight = whole_model.get_parameter("exits.0.classifier.weight")
    weight.data.mul_(0.01)  # so that no probability is 1
    save_weights(path, whole_model, whole_card)
    model, card = load_model(path, exit=1)
    save_weights(tmp_path / "early.safetensors", model, card)
    whole = Reader(path).read_crops(crops_THW).answers
    early = Reader(tmp_path / "early.safetensors").read_crops(crops_THW).answers
    for threshold, expected in ((0.0, early), (1.0, whole)):
        found = Reader(path, leave=Leave(1, threshold)).read_crops(crops_THW).answers
        assert [label for label, _ in found] == [label for label, _ in expected]
        assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=1e-5)
    with pytest.raises(InputError, match="leave out the budget"):
        Reader(path, leave=Leave(1, 0.5), budget=1.0)
    with pytest.raises(InputError, match="a probability, 0 to 1"):
        Reader(path, leave=Leave(1, 1.5))
    for number in (0, -1):
        with pytest.raises(InputError, match=f"leave at exit {number}: the first one is 1"):
            Reader(path, leave=Leave(number, 0.5))
    with pytest.raises(InputError, match="has no exit 1"):
        Reader(tmp_path / "early.safetensors", leave=Leave(1, 0.5))


@pytest.mark.slow
def test_the_whole_network_s_threshold_is_not_that_of_clips_that_leave_early(
    tmp_path: Path,
) -> None:
    spec, chosen = "resnet18_0.125x + mean + exits", Rejection(0.9, 0.95, 0.2, 40)
    path = write_weights(tmp_path / "w.safetensors", spec, rejection=chosen)
    assert Reader(path).reject_below == 0.9
    assert Reader(path, leave=Leave(1, 0.5)).reject_below is None
    assert Reader(path, leave=Leave(1, 0.5), reject_below=0.7).reject_below == 0.7


def test_an_ordinary_file_has_one_width_and_the_command_ends_in_one_line(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = write_weights(weights.with_name("plain.safetensors"), SPEC)
    assert choose_part(load_card(plain), battery="low") == WHOLE
    with pytest.raises(SystemExit) as ended:
        main(["read", "--weights", str(plain), "--budget", "0.001", "word.mp4"])
    assert "a budget of 0.001 GFLOPs per clip: resnet18_0.25x" in str(ended.value)
    with pytest.raises(SystemExit):
        main(["read", "--weights", str(plain), "--budget", "1", "--battery", "low", "word.mp4"])
    assert "not allowed with" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["read", "--weights", str(plain), "--leave-at", "1.5", "0.9", "word.mp4"])
    assert "EXIT is 1 to 6" in str(ended.value)
