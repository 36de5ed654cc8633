"""The authors' files: every public configuration has a spec; what does not fit is named."""

import json
import pickle
from pathlib import Path

import pytest
import torch

from lipnet.authors.checkpoint import load_authors_model, read_spec, read_tensors, spec_of_config
from lipnet.authors.names import rename_tensor
from lipnet.errors import InputError
from tests.lipnet.authors.fabricated import (
    CONFIGS,
    SPECS,
    make_state,
    read_config,
    write_released,
)

SMALL = "lrw_snv05x_tcn1x"
DENSE = "lrw_resnet18_dctcn"
CONV = "tcn.tcn_trunk.network.0.conv1.bias"
SECOND_CONV = "tcn.tcn_trunk.network.0.net.0.bias"


@pytest.mark.parametrize("name", CONFIGS)
def test_every_public_configuration_has_a_spec(name):
    assert str(spec_of_config(read_config(name))) == SPECS[name]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (SMALL, {"relu_type": "gelu"}, '\'relu_type\' is "gelu"; known: "relu", "prelu", "swish"'),
        (SMALL, {"backbone_type": "vgg"}, '\'backbone_type\' is "vgg"; known: "resnet", "shuff'),
        (SMALL, {"width_mult": 0.25}, "'width_mult' is 0.25; known: 0.5, 1.0, 1.5, 2.0"),
        (SMALL, {"width_mult": True}, "'width_mult' is true"),
        (SMALL, {"tcn_kernel_size": [5]}, r"'tcn_kernel_size' is [5]; known: [3], [3, 5, 7]"),
        (SMALL, {"tcn_kernel_size": 3}, "'tcn_kernel_size' is 3"),
        (SMALL, {"tcn_num_layers": 3}, "'tcn_num_layers' is 3; known: 4"),
        (SMALL, {"tcn_dropout": 0.5}, "'tcn_dropout' is 0.5; known: 0.2"),
        (SMALL, {"tcn_dwpw": 1}, "'tcn_dwpw' is 1; known: false, true"),
        (SMALL, {"tcn_width_mult": "2"}, "'tcn_width_mult' is \"2\", not a number"),
        (SMALL, {"tcn_width_mult": float("inf")}, "not a number"),
        (SMALL, {"tcn_width_mult": 0.001}, "not a whole number"),
        (SMALL, {"tcn_width_mult": 99}, "is 99, not a number up to 16"),
        (SMALL, {"use_boundary": "no"}, "'use_boundary' is \"no\"; known: false, true"),
        (SMALL, {"colour": 1, "tcn_depth": 2}, "unknown colour, tcn_depth"),
        (SMALL, {"tcn_dwpw": None}, "missing tcn_dwpw"),
        (DENSE, {"densetcn_se": False}, "'densetcn_se' is false; known: true"),
        (DENSE, {"densetcn_block_config": [3, 3]}, "known: [3, 3, 3, 3]"),
        (DENSE, {"width_mult": 0.5}, "'width_mult' is 0.5; known: 1.0"),
        (DENSE, {"densetcn_reduced_size": None}, "missing densetcn_reduced_size"),
        (DENSE, {"tcn_dwpw": False}, "unknown tcn_dwpw"),
    ],
)
def test_another_key_or_value_is_named(name, changes, message):
    facts = {**read_config(name), **changes}
    facts = {key: value for key, value in facts.items() if value is not None}
    with pytest.raises(InputError) as error:
        spec_of_config(facts)
    assert message in str(error.value)


def test_a_boundary_joins_any_head():
    facts = {**read_config(SMALL), "use_boundary": True}
    assert spec_of_config(facts).options == ("prelu", "boundary")


@pytest.mark.parametrize("text", ["", "{", "[1]", '"mstcn"', "{}", '{"relu_type": "swish"}'])
def test_a_file_that_is_not_a_configuration_is_named(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match=r"c\.json"):
        read_spec(tmp_path / "c.json")
    with pytest.raises(InputError, match=r"absent\.json"):
        read_spec(tmp_path / "absent.json")


def test_an_authors_file_becomes_its_model(tmp_path):
    model, spec = load_authors_model(*write_released(tmp_path, SMALL))
    assert str(spec) == SPECS[SMALL]
    assert not model.training
    held = model.state_dict()
    for name, tensor in make_state(SMALL).items():
        assert torch.equal(held[rename_tensor(name)], tensor)


def test_missing_surplus_and_misshapen_tensors_are_named(tmp_path):
    changes = {
        "trunk.0.0.banch1.0.weight": None,
        "frontend3D.1.weight": torch.zeros(23),
        "trunk.fc.weight": torch.zeros(2),
    }
    with pytest.raises(InputError) as error:
        load_authors_model(*write_released(tmp_path, SMALL, **changes))
    assert "missing: trunk.units.0.shortcut.0.weight;" in str(error.value)
    assert "surplus: trunk.fc.weight;" in str(error.value)
    assert "misshapen: frontend3D.1.weight (23,) instead of (24,)" in str(error.value)


def test_a_second_name_must_hold_the_same_tensor(tmp_path):
    pair = write_released(tmp_path, SMALL, **{SECOND_CONV: torch.zeros(256)})
    with pytest.raises(InputError, match=f"{SECOND_CONV}.*second name of .*{CONV}"):
        load_authors_model(*pair)


@pytest.mark.parametrize("dropped", [CONV, SECOND_CONV])
def test_one_of_two_names_is_enough(tmp_path, dropped):
    model, _ = load_authors_model(*write_released(tmp_path, SMALL, **{dropped: None}))
    bias = model.state_dict()[rename_tensor(CONV)]
    assert torch.equal(bias, make_state(SMALL)[CONV])


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.full((500,), float("nan")), "not finite numbers"),
        (torch.zeros(500, dtype=torch.int8), "holds torch.int8, not real numbers"),
        (torch.zeros(1).expand(500), "is not a plain tensor"),
    ],
)
def test_values_that_are_not_weights_are_refused(tmp_path, tensor, message):
    pair = write_released(tmp_path, SMALL, **{"tcn.tcn_output.bias": tensor})
    with pytest.raises(InputError, match=rf"'tcn\.tcn_output\.bias'.* {message}"):
        load_authors_model(*pair)


def test_the_configuration_of_another_model_is_an_input_error(tmp_path):
    checkpoint, _ = write_released(tmp_path, SMALL)
    other = tmp_path / "other.json"
    other.write_text(json.dumps(read_config("lrw_snv1x_dsmstcn3x")))
    message = r"tcn1x\.pth with .*other\.json \(shufflenetv2_1x \+ dsmstcn_3x\).*missing.*misshapen"
    with pytest.raises(InputError, match=message):
        load_authors_model(checkpoint, other)


def test_a_checkpoint_without_its_output_layer_is_an_input_error(tmp_path):
    pair = write_released(tmp_path, SMALL, **{"tcn.tcn_output.weight": None})
    with pytest.raises(InputError, match=r"no matrix 'tcn\.tcn_output\.weight'"):
        load_authors_model(*pair)


class RunsCode:
    """Unpickled by an unguarded reader, it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_executed(tmp_path):
    trap = tmp_path / "executed"
    for protocol in (2, 4):
        content = {"model_state_dict": {"a": RunsCode(trap)}}
        (tmp_path / "evil.pth").write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(InputError, match=r"evil\.pth is not a checkpoint.*could run code"):
            read_tensors(tmp_path / "evil.pth")
    torch.save({"model_state_dict": RunsCode(trap)}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="could run code"):
        read_tensors(tmp_path / "evil.pth")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([1, 2], "no state dict under 'model_state_dict', but list"),
        ({"epoch": 3, "optimizer": {}}, "but 'epoch', 'optimizer'"),
        ({"model_state_dict": 5}, "but 'model_state_dict'"),
        ({"model_state_dict": {"a.b": 5}}, "'a.b' of its model_state_dict is not a plain tensor"),
        ({"model_state_dict": {"a": torch.eye(3).to_sparse()}}, "'a' of its model_state_dict"),
        ({"model_state_dict": {"a": torch.zeros(3, dtype=torch.cfloat)}}, "is not a plain tensor"),
        (torch.zeros(3), "no state dict under 'model_state_dict', but Tensor"),
    ],
)
def test_a_pickle_that_holds_something_else_is_an_input_error(tmp_path, held, message):
    torch.save(held, tmp_path / "x.pth")
    with pytest.raises(InputError) as error:
        read_tensors(tmp_path / "x.pth")
    assert message in str(error.value)


def test_a_file_that_is_not_a_checkpoint_is_named(tmp_path):
    whole = write_released(tmp_path, SMALL)[0].read_bytes()
    for content in (b"", b"hello", b"\x80\x02.", b"PK\x03\x04", whole[: len(whole) // 2]):
        (tmp_path / "x.pth").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.pth is not a checkpoint"):
            read_tensors(tmp_path / "x.pth")
    for place in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_tensors(place)
