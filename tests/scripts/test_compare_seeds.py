"""Rows of one profile over several seeds, from saved logits."""

from pathlib import Path

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.measure.accuracy import pooled_difference
from lipnet.report.results import Entry, read_results
from lipnet.report.study import Study
from lipnet.selection.selection import write_selection
from scripts.compare_seeds import compare, main
from tests.lipnet.report.fabricated import Fake, fabricate
from tests.sharing import make_once

SPEC = "shufflenetv2_0.5x + tcn_0.125x"
LONG = {"lr": 1e-3}


def write_studies(folder: Path) -> None:
    for seed, skill in enumerate((0.5, 0.6, 0.7), start=1):
        study = Study(folder / f"seed{seed}")
        fakes = [
            Fake("big", "resnet18_0.25x + tcn_0.25x", None, (0.7, 0.75), seed),
            Fake("small", SPEC, None, (skill,), seed),
        ]
        fabricate(study, fakes)
        write_selection(study.logits_val, study.selection)


@pytest.fixture
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    folder = make_once(tmp_path_factory, "seeds", write_studies)
    return [Study(folder / f"seed{seed}") for seed in (1, 2, 3)]


def chosen_of(study: Study, lineage: str) -> Entry:
    models = read_results(study).models
    return next(model for model in models if model.lineage == lineage and model.chosen)


def test_a_row_is_compared_over_seeds_and_clips(studies: list[Study]) -> None:
    (row,) = compare(studies, ["small:big"])
    small, big = (
        np.stack([chosen_of(study, name).outcomes["test"].correct_N for study in studies])
        for name in ("small", "big")
    )
    units = read_results(studies[0]).models[0].outcomes["test"].units_N
    assert row.difference == pooled_difference(big, small, units)
    assert row.by_study == small.mean(axis=1).tolist()
    assert row.top1.value == small.mean()
    assert row.top1.low < row.top1.value < row.top1.high
    assert row.bytes == 8  # of a made-up weights file


def test_the_table_has_the_rows_that_were_asked_for(
    studies: list[Study], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(study.root) for study in studies]
    main([*paths, "--row", "small:big", "--row", "big"])
    heading, rule, first, second = capsys.readouterr().out.splitlines()
    assert heading.startswith("| row | bytes | GFLOPs | by seed |")
    assert set(rule) == set("|-:")
    assert first.startswith("| `small` | 8 | ")
    assert "| `big` | " in first
    assert second.endswith("| - | - |")


def test_the_repetitions_in_one_study_are_compared(tmp_path: Path) -> None:
    study = Study(tmp_path / "one")
    teacher = Fake("big", "resnet18_0.25x + tcn_0.25x", None, (0.7,))
    fakes = [teacher]
    for seed, skill in ((1, 0.5), (2, 0.6)):
        fakes.append(Fake(f"plain-s{seed}", SPEC, "big-g0", (skill,), seed))
        ema = {"ema": 0.9}
        fakes.append(Fake(f"ema-s{seed}", SPEC, "big-g0", (skill + 0.1,), seed, recipe=ema))
    fabricate(study, [*fakes, Fake("alone", SPEC, "big-g0", (0.5,), 1, recipe={"lr": 1e-3})])
    write_selection(study.logits_val, study.selection)
    (row,) = compare([study], ["ema-s1:plain-s2"])
    ema, plain = (
        np.stack(
            [chosen_of(study, f"{name}-s{seed}").outcomes["test"].correct_N for seed in (1, 2)]
        )
        for name in ("ema", "plain")
    )
    units = read_results(study).models[0].outcomes["test"].units_N
    assert row.difference == pooled_difference(plain, ema, units)
    for name in ("alone", "other"):
        with pytest.raises(InputError, match=f"no lineage '{name}' that was trained by several"):
            compare([study], [name])


@pytest.mark.slow
def test_the_generation_that_validation_chose_is_compared_in_one_study(tmp_path: Path) -> None:
    study, spec = Study(tmp_path / "one"), "resnet18_0.25x + tcn_0.25x"
    fakes = [
        *(Fake(f"later-s{seed}", spec, None, (0.5, 0.7), seed) for seed in (1, 2)),
        *(Fake(f"first-s{seed}", SPEC, None, (0.7, 0.5), seed) for seed in (1, 2)),
        *(Fake(f"mixed-s{seed}", SPEC, None, (0.6, 0.5 + 0.2 * (seed == 1)), seed, recipe=LONG)
          for seed in (1, 2)),
    ]  # fmt: skip
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection)
    found = read_results(study)
    for asked, models in (
        ("later-s1", ("later-s1-g1", "later-s2-g1")),
        ("later-s2-g0", ("later-s1-g0", "later-s2-g0")),
        ("first-s2", ("first-s1-g0", "first-s2-g0")),
        ("mixed-s2-g1", ("mixed-s1-g1", "mixed-s2-g1")),
    ):
        (row,) = compare([study], [asked])
        assert row.by_study == [found.entry(name).outcomes["test"].top1.value for name in models]
    with pytest.raises(InputError, match="name a model, mixed-s1-g0 or mixed-s1-g1$"):
        compare([study], ["mixed-s1"])


def test_what_cannot_be_compared_is_named(studies: list[Study], tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"seed1 has no lineage, model, cascade or ensemble 'tiny'"
    ):
        compare(studies, ["tiny"])
    with pytest.raises(InputError, match="a study is given twice"):
        compare([studies[0], studies[0]], ["small"])
    for name, fake, fold, message in (
        ("clips", Fake("small", SPEC, None, (0.5,), 2), "elsewhere/", "has other test clips than"),
        ("seed", Fake("small", SPEC, None, (0.5,), 1), "", "have the same recipe.seed"),
        ("spec", Fake("small", "resnet18_0.25x + tcn_0.25x", None, (0.5,), 2), "", "in more than"),
        ("start", Fake("small", SPEC, None, (0.5,), 2, start="f" * 16), "", "in more than"),
    ):
        other = Study(tmp_path / name)
        fabricate(other, [fake], fold=fold)
        write_selection(other.logits_val, other.selection)
        with pytest.raises(InputError, match=message):
            compare([studies[0], other], ["small"])
