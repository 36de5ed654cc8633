"""DVC's own way to try something and compare: exp run, exp show, metrics diff, plots."""

import csv
import io
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.slow
WHO = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
METRICS = "data/tiny/report/metrics.json"


@pytest.fixture(scope="module")
def tried(undisturbed: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A committed reproduction, and the experiment `short`: one epoch less."""
    made = undisturbed.fork(tmp_path_factory.mktemp("experiments") / "tried")
    for command in (["add", "--all"], ["commit", "--quiet", "-m", "Reproduce tiny"]):
        subprocess.run(["git", *WHO, *command], cwd=made.place, check=True)
    changes = ("--set-param", "profile=tiny", "--set-param", "recipe.epochs=1")
    told = made.run("dvc", "exp", "run", "--name", "short", *changes)
    (made.place.parent / "told").write_text(told)
    return made


def test_only_what_the_parameter_reaches_was_made_again(tried: Checkout) -> None:
    told = (tried.place.parent / "told").read_text()
    ran = set(re.findall(r"Running stage '(\S+)'", told))
    assert ran >= {"scratch@rn18-tcn", "taught@rn18-dstcn-by-rn18-tcn", "report"}
    assert not ran & {"raw", "manifest", "landmarks", "shards"}


def test_experiments_stand_side_by_side_with_parameters_and_accuracies(tried: Checkout) -> None:
    rows = list(csv.DictReader(io.StringIO(tried.run("dvc", "exp", "show", "--csv"))))
    (row,) = (row for row in rows if row["Experiment"] == "short")
    (before,) = (row for row in rows if row["rev"] in ("master", "main"))
    assert (before["recipe.epochs"], row["recipe.epochs"]) == ("2", "1")
    accuracies = [key for key in row if key.endswith("test.top1")]
    assert len(accuracies) >= 3
    assert all(0 <= float(row[key]) <= 1 for key in accuracies)


def test_metrics_are_compared_model_by_model(tried: Checkout) -> None:
    told = json.loads(tried.run("dvc", "metrics", "diff", "HEAD", "short", "--all", "--json"))
    for model in ("rn18-tcn-g0", "rn18-tcn-g1"):
        assert f"models.{model}.test.top1" in told[METRICS]
    assert all({"old", "new"} <= set(change) for change in told[METRICS].values())


def test_plots_show_both(tried: Checkout, tmp_path: Path) -> None:
    tried.run("dvc", "plots", "diff", "HEAD", "short", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    for title in ("Validation", "Accuracy", "Confusion"):
        assert re.search(title, page, re.IGNORECASE), title
    assert '"rev": "short"' in page
