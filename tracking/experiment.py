"""MLflow: one experiment per profile, one run per model, and one parent run.

Every `fill_*` method is idempotent: it logs only what is missing.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from lipnet.errors import InputError
from lipnet.lineage.generation import TrainingFacts
from lipnet.locks import lock_file
from pipeline.paths import Paths
from tracking.logged_model import save_model
from tracking.names import kind_of
from tracking.uri import artifact_location, hide_password, shown_uri, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"
MAX_METRICS, MAX_ITEMS = 900, 100  # per request; MLflow accepts 1000 metrics, 100 tags or params
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
Figures = Mapping[str, float]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Identity:
    """What identifies a run: the model's id and the fingerprint of its training inputs."""

    model_id: str
    fingerprint: str
    tags: Mapping[str, str]
    params: Mapping[str, object]

    @classmethod
    def of(
        cls, model_id: str, facts: TrainingFacts, *, is_taught: bool, source: str, how: str = ""
    ) -> "Identity":
        """From the facts of a training, which its generation.json has too; `is_taught`: its
        lineage is taught by another one; `how`: the steps by which it is compressed."""
        lineage, _, generation = model_id.rpartition("-")
        teacher = facts.teacher or "none"
        named = {"lineage": lineage, "generation": generation, "teacher": teacher}
        kind = kind_of(facts.teacher, is_taught=is_taught, how=how, start=facts.start)
        steps = {"how": how} if how else {}
        steps |= {"start": facts.start} if facts.start else {}
        tags = {**named, "spec": facts.spec, "kind": kind, "source": source, **steps}
        params = {"spec": facts.spec, **named, **steps, **asdict(facts.recipe)}
        return cls(model_id, facts.fingerprint, tags, params)


@dataclass(frozen=True)
class DatasetFacts:
    """The data set as MLflow shows it: its location, its contents and its digest."""

    name: str
    digest: str
    place: str
    profile: Mapping[str, object]


@dataclass
class Experiment:
    """The runs of one profile; `parent_id` is the run of the whole reproduction."""

    profile: str
    client: "MlflowClient"
    experiment_id: str
    parent_id: str = ""

    @classmethod
    def open(cls, profile: str) -> "Experiment":
        """Connect, and create the experiment and its parent run if they do not exist.

        Raises InputError if MLflow cannot be used.
        """
        _configure()
        try:
            with _hold_lock(profile):
                return cls._connect(profile)
        except InputError:
            raise
        except Exception as error:  # of requests, SQL, MLflow itself or a missing package
            reason = hide_password(str(error).strip() or type(error).__name__).splitlines()[0]
            message = f"MLflow at {shown_uri()} cannot be used: {reason[:200]}"
            raise InputError(message) from error

    @classmethod
    def _connect(cls, profile: str) -> "Experiment":
        from mlflow import MlflowClient
        from mlflow.entities import LifecycleStage

        client = MlflowClient(tracking_uri())
        name = f"lipnet-{profile}"
        found = client.get_experiment_by_name(name)
        if found and found.lifecycle_stage == LifecycleStage.DELETED:
            raise InputError(
                f"MLflow at {shown_uri()} cannot be used: its experiment {name} was deleted; "
                f"`MLFLOW_TRACKING_URI={shown_uri()} mlflow experiments restore --experiment-id "
                f"{found.experiment_id}` restores it with its runs"
            )
        place = artifact_location(name)
        experiment_id = found.experiment_id if found else client.create_experiment(name, place)
        experiment = cls(profile, client, experiment_id)
        experiment.parent_id = experiment._ensure_parent()
        return experiment

    def _ensure_parent(self) -> str:
        tags = {"kind": "reproduction", "profile": self.profile}
        found = self.find(tags)
        return found[0].info.run_id if found else self._create(f"reproduce-{self.profile}", tags)

    def ensure_run(self, identity: Identity) -> str:
        """The run of this model and fingerprint, created if missing, with its tags and params."""
        key = {"model": identity.model_id, "fingerprint": identity.fingerprint}
        with _hold_lock(self.profile):
            found = self.find(key)
            parent = {"profile": self.profile, "mlflow.parentRunId": self.parent_id}
            run_id = (
                found[0].info.run_id
                if found
                else self._create(identity.model_id, {**identity.tags, **key, **parent})
            )
        self.fill_tags(run_id, identity.tags)
        self.fill_params(run_id, identity.params)
        return run_id

    def fill_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set the tags that are missing or differ."""
        from mlflow.entities import RunTag

        present = self.client.get_run(run_id).data.tags
        missing = [RunTag(key, value) for key, value in tags.items() if present.get(key) != value]
        for part in _batches(missing, MAX_ITEMS):
            self.client.log_batch(run_id, tags=part)

    def fill_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Log the params that are missing; MLflow does not let a logged one change."""
        from mlflow.entities import Param

        present = self.client.get_run(run_id).data.params
        missing = [Param(key, str(v)) for key, v in params.items() if key not in present]
        for part in _batches(missing, MAX_ITEMS):
            self.client.log_batch(run_id, params=part)

    def fill_epochs(
        self, run_id: str, epochs: Mapping[int, Figures], ended: Mapping[int, float] | None = None
    ) -> int:
        """Log each epoch's figures that are missing or that another training has logged, with
        step = epoch; returns how many were logged.

        `ended`: when each epoch ended, in seconds since 1970; now for one that is not given.
        """
        from mlflow.entities import Metric

        keys = sorted({key for figures in epochs.values() for key in figures})
        present = {key: self.read_epochs(run_id, key) for key in keys}
        now = time.time()
        ended = ended or {}
        missing = [
            Metric(key, float(value), int(ended.get(epoch, now) * 1000), epoch)
            for epoch, figures in epochs.items()
            for key, value in figures.items()
            if math.isfinite(value)
            and not math.isclose(present[key].get(epoch, math.nan), value, rel_tol=1e-9)
        ]
        for part in _batches(missing, MAX_METRICS):
            self.client.log_batch(run_id, metrics=part)
        return len(missing)

    def read_epochs(self, run_id: str, key: str) -> dict[int, float]:
        """A figure by epoch, as it was logged last."""
        logged = self.client.get_metric_history(run_id, key)
        return {own.step: own.value for own in sorted(logged, key=lambda own: own.timestamp)}

    def raise_figure(self, run_id: str, key: str, value: float) -> None:
        """Log a figure if there is none or a lower one."""
        present = self.client.get_run(run_id).data.metrics
        if value > present.get(key, -math.inf):
            self.client.log_metric(run_id, key, value, step=0)

    def fill_figures(self, run_id: str, figures: Figures) -> None:
        """Log the final figures that are missing or have changed."""
        from mlflow.entities import Metric

        present = self.client.get_run(run_id).data.metrics
        now = int(time.time() * 1000)
        missing = [
            Metric(key, float(value), now, 0)
            for key, value in figures.items()
            if math.isfinite(value) and present.get(key) != value
        ]
        for part in _batches(missing, MAX_METRICS):
            self.client.log_batch(run_id, metrics=part)

    def fill_dataset(self, run_id: str, facts: DatasetFacts) -> None:
        """Link the data set to the run as its training input, once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        # MLflow keeps at most 36 characters of a digest.
        digest = facts.digest[:36]
        inputs = self.client.get_run(run_id).inputs
        present = [i.dataset for i in inputs.dataset_inputs] if inputs else []
        if any((known.name, known.digest) == (facts.name, digest) for known in present):
            return
        source, profile = json.dumps({"uri": facts.place}), json.dumps(dict(facts.profile))
        dataset = Dataset(facts.name, digest, "local", source, profile=profile)
        tag = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(run_id, datasets=[DatasetInput(dataset, [tag])])

    def fill_files(self, run_id: str, files: Mapping[Path, str], digest: str) -> bool:
        """Upload files to their artifact folders unless the run already has this digest of them."""
        if self._has_tag(run_id, "files_digest", digest):
            return False
        for path, folder in files.items():
            self.client.log_artifact(run_id, str(path), folder or None)
        self.client.set_tag(run_id, "files_digest", digest)
        return True

    def fill_model(self, run_id: str, weights: Path, digest: str) -> bool:
        """Log the weights as a pyfunc model that loads anywhere, unless they are logged already."""
        if self._has_tag(run_id, "weights_digest", digest):
            return False
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        # What mlflow.pyfunc.log_model does, without its test prediction, which takes seconds.
        name = self.client.get_run(run_id).info.run_name
        logged = self.client.create_logged_model(
            self.experiment_id, name=name, source_run_id=run_id, model_type="pyfunc"
        )
        with TemporaryDirectory() as folder:
            save_model(Path(folder) / "model", weights, run_id=run_id, model_id=logged.model_id)
            self.client.log_model_artifacts(logged.model_id, f"{folder}/model")
        self.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        self.client.set_tag(run_id, "logged_model", logged.model_id)
        self.client.set_tag(run_id, "weights_digest", digest)
        return True

    def logged_model(self, run_id: str) -> str:
        """The id of the model that the run logged last."""
        run = self.client.get_run(run_id)
        if named := run.data.tags.get("logged_model"):
            return str(named)
        outputs = run.outputs.model_outputs if run.outputs else []
        if len(outputs) != 1:  # of a run from before that tag existed
            raise InputError(f"run {run_id} of {shown_uri()} has no model: delete it in MLflow")
        return str(outputs[0].model_id)

    def supersede_others(self, current: Mapping[str, str]) -> list[str]:
        """Mark finished runs that are no longer `current` (model id -> run id); returns them."""
        changed = []
        for run in self.find({"mlflow.parentRunId": self.parent_id}):
            run_id, tags = run.info.run_id, run.data.tags
            model_id = tags.get("model", "")
            stale = current.get(model_id) != run_id
            if stale and model_id not in current and run.info.status == RUNNING:
                continue  # in training now
            if stale and run.info.status == RUNNING:
                self.client.set_terminated(run_id, KILLED)
            wanted = str(stale).lower()
            if tags.get("superseded") != wanted:
                self.client.set_tag(run_id, "superseded", wanted)
                changed += [model_id] if stale else []
        return changed

    def share_view(self, tag: str, state: str) -> None:
        """Set the tag of the experiment that holds a shared view, unless that is set already."""
        if self.client.get_experiment(self.experiment_id).tags.get(tag) != state:
            self.client.set_experiment_tag(self.experiment_id, tag, state)

    def reopen(self, run_id: str) -> None:
        """Set the run's status to running."""
        self.client.update_run(run_id, status=RUNNING)

    def end(self, run_id: str, status: str = FINISHED) -> None:
        """Set how the run ended, unless that is set already."""
        if self.client.get_run(run_id).info.status != status:
            self.client.set_terminated(run_id, status)

    def _has_tag(self, run_id: str, tag: str, value: str) -> bool:
        return bool(self.client.get_run(run_id).data.tags.get(tag) == value)

    def find(self, tags: Mapping[str, str]) -> list["Run"]:
        """Runs with these tags that are not deleted, the oldest first: of two processes that create
        one at the same time, both then use the older."""
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], wanted, order_by=["start_time ASC"], page_token=token
            )
            found.extend(page)
            token = page.token
            if not token:
                return found

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        from mlflow.tracking.context.registry import resolve_tags

        run = self.client.create_run(self.experiment_id, tags=resolve_tags(tags), run_name=name)
        return str(run.info.run_id)


@contextmanager
def _hold_lock(profile: str) -> Iterator[None]:
    """Let one process of this checkout at a time look for a run and create it."""
    place = Paths(profile).tmp / "tracking.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as held:
        lock_file(held, place, wait=True)
        yield


def _configure() -> None:
    """Before MLflow is imported: no telemetry, few log lines, a short timeout."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
