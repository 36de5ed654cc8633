"""A model as an int8 graph of ONNX Runtime (w8a8), calibrated on its training clips."""

from dataclasses import replace
from pathlib import Path

import torch

from lipnet.code import code_digest
from lipnet.compress.lineage import Stored
from lipnet.export.graph import make_clip_graphs
from lipnet.export.onnx_file import OPSET, open_reader, trace, write_onnx
from lipnet.export.parity import check_parity
from lipnet.export.quantise import choose_clips, quantise_graphs
from lipnet.how import How
from lipnet.inference.onnx_reader import GraphFacts, import_runtime
from lipnet.inference.predict import predict_each
from lipnet.lineage.generation import ONNX_FILE
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.models.weights import TRAINED_ON, ModelCard, load_model

CODE = "compress.graph"  # the module whose imports are the code of a graph


def quantise_model(plan: LineagePlan, data: LineageData, how: How, device: torch.device) -> Stored:
    """A graph with int8 weights and activations, which runs on the CPU (a Maker).

    InputError if the extra `export` is missing, or no graph of any number of frames expresses the
    model.
    """
    assert plan.start is not None
    model, card = load_model(plan.start, width=how.width, exit=how.exit)
    recipe, boundary = plan.recipe, model.boundary
    runtime = import_runtime()
    traced = [trace(graph) for graph in make_clip_graphs(model, recipe.input_size)]
    check_parity(model, open_reader(traced, model), recipe.input_size)
    clips = list(choose_clips(data.train, recipe, stream=False, boundary=boundary))
    quantised = quantise_graphs(traced, clips)
    reader = open_reader(quantised, model)
    validation = predict_each(reader, data.val, recipe, device=reader.device)
    calibration = {"clips": len(clips), "shards": data.digest}

    def write(path: Path, card: ModelCard) -> None:
        # As in `lipnet export`: nothing that runs the graph needs the list.
        origin = {name: value for name, value in card.origin.items() if name != TRAINED_ON}
        below = None if card.rejection is None else card.rejection.below
        facts = GraphFacts("clip", "int8", OPSET, reject_below=below, calibration=calibration)
        write_onnx(path, quantised[0], replace(card, origin=origin), facts)

    made_with = {"graph": code_digest(CODE), "onnxruntime": runtime.__version__}
    return Stored(card, validation, ONNX_FILE, write, made_with)
