"""Several profiles in one checkout: what one of them has made outlives experiments with another."""

import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.e2e.checkout import COMMITTER, Checkout

pytestmark = pytest.mark.slow
OTHER = "other"


def digest_files(folder: Path) -> dict[str, str]:
    """The MD5 of every file, by name."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def clone(undisturbed: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """`tiny` reproduced in a clone, with dvc.lock as `make reproduce` leaves it: not committed;
    and a profile that is still smaller."""
    made = undisturbed.fork(tmp_path_factory.mktemp("profiles") / "clone")
    profile = yaml.safe_load((made.place / "conf/profile/tiny.yaml").read_text(encoding="utf-8"))
    profile |= {"profile": OTHER, "taught": {}}
    profile["synthetic"] |= {
        "words": ["BARK", "PARK"],
        "clips_per_word": dict.fromkeys(("train", "val", "test"), 4),
    }
    profile["scratch"]["rn18-tcn"] |= {"generations": 0}
    text = "# @package _global_\n" + yaml.safe_dump(profile)
    (made.place / f"conf/profile/{OTHER}.yaml").write_text(text, encoding="utf-8")
    (made.place / ".git/info/exclude").write_text("dvc.lock\n", encoding="utf-8")
    for command in (["add", "--all"], ["commit", "--quiet", "-m", "Clone"]):
        subprocess.run(["git", *COMMITTER, *command], cwd=made.place, check=True)
    (made.place / ".git/info/exclude").unlink()
    return made


def test_an_experiment_with_another_profile_keeps_this_one(clone: Checkout) -> None:
    before = digest_files(clone.place / "data/tiny")
    changes = ("--set-param", f"profile={OTHER}", "--set-param", "recipe.epochs=1")
    clone.run("dvc", "exp", "run", "--name", "elsewhere", *changes)
    assert (clone.place / f"data/{OTHER}/report/results.csv").is_file()
    assert digest_files(clone.place / "data/tiny") == before

    clone.run("dvc", "checkout")
    assert digest_files(clone.place / "data/tiny") == before

    clone.run("pipeline.profile", "tiny")  # as `make reproduce PROFILE=tiny` does
    other = digest_files(clone.place / f"data/{OTHER}")
    assert "Running stage" not in clone.run("dvc", "repro")
    assert "Running stage" not in clone.run("dvc", "exp", "run", "--set-param", "profile=tiny")
    assert digest_files(clone.place / "data/tiny") == before
    assert digest_files(clone.place / f"data/{OTHER}") == other
