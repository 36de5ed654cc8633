"""The whole graph on the profile `tiny`: from nothing to a leaderboard, again, and after kills."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from lipnet.cli.main import main
from tests.e2e.checkout import Checkout
from tests.e2e.faults import kill_group, wait_until
from tests.e2e.here import run_here
from tests.e2e.system import delete_stale_lock

pytestmark = pytest.mark.slow
MODELS = {"rn18-tcn-g0", "rn18-tcn-g1", "rn18-dstcn-by-rn18-tcn-g1"}


@pytest.fixture(scope="module")
def reproduced(undisturbed: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A reproduction in which commands may write."""
    return undisturbed.fork(tmp_path_factory.mktemp("tiny") / "reproduced")


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_model_is_on_the_leaderboard_with_its_figures(undisturbed: Checkout) -> None:
    rows = read_rows(undisturbed.place / "data/tiny/report/leaderboard.csv")
    by_model = {row["model"]: row for row in rows}
    assert set(by_model) >= MODELS
    for model in MODELS:
        row = by_model[model]
        assert 0 <= float(row["test_top1_low"]) <= float(row["test_top1"])
        assert float(row["test_top1"]) <= float(row["test_top1_high"]) <= 1
        assert float(row["latency_ms_p50"]) > 0
        assert float(row["gmacs"]) > 0
    assert by_model["rn18-tcn-g1"]["teacher"] == "rn18-tcn-g0"


def test_nothing_is_left_to_do(reproduced: Checkout) -> None:
    assert "up to date" in reproduced.run("dvc", "status")
    assert "Running stage" not in reproduced.run("dvc", "repro")


def test_publishing_fills_mlflow_once(
    reproduced: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{reproduced.place}/mlflow.db")
    for _ in range(2):
        run_here(reproduced.place, "tracking.publish")
    output = capsys.readouterr().out
    first, second = (line for line in output.splitlines() if line.startswith("MLflow ("))
    assert "3 models" in first
    assert "0 models and 0 figures by epoch added" in second


def test_raw_video_gives_the_accuracy_of_the_pipeline(
    undisturbed: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    made = undisturbed.place / "data/tiny"
    weights = str(made / "models/rn18-tcn/g1/weights.safetensors")
    corpus = ["--source", "lrw", "--root", str(made / "raw/videos"), "--split", "test", "--json"]
    main(["evaluate", weights, *corpus])
    found = json.loads(capsys.readouterr().out)
    rows = read_rows(undisturbed.place / "data/tiny/report/leaderboard.csv")
    (row,) = (row for row in rows if row["model"] == "rn18-tcn-g1")
    assert (found["clips"], found["failed"]) == (12, 0)
    expected = [float(row[f"test_top1{end}"]) for end in ("", "_low", "_high")]
    assert [found["top1"], *found["top1_95"]] == pytest.approx(expected, abs=1e-6)


SIGNS = {
    "raw": "data/tmp/tiny/raw/**/*.mp4",
    "landmarks": "data/tmp/tiny/landmarks/**/*.npz",
    "shards": "data/tmp/tiny/shards/**/*.tar",
    "scratch@rn18-tcn": "data/tmp/tiny/models/rn18-tcn/*.checkpoint",
}


def kill_at_work(checkout: Checkout, stage: str) -> int:
    """Start a stage and those before it, and SIGKILL DVC's process group once the stage has
    half-done work; the number of DVC's process."""
    process = checkout.start("dvc", "repro", stage)
    started = wait_until(lambda: any(checkout.place.glob(SIGNS[stage])), process)
    assert started, f"{stage} ended before it could be killed"
    kill_group(process)
    return process.pid


def test_stages_killed_at_work_end_with_the_same_outputs(
    undisturbed: Checkout, tmp_path: Path
) -> None:
    checkout = Checkout.create(tmp_path / "killed")
    shutil.copy(undisturbed.place / "params.yaml", checkout.place)
    for stage in SIGNS:
        number = kill_at_work(checkout, stage)
    delete_stale_lock(checkout, number)
    checkout.run("dvc", "repro", stage)
    outputs = checkout.outputs()
    assert set(outputs) >= {
        f"data/tiny/{made}" for made in ("raw", "landmarks", "shards", "models/rn18-tcn")
    }
    assert outputs.items() <= undisturbed.outputs().items()


def test_parameters_that_change_while_a_stage_runs_are_not_recorded(
    undisturbed: Checkout, tmp_path: Path
) -> None:
    checkout, stage = undisturbed.fork(tmp_path / "changed"), "landmarks"
    lock = checkout.place / "dvc.lock"
    recorded = lock.read_bytes()
    put_in_job(checkout, 4)
    process = checkout.start("dvc", "repro", stage)
    assert wait_until(lambda: any(checkout.place.glob(SIGNS[stage])), process)
    put_in_job(checkout, 5)
    output, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "error: params.yaml: landmarks changed while this stage ran" in output
    assert lock.read_bytes() == recorded
    finished = {path.name: path.stat() for path in checkout.place.glob(SIGNS[stage])}
    assert len(finished) == 12  # it ran to its end
    put_in_job(checkout, 4)
    assert f"Running stage '{stage}'" in checkout.run("dvc", "repro", stage)
    found = {path.name: path.stat() for path in checkout.place.glob("data/tiny/landmarks/*.npz")}
    assert found.keys() == finished.keys()
    for name, own in found.items():  # each job is found again, and moved into place
        assert (own.st_ino, own.st_mtime_ns) == (finished[name].st_ino, finished[name].st_mtime_ns)


def put_in_job(checkout: Checkout, videos: int) -> None:
    """Set how many videos a job of the stage landmarks has."""
    path = checkout.place / "params.yaml"
    text, changes = re.subn(
        r"(?m)^  videos_per_shard: \d+$", f"  videos_per_shard: {videos}", path.read_text("utf-8")
    )
    assert changes == 1
    path.write_text(text, "utf-8")
