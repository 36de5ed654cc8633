"""dvc.yaml against the code: every stage depends on the modules that can change its numbers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipnet.code import reached_files
from lipnet.compress import graph as compress_graph
from lipnet.compress import lineage as compress_lineage
from lipnet.compress import storage
from lipnet.errors import InputError
from lipnet.lineage import generation_run, slimmable
from pipeline.params import LINEAGE_ID, load_params
from pipeline.profile import choose_profile, known_profiles
from stages import landmarks, raw, shards
from tests.contract.imports import ROOT, reachable_files

GRAPH: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# These change no number: how files are written, checked and locked, what an error is, what is
# stated of speakers, the digest of code, which of several alike GPUs is used.
NEUTRAL = {
    "lipnet/errors.py",
    "lipnet/files.py",
    "lipnet/labels.py",
    "lipnet/lease.py",
    "lipnet/locks.py",
    "lipnet/code.py",
    "lipnet/records.py",
    "lipnet/speakers.py",
    "lipnet/text.py",
}
# A stage that takes hours must not run again because of a module that it does not use.
ONLY_PLANS = {
    "raw": {"lipnet/sources/inventory.py", "lipnet/sources/scan.py", "lipnet/stills.py"},
    "landmarks": {"lipnet/landmarks/summary.py", "lipnet/sources/manifest.py"},
    "shards": {
        "lipnet/landmarks/index.py",
        "lipnet/landmarks/summary.py",
        "lipnet/cutting/leaks.py",
        "lipnet/shards/summary.py",
        "lipnet/sources/manifest.py",
    },
}
EXPENSIVE = ("landmarks", "shards", "scratch", "taught", "compressed")


def body_of(stage: str) -> dict[str, Any]:
    entry: dict[str, Any] = GRAPH[stage]
    return entry.get("do", entry)


def module_of(stage: str) -> Path:
    matched = re.match(r"python -m (\w+)\.(\w+)", body_of(stage)["cmd"])
    assert matched is not None
    return ROOT / matched[1] / f"{matched[2]}.py"


def code_deps(stage: str) -> list[str]:
    return [dep for dep in body_of(stage)["deps"] if not dep.startswith("data/")]


def needed_files(stage: str) -> set[str]:
    """The library's files that can change the stage's numbers, by the imports of its own files."""
    own = [ROOT / dep for dep in code_deps(stage) if dep.startswith("stages/")]
    found = set().union(*(reachable_files(path, "lipnet") for path in own))
    names = {str(path.relative_to(ROOT)) for path in found if path.name != "__init__.py"}
    return names - NEUTRAL


@pytest.mark.parametrize("stage", sorted(GRAPH))
def test_deps_cover_the_library_code_that_the_stage_imports(stage: str) -> None:
    deps = code_deps(stage)
    assert [dep for dep in deps if not (ROOT / dep).exists()] == []
    uncovered = {
        name
        for name in needed_files(stage)
        if not any(name == dep or name.startswith(f"{dep}/") for dep in deps)
    }
    assert not uncovered, f"deps of {stage} in dvc.yaml lack:\n" + "\n".join(sorted(uncovered))


@pytest.mark.parametrize("stage", EXPENSIVE)
def test_an_expensive_stage_depends_on_nothing_that_it_does_not_use(stage: str) -> None:
    covered = {
        str(path.relative_to(ROOT))
        for dep in code_deps(stage)
        if dep.startswith("lipnet/")
        for path in ([ROOT / dep] if (ROOT / dep).is_file() else (ROOT / dep).rglob("*.py"))
        if path.name != "__init__.py"
    }
    assert covered - needed_files(stage) == set()


@pytest.mark.parametrize(
    ("stage", "root"), [("raw", raw.CODE), ("landmarks", landmarks.CODE), ("shards", shards.CODE)]
)
def test_a_job_is_done_again_by_the_changes_that_make_its_stage_run_again(
    stage: str, root: str
) -> None:
    digested = {f"lipnet/{name}" for name in reached_files(root)}
    assert digested <= needed_files(stage)
    # What only plans, reads or reports is not digested: its results are among a job's inputs.
    assert needed_files(stage) - digested <= ONLY_PLANS[stage]


def test_a_lineage_is_trained_again_by_the_changes_that_make_its_stage_run_again() -> None:
    digested = {f"lipnet/{name}" for name in reached_files(generation_run.CODE, slimmable.CODE)}
    for stage in ("scratch", "taught"):
        assert needed_files(stage) == digested
    compressing = reached_files(compress_lineage.CODE, storage.CODE, compress_graph.CODE)
    assert needed_files("compressed") == digested | {f"lipnet/{name}" for name in compressing}


@pytest.mark.parametrize("stage", sorted(GRAPH))
def test_a_stage_depends_on_its_own_file(stage: str) -> None:
    assert str(module_of(stage).relative_to(ROOT)) in body_of(stage)["deps"]


@pytest.mark.parametrize("stage", sorted(GRAPH))
def test_a_stage_checks_that_its_inputs_stay_the_same(stage: str) -> None:
    assert "    run_stage(main)\n" in module_of(stage).read_text(encoding="utf-8")


def test_editing_the_cropping_never_reruns_the_detector() -> None:
    assert not {"lipnet/crops/crop.py", "lipnet/crops/align.py"} & set(body_of("landmarks")["deps"])


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
    assert all(LINEAGE_ID.fullmatch(name) for name in params.lineages)
    sections = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    assert list_sections() - set(sections) == set(), "DVC fails: add it to conf/config.yaml"


def list_sections() -> set[str]:
    """The sections of params.yaml that stages take their parameters from."""
    return {
        re.split(r"[.$]", key)[0]
        for entry in GRAPH.values()
        for key in [*entry.get("do", entry).get("params", []), entry.get("foreach", "")[2:-1]]
        if key
    }


def test_the_checkouts_params_have_the_sections_of_all_stages() -> None:
    sections = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert list_sections() - set(sections) == set()


def test_the_documents_graph_has_every_stage() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"\w+", text.split("```")[1]))
    groups = {re.sub(r"^(predict_\w+_)\w+$", r"\1", stage) for stage in GRAPH}
    assert groups - drawn == set()


def test_an_unknown_profile_names_the_known() -> None:
    with pytest.raises(InputError, match="synthetic"):
        choose_profile("synthetics", [])
