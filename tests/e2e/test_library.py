"""`pip install .` alone reads, crops, evaluates and trains: the README's example in a bare venv."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from lipnet.sources.synthetic.corpus import encode_movie
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan, render_clip
from tests.contract.imports import ROOT

PIPELINE = ("dvc", "hydra", "mlflow", "prefect", "pydantic", "ray", "yaml")
WORDS = ("blue", "place")  # labels that the released model knows
# An import that is caught would not fail by itself, so each import by our own code is an error.
GUARD = f"""
import builtins
original = builtins.__import__
def guarded(name, globals=None, *rest, **more):
    importer = (globals or {{}}).get("__name__", "")
    if name.split(".")[0] in {PIPELINE!r} and importer.startswith("lipnet"):
        raise ImportError(f"lipnet imports {{name}}")
    return original(name, globals, *rest, **more)
builtins.__import__ = guarded
"""


def needed_distributions(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """What a package needs to be installed, without extras: itself and all that it requires."""
    if name not in found:
        found[name] = distribution(name)
        for text in found[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed_distributions(requirement.name, found)
    return found


def base_requirements() -> Iterator[str]:
    """The names in pyproject.toml's `dependencies`."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in project["dependencies"]:
        yield Requirement(text).name


def make_bare_venv(folder: Path) -> Path:
    """A venv with the installed base dependencies of lipnet and nothing else; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next((folder / "lib").glob("python3*/site-packages"))
    found: dict[str, Distribution] = {}
    for name in [*base_requirements(), "setuptools"]:  # setuptools builds the package
        needed_distributions(name, found)
    for own in found.values():
        tops = {
            path.parts[0] for path in own.files or [] if path.parts[0] not in ("..", "__pycache__")
        }
        for top in tops - {entry.name for entry in site.iterdir()}:
            (site / top).symlink_to(Path(str(own.locate_file(top))))
    (site / "guard.pth").write_text("import guard\n", encoding="utf-8")
    (site / "guard.py").write_text(GUARD, encoding="utf-8")
    return folder / "bin" / "python"


def install(python: Path, folder: Path) -> None:
    """`pip install .` of a copy of the library, so that the checkout stays as it is."""
    shutil.copytree(
        ROOT / "lipnet", folder / "lipnet", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", str(folder)], check=True)


def write_videos(folder: Path) -> None:
    """word.mp4, and four videos of each word in a folder of its own."""
    options = SyntheticOptions(
        words=["BARK", "MILLION"],
        clips_per_word={"train": 4, "val": 1, "test": 1},
        speakers={"train": 2, "val": 1, "test": 1},
        seed=1,
    )
    for word, rendered in zip(WORDS, options.words, strict=True):
        (folder / "videos" / word).mkdir(parents=True)
        for number in range(4):
            plan = ClipPlan(rendered, "train", number + 1, number % 2)
            frames_THWC, _ = render_clip(plan, options)
            encode_movie(folder / "videos" / word / f"{number}.mp4", frames_THWC)
    shutil.copy(folder / "videos" / WORDS[0] / "0.mp4", folder / "word.mp4")


def readme_example() -> str:
    """The Python code in the README."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    return str(code)


@pytest.mark.slow
def test_the_readme_example_runs_with_the_base_dependencies_alone(tmp_path: Path) -> None:
    python = make_bare_venv(tmp_path / "venv")
    install(python, tmp_path / "copy")
    place = tmp_path / "work"
    write_videos(place)
    (place / "data").symlink_to(ROOT / "data")
    (place / "example.py").write_text(readme_example(), encoding="utf-8")
    ran = subprocess.run(
        [python, "-W", "ignore", "example.py"],
        cwd=place,
        env={"PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^\[\('[\w<>]+', 0\.\d+\)", ran.stdout)
    assert "% of 8 clips" in ran.stdout
    assert (place / "mine" / "g0" / "weights.safetensors").is_file()
    probe = f"import importlib.util as u; print([n for n in {PIPELINE} if u.find_spec(n)])"
    found = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_an_import_of_the_pipeline_by_the_library_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "guard.py").write_text(GUARD, encoding="utf-8")
    (tmp_path / "lipnet_like.py").write_text("import yaml\n", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", "import guard, lipnet_like"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "lipnet imports yaml" in ran.stderr
