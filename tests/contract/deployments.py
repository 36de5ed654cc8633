"""The deployments of prefect.yaml, read from its text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.contract.imports import ROOT


@dataclass(frozen=True)
class Deployment:
    """A deployment, the function that is its flow, its work pool and its parameters' defaults."""

    name: str
    flow: str
    pool: str
    parameters: Mapping[str, Any]


def _read_deployments() -> tuple[Deployment, ...]:
    listed = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    return tuple(
        Deployment(
            name=entry["name"],
            flow=entry["entrypoint"].rpartition(":")[2],
            pool=entry["work_pool"]["name"],
            parameters=entry["parameters"],
        )
        for entry in listed
    )


DEPLOYMENTS = _read_deployments()
