"""A stage ends with an error if anything that DVC will hash changed while it ran, and only then."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.dependency import ParamsDependency
from dvc.repo import Repo
from hypothesis import given
from hypothesis import strategies as st

from pipeline.inputs import Inputs, find_inputs, list_changes
from tests.contract.imports import ROOT

GRAPH = """
stages:
  read:
    cmd: python -m stages.read
    deps: [code, 'data/${profile}/raw']
    params: [source, recipe.lr]
    outs: ['data/${profile}/out']
"""
PARAMS = "{profile: p, source: {root: a}, recipe: {lr: 0.1, epochs: 2}}"
STAGE = """
import sys
from pathlib import Path
from pipeline.outputs import move_into_place
from pipeline.program import run_stage

def main():
    state = Path("data/tmp/out")
    state.mkdir(parents=True, exist_ok=True)
    (state / "finished").write_text("x")
    work, late = sys.stdin.read().split("|")
    exec(work)
    move_into_place(state, Path("data/p/out"), ["finished"])
    exec(late)

run_stage(main)
"""
CHANGES = {
    "params.yaml: source": "Path('params.yaml').write_text('{profile: p, recipe: {lr: 0.1}}')",
    "params.yaml: recipe.lr, params.yaml: source": "Path('params.yaml').write_text('{half a f')",
    "code/a.py": "Path('code/a.py').write_text('x = 2')",
    "code/b.py": "Path('code/b.py').touch()",
    "data/p/raw/videos/b.mp4": "Path('data/p/raw/videos/b.mp4').touch()",
    "data/p/raw/videos/a.mp4": "Path('data/p/raw/videos/a.mp4').write_text('vide0')",
    "data/p/raw/inventory.tsv": "Path('data/p/raw/inventory.tsv').unlink()",
}
UNCHANGED = [
    "",
    "Path('params.yaml').write_text(Path('params.yaml').read_text().replace('2', '3') + '# why')",
    "Path('code/a.py').write_text('x = 1')",
    "Path('code/__pycache__/a.pyc').write_text('2')",
    "Path('data/p/other').touch()",
]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one stage, which runs code from its standard input before its outputs move
    into place, and the code after `|` later."""
    monkeypatch.chdir(tmp_path)
    for folder in ("stages", "code/__pycache__", "data/p/raw/videos"):
        Path(folder).mkdir(parents=True)
    Path("stages/__init__.py").write_text((ROOT / "stages/__init__.py").read_text())
    Path("stages/read.py").write_text(STAGE)
    Path("dvc.yaml").write_text(GRAPH)
    Path("params.yaml").write_text(PARAMS)
    Path("code/a.py").write_text("x = 1")
    Path("code/__pycache__/a.pyc").write_text("1")
    Path("data/p/raw/videos/a.mp4").write_text("video")
    Path("data/p/raw/inventory.tsv").write_text("a.mp4\t5\n")
    return tmp_path


def run_stage(checkout: Path, code: str) -> tuple[int, str]:
    """The stage's status and what it prints to its errors."""
    done = subprocess.run(
        [sys.executable, "-m", "stages.read"],
        input=code,
        text=True,
        capture_output=True,
        cwd=checkout,
        env={"PYTHONPATH": str(ROOT)},  # `stages` is found in the current folder first
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("names", CHANGES)
def test_a_stage_whose_inputs_change_fails_and_keeps_its_work(checkout: Path, names: str) -> None:
    status, errors = run_stage(checkout, f"{CHANGES[names]}|")
    assert status == 1
    assert errors.startswith(f"error: {names} changed while this stage ran")
    assert errors.count("\n") == 1
    # DVC deletes a stage's old outputs before it runs again, so nothing may have moved there.
    assert not (checkout / "data/p/out").exists()
    assert (checkout / "data/tmp/out/finished").exists()


def test_a_change_after_the_outputs_are_in_place_fails_too(checkout: Path) -> None:
    status, errors = run_stage(checkout, f"|{CHANGES['code/a.py']}")
    assert (status, errors[:17]) == (1, "error: code/a.py ")


@pytest.mark.parametrize("code", UNCHANGED)
def test_what_dvc_does_not_hash_may_change(checkout: Path, code: str) -> None:
    assert run_stage(checkout, f"{code}|{code}") == (0, "")
    assert (checkout / "data/p/out/finished").exists()


def test_many_changes_are_counted(checkout: Path) -> None:
    code = "[Path('data/p/raw/videos', str(n)).touch() for n in range(9)]"
    _, errors = run_stage(checkout, f"{code}|")
    assert "videos/0, data/p/raw/videos/1, data/p/raw/videos/2 and 6 more changed" in errors


def test_a_stage_without_an_entry_in_the_graph_is_not_checked(checkout: Path) -> None:
    (checkout / "dvc.yaml").unlink()
    assert run_stage(checkout, f"{CHANGES['code/a.py']}|") == (0, "")


@pytest.mark.slow
def test_every_stage_of_the_graph_notes_what_dvc_will_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    stages = [stage for stage in Repo(str(ROOT)).index.stages if stage.cmd]
    assert len(stages) > 15
    for stage in stages:
        found = find_inputs(stage.cmd.split())
        assert found is not None, stage.cmd
        params = [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
        paths = [dep.def_path for dep in stage.deps if dep not in params]
        keys = [key for dep in params for key in dep.params]
        assert (sorted(found.paths), sorted(found.params)) == (sorted(paths), sorted(keys))


KEYS = st.dictionaries(st.sampled_from("abc"), st.none() | st.booleans() | st.integers(0, 2))
VALUES = st.dictionaries(st.sampled_from("xyz"), KEYS | st.integers(0, 2) | st.floats(0, 1))


@given(before=VALUES, after=VALUES, keys=st.lists(st.sampled_from(["x", "y", "x.a", "z.b"])))
def test_changes_of_parameters_are_those_of_the_keys_that_dvc_hashes(
    before: dict[str, object],
    after: dict[str, object],
    keys: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def look_up(values: object, key: str) -> object:
        for part in key.split("."):
            values = values.get(part) if isinstance(values, dict) else None
        return values

    inputs = Inputs(tuple(keys), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("params"))
        states = []
        for values in (before, after):
            Path("params.yaml").write_text(yaml.safe_dump(values))
            states.append(inputs.scan())
    expected = {
        key
        for key in keys
        if json.dumps(look_up(before, key), sort_keys=True)
        != json.dumps(look_up(after, key), sort_keys=True)
    }
    assert set(list_changes(*states)) == {f"params.yaml: {key}" for key in expected}
