"""The report: its rows, its tables, its findings, and equal bytes for equal results."""

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.files import read_json
from lipnet.inference.logits import read_logits
from lipnet.measure.accuracy import paired_difference, topk
from lipnet.measure.cost import cost_of
from lipnet.measure.latency import Latency
from lipnet.report import latencies, write
from lipnet.report.latencies import measure_all
from lipnet.report.leaderboard import write_leaderboard
from lipnet.report.names import ModelNames
from lipnet.report.paper_page import describe_paper
from lipnet.report.results import read_results
from lipnet.report.saved import read_leaderboard, read_results_rows
from lipnet.report.study import Study
from lipnet.report.terminal import print_leaderboard
from lipnet.report.write import write_report
from lipnet.selection.selection import write_selection
from lipnet.spec import ModelSpec
from tests.lipnet.report.fabricated import SMALL, Fake, fabricate, write_fake_figures
from tests.sharing import make_once

BIG = SMALL[0].spec
Rows = dict[str, dict[str, str]]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(write, "write_figures", write_fake_figures)
    monkeypatch.setattr(latencies, "measure_weights", lambda weights, size: Latency(8.25, 9.5, 1))
    return Study(tmp_path / "fabricated")


@pytest.fixture
def reported(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study with its report: written once, and copied per test."""
    made = make_once(tmp_path_factory, "reported-small", _fabricate_reported)
    shutil.copytree(made / study.root.name, study.root)
    return study


def _fabricate_reported(folder: Path) -> None:
    study = Study(folder / "fabricated")
    fabricate(study)
    _report(study)


def _report(study: Study, ceiling: float | None = None) -> None:
    write_selection(study.logits_val, study.selection)
    corpus = (
        {"source": "synthetic"}
        if ceiling is None
        else {"source": "synthetic", "ceiling_top1": ceiling}
    )
    write_report(study, corpus)


def _rows(path: Path, key: str = "model") -> Rows:
    with path.open(encoding="utf-8") as lines:
        return {row[key]: row for row in csv.DictReader(lines)}


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_rows_hold_the_accuracy_of_the_logits_and_the_cost_of_the_spec(reported: Study) -> None:
    rows = _rows(reported.report / "results.csv")
    assert list(rows)[:4] == ["big-g0", "big-g1", "small-g0", "small-by-big-g1"]
    saved = read_logits(reported.logits("big", "g1", "test"))
    right = (saved.logits.argmax(axis=1) == saved.labels).mean()
    assert float(rows["big-g1"]["test_top1"]) == pytest.approx(right, abs=1e-6)
    low, high = (float(rows["big-g1"][f"test_top1_{end}"]) for end in ("low", "high"))
    assert low < right < high
    cost = cost_of(ModelSpec.parse(BIG), 12, frames=29, size=44)
    assert float(rows["big-g1"]["gflops"]) == pytest.approx(cost.gflops, abs=1e-6)
    assert float(rows["big-all"]["params_m"]) == pytest.approx(2 * cost.params_m, abs=1e-5)
    trained = {name: row["training"] for name, row in rows.items() if not row["members"]}
    assert list(trained.values()) == ["scratch", "born-again", "scratch", "distilled"]
    assert not any("unseen" in column for column in rows["big-g1"])


def test_distilled_is_compared_with_scratch_of_the_same_spec(reported: Study) -> None:
    found = _rows(reported.report / "tables" / "comparisons.csv", "second")
    assert found["small-by-big-g1"]["first"] == "small-g0"
    assert found["big-g1"]["question"] == "born-again over scratch"
    scratch, taught = (
        read_logits(reported.logits(lineage, name, "test"))
        for lineage, name in (("small", "g0"), ("small-by-big", "g1"))
    )
    expected = paired_difference(
        topk(scratch.logits, scratch.labels, 1), topk(taught.logits, taught.labels, 1), taught.units
    )
    assert float(found["small-by-big-g1"]["low"]) == pytest.approx(expected.low, abs=1e-6)


@pytest.mark.slow
def test_the_tracked_report_is_the_same_to_the_byte(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # with real figures
    fabricate(study)
    _report(study, ceiling=0.95)
    first = _bytes(study.report)
    shutil.rmtree(study.report)
    _report(study, ceiling=0.95)
    assert _bytes(study.report) == first
    assert sum(name.endswith((".png", ".svg")) for name in first) == 12
    assert not any(b"latency" in content for content in first.values())


def test_slots_and_unseen_speakers_are_reported_if_there_are_any(study: Study) -> None:
    fabricate(study, SMALL[:2], slots=True, unseen=True)
    _report(study)
    row = _rows(study.report / "results.csv")["big-g1"]
    assert int(row["test_clips"]) == 3 * int(row["test_units"]) == 120
    assert float(row["unseen_top1_low"]) < float(row["unseen_top1"])
    with (study.report / "tables" / "per_slot.csv").open(encoding="utf-8") as lines:
        slots = [r for r in csv.DictReader(lines) if (r["model"], r["split"]) == ("big-g1", "test")]
    assert [found["slot"] for found in slots] == ["digit", "noun", "verb", "all"]
    # Twelve labels over three slots, four each: the slot alone gives a quarter, chance a twelfth.
    assert [float(found["slot_alone"]) for found in slots] == [0.25] * 4
    assert [float(found["chance"]) for found in slots] == [0.25] * 3 + [round(1 / 12, 6)]
    assert sum(int(found["clips"]) for found in slots[:-1]) == int(slots[-1]["clips"])
    write_leaderboard(study)
    assert "## By slot" in (study.report / "report.md").read_text(encoding="utf-8")


def test_a_single_model_makes_a_report(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    fabricate(study, [Fake("one", BIG, None, (0.9,))])
    _report(study)
    print_leaderboard(study, write_leaderboard(study))
    assert "one-g0" in capsys.readouterr().out
    assert not (study.report / "tables" / "per_slot.csv").exists()


def test_confusion_plot_has_one_row_per_clip_of_the_best_on_validation(reported: Study) -> None:
    with (reported.report / "plots" / "confusion.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    right = np.mean([row["actual"] == row["predicted"] for row in rows])
    metrics = read_json(reported.report / "metrics.json")
    assert isinstance(metrics, dict)
    assert metrics["model"] == "big-g1"
    assert metrics["accuracy"]["test"] == pytest.approx(right, abs=1e-6)


def test_the_gain_is_that_of_distilled_models_without_born_again_ones(reported: Study) -> None:
    rows = _rows(reported.report / "results.csv")
    assert any(row["training"] == "born-again" for row in rows.values())
    distilled = [row for row in rows.values() if row["training"] == "distilled"]
    assert {row["lineage"] for row in distilled} == {"small-by-big"}
    best = max(distilled, key=lambda row: float(row["val_top1"]))
    gain = float(best["test_top1"]) - float(rows["small-g0"]["test_top1"])
    metrics = read_json(reported.report / "metrics.json")
    assert isinstance(metrics, dict)
    assert metrics["gain"] == pytest.approx(gain, abs=2e-6)


def test_folders_of_lineages_that_were_not_selected_are_left_out(study: Study) -> None:
    fabricate(study)
    wanted = ["small", "small-by-big"]
    write_selection(study.logits_val, study.selection, wanted)
    results = read_results(study)
    assert {model.lineage for model in results.models} == set(wanted)


def test_missing_files_are_named(study: Study) -> None:
    with pytest.raises(InputError, match="run `make reproduce`"):
        write_leaderboard(study)
    with pytest.raises(InputError, match=r"run `python -m pipeline\.leaderboard`"):
        read_leaderboard(study)
    with pytest.raises(InputError, match="run the stage `shards` first"):
        read_results(study)
    fabricate(study)
    write_selection(study.logits_val, study.selection)
    study.logits("big", "g1", "test").unlink()
    with pytest.raises(InputError, match=r"g1\.test\.npz is missing"):
        read_results(study)


def test_leaderboard_adds_latency_and_for_an_ensemble_the_sum_of_its_members(
    reported: Study,
) -> None:
    write_leaderboard(reported)
    rows = _rows(reported.report / "leaderboard.csv")
    assert (rows["big-g1"]["latency_ms_p50"], rows["big-g1"]["latency_ms_p95"]) == ("8.25", "9.50")
    assert (rows["big-all"]["latency_ms_p50"], rows["big-all"]["latency_ms_p95"]) == ("16.50", "")
    assert {row["latency_threads"] for row in rows.values()} == {"1"}


def test_latency_is_measured_once_per_spec_and_then_kept(reported: Study) -> None:
    rows = read_results_rows(reported)
    timed: list[Path] = []

    def measure(weights: Path, size: int) -> Latency:
        timed.append(weights)
        return Latency(size / 10, 5.0, 1)

    first = measure_all(rows, reported, measure=measure)
    assert len(timed) == 2
    assert first["small-g0"].ms_p50 == 4.4
    assert measure_all(rows, reported, measure=measure) == first
    assert len(timed) == 2


def test_without_weights_there_is_no_latency(reported: Study) -> None:
    for lineage, generation in (("small", "g0"), ("small-by-big", "g1")):
        (reported.lineage(lineage) / generation / "weights.safetensors").unlink()
    write_leaderboard(reported)
    assert _rows(reported.report / "leaderboard.csv")["small-g0"]["latency_ms_p50"] == ""


def test_without_weights_another_machines_latency_is_shown_with_its_name(
    reported: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latencies, "describe_machine", lambda: "Abacus")
    write_leaderboard(reported)
    for weights in reported.models.rglob("weights.safetensors"):
        weights.unlink()
    monkeypatch.setattr(latencies, "describe_machine", lambda: "Slide rule")
    write_leaderboard(reported)
    row = _rows(reported.report / "leaderboard.csv")["big-all"]
    assert (row["latency_ms_p50"], row["latency_machine"]) == ("16.50", "Abacus")
    text = (reported.report / "report.md").read_text(encoding="utf-8")
    assert "one clip on 1 thread of Abacus, in PyTorch with BatchNorm layers" in text


def test_the_page_states_what_the_numbers_support_and_what_not(study: Study) -> None:
    fabricate(study)
    _report(study, ceiling=0.93)
    write_leaderboard(study)
    text = (study.report / "report.md").read_text(encoding="utf-8")
    small, big = "ShuffleNet v2 0.5× + TCN 0.125×", "ResNet-18 0.25× + TCN 0.25×"
    assert f"Distilled over scratch: {small}, distilled from {big} (" in text
    assert f"**{big}, generation 1** is the best single model on validation" in text
    assert f"Distillation: {small}, distilled from {big}, the best on validation" in text
    assert "taught" not in text.lower()
    assert "95 % paired interval [" in text
    assert "limit top-1 to about 93.0 %" in text
    assert "do not show accuracy on real video" in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (study.report / line.partition("(")[2].rstrip(")")).exists()
    assert "LRW" not in text


def test_the_leaderboard_names_each_spec_once_and_has_accuracy_second(reported: Study) -> None:
    write_leaderboard(reported)
    text = (reported.report / "report.md").read_text(encoding="utf-8")
    board = text.partition("## Leaderboard\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in board.splitlines() if line.startswith("| ")]
    assert (lines[0][1], lines[0][-1]) == ("test top-1 [95 %]", "id; teacher or members")
    assert not any("top-5" in heading for heading in lines[0])  # twelve labels
    for spec in ("ResNet-18 0.25× + TCN 0.25×", "ShuffleNet v2 0.5× + TCN 0.125×"):
        assert sum(line[0].startswith(f"**{spec}") for line in lines) == 1
    names = [line[0] for line in lines if len(line) == len(lines[0])]
    assert names[2:6] == [
        *("from scratch", "generation 1 ★", "from scratch", "distilled from ResNet-18 0.25×"),
    ]
    rows = _rows(reported.report / "results.csv")
    best = max(float(row["test_top1"]) for row in rows.values())
    bold = [line[1] for line in lines if len(line) > 1 and line[1].startswith("**")]
    assert bold
    assert all(cell.startswith(f"**{100 * best:.1f} [") for cell in bold)


def test_names_of_models_differ_and_say_in_what(study: Study) -> None:
    small = SMALL[1].spec
    twins = [
        Fake("small-s2-by-big", small, "big-g1", (0.6,), seed=2),
        Fake("small-s2-by-big-t4", small, "big-g1", (0.6,), seed=2, temperature=4.0),
        Fake("small-again-by-big", small, "big-g1", (0.6,)),
    ]
    fabricate(study, [*SMALL, *twins])
    _report(study)
    rows = read_results_rows(study)
    names = ModelNames(rows)
    full = [names.full(row.model) for row in rows]
    assert len(set(full)) == len(full)
    student = "ShuffleNet v2 0.5× + TCN 0.125×, distilled from ResNet-18 0.25× + TCN 0.25×"
    assert names.full("small-s2-by-big-t4-g1") == f"{student}, temperature 4, seed 2"
    assert names.full("small-by-big-g1") == f"{student}, temperature 1, seed 1 (small-by-big-g1)"
    assert names.full("not-here") == "not-here"


def test_the_page_has_the_papers_two_tables(study: Study) -> None:
    other = Fake("other", SMALL[0].spec, None, (0.7,), seed=2)
    candidate = Fake("small-by-small", SMALL[1].spec, "small-g0", (0.58,))
    fabricate(study, [*SMALL, other, candidate])
    _report(study)
    write_leaderboard(study)
    text = (study.report / "report.md").read_text(encoding="utf-8")
    generations = text.partition("## Generations\n")[2].partition("\n## ")[0]
    assert re.findall(r"`(.+?)`", generations) == ["other-g0", "big-g0", "big-g1", "big-all"]
    assert "| adamw |" in generations
    students = text.partition("## Students\n")[2].partition("\n## ")[0]
    (line,) = (line for line in students.splitlines() if "distilled from" in line)
    assert line.endswith("| 2 | distilled from ResNet-18 0.25× |")  # the better on validation
    rows = _rows(study.report / "results.csv")
    assert f"{100 * float(rows['small-g0']['test_top1']):.1f} [" in line


def test_labels_that_look_the_same_are_counted_as_one_in_their_own_table(
    reported: Study,
) -> None:
    write_leaderboard(reported)
    groups = _rows(reported.report / "tables/homophenes.csv", "labels")
    assert list(groups) == ["bark park"]
    for row in _rows(reported.report / "tables/homophene_accuracy.csv").values():
        wrong, alike = int(row["mistakes"]), int(row["between_alike"])
        clips, merged = int(row["clips"]), float(row["merged_top1"])
        assert 0 <= alike <= wrong
        assert round(clips * (1 - float(row["top1"]))) == wrong
        assert round(clips * (1 - merged)) == wrong - alike
    text = (reported.report / "report.md").read_text(encoding="utf-8")
    assert (
        "by the CMU Pronouncing Dictionary (American) and Lee and Yook's visemes: bark, park."
        in text
    )


def test_the_papers_figures_are_apart_and_only_for_specs_of_the_study(study: Study) -> None:
    fabricate(study, [Fake("sn05-tcn1", "shufflenetv2_0.5x + tcn_1x", None, (0.8,))])
    _report(study)
    write_leaderboard(study)
    text = (study.report / "report.md").read_text(encoding="utf-8")
    board, apart = text.split("## The paper's LRW figures, for the same specs")
    assert "79.9" in apart
    assert apart.count("ShuffleNet") == 1
    assert "LRW" not in board


def test_the_papers_figures_are_those_of_the_corpus(study: Study) -> None:
    fabricate(study, [Fake("one", "shufflenetv2_1x + tcn_1x", None, (0.9,))])
    _report(study)
    rows = read_results_rows(study)
    ours, other = ("\n".join(describe_paper(rows, source)) for source in ("lrw1000", "grid"))
    assert "Table 4: 1000 words of LRW-1000" in ours
    assert ("| 40.7 | 41.4 |" in ours, "81.0" in ours) == (True, False)
    assert ("| 81.0 | 82.7 |" in other, "40.7" in other) == (True, False)


def test_the_printed_leaderboard_fits_and_cuts_no_number(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "sn05-dstcn2-by-sn10-dsmstcn3-adam-s3"
    fakes = [*SMALL, Fake(long, SMALL[1].spec, "small-by-big-g1", (0.6,))]
    fabricate(study, fakes, unseen=True)
    _report(study)
    print_leaderboard(study, write_leaderboard(study))
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 120
    assert "\x1b" not in out
    assert "…" not in out
    assert "report.html" in out
    row = _rows(study.report / "leaderboard.csv")["big-g1"]
    line = next(line for line in out.splitlines() if line.lstrip().startswith("big-g1 *"))
    assert f"{100 * float(row['test_top1']):.1f}" in line.split()
    assert not any(line.lstrip().startswith("small-g0 *") for line in out.splitlines())


def test_the_page_names_the_labels_with_the_lowest_top1(reported: Study) -> None:
    write_leaderboard(reported)
    text = (reported.report / "report.md").read_text(encoding="utf-8")
    section = text.partition("## By label\n")[2].partition("\n## ")[0]
    shown = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    values = [float(cells[2].rstrip(" |")) for cells in shown]
    assert values == sorted(values)
    with (reported.report / "tables/per_label.csv").open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["model"] == "big-g1"]
    lowest = min(100 * float(row["top1"]) for row in rows if row["split"] == "test")
    assert values[0] == pytest.approx(lowest, abs=0.05)
