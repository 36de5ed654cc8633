"""MLflow's model registry: one registered model per spec, a version for each lineage's best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from lipnet.errors import InputError
from lipnet.report.rows import LeaderboardRow
from lipnet.train.history import beats
from tracking.experiment import Experiment
from tracking.names import describe_version, registered_name

CHAMPION = "champion"
COPIED = ("model", "lineage", "spec", "weights_digest")  # tags of a run that its version has too


@dataclass(frozen=True)
class Registry:
    """The registered models of one profile, `lipnet-<profile>-<spec>`, created if missing."""

    experiment: Experiment

    def fill(self, best: Sequence[LeaderboardRow], runs: Mapping[str, str]) -> int:
        """Register the best model of each lineage (`runs`: model id -> run id) as a version of its
        spec's registered model. Its alias is the lineage's name, and `champion` is the spec's best
        on validation.

        Returns how many versions were added.
        """
        by_spec: dict[str, list[LeaderboardRow]] = {}
        for row in best:
            by_spec.setdefault(row.spec, []).append(row)
        try:
            return sum(self._fill_spec(spec, rows, runs) for spec, rows in by_spec.items())
        except MlflowException as error:
            raise InputError(f"MLflow's model registry cannot be used: {error}") from error

    def _fill_spec(self, spec: str, rows: list[LeaderboardRow], runs: Mapping[str, str]) -> int:
        name = registered_name(self.experiment.profile, spec)
        aliases = self._make(name, spec).aliases
        versions = {_key(version.tags): version for version in self._versions(name)}
        wanted: dict[str, ModelVersion] = {}
        added = 0
        for row in rows:
            tags = self.experiment.client.get_run(runs[row.model]).data.tags
            if _key(tags) not in versions:
                versions[_key(tags)] = self._add(name, runs[row.model], tags)
                added += 1
            wanted[row.lineage] = versions[_key(tags)]
            self._describe(versions[_key(tags)], describe_version(row))
        wanted[CHAMPION] = wanted[champion_of(rows).lineage]
        self._point(name, aliases, wanted)
        return added

    def _make(self, name: str, spec: str) -> RegisteredModel:
        client = self.experiment.client
        try:
            return client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        profile = self.experiment.profile
        description = f"{spec}: the best model of each lineage of profile {profile}."
        return client.create_registered_model(name, description=description)

    def _versions(self, name: str) -> list[ModelVersion]:
        return list(self.experiment.client.search_model_versions(f"name = '{name}'"))

    def _add(self, name: str, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        logged = self.experiment.logged_model(run_id)
        return self.experiment.client.create_model_version(
            name,
            f"models:/{logged}",
            run_id=run_id,
            model_id=logged,
            tags={name: tags[name] for name in COPIED},
        )

    def _describe(self, version: ModelVersion, description: str) -> None:
        if version.description != description:
            client = self.experiment.client
            client.update_model_version(version.name, version.version, description)

    def _point(
        self, name: str, aliases: Mapping[str, str], wanted: Mapping[str, ModelVersion]
    ) -> None:
        client = self.experiment.client
        for alias, version in wanted.items():
            if aliases.get(alias) != version.version:
                client.set_registered_model_alias(name, alias, version.version)
        for alias in aliases.keys() - wanted.keys():
            client.delete_registered_model_alias(name, alias)


def champion_of(rows: Sequence[LeaderboardRow]) -> LeaderboardRow:
    """The best of several models on validation."""
    return reduce(lambda best, row: row if beats(_val(row), _val(best)) else best, rows)


def _val(row: LeaderboardRow) -> tuple[float, float]:
    return row.val.top1, row.model_fit.val_loss


def _key(tags: Mapping[str, str]) -> tuple[str, str]:
    """Equal for the same weights of the same model."""
    return tags.get("model", ""), tags.get("weights_digest", "")
