"""Selection reads validation logits and nothing else."""

import shutil
from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.files import read_json
from stages.paths import Paths
from stages.select import write_selection
from tests.stages.fabricated import SMALL, Fake, fabricate


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(tmp_path)
    return Paths("fabricated")


def _select(paths: Paths, *lineages: str) -> dict[str, object]:
    write_selection(paths.logits_val, paths.ensembles / "val.json", lineages or None)
    found = read_json(paths.ensembles / "val.json")
    assert isinstance(found, dict)
    return found


def test_nothing_changes_when_test_logits_and_models_are_gone(paths: Paths) -> None:
    fabricate(paths)
    before = _select(paths)
    shutil.rmtree(paths.logits_test)
    shutil.rmtree(paths.models)
    assert _select(paths) == before


def test_generations_vote_together_and_the_best_on_validation_is_named(paths: Paths) -> None:
    fabricate(paths)
    found = _select(paths)
    assert found["best"]["model"] == "big-g1"
    assert found["best_of_lineage"] == {
        "big": "big-g1",
        "small": "small-g0",
        "small-by-big": "small-by-big-g1",
    }
    generations = found["ensembles"][0]
    assert generations["name"] == "big-all"
    assert generations["members"] == ["big-g0", "big-g1"]


def test_ten_generations_come_in_their_order(paths: Paths) -> None:
    fabricate(paths, [Fake("big", SMALL[0].spec, None, (0.5,) * 11)], clips=12)
    members = _select(paths)["ensembles"][0]["members"]
    assert members == [f"big-g{number}" for number in range(11)]


def test_one_model_needs_no_ensemble(paths: Paths) -> None:
    fabricate(paths, SMALL[1:2])
    assert _select(paths)["ensembles"] == []


def test_lineages_that_params_no_longer_have_are_left_out(paths: Paths) -> None:
    fabricate(paths)
    found = _select(paths, "small")
    assert sorted(found["models"]) == ["small-g0"]


def test_no_logits_and_unlike_clips_are_named(paths: Paths) -> None:
    with pytest.raises(InputError, match="holds no logits"):
        _select(paths)
    fabricate(paths, SMALL[:1])
    other = Paths("other")
    fabricate(other, SMALL[1:2], clips=48)
    shutil.copytree(other.logits_val / "small", paths.logits_val / "small")
    with pytest.raises(InputError, match="big-g0 and small-g0 .* hold different clips"):
        _select(paths)
