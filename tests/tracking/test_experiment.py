"""Runs in MLflow: found again, logged once, and no error of MLflow stops a training."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.lineage.generation import TrainingFacts
from lipnet.recipe import Recipe
from tests.contract.imports import ROOT
from tracking.experiment import DatasetFacts, Experiment, Identity
from tracking.live import ModelRun
from tracking.uri import shown_uri, tracking_uri

RECIPE = Recipe(lr=3e-4, epochs=4)


@pytest.fixture(autouse=True)
def _in_own_store(store: Path) -> None:
    """Every test works in a folder of its own, on a copy of an empty store."""


def identify(fingerprint: str = "a" * 16) -> Identity:
    facts = TrainingFacts("resnet18_0.25x + tcn_1x", RECIPE, "big-g1", fingerprint)
    return Identity.of("small-by-big-g1", facts, is_taught=True, source="grid")


def test_identity_has_lineage_generation_and_teacher() -> None:
    identity = identify()
    assert identity.tags["lineage"] == "small-by-big"
    assert identity.tags["generation"] == "g1"
    assert identity.tags["teacher"] == "big-g1"
    assert identity.params["lr"] == 3e-4


def test_identity_has_the_weights_that_a_training_starts_from() -> None:
    def find(start: str | None) -> object:
        facts = TrainingFacts("resnet18_0.25x + tcn_1x", RECIPE, None, "a" * 16, start)
        found = Identity.of("small-g0", facts, is_taught=False, source="grid")
        return found.params.get("start"), found.tags.get("start"), found.tags["kind"]

    assert find("f" * 16) == ("f" * 16, "f" * 16, "fine-tuned")
    assert find(None) == (None, None, "scratch")


def test_parent_and_model_runs_are_found_again() -> None:
    first, second = Experiment.open("tiny"), Experiment.open("tiny")
    assert first.parent_id == second.parent_id
    assert first.ensure_run(identify()) == second.ensure_run(identify())
    assert first.ensure_run(identify("b" * 16)) != second.ensure_run(identify())


def test_an_experiment_that_was_deleted_is_named_with_the_command_that_restores_it() -> None:
    experiment = Experiment.open("tiny")
    experiment.client.delete_experiment(experiment.experiment_id)
    restore = f"mlflow experiments restore --experiment-id {experiment.experiment_id}`"
    with pytest.raises(InputError, match=f"lipnet-tiny was deleted; .*{restore}"):
        Experiment.open("tiny")
    experiment.client.restore_experiment(experiment.experiment_id)
    assert Experiment.open("tiny").parent_id == experiment.parent_id


def test_model_run_is_a_named_child_with_tags_and_params() -> None:
    experiment = Experiment.open("tiny")
    run = experiment.client.get_run(experiment.ensure_run(identify()))
    assert run.info.run_name == "small-by-big-g1"
    assert run.data.tags["mlflow.parentRunId"] == experiment.parent_id
    assert run.data.tags["kind"] == "distilled"
    assert run.data.tags["profile"] == "tiny"
    assert run.data.params["epochs"] == "4"


def test_the_best_accuracy_on_validation_is_the_first_metric() -> None:
    """MLflow's comparison opens on the first one, and the test split is read last."""
    with ModelRun("tiny", identify()) as tracked:
        for epoch, accuracy in enumerate((0.3, 0.6, 0.4)):
            tracked.log_epoch(epoch, {"by_epoch/val_top1": accuracy})
    experiment = Experiment.open("tiny")
    run_id = experiment.ensure_run(identify())
    before = experiment.client.get_run(run_id).data.metrics
    assert before == {"accuracy/val_top1": 0.6, "by_epoch/val_top1": 0.4}
    experiment.fill_figures(run_id, {"accuracy/test_top1": 0.5, "accuracy/val_top1": 0.59})
    after = experiment.client.get_run(run_id).data.metrics
    assert list(after) == ["accuracy/val_top1", "by_epoch/val_top1", "accuracy/test_top1"]
    assert after["accuracy/val_top1"] == 0.59


def test_epochs_are_logged_once() -> None:
    for _ in range(2):
        with ModelRun("tiny", identify()) as tracked:
            tracked.log_epoch(0, {"val_loss": 2.0})
            tracked.log_epoch(1, {"val_loss": 1.0})
            tracked.log_epoch(1, {"val_loss": 1.0})
    experiment = Experiment.open("tiny")
    run_id = experiment.ensure_run(identify())
    logged = experiment.client.get_metric_history(run_id, "val_loss")
    assert [(metric.step, metric.value) for metric in logged] == [(0, 2.0), (1, 1.0)]
    assert experiment.client.get_run(run_id).info.status == "FINISHED"


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg2"])
def test_a_password_in_the_address_is_not_shown(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://me:secret@tracking.example/x")
    assert shown_uri() == f"{scheme}://tracking.example/x"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:se@cret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InputError) as caught:
        Experiment.open("tiny")
    assert "127.0.0.1:9" in str(caught.value)
    assert "cret" not in str(caught.value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert shown_uri() == tracking_uri() == "sqlite:///mlflow.db"


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("no memory"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_run_records_how_training_ended(error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), ModelRun("tiny", identify()):
        raise error
    experiment = Experiment.open("tiny")
    run = experiment.client.get_run(experiment.ensure_run(identify()))
    assert run.info.status == status


def test_missing_figures_are_not_logged() -> None:
    experiment = Experiment.open("tiny")
    run_id = experiment.ensure_run(identify())
    assert experiment.fill_epochs(run_id, {0: {"train_kd": float("nan"), "lr": 0.1}}) == 1


def test_epochs_of_another_training_take_the_place_of_the_earlier_ones() -> None:
    experiment = Experiment.open("tiny")
    run_id = experiment.ensure_run(identify())
    first = {epoch: {"val_top1": value} for epoch, value in enumerate((0.5, 0.1 + 0.2))}
    assert experiment.fill_epochs(run_id, first) == 2
    assert experiment.fill_epochs(run_id, first) == 0
    again = {0: {"val_top1": 0.5}, 1: {"val_top1": 0.7}}
    assert experiment.fill_epochs(run_id, again) == 1
    assert experiment.read_epochs(run_id, "val_top1") == {0: 0.5, 1: 0.7}
    assert experiment.fill_epochs(run_id, again) == 0


def test_training_continues_without_mlflow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    run = ModelRun("tiny", Identity("a-g0", "c" * 16, {}, {}))
    with run:
        for epoch in range(3):
            run.log_epoch(epoch, {"val_loss": 1.0})
    warned = capsys.readouterr().err
    assert warned.count("warning:") == 1
    assert "tracking.publish" in warned


def test_epochs_held_back_arrive_when_mlflow_answers_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ModelRun, "FIRST_PAUSE", 0.0)
    with ModelRun("tiny", identify()) as tracked:
        with monkeypatch.context() as broken:
            broken.setattr(Experiment, "fill_epochs", _refuse)
            tracked.log_epoch(0, {"val_loss": 2.0})
            held = time.time()
        time.sleep(0.1)
        tracked.log_epoch(1, {"val_loss": 1.0})
    experiment = Experiment.open("tiny")
    run_id = experiment.ensure_run(identify())
    first, second = experiment.client.get_metric_history(run_id, "val_loss")
    assert (first.step, second.step) == (0, 1)
    assert first.timestamp / 1000 <= held < second.timestamp / 1000  # when each epoch ended


def _refuse(*_: object) -> int:
    raise ConnectionError("refused")


def test_unreachable_server_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InputError, match=r"MLflow at http://127.0.0.1:9 cannot be used"):
        Experiment.open("tiny")


def test_dataset_is_linked_once() -> None:
    experiment = Experiment.open("tiny")
    run_id = experiment.ensure_run(identify())
    facts = DatasetFacts("lipnet-tiny", "d" * 16, "data/tiny/shards", {"train_clips": 3})
    experiment.fill_dataset(run_id, facts)
    experiment.fill_dataset(run_id, facts)
    inputs = experiment.client.get_run(run_id).inputs
    assert inputs is not None
    assert [linked.dataset.name for linked in inputs.dataset_inputs] == ["lipnet-tiny"]


def test_superseded_runs_are_marked_and_a_running_one_is_left() -> None:
    experiment = Experiment.open("tiny")
    old, new = experiment.ensure_run(identify()), experiment.ensure_run(identify("b" * 16))
    other = experiment.ensure_run(Identity("elsewhere-g0", "c" * 16, {}, {}))
    assert experiment.supersede_others({"small-by-big-g1": new}) == ["small-by-big-g1"]
    tags = {run_id: experiment.client.get_run(run_id).data.tags for run_id in (old, new, other)}
    assert tags[old]["superseded"] == "true"
    assert tags[new]["superseded"] == "false"
    assert "superseded" not in tags[other]


@pytest.mark.slow
def test_nothing_is_printed_about_git_if_it_is_not_installed(tmp_path: Path) -> None:
    code = (
        "from pipeline.program import run_program\n"
        "def main():\n"
        "    from mlflow.utils.git_utils import get_git_commit\n"
        "    assert get_git_commit('.') is None\n"
        "run_program(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
