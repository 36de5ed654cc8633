"""Early exits: each is an ordinary model of a shorter trunk, and all of them train together."""
# B batch  K classes  E outputs per clip

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lipnet.data.batch import View
from lipnet.errors import InputError
from lipnet.lineage.generation import WEIGHTS_FILE
from lipnet.measure.cost import cost_of, cost_of_trunk, count_multiply_adds
from lipnet.models.build import build_empty, build_model
from lipnet.models.exits import ExitingLipreader, take_exit
from lipnet.models.lipreader import check_batch
from lipnet.models.weights import load_card, load_model
from lipnet.single.compress import compress_model
from lipnet.spec import ModelSpec
from lipnet.train.form import AsTrained
from tests.lipnet.inference.embedding import write_weights
from tests.lipnet.lineage.test_lineage import RECIPE, make_plan, train

TEXT = "resnet18_0.125x + tcn_0.0625x"
SPEC = ModelSpec.parse(f"{TEXT} + prelu + exits")
EXITS = (1, 2)
MSDNET = ModelSpec.parse("msdnet + mean + motion + exits")
# Of a spec, exits to look at; the first, one with three scales left, and the last of MSDNet's six.
TRIED = {SPEC: EXITS, MSDNET: (1, 2, 6)}


def make_batch() -> tuple[Tensor, Tensor]:
    frames_BTHW = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return frames_BTHW, torch.tensor([3, 2])


def without_dropout(model: torch.nn.Module) -> torch.nn.Module:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


@pytest.mark.slow
@pytest.mark.parametrize("spec", TRIED)
def test_an_exit_computes_and_learns_as_an_ordinary_model_with_its_weights(spec: ModelSpec) -> None:
    model = build_model(spec, 3, generator=torch.Generator().manual_seed(1)).double()
    frames_BTHW, lengths_B = make_batch()
    batch = (frames_BTHW.double(), lengths_B)
    model = without_dropout(model).train()
    before = copy.deepcopy(model.state_dict())
    outputs_EBK = model(*batch)
    assert len(outputs_EBK) == 1 + len(spec.exits)
    for number in TRIED[spec]:
        twin = build_empty(spec.at_exit(number), 3).double()
        twin.load_state_dict(take_exit(before, spec, number))
        logits_BK = without_dropout(twin).train()(*batch)
        torch.testing.assert_close(outputs_EBK[number], logits_BK)
        weight = model.get_parameter("frontend.conv.weight")
        found = torch.autograd.grad(outputs_EBK[number].sum(), weight, retain_graph=True)[0]
        own = torch.autograd.grad(logits_BK.sum(), twin.get_parameter("frontend.conv.weight"))[0]
        torch.testing.assert_close(found, own)
    outputs_EBK.square().sum().backward()
    for name, own_weight in model.named_parameters():
        assert own_weight.grad is not None, name
        assert own_weight.grad.isfinite().all(), name


@pytest.mark.slow
@pytest.mark.parametrize("spec", TRIED)
def test_sure_clips_leave_at_the_exit_and_the_others_go_on(spec: ModelSpec) -> None:
    """The logits are those of two separate models."""
    model = build_model(spec, 3, generator=torch.Generator().manual_seed(1)).eval()
    assert isinstance(model, ExitingLipreader)
    generator = torch.Generator().manual_seed(2)
    batch = (torch.randn(5, 4, 16, 16, generator=generator), torch.tensor([4, 1, 3, 2, 4]))
    with torch.inference_mode():
        for number in TRIED[spec]:
            early = build_empty(spec.at_exit(number), 3).eval()
            early.load_state_dict(take_exit(model.state_dict(), spec, number))
            small_BK, large_BK = early(*batch), model(*batch)
            top_B = small_BK.softmax(1).amax(1)
            for threshold in (0.0, float(top_B.median()), 1.0):
                found_BK = model.leave_early(*batch, exit=number, threshold=threshold)
                leaves_B1 = (top_B >= threshold).unsqueeze(1)
                expected_BK = torch.where(leaves_B1, small_BK, large_BK)
                torch.testing.assert_close(found_BK, expected_BK, rtol=1e-4, atol=1e-5)


def test_exits_change_neither_the_first_weights_nor_the_last_logits() -> None:
    plain = ModelSpec.parse(f"{TEXT} + prelu")
    model, other = (
        build_model(spec, 3, generator=torch.Generator().manual_seed(1)).eval()
        for spec in (SPEC, plain)
    )
    assert torch.equal(model(*make_batch()), other(*make_batch()))
    costs = [cost_of(spec, 3, size=32) for spec in (plain, SPEC, *map(SPEC.at_exit, EXITS))]
    assert costs[0].gflops == costs[1].gflops  # exits cost nothing if all clips stay
    assert costs[0].params < costs[1].params
    assert costs[2].gflops < costs[3].gflops < costs[1].gflops


def test_an_exit_has_a_dstcn_behind_the_trunks_first_stages() -> None:
    spec = ModelSpec.parse("resnet18_0.5x + mstcn_3x + swish + motion + exits")
    cut = spec.at_exit(1)
    assert str(cut) == "resnet18_0.5x + dstcn_0.5x + swish + motion + stages2"
    assert ModelSpec.parse(str(cut)) == cut
    alone = cost_of(replace(cut, head="mean", head_width=0), 1, size=32).gflops
    features = 64  # of the second stage, times one label
    assert cost_of_trunk(cut, size=32)[0] == pytest.approx(alone - features / 1e9, rel=1e-9)


@pytest.mark.slow
def test_what_msdnets_exits_share_with_the_network_is_without_their_convolutions() -> None:
    plain = replace(MSDNET, options=("motion",))
    first, last, whole = (cost_of(MSDNET.at_exit(n), 3, size=32).gflops for n in (1, 6, 0))
    assert whole == cost_of(plain, 3, size=32).gflops
    shared = [cost_of_trunk(MSDNET.at_exit(number), size=32)[0] for number in (1, 6)]
    assert shared[0] < first < shared[1] < last
    trunk = build_empty(MSDNET.at_exit(1), 3, device="meta").trunk
    maps = [torch.empty(29, channels, 2, 2, device="meta") for channels in (0, 0, 160)]
    alone = count_multiply_adds(lambda: trunk.get_submodule("exit")(maps))
    mean = replace(MSDNET.at_exit(1), head="mean", head_width=0)
    expected = cost_of(mean, 1, size=32).gmacs - (alone + 128) / 1e9
    assert cost_of_trunk(MSDNET.at_exit(1), size=32)[1] == pytest.approx(expected, rel=1e-9)


def test_the_losses_of_all_exits_are_added() -> None:
    others = [torch.randn(4, 3, requires_grad=True) for _ in EXITS]
    labels_B, partners_B = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 1, 0, 2])
    frames_BTHW, lengths_B = make_batch()
    valid = check_batch(frames_BTHW, lengths_B)
    word_BT = torch.zeros(2, 3)
    view = View(frames_BTHW, lengths_B, word_BT, labels_B, partners_B, share=0.75, valid=valid)
    found = AsTrained().further_loss(others, torch.randn(4, 3), view)
    shares = ((0.75, labels_B), (0.25, partners_B))
    expected = sum(s * F.cross_entropy(own, labels) for own in others for s, labels in shares)
    torch.testing.assert_close(found, torch.as_tensor(expected))


@pytest.mark.slow
def test_a_lineage_trains_its_exits(tmp_path: Path) -> None:
    spec = ModelSpec.parse(f"{TEXT} + exits")
    train(make_plan(spec=spec, generations=0, recipe=replace(RECIPE, epochs=1)), tmp_path)
    model, card = load_model(tmp_path / "g0" / WEIGHTS_FILE)
    assert card.spec == str(spec)
    norms = [own for name, own in model.named_buffers() if name.startswith("exits.")]
    assert all(bool(own.any()) for own in norms)


@pytest.mark.slow
def test_a_file_gives_a_model_of_each_exit_packed_or_not(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "w.safetensors", str(SPEC))
    leaving, card = load_model(path, exit=2)
    assert card.spec == str(SPEC.at_exit(2))
    whole = load_model(path)[0]
    assert torch.equal(leaving.classifier.weight, whole.get_parameter("exits.1.classifier.weight"))
    packed = compress_model(path, tmp_path / "small.safetensors", "exit2 + int8").path
    assert load_card(packed).spec == card.spec
    weight = load_model(packed)[0].classifier.weight
    torch.testing.assert_close(weight, leaving.classifier.weight, rtol=0.1, atol=0.05)
    with pytest.raises(InputError, match=r"w\.safetensors: .* has no exit 3: '\+ exits' has 2 for"):
        load_model(path, exit=3)
    plain = write_weights(tmp_path / "plain.safetensors", TEXT)
    with pytest.raises(InputError, match="has no exit 1"):
        load_model(plain, exit=1)


@pytest.mark.parametrize(
    "text",
    [
        "shufflenetv2_1x + tcn_1x + exits",
        "resnet18 + tcn_1x + boundary + exits",
        "resnet18 + tcn_1x + exits + stages2",
        "resnet18 + tcn_1x + stages2 + stages3",
    ],
)
def test_exits_that_a_spec_cannot_have_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="one of them, for resnet18 or resnet34 or msdnet"):
        ModelSpec.parse(text)


def test_a_trunk_ends_early_only_after_an_exit() -> None:
    with pytest.raises(InputError, match="stages1: resnet18 ends early as one of stages2, stages3"):
        ModelSpec.parse("resnet18 + tcn_1x + stages1")
    assert ModelSpec.parse("msdnet + tcn_1x + stages1").stages == 1
    assert str(MSDNET.at_exit(6)) == "msdnet + dstcn_1x + motion + stages6"
