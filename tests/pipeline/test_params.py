"""params.yaml: mistakes are reported by name, before any work."""

import copy
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.recipe import Recipe
from pipeline.params import load_params
from tests.contract.imports import ROOT

TINY: dict[str, Any] = yaml.safe_load((ROOT / "conf/profile/tiny.yaml").read_text("utf-8"))

TINY_SPEC = {"spec": "resnet18 + tcn_1x"}

OWN_MEAN = {"rn18-tcn": {**TINY_SPEC, "recipe": {"mean": 0.5}}}


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
        ({"shards": {"url": "sftp://me:secret@host/x"}}, r"shards\.url holds a password"),
        ({"source": {"name": "lrw", "root": ""}}, "source.root is empty"),
        ({"synthetic": None}, "section `synthetic`"),
        ({"recipe": {"field": 112}}, r"recipe\.field 112 of rn18-tcn needs crops of 122 pixels"),
        ({"scratch": {"Bad_Id": {"spec": "resnet18 + tcn_1x"}}}, "Bad_Id"),
        ({"scratch": {"a": {"spec": "resnet19 + tcn_1x"}}, "taught": {}}, "resnet19"),
        ({"scratch": {"a": {"spec": "resnet18 + dstc_1x"}}, "taught": {}}, "dstcn"),
        ({"scratch": {"a": {"spec": "resnet18 + tcn_1x", "recipe": {"x": 1}}}}, "a.recipe"),
        ({"recipe": {"mean": "measured"}}, r"recipe\.mean: .*valid number.*, or: .*'auto'"),
        (
            {"recipe": {**TINY["recipe"], "mean": "auto"}, "scratch": OWN_MEAN},
            "mean or std differ within rn18-dstcn-by-rn18-tcn <- rn18-tcn",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        load_params(write(tmp_path, **changes))


WRONG_VALUES = st.one_of(
    st.sampled_from(["false", "no", "2", "2.9", "1e3", "nan", "inf", "", "adam"]),
    st.sampled_from([math.nan, math.inf, -math.inf, None, True, False, [], {}, 10**400]),
    st.floats(),
    st.integers(),
)


@pytest.mark.slow
@given(st.sampled_from([own.name for own in fields(Recipe)]), WRONG_VALUES)
@settings(max_examples=30)
def test_a_lineages_recipe_is_validated_as_the_profiles(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: object
) -> None:
    """Accepted in both places with the same meaning, or refused in both, there by its name."""
    folder = tmp_path_factory.mktemp("params")
    scratch = {"a": {**TINY_SPEC, "recipe": {field: value}}}
    initial = {"a": {**TINY_SPEC, "initial": {field: value}}}
    try:
        recipe = {**TINY["recipe"], field: value}
        top = load_params(write(folder, recipe=recipe, scratch={"a": TINY_SPEC}, taught={})).recipe
    except InputError:
        for key, changed in (("recipe", scratch), ("initial", initial)):
            with pytest.raises(InputError, match=rf"\ba\b.*{key}|of a needs crops"):
                load_params(write(folder, scratch=changed, taught={}))
        return
    assert load_params(write(folder, scratch=scratch, taught={})).recipe_of("a") == top
    if top.input_facts == Recipe(**TINY["recipe"]).input_facts:
        found = load_params(write(folder, scratch=initial, taught={}))
        assert found.initial_recipe_of("a") == top


@pytest.mark.parametrize("value", ["false", "epochs", 2.9, "2.9"])
def test_values_of_another_type_are_not_cast(tmp_path: Path, value: object) -> None:
    scratch = {"a": {**TINY_SPEC, "initial": {"epochs": value}}}
    with pytest.raises(
        InputError, match=r"scratch\.a\.initial\.epochs: Input should be a valid int"
    ):
        load_params(write(tmp_path, scratch=scratch, taught={}))
    scratch = {"a": {**TINY_SPEC, "recipe": {"variable_length": "false"}}}
    found = load_params(write(tmp_path, scratch=scratch, taught={}))
    assert found.recipe_of("a").variable_length is False


def list_numbers(section: dict[str, Any], *keys: str) -> list[tuple[str, ...]]:
    """The keys of every number below a section."""
    found = []
    for name, value in section.items():
        if isinstance(value, dict):
            found += list_numbers(value, *keys, name)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((*keys, name))
    return found


@pytest.mark.parametrize("value", [math.nan, math.inf, "nan", "-inf", "1e999"])
@pytest.mark.parametrize("keys", list_numbers(TINY), ids=".".join)
def test_no_number_is_anything_but_finite(
    tmp_path: Path, keys: tuple[str, ...], value: object
) -> None:
    changed = copy.deepcopy(TINY)
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    with pytest.raises(InputError, match=re.escape(".".join(keys))):
        load_params(write(tmp_path, **changed))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=70))
@settings(max_examples=40)
def test_a_profile_names_one_folder_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    path = write(tmp_path_factory.mktemp("params"), profile=name)
    try:
        found = load_params(path).profile
    except InputError:
        return
    folder = (Path("data") / found).resolve()
    assert folder.parent == Path("data").resolve()
    assert found == name


@pytest.mark.parametrize(
    "name", ["released", "tmp", "TMP", "../../x", "a/b", "/a", ".", "..", ".x", "", "a b", "a\n", 3]
)
def test_other_profiles_are_refused(tmp_path: Path, name: object) -> None:
    with pytest.raises(InputError, match="profile: "):
        load_params(write(tmp_path, profile=name))


SECRETS = [
    "sftp://me:s3cret@host/x",
    "sftp://me:s3/cr@et@host/x",
    "https://s3cret@host/x",
    "simplecache::sftp://me:s3cret@host/x",
    "https://host/x?token=s3cret",
    "https://host/x?a=b&X-Amz-Signature=s3cret",
    "https://host/x?sv=1&sig=s3cret",
    "az://box/x?SAS=s3cret",
    "https://host/x#access_token=s3cret",
]
PLACES = ["shards.url", "source.root", "landmarks.predictor", "crops.face", "source.options.list"]


@pytest.mark.parametrize("url", SECRETS)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_refused_and_not_repeated(tmp_path: Path, place: str, url: str) -> None:
    changed = copy.deepcopy(TINY)
    inner = changed
    *keys, last = place.split(".")
    for key in keys:
        inner = inner[key]
    inner[last] = [url] if last == "list" else url
    with pytest.raises(InputError, match=re.escape(place)) as raised:
        load_params(write(tmp_path, **changed))
    assert "s3cr" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["memory://x", "MEMORY://x", "memory:/x", "simplecache::memory://x", "filecache::memory:x"],
)
def test_shards_are_not_kept_in_the_memory_of_a_process(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match=r"shards\.url is in the memory of one process"):
        load_params(write(tmp_path, shards={"url": url}))


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


COMPRESSED = {"of": "rn18-tcn", "how": "int4"}


def test_a_compressed_lineage_has_its_source_and_a_recipe_for_tuning(tmp_path: Path) -> None:
    rows = {
        "stored": {"of": "rn18-tcn", "how": "cluster4 + prune_0.5"},
        "tuned": {**COMPRESSED, "recipe": {"epochs": 1, "lr": 1e-4}},
    }
    params = load_params(write(tmp_path, compressed=rows))
    assert params.compressed["stored"].how == "prune_0.5 + cluster4"
    assert params.lineages[-2:] == ["stored", "tuned"]
    source, tuned = params.recipe_of("rn18-tcn"), params.recipe_of("tuned")
    assert (params.epochs_of("stored"), params.epochs_of("tuned")) == (0, 1)
    assert params.recipe_of("stored") == source
    assert (tuned.lr, tuned.schedule, tuned.mixup) == (1e-4, "cosine_by_step", 0.0)
    assert (tuned.batch, tuned.input_facts) == (source.batch, source.input_facts)
    assert params.spec_of("tuned") == params.spec_of("rn18-tcn")
    assert (params.source_of("tuned"), params.source_of("rn18-tcn")) == ("rn18-tcn", None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"how": "int9"}, r"compressed\.a\.how: step 'int9': int has 2 to 8 bits"),
        ({"how": "binary + int4"}, r"compressed\.a\.how: .*do not go together"),
        ({"of": "nobody"}, r"compressed\.a: unknown lineage 'nobody' to compress; known: rn18-tcn"),
        ({"of": "b"}, r"compressed\.a: b is compressed already: .* made from, rn18-tcn"),
        ({"recipe": {"lr": 1e-4}}, r"compressed\.a\.recipe has no epochs"),
        (
            {"recipe": {"epochs": 1, "input_size": 20}},
            r"compressed\.a\.recipe changes .*input_size",
        ),
        ({"how": "w8a8", "recipe": {"epochs": 1}}, r"compressed\.a\.recipe: w8a8 .*not tuned"),
        ({"recipe": {"epochs": 0}}, r"compressed\.a\.recipe.*recipe\.epochs must be in 1"),
        ({"tune": 1}, r"compressed\.a\.tune"),
    ],
)
def test_a_row_that_cannot_be_compressed_is_named_with_the_reason(
    tmp_path: Path, row: dict[str, Any], words: str
) -> None:
    rows = {"a": {**COMPRESSED, **row}, "b": COMPRESSED}
    with pytest.raises(InputError, match=words):
        load_params(write(tmp_path, compressed=rows))


@pytest.mark.parametrize(
    ("spec", "how", "words"),
    [
        ("densenet3d + convlstm_8", "w8a8", "how w8a8: no ONNX graph expresses convlstm"),
        ("alexnet + tcn_1x", "w8a8", "how w8a8: no ONNX graph expresses alexnet"),
        ("vggm_ef", "w8a8", "how w8a8: no ONNX graph expresses vggm_ef"),
        ("vggm_mt", "prune_0.5", "prune takes the head's weights, and vggm_mt has none"),
        ("resnet18 + mean", "prune_0.5 + int4", r"head's weights, and resnet18 \+ mean has none"),
    ],
)
def test_what_no_model_of_the_spec_can_become_is_refused_before_training(
    tmp_path: Path, spec: str, how: str, words: str
) -> None:
    rows = {"a": {"of": "small", "how": how}}
    with pytest.raises(InputError, match=rf"compressed\.a: .*{words}"):
        load_params(write(tmp_path, scratch={"small": {"spec": spec}}, taught={}, compressed=rows))


def test_an_exit_has_a_head_to_prune(tmp_path: Path) -> None:
    rows = {"a": {"of": "deep", "how": "exit1 + prune_0.5"}}
    scratch = {"deep": {"spec": "resnet18 + mean + exits"}}
    params = load_params(write(tmp_path, scratch=scratch, taught={}, compressed=rows))
    assert params.spec_of("a").head == "dstcn"


WIDE = {"wide": {"spec": "resnet18 + tcn_1x", "widths": [0.5, 1]}}


def test_a_lineage_of_several_widths_gives_each_as_a_compressed_row(tmp_path: Path) -> None:
    rows = {"half": {"of": "wide", "how": "int8 + width_0.5"}}
    params = load_params(write(tmp_path, scratch=WIDE, taught={}, compressed=rows))
    assert params.widths_of("wide") == (1, 0.5)
    assert str(params.spec_of("half")) == "resnet18_0.5x + tcn_0.5x"
    assert params.compressed["half"].how == "width_0.5 + int8"


@pytest.mark.parametrize(
    ("changes", "row", "words"),
    [
        ({}, {"how": "width_0.25"}, r"compressed\.half: .*one of the widths of wide.*1\.0, 0\.5"),
        ({}, {"recipe": {"epochs": 1}}, r"compressed\.half: .*leave out `recipe`"),
        ({}, {"how": "exit1"}, r"compressed\.half: .*add '\+ exits' to its spec"),
        ({"spec": "resnet18 + tcn_1x + exits"}, {}, r"share the weights of .*'exits'"),
        ({"widths": [0.5]}, {}, r"scratch\.wide: widths 0\.5: 2 to 4 shares"),
        ({"widths": [1, 0.3]}, {}, r"scratch\.wide: .*a head of 76\.8 channels"),
        ({"generations": 1}, {}, r"scratch\.wide: .*no born-again generations"),
        ({"spec": "resnet18 + mstcn_3x"}, {}, r"scratch\.wide: .*share the weights"),
    ],
)
def test_widths_that_cannot_be_trained_or_taken_are_named(
    tmp_path: Path, changes: dict[str, Any], row: dict[str, Any], words: str
) -> None:
    rows = {"half": {"of": "wide", "how": "width_0.5", **row}}
    scratch = {"wide": {**WIDE["wide"], **changes}}
    with pytest.raises(InputError, match=words):
        load_params(write(tmp_path, scratch=scratch, taught={}, compressed=rows))


def test_a_compressed_lineage_teaches_none_and_has_a_name_of_its_own(tmp_path: Path) -> None:
    rows = {"a": COMPRESSED}
    with pytest.raises(InputError, match="a is compressed and teaches no lineage: .*rn18-tcn"):
        load_params(write(tmp_path, compressed=rows, taught={"b": entry("a")}))
    with pytest.raises(InputError, match="rn18-tcn is in both scratch and compressed"):
        load_params(write(tmp_path, compressed={"rn18-tcn": COMPRESSED}))


PAIR = {"small": "rn18-dstcn-by-rn18-tcn", "large": "rn18-tcn"}


@pytest.mark.parametrize(
    ("name", "pair", "words"),
    [
        (
            "a",
            {**PAIR, "small": "nobody"},
            r"cascades\.a: unknown lineage 'nobody'; known: rn18-tcn",
        ),
        ("a", {**PAIR, "small": "copy"}, r"cascades\.a: copy and rn18-tcn have one spec"),
        ("rn18-tcn", PAIR, r"cascades\.rn18-tcn: use a-z.* no lineage or ensemble has"),
        ("rn18-tcn-all", PAIR, "no lineage or ensemble has"),
        ("a", {"small": "rn18-tcn"}, r"cascades\.a\.large"),
    ],
)
def test_a_cascade_that_cannot_be_is_named_with_the_reason(
    tmp_path: Path, name: str, pair: dict[str, str], words: str
) -> None:
    rows = {"copy": COMPRESSED}
    assert load_params(write(tmp_path, compressed=rows, cascades={"a": PAIR})).cascades
    with pytest.raises(InputError, match=words):
        load_params(write(tmp_path, compressed=rows, cascades={name: pair}))
