"""Every row of the paper's Tables 3 and 4 is reproduced to the printed digit."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lipnet.errors import InputError
from lipnet.measure.cost import cost_of, count_cost, count_parameters
from lipnet.measure.latency import measure_latency
from lipnet.measure.paper import FRAMES, OTHER_ROWS, PAPER_ROWS
from lipnet.models.build import build_model
from lipnet.models.densenet3d import DenseNet3D
from lipnet.models.frontend import FrontEnd
from lipnet.models.lipreader import Lipreader
from lipnet.models.recurrent import RecurrentHead
from lipnet.spec import ModelSpec

# Convolution and linear multiply-adds / 1e9, row by row.
LRW_GMACS = (10.284, 2.215, 1.683, 1.292, 1.244, 1.106, 0.760, 0.574, 0.574)
LRW1000_GMACS = (15.747, 1.702, 1.648, 0.875, 0.821)
ROWS = list(zip(PAPER_ROWS, LRW_GMACS + LRW1000_GMACS, strict=True))


@pytest.mark.parametrize(
    ("row", "gmacs"),
    ROWS,
    ids=[f"{row.spec}, {row.corpus}" for row in PAPER_ROWS],
)
def test_a_paper_row_to_the_printed_digit(row, gmacs):
    cost = cost_of(ModelSpec.parse(row.spec), row.classes, frames=FRAMES, size=row.size)
    assert f"{cost.params_m:.1f}" == row.params_m
    assert f"{cost.gflops:.2f}" == row.gflops
    assert abs(cost.gmacs - gmacs) < 6e-4
    assert cost.gmacs_computed <= cost.gmacs <= cost.gflops


def cost_of_other(name):
    row = next(row for row in OTHER_ROWS if row.name.startswith(name))
    assert row.spec is not None
    return row, cost_of(ModelSpec.parse(row.spec), row.classes, frames=FRAMES, size=row.size)


def test_resnet34_with_a_bgru_is_the_papers_to_the_printed_digit():
    row, cost = cost_of_other("ResNet-34")
    assert cost.params == 29_680_052
    assert (f"{cost.params_m:.1f}", f"{cost.gflops:.2f}") == (row.params_m, row.gflops)


@pytest.mark.slow
def test_densenet3d_with_a_bgru_differs_from_the_paper_as_its_note_states():
    row, cost = cost_of_other("3D DenseNet")
    assert (f"{cost.params_m:.2f}", f"{cost.gflops:.2f}") == ("14.54", "23.41")
    with torch.device("meta"):
        trunk = DenseNet3D((6, 8, 12, 8))
        head = RecurrentHead("bgru", trunk.features, units=256)
        frontend = FrontEnd(trunk.stem_channels, "relu")
        model = Lipreader(frontend, trunk, head, row.classes, boundary=False)
    deeper = count_cost(model, frames=FRAMES, size=row.size)
    assert f"{deeper.params_m:.2f} M and {deeper.gflops:.2f} G" in row.note


@pytest.mark.parametrize(
    "text",
    [
        "shufflenetv2_0.5x + dsmstcn_1.5x",
        "resnet18_0.25x + tcn_1x",
        "resnet18_0.125x + dctcn + swish",
        "resnet18_0.125x + bgru_24 + boundary",
        "densenet3d + bgru_8",
    ],
)
def test_computed_multiply_adds_agree_with_torchs_own_counter(text):
    spec = ModelSpec.parse(text)
    model = build_model(spec, 9).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 4, 44, 44), torch.tensor([4]), torch.ones(1, 4))
    cost = cost_of(spec, 9, frames=4, size=44)
    assert cost.gmacs_computed == pytest.approx(counter.get_total_flops() / 2 / 1e9, rel=1e-12)
    assert cost.params == count_parameters(model)
    stored = sum(tensor.numel() for tensor in model.state_dict().values())
    assert cost.weight_bytes >= 4 * stored


@pytest.mark.parametrize(("head", "gates"), [("bgru", 3), ("blstm", 4)])
def test_a_recurrent_head_costs_its_gates_products_per_frame(head, gates):
    frames, inputs, units, classes = 6, 64, 10, 9
    by_head = {
        text: cost_of(ModelSpec.parse(f"resnet18_0.125x + {text}"), classes, frames=frames, size=32)
        for text in (f"{head}_{units}", "bgru_1")
    }
    products = {
        text: 2 * gates_of * wide * ((inputs + wide) + (2 * wide + wide)) * frames
        for text, gates_of, wide in ((f"{head}_{units}", gates, units), ("bgru_1", 3, 1))
    }
    # Computed once, after the mean; the published models apply the linear layer to every frame.
    linear = {f"{head}_{units}": 2 * units * classes, "bgru_1": 2 * classes}
    trunks = {
        text: round(1e9 * cost.gmacs_computed) - products[text] - linear[text]
        for text, cost in by_head.items()
    }
    assert len(set(trunks.values())) == 1
    for text, cost in by_head.items():
        added = round(1e9 * (cost.gmacs - cost.gmacs_computed))
        assert added == (frames - 1) * linear[text]


def test_latency_is_positive_and_restores_threads_and_mode():
    model = build_model(ModelSpec.parse("shufflenetv2_0.5x + tcn_0.25x"), 3).train()
    before = torch.get_num_threads()
    latency = measure_latency(model, frames=2, size=16, threads=1, repeats=3)
    assert 0 < latency.p50_ms <= latency.p95_ms
    assert latency.threads == 1
    assert torch.get_num_threads() == before
    assert model.training


@pytest.mark.parametrize(("frames", "size"), [(0, 88), (-1, 88), (29, 0), (29, 15)])
def test_an_impossible_input_is_refused(frames, size):
    with pytest.raises(InputError):
        cost_of(ModelSpec.parse("resnet18 + tcn_1x"), 5, frames=frames, size=size)
