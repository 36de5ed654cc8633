"""Selection reads validation logits only."""

import shutil
from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.files import read_json
from lipnet.report.study import Study
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import SMALL, Fake, fabricate


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "fabricated")


def _select(study: Study, *lineages: str) -> dict[str, object]:
    write_selection(study.logits_val, study.selection, lineages or None)
    found = read_json(study.selection)
    assert isinstance(found, dict)
    return found


def test_nothing_changes_when_test_logits_and_models_are_gone(study: Study) -> None:
    fabricate(study)
    before = _select(study)
    shutil.rmtree(study.logits_test)
    shutil.rmtree(study.models)
    assert _select(study) == before


def test_generations_vote_together_and_the_best_on_validation_is_named(study: Study) -> None:
    fabricate(study)
    found = _select(study)
    assert found["best"]["model"] == "big-g1"
    assert found["best_of_lineage"] == {
        "big": "big-g1",
        "small": "small-g0",
        "small-by-big": "small-by-big-g1",
    }
    generations = found["ensembles"][0]
    assert generations["name"] == "big-all"
    assert generations["members"] == ["big-g0", "big-g1"]


def test_ten_generations_come_in_their_order(study: Study) -> None:
    fabricate(study, [Fake("big", SMALL[0].spec, None, (0.5,) * 11)], clips=12)
    members = _select(study)["ensembles"][0]["members"]
    assert members == [f"big-g{number}" for number in range(11)]


def test_one_model_needs_no_ensemble(study: Study) -> None:
    fabricate(study, SMALL[1:2])
    assert _select(study)["ensembles"] == []


def test_lineages_that_params_no_longer_have_are_left_out(study: Study) -> None:
    fabricate(study)
    found = _select(study, "small")
    assert sorted(found["models"]) == ["small-g0"]


def test_no_logits_and_unlike_clips_are_named(study: Study) -> None:
    with pytest.raises(InputError, match="has no logits"):
        _select(study)
    fabricate(study, SMALL[:1])
    other = Study(study.root.with_name("other"))
    fabricate(other, SMALL[1:2], clips=48)
    shutil.copytree(other.logits_val / "small", study.logits_val / "small")
    with pytest.raises(InputError, match="big-g0 and small-g0 .* hold different clips"):
        _select(study)


def test_compressed_lineages_are_listed_and_never_chosen(study: Study) -> None:
    better = Fake("big-int8", SMALL[0].spec, "big-g1", (0.95,))
    fabricate(study, [*SMALL, better])
    write_selection(study.logits_val, study.selection, None, compressed=["big-int8"])
    found = read_json(study.selection)
    assert isinstance(found, dict)
    assert found["compressed"] == ["big-int8"]
    assert found["best"]["model"] == "big-g1"
    assert "big-int8" not in str({**found, "compressed": []})
