"""ONNX models in memory: tracing a graph, running it, its metadata, and writing the file."""

import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lipnet.errors import InputError
from lipnet.export.graph import Graph
from lipnet.files import write_atomic
from lipnet.inference.onnx_reader import (
    GRAPH_KEY,
    INSTALL,
    GraphFacts,
    OnnxReader,
    open_session,
)
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import HEADER_KEY, ModelCard

OPSET = 20


def trace(graph: Graph) -> bytes:
    """The graph as ONNX, by torch.export; equal modules give equal bytes.

    InputError if the exporter refuses the module.
    """
    onnx = import_onnx()
    try:
        with quiet():
            program = torch.onnx.export(
                graph.module.eval(),
                tuple(graph.inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(graph.inputs),
                output_names=[graph.output],
                dynamic_shapes=graph.dynamic_shapes,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(f"torch.export cannot express the {graph.name} graph: {cause}") from None
    assert program is not None
    model = onnx.ModelProto.FromString(program.model_proto.SerializeToString())
    _strip(model)
    fold_reshaped_weights(model)
    return bytes(model.SerializeToString(deterministic=True))


def open_reader(graphs: Sequence[bytes], model: Lipreader) -> OnnxReader:
    """The graphs, called as the model, with as many threads as torch has."""
    threads = torch.get_num_threads()
    sessions = [open_session(graph, threads=threads) for graph in graphs]
    return OnnxReader(sessions, model.boundary)


def write_onnx(path: Path, content: bytes, card: ModelCard, facts: GraphFacts) -> None:
    """Write the graph with its metadata, whole or not at all."""
    model = import_onnx().ModelProto.FromString(content)
    del model.metadata_props[:]
    for key, value in ((HEADER_KEY, card), (GRAPH_KEY, facts)):
        text = json.dumps(asdict(value), sort_keys=True, ensure_ascii=False)
        model.metadata_props.add(key=key, value=text)
    with write_atomic(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def import_onnx() -> Any:
    """The package onnx; InputError unless all that an export needs is installed."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f"export: {error}; {INSTALL}") from None
    return onnx


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings: exporter and quantiser warn about their own internals, about torchvision,
    which is not needed, and about steps that are already done."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _strip(model: Any) -> None:
    """Remove what the exporter adds for debugging, such as stack traces with this machine's
    paths."""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    for entry in (*model.graph.node, *model.graph.initializer):
        entry.doc_string = ""
        del entry.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = ""
        del value.metadata_props[:]


def fold_reshaped_weights(model: Any) -> None:
    """Store weights in the shape in which they are used: the quantiser leaves a weight in float32
    that reaches its product through a Squeeze or a Reshape."""
    graph = model.graph
    held = {entry.name: entry for entry in graph.initializer}
    for node in list(graph.node):
        if node.op_type not in SHAPE_OF or not all(name in held for name in node.input):
            continue
        weight, how = (held[name] for name in node.input)
        if any(weight.name in other.input for other in graph.node if other is not node):
            continue
        dims = SHAPE_OF[node.op_type](list(weight.dims), how)
        del weight.dims[:]
        weight.dims.extend(dims)
        for other in graph.node:
            for place, name in enumerate(other.input):
                if name == node.output[0]:
                    other.input[place] = weight.name
        graph.node.remove(node)
        _drop_unused(graph, how.name)


def _drop_unused(graph: Any, name: str) -> None:
    """Remove a constant that no node takes any more: ONNX Runtime warns of it."""
    if any(name in node.input for node in graph.node):
        return
    for place, entry in enumerate(graph.initializer):
        if entry.name == name:
            del graph.initializer[place]
            return


def _squeeze(dims: Sequence[int], axes: Any) -> list[int]:
    dropped = {axis % len(dims) for axis in _numbers(axes)}
    return [size for axis, size in enumerate(dims) if axis not in dropped]


def _reshape(dims: Sequence[int], shape: Any) -> list[int]:
    """ONNX's rule: 0 keeps the size of that axis, -1 takes what is left."""
    sizes = [dims[axis] if size == 0 else size for axis, size in enumerate(_numbers(shape))]
    known = math.prod(size for size in sizes if size > 0)
    return [math.prod(dims) // known if size < 0 else size for size in sizes]


def _numbers(tensor: Any) -> list[int]:
    from onnx import numpy_helper

    numbers: list[int] = numpy_helper.to_array(tensor).tolist()
    return numbers


# The shape that an operator makes of a weight's, from its second input.
SHAPE_OF: dict[str, Callable[[Sequence[int], Any], list[int]]] = {
    "Squeeze": _squeeze,
    "Reshape": _reshape,
}
