"""LiteRT files as ONNX graphs, for the layers that MediaPipe's face networks have."""
# C channels  H W pixels

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.export.onnx_file import import_onnx
from lipnet.landmarks.litert import NetworkFile, import_interpreter

OPSET = 17
IR_VERSION = 9
IMAGE = "image"  # the input, [1, C, H, W]
SAME = 0  # LiteRT's padding by which a layer's output has 1 / stride of its input's pixels
CHANNELS_FIRST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
Array = NDArray[Any]


@dataclass
class _Made:
    """The nodes and constants of the graph so far; `constants` are the source's own, by tensor."""

    onnx: Any
    shapes: Sequence[Sequence[int]]  # of the source's tensors
    constants: dict[int, Array]
    nodes: list[Any] = field(default_factory=list)
    stored: list[Any] = field(default_factory=list)

    def add(self, kind: str, inputs: Sequence[str], output: str, **settings: Any) -> None:
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [output], **settings))

    def store(self, name: str, values: Array) -> str:
        """The name of a constant; weights in half precision are cast when the graph is loaded."""
        half = values.dtype == np.float16
        stored = f"{name}_half" if half else name
        self.stored.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(values), stored))
        if half:
            self.add("Cast", [stored], name, to=self.onnx.TensorProto.FLOAT)
        return name


@dataclass(frozen=True)
class _Layer:
    """One layer of the source: its options, and the numbers of its inputs and of its output."""

    options: Any
    inputs: Sequence[int]
    output: int


def convert(file: NetworkFile) -> bytes:
    """The network as ONNX, with an input "image" [1, C, H, W] and the source's own outputs, those
    that are images channels first; equal files give equal bytes.

    InputError if a package is missing, or for a layer that is not one of LAYERS.
    """
    import_interpreter()  # its package has the schema of the files
    from ai_edge_litert import schema_py_generated as schema

    onnx = import_onnx()
    source = schema.ModelT.InitFromPackedBuf(file.read(), 0)
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    graph = source.subgraphs[0]
    shapes = [[int(side) for side in each.shape] for each in graph.tensors]
    made = _Made(onnx, shapes, _find_constants(source))
    for operator in graph.operators:
        code = source.operatorCodes[operator.opcodeIndex]
        # Older files have their codes in the deprecated field, and 0 in the other.
        kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind not in LAYERS:
            raise InputError(f"{file.name}: a layer {kind} cannot be written as ONNX")
        layer = _Layer(operator.builtinOptions, list(operator.inputs), int(operator.outputs[0]))
        if getattr(layer.options, "fusedActivationFunction", 0):
            raise InputError(f"{file.name}: a {kind} with an activation cannot be written as ONNX")
        LAYERS[kind](made, layer)
    return _finish(made, int(graph.inputs[0]), [int(each) for each in graph.outputs])


def _find_constants(source: Any) -> dict[int, Array]:
    kinds = {0: np.float32, 1: np.float16, 2: np.int32}
    found = {}
    for number, tensor in enumerate(source.subgraphs[0].tensors):
        content = source.buffers[tensor.buffer].data
        if content is not None and len(content):
            values = np.frombuffer(bytes(content), np.dtype(kinds[tensor.type]).newbyteorder("<"))
            found[number] = values.reshape(tensor.shape)
    return found


def _finish(made: _Made, image: int, outputs: Sequence[int]) -> bytes:
    onnx, batch = made.onnx, 1
    _, height, width, channels = made.shapes[image]
    made.nodes.insert(0, onnx.helper.make_node("Identity", [IMAGE], [_name(image)]))
    graph = onnx.helper.make_graph(
        made.nodes,
        "face",
        [_describe(onnx, IMAGE, [batch, channels, height, width])],
        [_describe(onnx, _name(each), _shape_of(made.shapes[each])) for each in outputs],
        made.stored,
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def _describe(onnx: Any, name: str, shape: Sequence[int]) -> Any:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape))


def _shape_of(shape: Sequence[int]) -> list[int]:
    """As in the graph: channels first, if it has channels and pixels."""
    order = CHANNELS_FIRST if len(shape) == 4 else range(len(shape))
    return [shape[axis] for axis in order]


def _name(tensor: int) -> str:
    return f"t{tensor}"


def _dequantise(made: _Made, layer: _Layer) -> None:
    made.constants[layer.output] = made.constants[layer.inputs[0]]


def _convolve(made: _Made, layer: _Layer) -> None:
    """Weights [out, H, W, in]; of a depthwise layer [1, H, W, out]."""
    image, weights, bias = layer.inputs
    values = made.constants[weights]
    depthwise = hasattr(layer.options, "depthMultiplier")
    order = (3, 0, 1, 2) if depthwise else CHANNELS_FIRST
    kernel = values.shape[1:3]
    made.add(
        "Conv",
        [
            _name(image),
            made.store(_name(weights), values.transpose(order)),
            made.store(_name(bias), made.constants[bias]),
        ],
        _name(layer.output),
        kernel_shape=kernel,
        strides=_strides(layer),
        pads=_pads(made, layer, kernel),
        group=made.shapes[image][3] if depthwise else 1,
    )


def _pool(made: _Made, layer: _Layer) -> None:
    kernel = (int(layer.options.filterHeight), int(layer.options.filterWidth))
    made.add(
        "MaxPool",
        [_name(layer.inputs[0])],
        _name(layer.output),
        kernel_shape=kernel,
        strides=_strides(layer),
        pads=_pads(made, layer, kernel),
    )


def _strides(layer: _Layer) -> list[int]:
    return [int(layer.options.strideH), int(layer.options.strideW)]


def _pads(made: _Made, layer: _Layer, kernel: Sequence[int]) -> list[int]:
    """ONNX's pads (top, left, bottom, right): an odd one goes to the bottom or right."""
    if layer.options.padding != SAME:
        return [0, 0, 0, 0]
    sides = made.shapes[layer.inputs[0]][1:3]
    totals = [
        max((-(-side // stride) - 1) * stride + size - side, 0)
        for side, stride, size in zip(sides, _strides(layer), kernel, strict=True)
    ]
    before = [int(total) // 2 for total in totals]
    return before + [int(total) - half for total, half in zip(totals, before, strict=True)]


def _pad(made: _Made, layer: _Layer) -> None:
    image, widths = layer.inputs
    first_last = made.constants[widths][list(CHANNELS_FIRST)].T
    name = made.store(f"{_name(layer.output)}_pads", first_last.reshape(-1).astype(np.int64))
    made.add("Pad", [_name(image), name], _name(layer.output))


def _activate(made: _Made, layer: _Layer) -> None:
    made.add("Relu", [_name(layer.inputs[0])], _name(layer.output))


def _activate_by_slope(made: _Made, layer: _Layer) -> None:
    """Slopes [1, 1, C]."""
    image, slopes = layer.inputs
    slopes_C11 = made.constants[slopes].transpose(2, 0, 1)
    name = made.store(f"{_name(layer.output)}_slopes", slopes_C11)
    made.add("PRelu", [_name(image), name], _name(layer.output))


def _add(made: _Made, layer: _Layer) -> None:
    made.add("Add", [_name(each) for each in layer.inputs], _name(layer.output))


def _reshape(made: _Made, layer: _Layer) -> None:
    """In the source's order of values, channels last."""
    last = f"{_name(layer.output)}_last"
    made.add("Transpose", [_name(layer.inputs[0])], last, perm=CHANNELS_LAST)
    shape = np.array(made.shapes[layer.output], np.int64)
    name = made.store(f"{_name(layer.output)}_shape", shape)
    made.add("Reshape", [last, name], _name(layer.output))


def _concatenate(made: _Made, layer: _Layer) -> None:
    axis = int(layer.options.axis)
    made.add("Concat", [_name(each) for each in layer.inputs], _name(layer.output), axis=axis)


LAYERS: Mapping[str, Callable[[_Made, _Layer], None]] = {
    "DEQUANTIZE": _dequantise,
    "CONV_2D": _convolve,
    "DEPTHWISE_CONV_2D": _convolve,
    "MAX_POOL_2D": _pool,
    "PAD": _pad,
    "RELU": _activate,
    "PRELU": _activate_by_slope,
    "ADD": _add,
    "RESHAPE": _reshape,
    "CONCATENATION": _concatenate,
}
