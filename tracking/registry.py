"""MLflow's model registry: a version for each lineage's best model, and the champion."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from lipnet.errors import InputError
from tracking.experiment import Experiment

CHAMPION = "champion"
COPIED = ("model", "lineage", "spec", "weights_digest")  # tags of a run that its version has too


@dataclass(frozen=True)
class Registry:
    """The registered model of one profile, `lipnet-<profile>`, created if it does not exist."""

    experiment: Experiment

    @property
    def name(self) -> str:
        return f"lipnet-{self.experiment.profile}"

    def fill(self, best: Mapping[str, str], runs: Mapping[str, str], champion: str) -> int:
        """Register a version for each lineage's best model (lineage -> model id -> run id) with the
        lineage's name as its alias, and `champion` on the model of that id.

        Returns how many versions were added.
        """
        try:
            return self._fill(best, runs, champion)
        except MlflowException as error:
            raise InputError(f"MLflow's model registry cannot be used: {error}") from error

    def _fill(self, best: Mapping[str, str], runs: Mapping[str, str], champion: str) -> int:
        known = self._make()
        versions = {_key(version.tags): version for version in self._versions()}
        added = 0
        for lineage, model in sorted(best.items()):
            tags = self.experiment.client.get_run(runs[model]).data.tags
            if _key(tags) not in versions:
                versions[_key(tags)] = self._add(runs[model], tags)
                added += 1
            self._point(known.aliases, lineage, versions[_key(tags)])
            if model == champion:
                self._point(known.aliases, CHAMPION, versions[_key(tags)])
        for alias in known.aliases.keys() - best.keys() - {CHAMPION}:
            self.experiment.client.delete_registered_model_alias(self.name, alias)
        return added

    def _make(self) -> RegisteredModel:
        client = self.experiment.client
        try:
            return client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        description = f"The best model of each lineage of profile {self.experiment.profile}."
        return client.create_registered_model(self.name, description=description)

    def _versions(self) -> list[ModelVersion]:
        return list(self.experiment.client.search_model_versions(f"name = '{self.name}'"))

    def _add(self, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        logged = self.experiment.logged_model(run_id)
        return self.experiment.client.create_model_version(
            self.name,
            f"models:/{logged}",
            run_id=run_id,
            model_id=logged,
            tags={name: tags[name] for name in COPIED},
            description=f"{tags['model']}: best of its lineage on validation",
        )

    def _point(self, aliases: Mapping[str, str], alias: str, version: ModelVersion) -> None:
        if aliases.get(alias) != version.version:
            self.experiment.client.set_registered_model_alias(self.name, alias, version.version)


def _key(tags: Mapping[str, str]) -> tuple[str, str]:
    """Equal for the same weights of the same model."""
    return tags.get("model", ""), tags.get("weights_digest", "")
