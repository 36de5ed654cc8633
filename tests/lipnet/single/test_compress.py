"""Compressed models: equal logits from file and memory, equal bytes, and sizes by formula."""
# B batch  C channels  K classes

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lipnet.cli.main import main
from lipnet.coding.table import decode_rows, encode_table
from lipnet.coding.tensors import unpack
from lipnet.compress.compression import (
    ENDS,
    MIN_NUMBERS,
    StraightThrough,
    codebook_ratio,
    fit_compression,
)
from lipnet.compress.quantisers import (
    FITTERS,
    Clusters,
    Factors,
    Halves,
    Levels,
    Signs,
    cluster,
    keep_largest,
)
from lipnet.data.clip_set import ClipSet
from lipnet.data.loader import open_split
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.how import GRAPH, ORDER, PRUNED_VALUES, STEPS, How, Step
from lipnet.inference.predict import predict_logits
from lipnet.models import rejection
from lipnet.models.build import build_empty, build_model
from lipnet.models.initial import Initial, load_initial
from lipnet.models.lengths import Lengths, describe_lengths
from lipnet.models.rejection import choose_rejection
from lipnet.models.weights import (
    PACKED_DATA,
    TRAINED_ON,
    copy_weights,
    load_card,
    load_model,
    save_packed,
)
from lipnet.single.compress import compress_model
from lipnet.spec import CLIP_NETS, OWN_FRONT_ENDS, ModelSpec
from lipnet.train.history import EpochRecord
from lipnet.train.reestimate import reestimate_batchnorm
from tests.lipnet.inference.embedding import (
    RECIPE,
    THRESHOLDS,
    add_widths,
    write_shards,
    write_weights,
)

SPEC = "resnet18_0.125x + tcn_0.25x"
HOWS = (
    *("half", "int4", "binary", "lowrank_0.5", "prune_0.7", "prune_0.7 + int4"),
    "prune_0.5 + cluster3",
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "w.safetensors", SPEC)


def test_every_step_that_stores_weights_has_a_quantiser_and_is_tried_here() -> None:
    storing = set(STEPS) - {*ORDER, GRAPH}
    assert set(FITTERS) == storing, "a row of FITTERS for each of them"
    assert {How.parse(how).values.name for how in HOWS} == storing, "one of HOWS for each of them"


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
def test_a_packed_file_gives_the_logits_that_were_measured(
    tmp_path: Path, weights: Path, how: str
) -> None:
    model, source = load_model(weights)
    made = compress_model(weights, tmp_path / "small.safetensors", how)
    loaded, card = load_model(made.path)
    assert card.origin["how"] == how
    assert replace(card, origin={}) == replace(source, origin={})
    frames_BTHW = torch.randn(2, 5, 32, 32, generator=torch.Generator().manual_seed(1))
    batch = (frames_BTHW, torch.tensor([5, 4]))
    with torch.inference_mode():
        measured = fit_compression(How.parse(how), model).apply(model)(*batch)
        assert torch.equal(loaded(*batch), measured)
    again = compress_model(weights, tmp_path / "again.safetensors", how)
    assert again.path.read_bytes() == made.path.read_bytes()
    assert made.file_bytes == made.path.stat().st_size < weights.stat().st_size / 1.9


def test_thresholds_that_validation_chose_for_other_weights_are_dropped(
    tmp_path: Path, weights: Path
) -> None:
    source = tmp_path / "w.safetensors"
    copy_weights(weights, source, THRESHOLDS)
    card = compress_model(source, tmp_path / "small.safetensors", "int8").card
    assert (card.rejection, card.spotting) == (None, None)


@pytest.mark.slow
def test_what_a_file_lacks_of_a_network_of_several_widths_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_weights(tmp_path / "w.safetensors", "resnet18_0.25x + tcn_0.0625x")
    add_widths(source, (1, 0.5))
    printed = []
    for how in ("half", "width_0.5"):
        main(["compress", str(source), "--how", how, "--out", str(tmp_path / "s.safetensors")])
        printed.append(capsys.readouterr().out)
    assert "\nthe widest network alone, without the widths 0.5\n" in printed[0]
    assert "the widest" not in printed[1]
    assert " times smaller than the whole network in single precision, " in printed[1]


@pytest.mark.slow
def test_with_shards_a_width_gets_the_threshold_of_its_own_validation_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejection, "MIN_RIGHT", 1)
    source = write_weights(tmp_path / "w.safetensors", "resnet18_0.25x + tcn_0.125x")
    add_widths(source, (1, 0.5))
    shards = write_shards(tmp_path / "shards", ("train", "val"))
    made = compress_model(source, tmp_path / "half.safetensors", "width_0.5", shards=shards)
    narrow, _ = load_model(source, width=0.5)
    clips = open_split(shards, "val", shrink=Shrink.for_recipe(RECIPE))
    expected = choose_rejection(*predict_logits(narrow, clips, RECIPE, device=torch.device("cpu")))
    assert made.card.rejection == expected is not None
    assert made.compared is not None
    assert made.compared.also_chose == ""


@pytest.mark.parametrize(
    ("spec", "ends"),
    [
        ("resnet18_0.125x + mean", ["frontend.conv.weight"]),
        (
            "resnet18_0.125x + mean + exits",
            ["frontend.conv.weight", "exits.0.classifier.weight", "exits.1.classifier.weight"],
        ),
        ("alexnet_0.0625x + mean", ["trunk.column.convs.0.weight"]),
        (
            "alexnet2_0.0625x + mean",
            ["trunk.context.convs.0.weight", "trunk.fovea.convs.0.weight"],
        ),
        ("ji3d + mean", ["trunk.still.c2.weight", "trunk.flow.c2.weight"]),
        ("vggm_ef_0.0625x", ["trunk.first.conv.0.weight"]),
    ],
)
def test_first_and_last_layers_and_biases_are_not_binary(spec: str, ends: list[str]) -> None:
    model = build_model(ModelSpec.parse(spec), 20)
    quantisers = fit_compression(How.parse("binary"), model).quantisers
    whole = {name for name, own in quantisers.items() if isinstance(own, Halves)}
    assert whole - {"classifier.weight"} == set(ends)
    assert any(isinstance(own, Signs) for own in quantisers.values())
    assert not any(name.endswith("bias") for name in quantisers)


@pytest.mark.parametrize("net", [*CLIP_NETS, *(f"{own} + mean" for own in OWN_FRONT_ENDS)])
def test_the_first_layer_of_every_network_without_the_front_end_is_known(net: str) -> None:
    model = build_empty(ModelSpec.parse(net), 20, device="meta")
    name, first = next((n, own) for n, own in model.named_parameters() if own.dim() > 1)
    is_whole = ENDS.match(name) or first.numel() < MIN_NUMBERS
    assert is_whole, f"add {name} to ENDS of lipnet/compress/compression.py"


@pytest.mark.parametrize("how", HOWS)
def test_tuning_sees_the_stored_values_and_its_gradients_reach_the_weights(how: str) -> None:
    torch.manual_seed(1)
    model = build_model(ModelSpec.parse(SPEC), 3).eval()
    compression = fit_compression(How.parse(how), model)
    packed = compression.pack(model)
    for name, quantiser in compression.quantisers.items():
        weight = model.get_parameter(name)
        values = quantiser.values(weight)
        torch.testing.assert_close(values, unpack(packed[name]), rtol=1e-3, atol=1e-4)
        gradient = torch.autograd.grad(values.sum(), weight)[0]
        assert bool(gradient.isfinite().all())
    batch = (torch.randn(2, 3, 32, 32), torch.tensor([3, 3]))
    through = StraightThrough(model, compression.quantisers)
    with torch.no_grad():
        torch.testing.assert_close(
            through(*batch), compression.apply(model)(*batch), rtol=0.1, atol=0.1
        )
    through(*batch).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_recurrent_head_can_be_tuned() -> None:
    model = build_model(ModelSpec.parse("resnet18_0.125x + bgru_8"), 3)
    compression = fit_compression(How.parse("int4"), model)
    assert "head.cells.weight_ih_l0" in compression.quantisers
    batch = (torch.randn(2, 3, 32, 32), torch.tensor([3, 2]))
    model.eval()
    through = StraightThrough(model, compression.quantisers)(*batch)
    expected = compression.apply(model)(*batch)
    torch.testing.assert_close(through, expected, rtol=0.1, atol=0.1)
    through.sum().backward()
    assert model.get_parameter("head.cells.weight_ih_l0").grad is not None


def test_straight_through_gradients_by_hand() -> None:
    """2 x 2: integers pass gradients as they are, clusters their mean over the group."""
    weight = torch.tensor([[0.9, -0.2], [0.4, 1.0]], requires_grad=True)
    upstream = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    levels = Levels(2, torch.ones(2))
    assert levels.values(weight).tolist() == [[pytest.approx(0.9, abs=1e-3), 0], [0, 1]]
    (levels.values(weight) * upstream).sum().backward()
    assert torch.equal(weight.grad, upstream)
    weight.grad = None
    groups = Clusters(1, torch.tensor([1, 0, 0, 1]))
    assert groups.book(weight).tolist() == [
        pytest.approx(0.1, abs=1e-3),
        pytest.approx(0.95, abs=1e-3),
    ]
    (groups.values(weight) * upstream).sum().backward()
    assert weight.grad.tolist() == [[3.0, 2.5], [2.5, 3.0]]


def test_the_mean_magnitude_is_the_best_factor_of_signs() -> None:
    weight = torch.randn(4, 50, generator=torch.Generator().manual_seed(1))
    values = Signs().values(weight)
    best = (weight - values).square().sum()
    for factor in (0.98, 1.02):
        assert (weight - factor * values).square().sum() > best


def test_clusters_are_those_of_k_means_by_distances() -> None:
    values_N = np.random.default_rng(1).normal(size=500)
    centres_K = np.linspace(values_N.min(), values_N.max(), 8)
    for _ in range(200):
        nearest_N = np.abs(values_N[:, None] - centres_K).argmin(1)
        centres_K = np.array([values_N[nearest_N == k].mean() for k in range(8)])
    assert cluster(values_N, 8).tolist() == nearest_N.tolist()


def test_low_rank_has_the_rank_of_its_share_and_the_least_error() -> None:
    weight = torch.randn(24, 6, 5, generator=torch.Generator().manual_seed(1))
    factors = Factors.fit(weight, 0.5)
    rank = int(0.5 * 24 * 30 / (24 + 30))
    matrix = unpack(factors.pack(weight)).flatten(1)
    assert int(torch.linalg.matrix_rank(matrix)) == rank
    rest = torch.linalg.svdvals(weight.flatten(1))[rank:]
    assert (matrix - weight.flatten(1)).norm() == pytest.approx(float(rest.norm()), rel=1e-2)


def test_pruning_leaves_out_the_smallest_weights_of_the_head_alone(weights: Path) -> None:
    model, _ = load_model(weights)
    pruned = fit_compression(How.parse("prune_0.7"), model).apply(model)
    for name, weight in model.named_parameters():
        zeros = pruned.get_parameter(name) == 0
        large = name.startswith("head.") and weight.dim() > 1 and weight.numel() >= MIN_NUMBERS
        assert int(zeros.sum()) == (
            int(0.7 * weight.numel()) if large else int((weight == 0).sum())
        )
        if large:
            assert weight.abs()[zeros].max() <= weight.abs()[~zeros].min()
    mean = build_model(ModelSpec.parse("resnet18_0.125x + mean"), 3)
    with pytest.raises(InputError, match="this head has none"):
        fit_compression(How.parse("prune_0.7"), mean)
    equal = keep_largest(torch.ones(4), 0.5)
    assert equal.tolist() == [False, False, True, True]


@pytest.mark.parametrize("name", ["half", *PRUNED_VALUES])
def test_pruned_weights_stay_zero_in_each_form_of_the_others(name: str) -> None:
    weight = torch.randn(16, 32, generator=torch.Generator().manual_seed(1))
    kept = keep_largest(weight, 0.7)
    quantiser = FITTERS[name](Step(name, 4), weight, kept)
    for stored in (quantiser.values(weight), unpack(quantiser.pack(weight))):
        assert not stored[~kept].any()
        assert stored[kept].any()


def test_deep_compressions_ratios_by_formula() -> None:
    """Han et al., arXiv 1510.00149: the example of section 3, and the sizes of Table 1."""
    assert codebook_ratio(16, 4) == 3.2
    lenet_300_100 = [(784, 300), (300, 100), (100, 10)]
    lenet_5 = [(25, 20), (500, 50), (800, 500), (500, 10)]
    alexnet_conv = [(363, 96), (1200, 256), (2304, 384), (1728, 384), (1728, 256)]
    alexnet_fc = [(9216, 4096), (4096, 4096), (4096, 1000)]
    printed = [(lenet_300_100, 1_070_000), (lenet_5, 1_720_000)]
    printed.append((alexnet_conv + alexnet_fc, 240_000_000))
    for layers, file_bytes in printed:
        weights = sum(inputs * outputs + outputs for inputs, outputs in layers)
        assert 4 * weights == pytest.approx(file_bytes, rel=0.02)
    # AlexNet without pruning: 8 bits for convolutions, 5 for fully connected layers (section 5).
    conv, fc = (sum(i * o for i, o in layers) for layers in (alexnet_conv, alexnet_fc))
    stored = conv / codebook_ratio(conv, 256) + fc / codebook_ratio(fc, 32)
    assert (conv + fc) / stored == pytest.approx(6.26, abs=0.01)


@pytest.mark.parametrize(
    ("weights_k", "kept", "weight_bits", "index_bits", "printed"),
    [
        *((235, 0.08, 6, 5, 0.031), (30, 0.09, 6, 5, 0.038), (1, 0.26, 6, 5, 0.157)),
        *((0.5, 0.66, 8, 5, 0.785), (25, 0.12, 8, 5, 0.060)),
        *((400, 0.08, 5, 5, 0.027), (5, 0.19, 5, 5, 0.069)),
    ],
)
def test_deep_compressions_layers_before_huffman_coding(
    weights_k: float, kept: float, weight_bits: int, index_bits: int, printed: float
) -> None:
    """Tables 2 and 3, LeNet-300-100 and LeNet-5: a kept weight costs its index into the codebook
    and its gap, and the codebook 32 bits per entry. Printed are one or two digits, with the zeros
    that fill gaps of more than 5 bits."""
    bits = kept * (weight_bits + index_bits) + 32 * 2**weight_bits / (1000 * weights_k)
    assert bits / 32 == pytest.approx(printed, rel=0.15)


@pytest.mark.parametrize(("clusters", "bits"), [(4, 2), (16, 4), (64, 6)])
def test_a_clustered_tensor_has_the_size_of_the_formula(clusters: int, bits: int) -> None:
    weight = torch.rand(100, 300, generator=torch.Generator().manual_seed(1))  # evenly spread
    packed = Clusters.fit(weight, bits, None).pack(weight)
    row = decode_rows(encode_table({"w": packed})[0])[0]
    expected = weight.numel() * 4 / codebook_ratio(weight.numel(), clusters, 32)
    assert row.data_bytes == pytest.approx(expected, rel=0.01)  # entries of 16 bits, not 32


def test_a_student_can_start_from_a_packed_file(tmp_path: Path, weights: Path) -> None:
    made = compress_model(weights, tmp_path / "small.safetensors", "int8")
    fresh = build_model(ModelSpec.parse(SPEC), 3)
    assert load_initial(fresh, made.path, load_card(made.path).labels) == Initial()
    assert torch.equal(fresh.classifier.weight, load_model(made.path)[0].classifier.weight)


@pytest.mark.slow
def test_the_command_compares_on_a_split(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards, out = (
        write_shards(tmp_path / "shards", ("train", "val", "test")),
        tmp_path / "s.safetensors",
    )
    arguments = [
        "compress",
        str(weights),
        "--how",
        "int4",
        "--out",
        str(out),
        "--shards",
        str(shards),
    ]
    main([*arguments, "--split", "test", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] == out.stat().st_size
    assert found["ratio"] > 4
    accuracy = found["accuracy"]
    low, high = accuracy["difference_95"]
    assert low <= accuracy["top1_compressed"] - accuracy["top1_source"] <= high
    assert accuracy["split_also_chose"] is None
    main(arguments)
    printed = capsys.readouterr().out
    assert "; top-1 on val, whose clips also chose these statistics:\n" in printed
    assert "paired" in printed
    with pytest.raises(SystemExit, match="compressed already"):
        main(["compress", str(out), "--how", "int4", "--out", str(tmp_path / "t.safetensors")])
    with pytest.raises(SystemExit, match="trained on its clips"):
        main([*arguments, "--split", "train"])
    with pytest.raises(SystemExit, match="unknown step 'int99'"):
        main(["compress", str(weights), "--how", "int99", "--out", str(out)])


@pytest.mark.slow
def test_tuning_lowers_the_loss_and_gives_equal_bytes_again(tmp_path: Path, weights: Path) -> None:
    shards = write_shards(tmp_path / "shards", ("train", "val"))
    recipe = replace(RECIPE, epochs=2, batch=5, lr=5e-4, schedule="constant", mixup=0.0)
    recipe = replace(recipe, variable_length=False, flip=0.0)
    trained = {
        **describe_lengths(Lengths(17, 1.0, 2)),
        TRAINED_ON: ClipSet.of("grid", ["clip-0"]).dump(),
    }
    source = tmp_path / "w.safetensors"
    copy_weights(weights, source, trained)
    files, losses = [], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made = compress_model(
            source,
            tmp_path / name / "small.safetensors",
            "int2",
            shards=shards,
            tune=recipe,
            on_epoch=lambda record: losses.append(record.train_loss),
        )
        files.append(made.path.read_bytes())
        assert sorted(path.name for path in made.path.parent.iterdir()) == ["small.safetensors"]
    assert files[0] == files[1]
    assert losses[1] < losses[0]
    assert losses[2:] == losses[:2]
    origin = made.card.origin
    assert (origin["how"], origin["teacher"]) == ("int2", "x-g0")
    assert {name: origin[name] for name in trained} == trained
    assert made.compared is not None
    assert (made.compared.statistics, made.compared.also_chose) == ("trained", "the epoch")
    assert made.file_bytes < 0.1 * weights.stat().st_size
    values = load_model(made.path)[0].get_parameter("trunk.stages.0.0.conv1.weight")
    assert all(len(channel.unique()) <= 3 for channel in values)  # still two bits
    with pytest.raises(InputError, match="name --shards"):
        compress_model(weights, tmp_path / "s.safetensors", "int2", tune=recipe)


@pytest.mark.slow
def test_an_interrupted_tuning_resumes_in_its_own_folder_alone(
    tmp_path: Path, weights: Path
) -> None:
    shards = write_shards(tmp_path / "shards", ("train", "val"))
    recipe = replace(RECIPE, epochs=1, batch=5, mixup=0.0, variable_length=False)
    out, work = tmp_path / "s.safetensors", tmp_path / "s.work"
    work.mkdir()
    (work / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"s\.work is not of a tuning that was interrupted"):
        compress_model(weights, out, "int4", shards=shards, tune=recipe)
    assert [path.name for path in work.iterdir()] == ["notes.txt"]
    work.rename(tmp_path / "other")

    def interrupt(record: EpochRecord) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compress_model(weights, out, "int4", shards=shards, tune=recipe, on_epoch=interrupt)
    assert work.is_dir()
    compress_model(weights, out, "int4", shards=shards, tune=recipe)
    assert out.is_file()
    assert not work.exists()


@pytest.mark.parametrize("changed", [{"eval_context": 2}, {"input_size": 28}], ids=str)
def test_tuning_sees_the_clips_as_the_source_does(
    tmp_path: Path, weights: Path, changed: dict[str, Any]
) -> None:
    shards, recipe = write_shards(tmp_path / "shards", ("train", "val")), replace(RECIPE, **changed)
    ((name, value),) = changed.items()
    with pytest.raises(InputError, match=rf"recipe\.{name} is {value}, but that of .* is "):
        compress_model(weights, tmp_path / "s.safetensors", "int4", shards=shards, tune=recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


@pytest.mark.parametrize("spec", ["efficientnetb0_0.25x + mean", "shufflenetv2_0.5x + tcn_0.25x"])
def test_batchnorm_is_measured_without_random_layers(tmp_path: Path, spec: str) -> None:
    shards = write_shards(tmp_path / "shards", ("train",))
    clips = open_split(shards, "train", shrink=Shrink.for_recipe(RECIPE))
    model = build_model(ModelSpec.parse(spec), 3)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        measured = reestimate_batchnorm(model, clips, RECIPE, device=torch.device("cpu"))
        found.append(measured.state_dict())
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())
    before = model.state_dict()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in found[0].items())


def test_the_file_to_be_compressed_is_kept(tmp_path: Path, weights: Path) -> None:
    link = tmp_path / "link.safetensors"
    link.symlink_to(weights)
    for out in (weights, link):
        with pytest.raises(InputError, match="is the file to be compressed: name another one"):
            compress_model(weights, out, "int2")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--lr", "1e-3", "--batch", "8"], "without --epochs: leave out --lr, --batch"),
        (["--split", "val"], "nothing is compared without --shards: leave out --split"),
    ],
)
def test_options_without_use_are_refused(arguments: list[str], error: str, weights: Path) -> None:
    with pytest.raises(SystemExit, match=error):
        main(["compress", str(weights), "--how", "int8", "--out", "s.safetensors", *arguments])


def test_damaged_packed_files_are_one_line(tmp_path: Path, weights: Path) -> None:
    made = compress_model(weights, tmp_path / "small.safetensors", "cluster4")
    model, card = load_model(made.path)
    tensors = load_file(made.path)
    header = {"lipnet": json.dumps(card.__dict__)}
    save_file({**tensors, PACKED_DATA: tensors[PACKED_DATA][:-1]}, made.path, header)
    with pytest.raises(InputError, match=r"small\.safetensors is damaged.*do not fit its table"):
        load_model(made.path)
    save_file(
        {name: tensor for name, tensor in tensors.items() if name != PACKED_DATA}, made.path, header
    )
    with pytest.raises(InputError, match="is damaged"):
        load_model(made.path)
    packed = fit_compression(How.parse("half"), model).pack(model)
    other = replace(card, spec="resnet18_0.125x + tcn_0.5x")
    save_packed(made.path, packed, other)
    with pytest.raises(InputError, match="does not fit its spec; missing"):
        load_model(made.path)


def test_a_weight_out_of_the_range_of_half_precision_is_refused(weights: Path) -> None:
    model, _ = load_model(weights)
    with torch.no_grad():
        model.classifier.bias[0] = 1e6
    with pytest.raises(InputError, match=r"classifier\.bias is out of the range"):
        fit_compression(How.parse("int8"), model).pack(model)
