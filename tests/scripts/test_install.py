"""`make` installs into its own environment or not at all, and completes what was interrupted.

The Python that is tested with makes real environments with a pip that only writes down its calls.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.imports import ROOT
from tests.e2e.faults import wait_until

# Makes an environment whose pip appends its interpreter and arguments to calls.txt and then, as a
# killed pip does, leaves an incomplete package and waits if there is a file `hang-pip`.
PYTHON = """#!/bin/sh
if test "$1 $2" != "-m venv"; then exec {python} "$@"; fi
shift 2
if test -e hang-venv; then mkdir -p "$2/lib" "$2/bin"; touch hanging; sleep 60; fi
{python} -m venv --without-pip "$@"
site=$(echo "$2"/lib/python3*/site-packages)
mkdir -p "$site/pip" "$site/pip-1.dist-info"
touch "$site/pip/__init__.py" "$site/pip-1.dist-info/INSTALLER"
cp pip_main.py "$site/pip/__main__.py"
"""
PIP = """
import pathlib, sys, time
if sys.argv[1:] != ["--version"]:
    site = pathlib.Path(__file__).parents[1]
    incomplete = sorted(p.name for p in site.glob("*.dist-info") if not (p / "INSTALLER").exists())
    with open("calls.txt", "a") as out:
        print(sys.executable, *sys.argv[1:3], *incomplete, file=out)
    if pathlib.Path("hang-pip").exists():
        (site / "torch-2.dist-info").mkdir()
        (site / "torch-2.dist-info" / "METADATA").touch()
        pathlib.Path("hanging").touch()
        time.sleep(60)
"""
INSTALLED = ["install --quiet", "install --quiet"]


class Project:
    """A checkout to install, in a folder whose name has spaces and other letters."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("Makefile", "scripts/install.sh", "pyproject.toml"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
        for folder in (".git", ".dvc", "path"):
            (place / folder).mkdir()
        (place / "requirements.lock").touch()
        (place / "pip_main.py").write_text(PIP)
        self.write_program("python3.11", PYTHON.format(python=sys.executable))
        # What `make` must not use.
        self.write_program("python", "#!/bin/sh\necho system >>calls.txt\n")
        self.write_program("pip", "#!/bin/sh\necho system >>calls.txt\n")

    def write_program(self, name: str, text: str) -> None:
        program = self.place / "path" / name
        program.write_text(text)
        program.chmod(0o755)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["make", ".venv/.installed", *arguments],
            cwd=self.place,
            env={"PATH": f"{self.place / 'path'}:/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def install(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def kill_in(self, step: str) -> None:
        """Start an installation and kill it in the step `venv` or `pip`."""
        (self.place / f"hang-{step}").touch()
        process = self.start()
        assert wait_until((self.place / "hanging").exists, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for name in ("hanging", f"hang-{step}", "calls.txt"):
            (self.place / name).unlink(missing_ok=True)
        assert not (self.place / ".venv/.installed").exists()

    def check_installed(self) -> None:
        """Every call of pip was made by the environment's own Python, with no package that an
        earlier call left incomplete."""
        own = self.place / ".venv" / "bin" / "python"
        assert self.calls() == [f"{own} {call}" for call in INSTALLED]
        assert (self.place / ".venv/.installed").exists()

    def calls(self) -> list[str]:
        file = self.place / "calls.txt"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "lip reading für 読唇")


def test_everything_is_installed_by_the_environments_own_python(project: Project) -> None:
    assert project.install() == (0, "")
    project.check_installed()


@pytest.mark.parametrize("step", ["venv", "pip"])
def test_the_same_command_completes_an_installation_that_was_killed(
    project: Project, step: str
) -> None:
    project.kill_in(step)
    assert project.install() == (0, "")
    project.check_installed()


def empty(venv: Path) -> None:
    shutil.rmtree(venv)
    venv.mkdir()


def break_link(venv: Path) -> None:
    for program in (venv / "bin").glob("python*"):
        program.unlink()
        program.symlink_to("/nowhere/python3")


def remove_pip(venv: Path) -> None:
    for part in venv.glob("lib/python3*/site-packages/pip*"):
        shutil.rmtree(part)


def be_too_old(venv: Path) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (venv / "bin" / "python").chmod(0o755)


@pytest.mark.parametrize("damage", [empty, break_link, remove_pip, be_too_old])
def test_a_broken_environment_is_made_again(project: Project, damage: object) -> None:
    assert callable(damage)
    project.install()
    damage(project.place / ".venv")
    (project.place / "calls.txt").unlink()
    (project.place / ".venv/.installed").unlink(missing_ok=True)
    assert project.install() == (0, "")
    project.check_installed()


def test_a_new_lock_is_installed_into_the_same_environment(project: Project) -> None:
    project.install()
    kept = project.place / ".venv" / "kept"
    kept.touch()
    (project.place / "calls.txt").unlink()
    os.utime(project.place / "requirements.lock", (2e9, 2e9))
    assert project.install()[0] == 0
    project.check_installed()
    assert kept.exists()


@pytest.mark.parametrize("version", ["3.10.9", "3.13.0", "2.7.18"])
def test_a_wrong_python_is_refused_before_anything_is_installed(
    project: Project, version: str
) -> None:
    fake = tuple(map(int, version.split(".")))
    code = f"import sys; sys.version_info = {fake}; exec(sys.argv.pop(1))"
    stub = f'case "$1" in -c) exec {sys.executable} -c "{code}" "$2";; *) echo Python {version};;'
    project.write_program("python3", f"#!/bin/sh\n{stub} esac\n")
    status, output = project.install("PYTHON=python3")
    assert status == 2
    assert output.startswith(f"error: python3 is Python {version}, but pyproject.toml has requires")
    assert not (project.place / ".venv").exists()
    assert project.calls() == []


def test_a_missing_python_is_named(project: Project) -> None:
    status, output = project.install("PYTHON=python3.19")
    assert (status, output[:27]) == (2, "error: no program python3.1")
    assert not (project.place / ".venv").exists()


def test_a_folder_without_git_gets_the_remedy_before_anything_is_installed(
    project: Project,
) -> None:
    (project.place / ".git").rmdir()
    status, output = project.install()
    assert status == 2
    assert "not a git repository" in output
    assert "run 'git init' here" in output
    assert not (project.place / ".venv").exists()
    (project.place / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    assert project.install() == (0, "")
    project.check_installed()
