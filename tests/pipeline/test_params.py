"""params.yaml: mistakes are reported by name, before any work."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lipnet.errors import InputError
from pipeline.params import load_params
from tests.contract.imports import ROOT

TINY: dict[str, Any] = yaml.safe_load((ROOT / "conf/profile/tiny.yaml").read_text("utf-8"))

TINY_SPEC = {"spec": "resnet18 + tcn_1x"}


def write(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}), encoding="utf-8")
    return path


def test_a_lineage_changes_the_recipe_of_its_profile(tmp_path: Path) -> None:
    scratch = {
        "a": {"spec": "resnet18 + tcn_1x", "recipe": {"lr": "1e-4"}, "initial": {"batch": 4}}
    }
    params = load_params(write(tmp_path, scratch=scratch, taught={}))
    assert params.recipe_of("a").lr == 1e-4
    assert params.recipe_of("a").epochs == TINY["recipe"]["epochs"]
    assert params.initial_recipe_of("a").batch == 4


def test_students_that_need_the_same_teacher_logits_form_a_group(tmp_path: Path) -> None:
    own = {"spec": "resnet18 + tcn_1x", "teacher": "rn18-tcn"}
    taught = {
        "a": own,
        "b": {**own, "recipe": {"alpha": 0.5, "lr": 1e-4}},
        "seeded": {**own, "recipe": {"seed": 2}},
        "same-stream": {**own, "recipe": {"seed": 2, "stream": 1}},
        "unmixed": {**own, "recipe": {"mixup": 0.0}},
        "by-all": {**own, "members": "all"},
    }
    params = load_params(write(tmp_path, taught=taught))
    assert params.group_by_teacher_logits() == [["a", "b", "same-stream"]]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"compute": {"workers": 0}}, r"compute\.workers"),
        ({"unknown": 1}, "unknown"),
        ({"recipe": {"lrr": 1}}, "lrr"),
        ({"recipe": {"optimiser": "adamz"}}, "known: adamw"),
        ({"landmarks": {"detect": 5}}, "detect"),
        ({"shards": {"codec": "webp"}}, r"shards\.codec: unknown .* known: raw, delta, png, jpeg1"),
        ({"shards": {"url": "sftp://me:secret@host/x"}}, r"shards\.url on host holds a password"),
        ({"source": {"name": "lrw", "root": ""}}, "source.root is empty"),
        ({"synthetic": None}, "section `synthetic`"),
        ({"recipe": {"field": 112}}, r"recipe\.field 112 of rn18-tcn needs crops of 122 pixels"),
        ({"scratch": {"Bad_Id": {"spec": "resnet18 + tcn_1x"}}}, "Bad_Id"),
        ({"scratch": {"a": {"spec": "resnet19 + tcn_1x"}}, "taught": {}}, "resnet19"),
        ({"scratch": {"a": {"spec": "resnet18 + dstc_1x"}}, "taught": {}}, "dstcn"),
        ({"scratch": {"a": {"spec": "resnet18 + tcn_1x", "recipe": {"x": 1}}}}, "a.recipe"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        load_params(write(tmp_path, **changes))


def entry(teacher: str) -> dict[str, str]:
    return {"spec": "resnet18 + tcn_1x", "teacher": teacher}


def test_an_unknown_teacher_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown teacher 'nobody'; known: rn18-tcn"):
        load_params(write(tmp_path, taught={"a": entry("nobody")}))


def test_a_cycle_of_teachers_is_shown(tmp_path: Path) -> None:
    taught = {"a": entry("b"), "b": entry("c"), "c": entry("a")}
    with pytest.raises(InputError, match="cycle of teachers: a <- b <- c <- a"):
        load_params(write(tmp_path, taught=taught))


def test_a_lineage_in_both_groups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is in both scratch and taught"):
        load_params(write(tmp_path, taught={"rn18-tcn": entry("rn18-tcn")}))


def test_a_teacher_of_another_input_size_is_refused(tmp_path: Path) -> None:
    taught = {"a": {**entry("rn18-tcn"), "recipe": {"input_size": 40}}}
    with pytest.raises(InputError, match="sees the same frames as its student"):
        load_params(write(tmp_path, taught=taught))


def test_the_word_boundary_is_used_by_all_lineages_or_by_none(tmp_path: Path) -> None:
    scratch = {"a": {"spec": "resnet18 + tcn_1x + boundary"}}
    taught = {"b": {"spec": "resnet18 + tcn_1x + boundary", "teacher": "a"}}
    load_params(write(tmp_path, scratch=scratch, taught=taught))
    for others in ({"taught": {"b": entry("a")}}, {"scratch": {**scratch, "c": TINY_SPEC}}):
        with pytest.raises(InputError, match="uses the word boundary and [bc] does not"):
            load_params(write(tmp_path, **{"scratch": scratch, "taught": taught, **others}))


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [1", encoding="utf-8")
    with pytest.raises(InputError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


def test_all_generations_of_a_lineage_have_the_same_input(tmp_path: Path) -> None:
    scratch = {"a": {"spec": "resnet18 + tcn_1x", "initial": {"input_size": 20}}}
    with pytest.raises(InputError, match="must be the same for all generations of a lineage"):
        load_params(write(tmp_path, scratch=scratch, taught={}))
