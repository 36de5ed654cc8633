"""Seeds: which lineages are repetitions of each other, and their pooled difference."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipnet.report import write
from lipnet.report.csv_rows import read_rows
from lipnet.report.findings import describe_seeds
from lipnet.report.leaderboard import write_leaderboard
from lipnet.report.results import Results, read_results
from lipnet.report.rows import FamilyRow, SeedPairRow
from lipnet.report.seeds import family_rows, find_families, pool_pairs
from lipnet.report.study import Study
from lipnet.report.tables import write_tables
from lipnet.report.write import write_report
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import Fake, fabricate, write_fake_figures

SPEC = "shufflenetv2_0.5x + tcn_0.125x"
FAKES = (
    Fake("big", "resnet18_0.25x + tcn_0.25x", None, (0.7, 0.75)),
    Fake("a", SPEC, None, (0.55,)),
    Fake("a-s2", SPEC, None, (0.50,), seed=2),
    Fake("a-by-big", SPEC, "big-g1", (0.66,)),
    Fake("a-s2-by-big", SPEC, "big-g1", (0.64,), seed=2),
    Fake("a-by-a", SPEC, "a-g0", (0.60,)),
)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "fabricated")


@pytest.fixture
def results(study: Study) -> Results:
    fabricate(study, FAKES)
    write_selection(study.logits_val, study.selection)
    return read_results(study)


def test_lineages_that_differ_in_the_seed_alone_are_a_family(results: Results) -> None:
    families = {(one.name, one.kind): one for one in find_families(results)}
    assert set(families) == {("a", "scratch"), ("a-by-big", "distilled")}
    assert {s: m.name for s, m in families["a-by-big", "distilled"].members.items()} == {
        1: "a-by-big-g1",
        2: "a-s2-by-big-g1",
    }


def test_a_family_is_named_after_its_lowest_seed(study: Study) -> None:
    fabricate(study, FAKES[0:1] + FAKES[2:0:-1])
    write_selection(study.logits_val, study.selection)
    (row,) = family_rows(find_families(read_results(study)))
    assert (row.family, row.seeds) == ("a", (1, 2))


def test_a_family_that_started_from_given_weights_is_not_called_from_scratch(study: Study) -> None:
    fabricate(study, [replace(fake, start="f" * 16) for fake in FAKES])
    write_selection(study.logits_val, study.selection)
    rows = list(family_rows(find_families(read_results(study))))
    assert [row.kind for row in rows] == ["fine-tuned", "distilled"]
    assert "| fine-tuned | 1, 2 |" in "\n".join(describe_seeds(rows, []))


def test_a_pooled_difference_is_the_mean_of_the_seeds(results: Results) -> None:
    (pair,) = pool_pairs(find_families(results))
    assert (pair.first, pair.second) == ("a", "a-by-big")
    assert np.isclose(pair.difference.value, np.mean(list(pair.by_seed.values())))
    assert pair.difference.low <= pair.difference.value <= pair.difference.high
    assert pair.teachers == 1


def test_families_are_paired_by_their_recipe(tmp_path: Path) -> None:
    fakes = list(FAKES)
    for seed, name in ((1, "a-long"), (2, "a-s2-long")):
        fakes.append(Fake(name, SPEC, None, (0.9,), seed=seed, recipe={"lr": 1e-3}))
        masked = {"time_mask": 8}
        fakes.append(Fake(f"{name}-mask-by-big", SPEC, "big-g1", (0.7,), seed=seed, recipe=masked))
    study = Study(tmp_path / "fabricated")
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection)
    families = find_families(read_results(study))
    assert len(families) == 4
    (pair,) = pool_pairs(families)
    assert (pair.first, pair.second) == ("a", "a-by-big")
    assert pair.models == ("a-by-big-g1", "a-s2-by-big-g1")


def test_lineages_from_different_weights_are_no_family(tmp_path: Path) -> None:
    fakes = [FAKES[0], FAKES[1]]
    for seed in (1, 2):
        fakes.append(Fake(f"a-s{seed}-start", SPEC, None, (0.9,), seed=seed, start="f" * 16))
        fakes.append(Fake(f"a-s{seed}-by-big", SPEC, "big-g1", (0.66,), seed=seed))
    study = Study(tmp_path / "fabricated")
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection)
    families = find_families(read_results(study))
    assert {(one.name, len(one.members)) for one in families} == {
        *{("a-s1-start", 2), ("a-s1-by-big", 2)},
    }
    assert pool_pairs(families) == []


def test_networks_of_different_widths_are_no_family(tmp_path: Path) -> None:
    all_widths = {1: (1, 0.5), 2: (1, 0.75, 0.5), 3: (1, 0.5)}
    fakes = [
        Fake(f"wide-s{seed}", FAKES[0].spec, None, (0.7,), seed=seed, widths=widths)
        for seed, widths in all_widths.items()
    ]
    study = Study(tmp_path / "fabricated")
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection)
    (family,) = find_families(read_results(study))
    assert sorted(family.members) == [1, 3]


def test_teachers_are_counted_by_run(tmp_path: Path) -> None:
    own = (
        Fake("big-s2", "resnet18_0.25x + tcn_0.25x", None, (0.7, 0.75), seed=2),
        *(fake for fake in FAKES if fake.lineage != "a-s2-by-big"),
        Fake("a-s2-by-big", SPEC, "big-s2-g1", (0.64,), seed=2),
    )
    study = Study(tmp_path / "fabricated")
    fabricate(study, own)
    write_selection(study.logits_val, study.selection)
    (pair,) = pool_pairs(find_families(read_results(study)))
    assert (len(pair.by_seed), pair.teachers) == (2, 2)


@pytest.mark.parametrize(("seeds", "verdict"), [(2, "no verdict from fewer than 3"), (3, "better")])
def test_two_seeds_are_never_called_better(tmp_path: Path, seeds: int, verdict: str) -> None:
    fakes = [FAKES[0]]
    for seed in range(1, seeds + 1):
        fakes.append(Fake(f"a-s{seed}", SPEC, None, (0.3,), seed=seed))
        fakes.append(Fake(f"a-s{seed}-by-big", SPEC, "big-g1", (0.9,), seed=seed))
    study = Study(tmp_path / "fabricated")
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection)
    write_tables(tmp_path, read_results(study), [])
    families = read_rows(tmp_path / "seeds.csv", FamilyRow)
    pairs = read_rows(tmp_path / "seed_pairs.csv", SeedPairRow)
    described = describe_seeds(families, pairs)
    (line,) = [line for line in described if line.startswith("- Distilled over scratch")]
    assert verdict in line
    assert f"{seeds} seeds, one teacher run for all seeds" in line


def test_the_page_shows_means_and_the_pooled_difference(
    study: Study, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "write_figures", write_fake_figures)
    write_report(study, {"source": "synthetic"})
    for model in results.models:
        (model.folder / "weights.safetensors").unlink()
    write_leaderboard(study)
    text = (study.report / "report.md").read_text(encoding="utf-8")
    assert "## Over seeds" in text
    assert "seeds 1, 2: `a-by-big` against `a`:" in text
    assert re.search(r"against the same spec from scratch: \*\*.*; mean of 2 seeds", text)
    with (study.report / "tables/seeds.csv").open(encoding="utf-8") as lines:
        rows = {row["family"]: row for row in csv.DictReader(lines)}
    own = [results.entry(name).outcomes["test"].top1.value for name in ("a-g0", "a-s2-g0")]
    assert np.isclose(float(rows["a"]["mean_top1"]), np.mean(own), atol=1e-6)
    assert np.isclose(float(rows["a"]["deviation"]), np.std(own, ddof=1), atol=1e-6)
