"""Publishing logs what MLflow lacks, and a second time changes nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from socket import socket
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
from mlflow.models import get_model_info
from mlflow.pyfunc.model import PythonModelContext

from flows.servers import Server, end_servers, start_server, wait_until_up
from lipnet.code import PACKAGE
from lipnet.errors import InputError
from lipnet.files import write_json
from lipnet.report.csv_rows import read_rows, write_rows
from lipnet.report.json_files import read_mapping
from lipnet.report.rows import ComparisonRow, LeaderboardRow
from lipnet.report.saved import read_results_rows
from pipeline.paths import Paths
from tests.tracking.fabricated import (
    MODELS,
    fabricate_finished,
    retrain,
    write_leaderboard,
)
from tracking.experiment import Experiment
from tracking.publish import publish
from tracking.pyfunc import LipreaderModel

REGISTERED = "lipnet-tiny-shufflenetv2_0.5x-tcn_0.25x"
LOAD = """
import json, sys
import mlflow, numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
crops = np.random.default_rng(0).integers(0, 255, (2, 6, 96, 96), dtype=np.uint8)
rows = model.predict(crops)
import lipnet
print(json.dumps({"rows": rows.to_dict("records"), "lipnet": lipnet.__file__}))
"""


@pytest.fixture
def paths(store: Path) -> Paths:
    """A finished profile in a folder of its own, with an empty MLflow store."""
    made = Paths("tiny")
    fabricate_finished(made)
    return made


@pytest.fixture(scope="module")
def _published(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished profile and a store that it is published to."""
    place = tmp_path_factory.mktemp("published")
    shutil.copy(empty_store, place / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        _work_in(place, patch)
        fabricate_finished(Paths("tiny"))
        publish(Paths("tiny"), source="synthetic")
    return place


@pytest.fixture
def published(_published: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A finished profile that is published, shared by tests that change neither."""
    _work_in(_published, monkeypatch)
    return Paths("tiny")


def _work_in(place: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(place)
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")


def children(experiment: Experiment, **tags: str) -> list[str]:
    wanted = {"mlflow.parentRunId": experiment.parent_id, **tags}
    return [run.info.run_name for run in experiment.find(wanted)]


def versions(experiment: Experiment) -> dict[str, str]:
    """Version -> the model that it is of."""
    found = experiment.client.search_model_versions(f"name = '{REGISTERED}'")
    return {version.version: version.tags["model"] for version in found}


def aliases(experiment: Experiment) -> dict[str, str]:
    """Alias -> the model that its version is of."""
    named = experiment.client.get_registered_model(REGISTERED).aliases
    return {alias: versions(experiment)[version] for alias, version in named.items()}


def snapshot(experiment: Experiment) -> dict[str, object]:
    """Everything that a second publish might change."""
    client = experiment.client
    runs = client.search_runs([experiment.experiment_id])
    return {
        run.info.run_id: (
            run.data.tags,
            run.data.params,
            run.info.end_time,
            {key: len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics},
            [logged.model_id for logged in run.outputs.model_outputs] if run.outputs else [],
        )
        for run in runs
    }


@pytest.mark.slow
def test_publish_fills_everything_and_then_changes_nothing(paths: Paths) -> None:
    published = publish(paths, source="synthetic")
    assert (published.models, published.ensembles, published.models_logged) == (3, 1, 3)
    assert published.registered == 2
    experiment = Experiment.open("tiny")
    assert aliases(experiment) == {
        **{"big": "big-g1", "small-by-big": "small-by-big-g1", "champion": "big-g1"}
    }
    assert sorted(children(experiment)) == sorted([*MODELS, "ensemble-big"])
    (run,) = experiment.find({"model": "big-g1"})
    assert run.data.metrics["accuracy/test_top1"] == 0.7
    assert run.data.metrics["cost/params_m"] == 1.5
    assert run.data.tags["chosen"] == "true"
    assert run.data.tags["kind"] == "born-again"
    assert run.data.tags["test_clips"] == "12"
    history = experiment.client.get_metric_history(run.info.run_id, "by_epoch/val_top1")
    assert {metric.step for metric in history} == {*range(4)}
    (version,) = experiment.client.search_model_versions(f"run_id = '{run.info.run_id}'")
    for words in ("test top-1 70.0%", "1.50 M parameters", "0.250 GFLOPs"):
        assert words in version.description
    _check_report(paths, experiment)
    _check_pages(paths, experiment)
    before = snapshot(experiment)
    again = publish(paths, source="synthetic")
    assert (again.models_logged, again.epochs_filled, again.superseded) == (0, 0, [])
    assert again.registered == 0
    assert snapshot(experiment) == before
    _check_retrained(paths, experiment)
    _check_left_lineage(paths, experiment)


def _check_report(paths: Paths, experiment: Experiment) -> None:
    """Every file of the report is there, and the page has no link to a file, only its name."""
    client, parent = experiment.client, experiment.parent_id
    found = {file.path for file in client.list_artifacts(parent)}
    assert found == {"leaderboard.csv", "report.md", "report.html", "figures", "tables"}
    tables = [file.path for file in client.list_artifacts(parent, "tables")]
    assert tables == ["tables/comparisons.csv"]
    page = Path(client.download_artifacts(parent, "report.html")).read_text()
    assert page == (
        '<p>Every pair is in tables/comparisons.csv, see <a href="https://dvc.org">DVC</a>'
    )
    assert "<a href=" in (paths.report / "report.html").read_text()


def _check_pages(paths: Paths, experiment: Experiment) -> None:
    pages = json.loads(paths.mlflow_pages.read_text())
    assert f"/experiments/{experiment.experiment_id}/runs" in pages["runs"]
    view = parse_qs(urlsplit(pages["runs"]).fragment.partition("?")[2])["viewStateShareKey"][0]
    tags = experiment.client.get_experiment(experiment.experiment_id).tags
    state = json.loads(tags[f"mlflow.sharedViewState.{view}"])
    assert state["orderByKey"] == "metrics.`accuracy/test_top1`"
    assert {"metrics.`cost/params_m`", "metrics.`cost/gflops`"} < set(state["selectedColumns"])
    assert list(pages["generations"]) == ["big"]
    assert list(pages["students"]) == ["small-by-big-g1"]
    assert "/artifacts/report.html" in pages["report"]
    asked = parse_qs(urlsplit(pages["generations"]["big"]).fragment.partition("?")[2])
    generations = [experiment.find({"model": f"big-g{n}"})[0].info.run_id for n in (0, 1)]
    assert json.loads(asked["runs"][0]) == generations
    assert json.loads(asked["experiments"][0]) == [experiment.experiment_id]


def _check_retrained(paths: Paths, experiment: Experiment) -> None:
    """A model trained again gets a run of its own; the old one and its ensemble are superseded."""
    retrain(paths, "big", "g1")
    write_leaderboard(paths.study, latency=4.0)
    published = publish(paths, source="synthetic")
    assert sorted(published.superseded) == ["big-g1", "ensemble-big"]
    assert published.registered == 1
    assert aliases(experiment)["champion"] == "big-g1"
    assert len(versions(experiment)) == 3
    assert children(experiment, model="big-g1", superseded="true") == ["big-g1"]
    assert children(experiment, model="big-g1", superseded="false") == ["big-g1"]
    (run,) = experiment.find({"model": "big-g0"})
    assert run.data.metrics["cost/latency_ms_p50"] == 4.0


def _check_left_lineage(paths: Paths, experiment: Experiment) -> None:
    """A lineage that left the study is superseded, although its folder still exists."""
    selection = read_mapping(paths.study.selection)
    del selection["best_of_lineage"]["small-by-big"]
    write_json(paths.study.selection, selection)
    for name in ("results.csv", "leaderboard.csv"):
        rows = read_rows(paths.report / name, LeaderboardRow)
        kept = [row for row in rows if row.lineage != "small-by-big"]
        write_rows(paths.report / name, LeaderboardRow, kept)
    write_rows(paths.report / "tables" / "comparisons.csv", ComparisonRow, [])
    assert publish(paths, source="synthetic").superseded == ["small-by-big-g1"]
    assert (paths.lineage("small-by-big") / "lineage.json").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("published")
def test_logged_model_loads_and_predicts_in_a_fresh_process(tmp_path: Path) -> None:
    experiment = Experiment.open("tiny")
    (run,) = experiment.find({"model": "big-g0"})
    assert run.outputs is not None
    uri = f"models:/{run.outputs.model_outputs[0].model_id}"
    described = get_model_info(uri)
    assert described.signature is not None
    assert [column.name for column in described.signature.outputs][:2] == ["label", "probability"]
    assert described.saved_input_example_info is not None
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    answer = subprocess.run(
        [sys.executable, "-c", LOAD, uri],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    loaded = json.loads(answer.stdout.splitlines()[-1])
    assert not Path(loaded["lipnet"]).is_relative_to(PACKAGE)
    for row in loaded["rows"]:
        assert row["label"] == row["top5"][0]
        assert row["probability"] == row["top5_probability"][0]
        assert len(row["top5"]) == 5


@pytest.mark.slow
def test_the_champion_answers_over_http(
    published: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow looks for uvicorn there, as in an activated environment.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    champion = f"models:/{REGISTERED}@champion"
    place = ["--host", "127.0.0.1", "--port", str(free_port), "--env-manager", "local"]
    server = Server("serve", free_port, "/ping")
    log = tmp_path / "serve.log"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", champion, *place]
    process = start_server(server, command, log)
    try:
        wait_until_up(server, process, log)
        crops = np.random.default_rng(0).integers(0, 255, (2, 6, 96, 96), dtype=np.uint8)
        place = f"{server.url}/invocations"
        rows = json.loads(post(place, [crops[0].tolist(), crops[1].tolist()]))["predictions"]
        (shorter,) = json.loads(post(place, crops[1, :4].tolist()))["predictions"]
        with pytest.raises(HTTPError) as refused:
            post(place, crops[:, :, :5].tolist())
        message = json.loads(refused.value.read())["message"]
    finally:
        end_servers([process])
    model = LipreaderModel()
    weights = published.lineage("big") / "g1" / "weights.safetensors"
    model.load_context(PythonModelContext({"weights": str(weights)}, {}))
    expected = model.predict(PythonModelContext({}, {}), crops)
    assert [row["top5"] for row in rows] == expected["top5"].tolist()
    assert np.allclose([row["probability"] for row in rows], expected["probability"])
    alone = model.predict(PythonModelContext({}, {}), crops[1, :4])
    assert shorter["probability"] == pytest.approx(alone["probability"][0], abs=1e-6)
    assert message == "clip 0: crops must be [T, 96, 96], not (6, 5, 96)"


def post(place: str, inputs: object) -> bytes:
    """The answer to a request of these inputs."""
    body = json.dumps({"inputs": inputs}).encode()
    request = Request(place, body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def test_no_leaderboard_is_one_clear_error(store: Path) -> None:
    with pytest.raises(InputError, match=r"run `python -m pipeline\.leaderboard`"):
        publish(Paths("tiny"), source="synthetic")


def test_leaderboard_row_of_no_model_is_refused(paths: Paths) -> None:
    for folder in paths.models.iterdir():
        (folder / "lineage.json").unlink()
    with pytest.raises(InputError, match=r"no model on disk"):
        publish(paths, source="synthetic")


def test_a_leaderboard_of_other_results_is_refused(paths: Paths) -> None:
    rows = read_results_rows(paths.study)
    write_rows(paths.report / "results.csv", LeaderboardRow, rows[:-1])
    with pytest.raises(InputError, match=r"does not match results\.csv"):
        publish(paths, source="synthetic")
