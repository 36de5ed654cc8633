"""The work of a profile: which lineages it has, what they wait for, and how long they train."""

from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.lineage.generation import GENERATION_FILE
from pipeline import work
from pipeline.estimate import Corpus
from pipeline.params import load_params
from pipeline.paths import Paths
from pipeline.projection import load_profile
from pipeline.work import check_cascades, count_done, count_models, list_work, weigh_decoded
from tests.contract.imports import ROOT
from tests.pipeline.test_params import COMPRESSED, PAIR, write


def test_compressed_lineages_wait_for_their_source_and_train_only_if_they_are_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "weigh_model", lambda *_, **__: (2.0, 1000))
    rows = {"stored": COMPRESSED, "tuned": {**COMPRESSED, "recipe": {"epochs": 3}}}
    params = load_params(write(tmp_path, compressed=rows))
    works = {own.lineage: own for own in list_work(params, labels=3)}
    assert list(works) == ["rn18-tcn", "rn18-dstcn-by-rn18-tcn", "stored", "tuned"]
    assert [(works[name].generations, works[name].epochs) for name in rows] == [(1, 0), (1, 3)]
    assert {works[name].teacher for name in rows} == {"rn18-tcn"}
    assert works["tuned"].teacher_gmacs == 2.0
    assert (works["rn18-tcn"].generations, works["rn18-tcn"].teacher) == (2, "")


def test_a_cascade_in_the_wrong_order_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    check_cascades(load_params(write(tmp_path, cascades={"a": PAIR})), labels=3)
    swapped = {"small": PAIR["large"], "large": PAIR["small"]}
    params = load_params(write(tmp_path, cascades={"a": swapped}))
    with pytest.raises(InputError, match=r"cascades\.a: rn18-tcn costs .* has to be the cheaper"):
        check_cascades(params, labels=3)


def test_generations_that_were_set_aside_are_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = Paths("tiny")
    for name in ("g0", f"g0.{'a' * 16}", f"g1.{'b' * 16}"):
        made = paths.tmp / "models" / "big" / name / GENERATION_FILE
        made.parent.mkdir(parents=True)
        made.write_text("{}")
    assert count_done(paths, "big", 3) == 1


@pytest.mark.parametrize(
    ("workers", "processes", "expected"),
    [
        ({"memory_gib": 1.0}, 1, 0),  # no folder; the training clips take 1.8 GiB
        ({"memory_gib": 1.0, "cache": "decoded"}, 1, 100_000),
        ({"memory_gib": 3.0, "cache": "decoded"}, 1, 0),
        ({"memory_gib": 3.0, "cache": "decoded"}, 2, 100_000),  # a process has half of it
        ({"memory_gib": 0.02, "cache": "decoded"}, 8, 100_000),  # validation has all of it
    ],
)
def test_splits_that_do_not_fit_into_memory_are_decoded_to_the_disk(
    tmp_path: Path, workers: dict[str, object], processes: int, expected: int
) -> None:
    changes = {"workers": workers, "compute": {"workers": processes}}
    params = load_params(write(tmp_path, **changes))
    size = params.recipe_of("rn18-tcn").stored_size
    corpus = Corpus(0, 29, {"train": 100_000, "val": 500, "test": 500}, 5, rendered=False)
    assert weigh_decoded(params, corpus) == expected * 29 * size**2


@pytest.mark.parametrize(
    ("profile", "row"),
    [
        ("lrw", "| `lrw`, the whole study |"),
        ("lrw1000", "| `lrw1000` (603,193 training clips) |"),
        ("lrw_pair", "| **`lrw_pair`, a first study** |"),
    ],
)
def test_documented_numbers_of_models(profile: str, row: str) -> None:
    params = load_profile(profile)
    trained = sum(count_models(params, lineage) for lineage in (*params.scratch, *params.taught))
    assert f"{row} {trained} |" in (ROOT / "docs/training.md").read_text("utf-8")
