"""A profile with changes: sections left out, lineages by name, and changes that do nothing."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipnet.errors import InputError
from lipnet.recipe import Recipe
from lipnet.spec import BACKBONES, CLIP_NETS
from pipeline.profile import CONF, compose_profile
from tests.contract.imports import ROOT


@pytest.fixture(autouse=True)
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / CONF).symlink_to(ROOT / CONF)
    monkeypatch.chdir(tmp_path)


def compose(profile: str, *changes: str) -> Any:
    return compose_profile(profile, changes, Path("params.yaml"))


def test_an_empty_section_leaves_it_out() -> None:
    params = compose("tiny", "taught={}")
    assert (list(params.scratch), params.taught) == (["rn18-tcn"], {})


@pytest.mark.slow
def test_lineages_are_chosen_by_name_with_their_teachers() -> None:
    params = compose("lrw", "lineages=sn10-tcn2-by-sn10-mstcn3,sn10-tcn1", "recipe.epochs=40")
    assert list(params.scratch) == ["rn18-mstcn3", "sn10-tcn1"]
    assert list(params.taught) == ["sn10-mstcn3-by-rn18-mstcn3", "sn10-tcn2-by-sn10-mstcn3"]
    assert params.recipe.epochs == 40
    assert params.compressed == {}
    assert list(params.cascades) == ["sn10-mstcn3-then-rn18-mstcn3"]  # both of it are kept


def test_a_compressed_lineage_is_chosen_with_what_it_is_made_from() -> None:
    params = compose("lrw", "lineages=rn18-mstcn3-int8")
    assert params.lineages == ["rn18-mstcn3", "rn18-mstcn3-int8"]


@pytest.mark.parametrize("profile", ["lrw", "lrw1000"])
def test_students_have_all_teachers_of_the_paper_or_one_chain(profile: str) -> None:
    whole, one = compose(profile), compose(profile, "chains=one")
    specs = {whole.spec_of(name) for name in whole.taught}
    assert [one.spec_of(name) for name in one.taught] == list(
        dict.fromkeys(whole.spec_of(name) for name in whole.taught)
    )
    assert (one.scratch, one.compressed) == (whole.scratch, whole.compressed)
    by_best = {whole.spec_of(n) for n, own in whole.taught.items() if own.teacher == "rn18-mstcn3"}
    assert by_best == specs
    assert all(own.generations == 2 for own in whole.taught.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["chains=one"], "chains=one changes nothing"),
        (["chains=two"], "the only choice is chains=one"),
        (["recipe.epochs=2"], "recipe.epochs=2 changes nothing: the profile tiny has this value"),
        (["recipe.epochs=3", "recipe.epochs=4"], "recipe.epochs=3 changes nothing"),
        (["lineages=rn18-tcn,rn18-dstcn-by-rn18-tcn"], "lineages=.* changes nothing"),
        (["lineages=rn18"], "unknown rn18; this profile has: rn18-tcn, rn18-dstcn-by-rn18-tcn"),
        (["lineages="], "unknown lineage"),
        (["nothing={}"], "nothing"),
        (["recipe.epoch=3"], "recipe.epoch"),
        (["recipe.mean=x"], "the profile tiny with these changes: recipe.mean: Input should be"),
        (["profile=lrw"], "profile"),
    ],
)
def test_a_change_that_does_nothing_is_refused(changes: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compose("tiny", *changes)


def test_a_change_that_another_one_needs_is_kept() -> None:
    added = "+scratch.extra={spec: resnet18_0.125x + tcn_0.25x}"
    params = compose("tiny", added, "+scratch.extra.generations=2")
    assert params.scratch["extra"].generations == 2


@pytest.mark.slow
@pytest.mark.parametrize("profile", sorted(path.stem for path in (ROOT / CONF).glob("profile/*")))
def test_the_mean_and_deviation_that_are_advised_can_be_set(profile: str) -> None:
    advised = Recipe().advise_normalisation(0.9, 0.3)
    found = re.search(r'SET="(.*)"', advised)
    assert found is not None
    params = compose(profile, "source.root=/x", *found[1].split())
    assert (params.recipe.mean, params.recipe.std) == (0.9, 0.3)


def test_the_pair_is_a_part_of_the_whole_study() -> None:
    whole, pair = (
        yaml.safe_load((ROOT / CONF / f"profile/{name}.yaml").read_text("utf-8"))
        for name in ("lrw", "lrw_pair")
    )
    for section in ("source", "landmarks", "crops", "shards", "recipe"):
        assert pair[section] == whole[section]
    names = {"rn18-mstcn3", "sn05-tcn1"}
    assert set(pair["scratch"]) == names
    assert {name: pair["scratch"][name]["spec"] for name in names} == {
        name: whole["scratch"][name]["spec"] for name in names
    }


def test_the_zoo_of_lrw_has_every_network() -> None:
    params = compose("lrw_zoo")
    found = {params.spec_of(name).backbone for name in params.scratch}
    assert {*BACKBONES, *CLIP_NETS} - found == set(), "add a lineage to conf/profile/lrw_zoo.yaml"


def test_the_zoo_teaches_its_trunks_but_the_slow_ones() -> None:
    trunks = compose("zoo")
    teacher, dear = "rn18-mstcn", {"snv1-tcn05", "ghost-tcn05", "effb0-tcn05"}
    pairs = {name: f"{name}-by-{teacher}" for name in trunks.scratch if name != teacher}
    assert list(trunks.taught) == [pairs[name] for name in pairs if name not in dear]
    for taught in trunks.taught:
        name = taught.removesuffix(f"-by-{teacher}")
        assert trunks.spec_of(taught) == trunks.spec_of(name)
        assert trunks.recipe_of(taught) == trunks.recipe_of(name)


@pytest.mark.parametrize("profile", ["zoo", "zoo_clips"])
def test_the_zoos_have_the_clips_and_the_teacher_of_the_default(profile: str) -> None:
    """The teacher's first two generations, by the same recipe."""
    default, zoo = compose("synthetic"), compose(profile)
    for section in ("source", "synthetic", "landmarks", "crops", "shards"):
        assert getattr(zoo, section) == getattr(default, section)
    teacher = "rn18-mstcn"
    assert zoo.spec_of(teacher) == default.spec_of(teacher)
    assert zoo.recipe_of(teacher) == default.recipe_of(teacher)
