"""Export: parity with the library and bytes of every model, in float32 and int8.

The weights are random and BatchNorm's statistics are those of noise, which is also what the graphs
are compared on and what calibrates int8. Float32 has the limit of `lipnet export`; the difference
of int8 describes noise, and `lipnet export --int8` measures accuracy.
"""
# B batch  T frames  H W pixels

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.compare import describe_machine
from lipnet.errors import InputError
from lipnet.export.graph import make_clip_graphs
from lipnet.export.onnx_file import OPSET, open_reader, trace, write_onnx
from lipnet.export.parity import TOLERANCE, measure_parity
from lipnet.export.quantise import quantise_graphs
from lipnet.inference.onnx_reader import GraphFacts, inputs_of
from lipnet.measure.paper import CLASSES, FRAMES, LRW, OTHER_ROWS, PAPER_ROWS, SIZES
from lipnet.models.build import build_model
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, save_weights
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec

CALIBRATION_CLIPS = 4
BLSTM = "resnet18 + blstm_256"  # a system of other authors; no row of the paper has an LSTM
HEADER = (
    f"{'model':<32}{'pixels':>6}{'weights MB':>12}{'onnx MB':>10}{'int8 MB':>10}"
    f"{'parity':>10}{'int8 parity':>13}"
)


@dataclass(frozen=True, order=True)
class Model:
    """A spec with the input and the words that it is exported for."""

    spec: str
    size: int
    classes: int


@dataclass(frozen=True)
class Sizes:
    """Bytes of the three files, and both graphs' largest difference of a logit from the library's,
    as a fraction of the logits' standard deviation."""

    weights: int
    onnx: int
    int8: int
    parity: float
    int8_parity: float


def main() -> None:
    """Print the table; exit status 1 if a model cannot be exported or is beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=[], metavar="TEXT", help="parts of specs")
    models = choose_models(parser.parse_args().models)
    torch.set_num_threads(1)
    print(f"{describe_machine(1)}\n{HEADER}")
    wrong = [model.spec for model in models if not print_row(model)]
    if wrong:
        sys.exit(f"error: no parity within {TOLERANCE:.0e}: {'; '.join(wrong)}")


def choose_models(wanted: Sequence[str]) -> list[Model]:
    """The models with one of the texts in their spec, all if no text is given."""
    chosen = [model for model in list_models() if _has_one(model.spec, wanted)]
    if not chosen:
        raise SystemExit(f"--models {' '.join(wanted)}: matches no spec")
    return chosen


def list_models() -> Iterator[Model]:
    """Every row of the paper's tables, the models of others in them, and a BLSTM."""
    yield from dict.fromkeys(Model(row.spec, row.size, row.classes) for row in PAPER_ROWS)
    for other in OTHER_ROWS:
        if other.spec is not None:
            yield Model(other.spec, other.size, other.classes)
    yield Model(BLSTM, SIZES[LRW], CLASSES[LRW])


def _has_one(spec: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(text in spec for text in wanted)


def print_row(model: Model) -> bool:
    """Print one line of the table; returns whether float32 is within the limit."""
    line = f"{model.spec:<32}{model.size:>6}"
    try:
        found = measure_sizes(model)
    except InputError as error:
        print(f"{line}  {error}", flush=True)
        return False
    megabytes = [f"{size / 1e6:.1f}" for size in (found.weights, found.onnx, found.int8)]
    line += "".join(f"{text:>{wide}}" for text, wide in zip(megabytes, (12, 10, 10), strict=True))
    print(f"{line}{found.parity:>10.1e}{found.int8_parity:>13.1e}", flush=True)
    return found.parity <= TOLERANCE


def measure_sizes(model: Model) -> Sizes:
    """Write the three files to a temporary folder, and compare both graphs with the library."""
    spec = ModelSpec.parse(model.spec)
    network = build_model(spec, model.classes, generator=torch.Generator().manual_seed(1))
    noise_BTHW = _make_noise(model.size)
    set_statistics(network, noise_BTHW)
    traced = [trace(graph) for graph in make_clip_graphs(network, model.size)]
    small = quantise_graphs(traced, [inputs_of(False, each.numpy(), None) for each in noise_BTHW])
    parities = [
        measure_parity(network, open_reader(graphs, network), model.size).worst
        for graphs in (traced, small)
    ]
    words = [f"WORD{place}" for place in range(model.classes)]
    card = ModelCard(model.spec, words, {**describe_input(model)})
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("w.safetensors", "float32.onnx", "int8.onnx")]
        save_weights(paths[0], network, card)
        for path, graphs in zip(paths[1:], (traced, small), strict=True):
            write_onnx(path, graphs[0], card, GraphFacts("clip", path.stem, OPSET))
        return Sizes(*(path.stat().st_size for path in paths), *parities)


def describe_input(model: Model) -> Mapping[str, object]:
    """The facts of a model's input, as its card has them."""
    return Recipe(field=model.size, input_size=model.size).input_facts


def _make_noise(size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(CALIBRATION_CLIPS, FRAMES, size, size, generator=generator)


@torch.no_grad()
def set_statistics(network: Lipreader, noise_BTHW: torch.Tensor) -> None:
    """Give BatchNorm the means and variances of one clip, so that activations keep their scale
    as in a trained network; leaves it in eval mode."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.momentum = None  # an average, not a step from the initial values
    network.train()(noise_BTHW[:1], torch.tensor([noise_BTHW.shape[1]]))
    network.eval()


if __name__ == "__main__":
    main()
