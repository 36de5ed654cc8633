"""DVC's own way to try something and compare: exp run, exp show, metrics diff, plots."""

import csv
import io
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.checkout import COMMITTER, Checkout

pytestmark = pytest.mark.slow
METRICS = "data/tiny/report/metrics.json"
STUDENT = "rn18-dstcn-by-rn18-tcn"
EPOCHS = f"taught.{STUDENT}.recipe.epochs"
ACCURACIES = ("accuracy.test", "accuracy.val")  # no gain: no spec is both distilled and not


@pytest.fixture(scope="module")
def tried(undisturbed: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A committed reproduction, and the experiment `short`: the student learns an epoch less."""
    made = undisturbed.fork(tmp_path_factory.mktemp("experiments") / "tried")
    for command in (["add", "--all"], ["commit", "--quiet", "-m", "Reproduce tiny"]):
        subprocess.run(["git", *COMMITTER, *command], cwd=made.place, check=True)
    changes = ("--set-param", "profile=tiny", "--set-param", f"+{EPOCHS}=1")
    output = made.run("dvc", "exp", "run", "--name", "short", *changes)
    (made.place.parent / "output").write_text(output)
    return made


def test_only_what_the_parameter_reaches_was_made_again(tried: Checkout) -> None:
    output = (tried.place.parent / "output").read_text()
    ran = set(re.findall(r"Running stage '(\S+)'", output))
    assert ran >= {f"taught@{STUDENT}", f"predict_test_taught@{STUDENT}", "report"}
    assert not ran & {"raw", "manifest", "landmarks", "shards", "scratch@rn18-tcn"}


def test_experiments_are_listed_with_parameters_and_headline_figures(tried: Checkout) -> None:
    rows = list(csv.DictReader(io.StringIO(tried.run("dvc", "exp", "show", "--csv"))))
    (row,) = (row for row in rows if row["Experiment"] == "short")
    (before,) = (row for row in rows if row["rev"] in ("master", "main"))
    assert (before[EPOCHS], row[EPOCHS]) == ("", "1")
    assert {key for key in row if key.startswith("accuracy")} == set(ACCURACIES)
    assert all(-1 <= float(row[key]) <= 1 for key in ACCURACIES)
    kept = "Experiment|accuracy|gain|gflops|model|params_m"  # each matches the start of a name
    shown = tried.run("dvc", "exp", "show", "--drop", ".*", "--keep", kept, COLUMNS="120")
    assert all(name in shown for name in ACCURACIES)
    assert max(map(len, shown.splitlines())) <= 120


def test_the_headline_figures_are_compared(tried: Checkout) -> None:
    compare = ("dvc", "metrics", "diff", "HEAD", "short", "--all")
    found = json.loads(tried.run(*compare, "--json"))
    assert {*ACCURACIES, "gflops", "params_m", "model"} == set(found[METRICS])
    assert all({"old", "new"} <= set(change) for change in found[METRICS].values())
    lines = tried.run(*compare).splitlines()
    assert lines[1].split()[1].startswith("accuracy.")
    shown = tried.run("dvc", "metrics", "show").splitlines()
    assert max(map(len, lines + shown)) <= 120


def test_plots_show_both(tried: Checkout, tmp_path: Path) -> None:
    tried.run("dvc", "plots", "diff", "HEAD", "short", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    for title in ("Validation", "Accuracy", "Confusion"):
        assert re.search(title, page, re.IGNORECASE), title
    assert '"rev": "short"' in page
    assert '"model": "rn18-tcn-g1"' in page
    assert '"field": "model"' in page
    assert "img { max-width: 900px" in page
