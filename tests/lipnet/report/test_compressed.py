"""Compressed models and cascades in a report: sizes, costs and paired differences; nothing is
chosen from them."""

import shutil
from io import StringIO
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from rich.console import Console

from lipnet.compress.compression import fit_compression
from lipnet.errors import InputError
from lipnet.how import How
from lipnet.lineage.generation import Packing, read_generation, write_generation
from lipnet.measure.accuracy import paired_difference
from lipnet.measure.cost import cost_of_trunk
from lipnet.measure.latency import Latency
from lipnet.models.build import build_model
from lipnet.models.weights import ModelCard, save_packed
from lipnet.report import cascade, latencies, write
from lipnet.report.cascade import judge_cascade
from lipnet.report.comparisons import compare_all
from lipnet.report.compressed_page import describe_compressed
from lipnet.report.figures.cost import draw_accuracy_by_cost
from lipnet.report.figures.size import draw_accuracy_by_size
from lipnet.report.figures.style import house_style
from lipnet.report.keep import keep_study
from lipnet.report.leaderboard import write_leaderboard
from lipnet.report.names import ModelNames
from lipnet.report.parts import shared_cost
from lipnet.report.release import release_model
from lipnet.report.results import read_results
from lipnet.report.rows import LeaderboardRow, find_choices, models_of
from lipnet.report.saved import read_results_rows
from lipnet.report.study import Study
from lipnet.report.tables import leaderboard_rows
from lipnet.report.terminal import print_leaderboard
from lipnet.report.write import write_report
from lipnet.selection.selection import write_selection
from lipnet.spec import ModelSpec
from tests.lipnet.report.fabricated import LABELS, SMALL, Fake, fabricate, write_fake_figures
from tests.sharing import make_once
from tracking.names import final_figures
from tracking.publish import identify_ensemble

SPEC, SOURCE = SMALL[2].spec, "small-by-big-g1"
# Better than any model on every split: it must not be chosen all the same.
COPIES = (
    Fake("s-int4", SPEC, SOURCE, (0.64,), packing=Packing(SOURCE, "int4", 2, 60_000, 500_000)),
    Fake("s-w8a8", SPEC, SOURCE, (0.7,), packing=Packing(SOURCE, "w8a8", 0, 130_000, 500_000)),
    Fake("s-int8", SPEC, SOURCE, (0.99,), packing=Packing(SOURCE, "int8", 0, 125_000, 500_000)),
)
NAMES = ["s-w8a8-g1", "s-int8-g1", "s-int4-g1"]
CASCADES = {"small-then-big": ("small-by-big", "big"), "int4-then-big": ("s-int4", "big")}


def _report(folder: Path) -> None:
    study = Study(folder / "packed")
    fabricate(study, [*SMALL, *COPIES])
    copies = [fake.lineage for fake in COPIES]
    write_selection(study.logits_val, study.selection, compressed=copies, cascades=CASCADES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "write_figures", write_fake_figures)
        patch.setattr(latencies, "measure_weights", lambda weights, size: Latency(8.25, 9.5, 1))
        patch.setattr(latencies, "measure_export", lambda weights, size: Latency(6.5, 7.0, 1))
        patch.setattr(latencies, "measure_graph", lambda path, size: Latency(2.0, 2.5, 1))
        write_report(study, {"source": "synthetic"})
        write_leaderboard(study)


@pytest.fixture
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(make_once(tmp_path_factory, "reported-packed", _report) / "packed")


@pytest.fixture
def rows(study: Study) -> list[LeaderboardRow]:
    return read_results_rows(study)


def test_a_row_has_its_size_and_its_paired_difference(
    study: Study, rows: list[LeaderboardRow]
) -> None:
    results = read_results(study)
    found = {row.model: row for row in rows if row.compression}
    assert list(found) == NAMES
    row = found["s-int4-g1"]
    assert row.compression is not None
    first, second = (results.entry(name).outcomes["test"] for name in (SOURCE, row.model))
    change = paired_difference(first.correct_N, second.correct_N, second.units_N)
    assert row.compression.difference == pytest.approx(change.value, abs=1e-6)
    assert row.compression.difference_low == pytest.approx(change.low, abs=1e-6)
    assert row.compression.ratio == pytest.approx(500 / 60, abs=1e-6)
    bits = 8 * 60_000 / (1e6 * row.params_m)
    assert row.compression.bits_per_weight == pytest.approx(bits, abs=1e-4)
    assert (row.compression.tuned_epochs, row.teacher, row.training) == (2, SOURCE, "compressed")
    source = next(row for row in rows if row.model == SOURCE)
    assert (row.gflops, row.params_m) == (source.gflops, source.params_m)


@pytest.mark.slow
def test_widths_are_compared_with_the_models_from_scratch_of_their_specs(tmp_path: Path) -> None:
    """And their network is no twin of a model from scratch, nor distilled."""
    study, full, half = Study(tmp_path), "resnet18_0.25x + tcn_0.5x", "resnet18_0.125x + tcn_0.25x"
    packings = {
        how: Packing("wide-g0", how, 0, 10, 4_000_000) for how in ("width_0.5", "width_0.5 + int8")
    }
    fakes = [
        Fake("wide", full, None, (0.7,), widths=(1, 0.5)),
        Fake("full", full, None, (0.75,)),
        Fake("half", half, None, (0.6,)),
        Fake("wide-half", half, "wide-g0", (0.65,), packing=packings["width_0.5"]),
        Fake("wide-int8", half, "wide-g0", (0.65,), packing=packings["width_0.5 + int8"]),
    ]
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection, compressed=["wide-half", "wide-int8"])
    results = read_results(study)
    pairs = {(own.first, own.second): own for own in compare_all(results)}
    assert set(pairs) == {("full-g0", "wide-g0"), ("half-g0", "wide-half-g1")}
    assert {own.question for own in pairs.values()} == {"one of several widths over scratch"}
    rows = {row.model: row for row in leaderboard_rows(results)}
    assert rows["wide-g0"].training == "slimmable"
    assert rows["wide-half-g1"].gflops == rows["half-g0"].gflops < rows["wide-g0"].gflops / 2
    names = ModelNames(list(rows.values()))
    assert names.full("wide-g0") == "ResNet-18 0.25× + TCN 0.5×, the widest of several"
    assert names.full("wide-half-g1") == "ResNet-18 0.125× + TCN 0.25×, width_0.5"
    page = describe_compressed(list(rows.values()), names)
    (source,) = (line.split(" | ") for line in page if line.startswith("| as trained"))
    assert source[1] == "4,000,000"
    assert source[5] == f"{8 * 4 / rows['wide-g0'].params_m:.2f}"  # of all its weights
    with house_style():
        draw_accuracy_by_cost(results, "gflops", ceiling=None)


def test_an_exit_whose_weights_are_stored_otherwise_shares_nothing() -> None:
    spec = "resnet18_0.25x + dstcn_0.25x + stages2"
    assert shared_cost("exit1", spec, 44) > (0, 0)
    for how in ("exit1 + int4", "exit1 + half", "exit1 + w8a8", "int4", ""):
        assert shared_cost(how, spec, 44) == (0, 0)


@pytest.mark.slow
def test_what_an_exit_shares_with_its_network_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, spec = Study(tmp_path), ModelSpec.parse("resnet18_0.25x + tcn_0.5x + exits")
    packing = Packing("deep-g0", "exit1", 0, 10, 40)
    leaving = Fake("deep-e1", str(spec.at_exit(1)), "deep-g0", (0.65,), packing=packing)
    fabricate(study, [Fake("deep", str(spec), None, (0.7,)), leaving])
    pair = {"deep-early": ("deep-e1", "deep")}
    write_selection(study.logits_val, study.selection, compressed=["deep-e1"], cascades=pair)
    rows = {row.model: row for row in leaderboard_rows(read_results(study))}
    row, early, whole = (rows[name] for name in ("deep-early", "deep-e1-g1", "deep-g0"))
    assert row.cascade is not None
    shared = cost_of_trunk(spec.at_exit(1), size=44)[0]
    assert 0.5 * early.gflops < shared < early.gflops
    worst = early.gflops + whole.gflops - shared
    assert row.cascade.worst_gflops == pytest.approx(worst)
    stay = 1 - row.cascade.leaves
    assert row.gflops == pytest.approx(early.gflops + stay * (whole.gflops - shared))
    assert row.params_m == whole.params_m  # the exit's weights are some of the network's
    monkeypatch.setattr(cascade, "read_results_rows", lambda study: list(rows.values()))
    found = judge_cascade(study, "deep-e1-g1", "deep-g0")
    assert (found.gflops, found.worst_gflops) == pytest.approx((row.gflops, worst))


def test_nothing_is_chosen_from_compressed_models(study: Study, rows: list[LeaderboardRow]) -> None:
    results = read_results(study)
    assert max(rows, key=lambda row: row.val.top1).model == "s-int8-g1"
    assert results.best == "big-g1"
    assert not set(NAMES) & {model.name for model in results.models}
    assert not any(set(NAMES) & set(ensemble.members) for ensemble in results.ensembles)
    assert not set(NAMES) & find_choices(rows)
    assert not set(NAMES) & {row.model for row in models_of(rows)}
    assert not set(CASCADES) & {own.name for own in [*results.entries, *results.compressed]}
    assert not set(CASCADES) & find_choices(rows)
    text = (study.report / "report.md").read_text(encoding="utf-8")
    headline = text.partition("## ")[0]
    assert "the best single model" in headline
    assert "int8" not in headline


@pytest.mark.parametrize(
    ("name", "small"), [("small-then-big", SOURCE), ("int4-then-big", "s-int4-g1")]
)
def test_a_cascades_row_is_what_the_command_finds(
    study: Study, rows: list[LeaderboardRow], name: str, small: str
) -> None:
    row = next(row for row in rows if row.model == name)
    found = judge_cascade(study, small, "big-g1")
    assert row.cascade is not None
    assert row.members == (small, "big-g1")
    pairs = [
        (row.gflops, found.gflops),
        (row.test.top1, found.top1.value),
        (row.test.top1_low, found.top1.low),
        (row.cascade.threshold, found.threshold),
        (row.cascade.leaves_val, found.leaves_val),
        (row.cascade.leaves, found.leaves),
        (row.cascade.worst_gflops, found.worst_gflops),
        (row.cascade.large_gflops, found.large_gflops),
        (row.cascade.difference, found.over_large.value),
        (row.cascade.difference_low, found.over_large.low),
        (row.cascade.difference_high, found.over_large.high),
    ]
    for own, expected in pairs:
        assert own == pytest.approx(expected, abs=1e-5)
    assert 0 < row.cascade.leaves < 1
    figures = final_figures(row)
    assert figures["cost/worst_gflops"] == row.cascade.worst_gflops > figures["cost/gflops"]
    assert figures["cascade/leaves"] == row.cascade.leaves
    fingerprints = dict.fromkeys([small, "big-g1"], "f")
    assert identify_ensemble(row, fingerprints, "grid").tags["kind"] == "cascade"


def test_the_page_shows_a_cascades_mean_and_worst_case(
    study: Study, rows: list[LeaderboardRow]
) -> None:
    text = (study.report / "report.md").read_text(encoding="utf-8")
    section = text.split("## Cascades")[1].split("\n## ")[0]
    row = next(row for row in rows if row.model == "small-then-big")
    assert row.cascade is not None
    line = next(line for line in section.splitlines() if "`small-then-big`" in line)
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    assert cells[0] == (
        "ShuffleNet v2 0.5× + TCN 0.125× and, if it is unsure, ResNet-18 0.25× + TCN 0.25×"
    )
    assert float(cells[6]) == row.cascade.threshold
    assert cells[3:6] == [
        f"{row.gflops:.3f}",
        f"{100 * row.gflops / row.cascade.large_gflops:.0f} %",
        f"{row.cascade.worst_gflops:.3f}",
    ]
    assert "its latency is the worst case" in text.split("## Leaderboard")[1]


def test_the_page_and_the_terminal_show_them(study: Study) -> None:
    text = (study.report / "report.md").read_text(encoding="utf-8")
    section = text.split("## Compressed models")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        *("| **ShuffleNet v2 0.5× + TCN 0.125×, distilled from ResNet-18 0.25× + TCN 0.25×**",),
        *("| as trained", "| w8a8", "| int8", "| int4"),
    ]
    assert lines[3].startswith("| as trained | 500,000 | ")
    assert lines[6].startswith("| int4 | 60,000 | ")
    assert " | 8.3 | " in lines[6]
    assert [line.split(" | ")[-4:-1] for line in lines[3:]] == [
        ["8.2", "6.5", "-"],
        ["-", "2.0", "none"],
        ["8.2", "6.5", "none"],
        ["8.2", "6.5", "2"],
    ]
    board = text.split("## Leaderboard")[1].split("\n## ")[0]
    assert "**Compressed**" in board
    assert f"`s-int8-g1` from `{SOURCE}`" in board
    out = StringIO()
    console = Console(file=out, width=120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latencies, "measure_weights", lambda weights, size: Latency(8.25, 9.5, 1))
        print_leaderboard(study, read_results_rows(study), console)
    assert "int4, tuned" in out.getvalue()
    assert "Of a cascade: mean GFLOPs, and both models' ms." in out.getvalue()


def test_mlflow_gets_size_and_loss_under_the_same_names(rows: list[LeaderboardRow]) -> None:
    figures = final_figures(next(row for row in rows if row.model == "s-int4-g1"))
    assert figures["cost/file_bytes"] == 60_000
    assert figures["cost/ratio"] == pytest.approx(500 / 60, abs=1e-6)
    assert {"accuracy/difference", "cost/bits_per_weight"} <= set(figures)
    plain = final_figures(next(row for row in rows if row.model == SOURCE))
    assert not {"cost/file_bytes", "accuracy/difference"} & set(plain)


@pytest.mark.slow
def test_a_compressed_model_is_released_with_what_it_was_made_from(
    study: Study, tmp_path: Path
) -> None:
    own = Study(tmp_path / study.name)
    shutil.copytree(study.root, own.root)
    torch.manual_seed(1)
    model = build_model(ModelSpec.parse(SPEC), len(LABELS))
    packed_copies = [fake for fake in COPIES if fake.packing.how != "w8a8"]
    for fake in packed_copies:
        folder = own.lineage(fake.lineage) / "g1"
        origin = {"how": fake.packing.how, "fingerprint": read_generation(folder).fingerprint}
        packed = fit_compression(How.parse(fake.packing.how), model).pack(model)
        card = ModelCard(SPEC, sorted(LABELS), {"size": 96}, origin)
        save_packed(folder / "weights.safetensors", packed, card)
        path = release_model(own, f"{fake.lineage}-g1", tmp_path, attribution="Rendered faces.")
        assert path.read_bytes() == (folder / "weights.safetensors").read_bytes()
    tuned, stored = (
        (tmp_path / f"packed-{fake.lineage}-g1.md").read_text(encoding="utf-8")
        for fake in packed_copies
    )
    assert "`s-int4-g1`, a copy (int4, tuned) that is 8.3 times smaller and differs by " in tuned
    assert f"points on test, of `{SOURCE}` (distilled), distilled from `big-g1`" in tuned
    assert "validation chose this model" not in tuned
    assert "**Recipe.** optimiser" in tuned
    assert "**Recipe.** That of the model that it was made from; it was not tuned." in stored


def test_a_kept_study_gives_the_same_rows(
    study: Study, rows: list[LeaderboardRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "write_figures", write_fake_figures)
    keep_study(study, tmp_path / "kept")
    kept = Study(tmp_path / "kept")
    write_report(kept, {"source": "synthetic"})
    found = [row.compression for row in read_results_rows(kept) if row.compression]
    assert found == [row.compression for row in rows if row.compression]


def test_a_copy_without_its_source_is_refused(study: Study, tmp_path: Path) -> None:
    keep_study(study, tmp_path / "kept")
    kept = Study(tmp_path / "kept")
    folder = kept.lineage("s-int4") / "g1"
    made = read_generation(folder)
    gone = Packing("gone-g1", "int4", 0, 60_000, 500_000)
    for packing in (None, gone):
        write_generation(folder, type(made)(**{**vars(made), "packing": packing}))
        with pytest.raises(InputError, match="run `dvc repro compressed@s-int4`"):
            read_results(kept)


@pytest.mark.slow
def test_every_point_of_the_figure_is_at_its_bytes_and_accuracy(study: Study) -> None:
    results = read_results(study)
    figure = _draw(study)
    drawn = {
        (float(x), round(float(y), 6))
        for line in figure.axes[0].lines
        if line.get_marker() in ("o", "s")
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    sizes = {SOURCE: 500_000, "s-w8a8-g1": 130_000, "s-int8-g1": 125_000, "s-int4-g1": 60_000}
    expected = {
        (float(size), round(100 * results.entry(name).outcomes["test"].top1.value, 6))
        for name, size in sizes.items()
    }
    assert drawn == expected
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"int8", "int4"} <= texts


def _draw(study: Study) -> Figure:
    with house_style():
        figure = draw_accuracy_by_size(read_results(study))
    assert figure is not None
    return figure


def test_a_study_without_compressed_models_has_no_such_figure(reported_study: Study) -> None:
    assert draw_accuracy_by_size(read_results(reported_study)) is None
    text = (reported_study.report / "results.csv").read_text(encoding="utf-8")
    assert "file_bytes" not in text.partition("\n")[0]
