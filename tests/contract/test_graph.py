"""dvc.yaml against the code: every stage depends on the modules that can change its numbers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipnet.errors import InputError
from stages.params import LINEAGE_ID, load_params
from stages.profile import choose_profile, known_profiles
from tests.contract.imports import ROOT, reachable_files

GRAPH: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# These carry no numbers: how files are written, what an error is.
NEUTRAL = {"lipnet/__init__.py", "lipnet/errors.py", "lipnet/files.py"}


def body_of(stage: str) -> dict[str, Any]:
    entry: dict[str, Any] = GRAPH[stage]
    return entry.get("do", entry)


def module_of(stage: str) -> Path:
    matched = re.match(r"python -m (\w+)\.(\w+)", body_of(stage)["cmd"])
    assert matched is not None
    return ROOT / matched[1] / f"{matched[2]}.py"


@pytest.mark.parametrize("stage", sorted(GRAPH))
def test_deps_cover_the_library_code_that_the_stage_imports(stage: str) -> None:
    deps = [dep for dep in body_of(stage)["deps"] if not dep.startswith("data/")]
    missing_on_disk = [dep for dep in deps if not (ROOT / dep).exists()]
    assert missing_on_disk == []
    stage_files = {module_of(stage)} | {ROOT / dep for dep in deps if dep.startswith("stages/")}
    needed = set().union(*(reachable_files(path, "lipnet") for path in stage_files))
    names = {str(path.relative_to(ROOT)) for path in needed}
    names = {name for name in names if not name.endswith("__init__.py")} - NEUTRAL
    uncovered = {
        name for name in names if not any(name == d or name.startswith(f"{d}/") for d in deps)
    }
    assert uncovered == set()


@pytest.mark.parametrize("stage", sorted(GRAPH))
def test_a_stage_depends_on_its_own_file(stage: str) -> None:
    assert str(module_of(stage).relative_to(ROOT)) in body_of(stage)["deps"]


def test_editing_the_cropping_never_reruns_the_detector() -> None:
    assert not {"lipnet/video/crop.py", "lipnet/video/align.py"} & set(body_of("landmarks")["deps"])


def test_nothing_that_chooses_depends_on_the_test_split() -> None:
    outputs = {
        stage: [o if isinstance(o, str) else next(iter(o)) for o in body_of(stage)["outs"]]
        for stage in GRAPH
        if "outs" in body_of(stage)
    }
    readers = {
        stage
        for stage in GRAPH
        if any(dep.startswith("data/${profile}/logits/test") for dep in body_of(stage)["deps"])
    }
    assert readers == {"report"}
    after = {o for stage in readers for o in outputs.get(stage, [])}
    assert not any(
        dep.startswith(tuple(after)) for s in set(GRAPH) - readers for dep in body_of(s)["deps"]
    )


def test_clips_are_never_pushed() -> None:
    for stage in ("raw", "shards", "quality"):
        assert all(next(iter(out.values()))["push"] is False for out in body_of(stage)["outs"])


@pytest.mark.parametrize("profile", known_profiles())
def test_every_profile_is_valid(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    monkeypatch.chdir(tmp_path)
    choose_profile(profile, ["source.root=/somewhere"])
    params = load_params(tmp_path / "params.yaml")
    assert params.profile == profile
    assert all(LINEAGE_ID.fullmatch(name) for name in [*params.scratch, *params.taught])


def test_an_unknown_profile_names_the_known() -> None:
    with pytest.raises(InputError, match="synthetic"):
        choose_profile("synthetics", [])
