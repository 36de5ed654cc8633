"""The authors' checkpoints: their settings as a spec, their tensors as a model."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from lipnet.authors.names import rename_tensor
from lipnet.errors import InputError
from lipnet.files import read_json
from lipnet.models.build import build_empty
from lipnet.models.lipreader import Lipreader
from lipnet.models.shufflenetv2 import CHANNELS as SHUFFLENET_CHANNELS
from lipnet.models.tcn import KINDS, HeadKind
from lipnet.models.weights import check_tensors
from lipnet.sizes import BASE_CHANNELS
from lipnet.spec import ACTIVATIONS, ModelSpec

Known = TypeVar("Known")
STATE = "model_state_dict"  # the key of the tensors in an authors' file
OUTPUT = "tcn.tcn_output.weight"  # one row per class
TRUNKS = {
    "resnet": ("resnet18", (1.0,)),
    "shufflenet": ("shufflenetv2", tuple(SHUFFLENET_CHANNELS)),
}
DCTCN_CHANNELS = 512
WIDEST = 16  # times 256 channels: a head's most
RELU_TYPES = ("relu", *ACTIVATIONS)
TRUNK_KEYS = {"backbone_type", "relu_type", "width_mult"}
TCN_KEYS = {"tcn_kernel_size", "tcn_dwpw", "tcn_width_mult"}
# What all of the authors' models have in common and a spec does not name.
TCN_FIXED = {"tcn_num_layers": 4, "tcn_dropout": 0.2}
DCTCN_FIXED = {
    "densetcn_block_config": [3, 3, 3, 3],
    "densetcn_growth_rate_set": [384, 384, 384, 384],
    "densetcn_kernel_size_set": [3, 5, 7],
    "densetcn_dilation_size_set": [1, 2, 5],
    "densetcn_reduced_size": DCTCN_CHANNELS,
    "densetcn_se": True,
    "densetcn_dropout": 0.2,
}


def load_authors_model(checkpoint: Path, config: Path) -> tuple[Lipreader, ModelSpec]:
    """The model in eval mode and its spec; an InputError names what does not fit.

    Nothing in the file is executed: it is read as tensors and plain values, or refused.
    """
    spec = read_spec(config)
    tensors = read_tensors(checkpoint)
    output = tensors.get(OUTPUT)
    if output is None or output.dim() != 2:
        raise InputError(f"{checkpoint} has no matrix {OUTPUT!r} with a row per class")
    theirs = _name_tensors(checkpoint, tensors)
    # Nothing of the file's own sizes is allocated before all of them have been checked.
    plan = build_empty(spec, len(output), device="meta")
    check_tensors(  # in the file's own names, so that they can be looked up there
        {theirs.get(ours, ours): tensor for ours, tensor in plan.state_dict().items()},
        {name: tensors[name] for name in theirs.values()},
        where=f"{checkpoint} with {config} ({spec})",
    )
    _check_values(checkpoint, tensors)
    model = build_empty(spec, len(output))
    model.load_state_dict({ours: tensors[name] for ours, name in theirs.items()})
    return model.eval(), spec


def read_spec(config: Path) -> ModelSpec:
    """The spec of an authors' model from its settings, a JSON object with the authors' keys."""
    try:
        facts = read_json(config)
    except (OSError, ValueError) as error:
        raise InputError(f"{config} is not readable JSON: {error}") from None
    if not isinstance(facts, dict):
        raise InputError(f"{config} is not a JSON object of an authors' model's settings")
    try:
        return spec_of_config(facts)
    except InputError as error:
        raise InputError(f"{config}: {error}") from None


def spec_of_config(facts: Mapping[str, object]) -> ModelSpec:
    """The spec of an authors' configuration; InputError for any other key or value."""
    dense = any(key.startswith("densetcn_") for key in facts)
    fixed: dict[str, object] = {**DCTCN_FIXED} if dense else {**TCN_FIXED}
    _check_keys(facts, TRUNK_KEYS | fixed.keys() | (set() if dense else TCN_KEYS))
    for key, value in fixed.items():
        _choose(facts, key, (value,))
    backbone, widths = TRUNKS[_choose(facts, "backbone_type", tuple(TRUNKS))]
    width = _choose(facts, "width_mult", widths)
    activation = _choose(facts, "relu_type", RELU_TYPES)
    boundary = _choose({"use_boundary": False, **facts}, "use_boundary", (False, True))
    head, channels = ("dctcn", DCTCN_CHANNELS) if dense else _temporal_head(facts)
    wanted = {activation: activation in ACTIVATIONS, "boundary": boundary}
    options = tuple(option for option, chosen in wanted.items() if chosen)
    return ModelSpec(backbone, width, head, channels, options)


def read_tensors(checkpoint: Path) -> dict[str, Tensor]:
    """The tensors of an authors' file by the authors' names."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, on pickles that are then refused
            held = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{checkpoint} cannot be read: {error.strerror}") from None
    except Exception as error:  # a broken or hostile pickle can raise anything
        raise InputError(
            f"{checkpoint} is not a checkpoint of tensors and plain values "
            f"({type(error).__name__}); nothing else is read, as it could run code"
        ) from None
    if not isinstance(held, dict) or not isinstance(held.get(STATE), dict):
        found = ", ".join(map(repr, held)) if isinstance(held, dict) else type(held).__name__
        raise InputError(f"{checkpoint} has no state dict under {STATE!r}, but {found[:99]}")
    state = held[STATE]
    wrong = [name for name, value in state.items() if not _is_plain(value)]
    if wrong:
        raise InputError(f"{checkpoint}: {wrong[0]!r} of its {STATE} is not a plain tensor")
    return {str(name): tensor for name, tensor in state.items()}


def _name_tensors(checkpoint: Path, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Our name -> the authors'; a second name must hold the same tensor as the first."""
    theirs: dict[str, str] = {}
    for name, tensor in tensors.items():
        # A name that no authors' model has is kept, and reported as surplus.
        first = theirs.setdefault(rename_tensor(name) or name, name)
        if first != name and not _equal(tensors[first], tensor):
            raise InputError(
                f"{checkpoint}: {name!r} is a second name of {first!r}, but holds another tensor"
            )
    return theirs


def _check_values(checkpoint: Path, tensors: Mapping[str, Tensor]) -> None:
    """InputError for weights that are not finite floating-point numbers."""
    for name, tensor in tensors.items():
        counts = name.endswith("num_batches_tracked")
        if not (counts or tensor.is_floating_point()):
            raise InputError(f"{checkpoint}: {name!r} holds {tensor.dtype}, not real numbers")
        if not torch.isfinite(tensor).all():
            raise InputError(f"{checkpoint}: {name!r} holds values that are not finite numbers")


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_quantized or value.is_complex() or value.is_meta)
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def _temporal_head(facts: Mapping[str, object]) -> tuple[str, int]:
    known = sorted({kind.kernels for kind in KINDS.values()})
    kernels = _choose(facts, "tcn_kernel_size", tuple(list(each) for each in known))
    separable = _choose(facts, "tcn_dwpw", (False, True))
    kind = HeadKind(tuple(kernels), separable)
    head = next(name for name, each in KINDS.items() if each == kind)
    channels = BASE_CHANNELS * len(kernels) * _number(facts, "tcn_width_mult")
    if channels != int(channels):
        raise InputError(f"'tcn_width_mult' gives {channels} channels, not a whole number")
    return head, int(channels)


def _check_keys(facts: Mapping[str, object], wanted: set[str]) -> None:
    missing = sorted(wanted - facts.keys())
    unknown = sorted(facts.keys() - wanted - {"use_boundary"})
    faults = [f"missing {', '.join(missing)}"] * bool(missing)
    faults += [f"unknown {', '.join(unknown)}"] * bool(unknown)
    if faults:
        raise InputError(f"not the keys of an authors' model: {'; '.join(faults)}")


def _choose(facts: Mapping[str, object], key: str, known: tuple[Known, ...]) -> Known:
    """The value of `key`, one of the known ones (true is not 1 here)."""
    value = facts[key]
    for each in known:
        if each == value and isinstance(each, bool) == isinstance(value, bool):
            return each
    known_values = ", ".join(json.dumps(each) for each in known)
    raise InputError(f"{key!r} is {json.dumps(value)}; known: {known_values}")


def _number(facts: Mapping[str, object], key: str) -> float:
    value = facts[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= WIDEST:
        raise InputError(f"{key!r} is {json.dumps(value)[:99]}, not a number up to {WIDEST}")
    return float(value)
