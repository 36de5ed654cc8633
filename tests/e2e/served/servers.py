"""The servers that the tests of this folder share."""

from dataclasses import dataclass

from flows.servers import Server
from tests.e2e.deployed import Deployed
from tests.e2e.postgres import Postgres


@dataclass(frozen=True)
class Store:
    """Where shared servers keep what they have: databases, and a bucket for artifacts."""

    databases: Postgres
    bucket: str

    @property
    def artifacts(self) -> str:
        """The URL of MLflow's artifacts."""
        return f"{self.bucket}/mlflow"


@dataclass(frozen=True)
class Served:
    """Deployments with a worker, and MLflow's server; without a store, both keep files."""

    deployed: Deployed
    mlflow: Server
    store: Store | None
