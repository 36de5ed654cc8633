"""ONNX models in memory: weights are stored in the shape in which they are used."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lipnet.export.onnx_file import OPSET, fold_reshaped_weights
from lipnet.inference.onnx_reader import open_session, run_graph


def make_model(operator: str, second: list[int], *, shared: bool) -> ModelProto:
    """A product with a weight [4, 3, 1] that an operator with a `second` input makes [4, 3] first;
    `shared`: and is an output too."""
    weight_431 = np.arange(12, dtype=np.float32).reshape(4, 3, 1)
    held = [
        numpy_helper.from_array(weight_431, "weight"),
        numpy_helper.from_array(np.array(second), "second"),
    ]
    nodes = [
        helper.make_node(operator, ["weight", "second"], ["used"]),
        helper.make_node("Gemm", ["x", "used"], ["y"], transB=1),
    ]
    ends = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])]
    if shared:
        nodes.append(helper.make_node("Identity", ["weight"], ["z"]))
        ends.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [4, 3, 1]))
    starts = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])]
    graph = helper.make_graph(nodes, "g", starts, ends, held)
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


@pytest.mark.parametrize(
    ("operator", "second"), [("Squeeze", [-1]), ("Reshape", [0, -1]), ("Reshape", [4, 3])]
)
def test_a_weight_is_stored_in_the_shape_of_its_use(operator: str, second: list[int]) -> None:
    x_23 = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    for shared, left in ((False, 0), (True, 1)):
        model = make_model(operator, second, shared=shared)
        expected = run_graph(open_session(model.SerializeToString()), x_23)
        fold_reshaped_weights(model)
        assert sum(node.op_type == operator for node in model.graph.node) == left
        assert ("second" in {entry.name for entry in model.graph.initializer}) == shared
        found = run_graph(open_session(model.SerializeToString()), x_23)
        assert np.array_equal(found, expected)
