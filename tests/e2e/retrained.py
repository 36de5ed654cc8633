"""A checkout whose clips are ready and whose models are to be trained again, for faults."""

import csv
import shutil
from pathlib import Path

import yaml

from tests.e2e.checkout import Checkout
from tests.stages.working import tree_of

LINEAGE = "rn18-tcn"
STAGE = f"scratch@{LINEAGE}"
MODELS = f"data/tiny/models/{LINEAGE}"
READY = ("raw", "manifest", "landmarks", "shards", "quality")


def fork_untrained(undisturbed: Checkout, place: Path) -> Checkout:
    """A copy that holds clips and has forgotten all that was made of them."""
    made = undisturbed.fork(place)
    for folder in ("models", "logits", "ensembles", "report"):
        shutil.rmtree(place / "data/tiny" / folder)
    shutil.rmtree(place / "data/tmp/tiny/models")
    shutil.rmtree(place / ".dvc/cache/runs")
    (place / "mlflow.db").unlink()
    path = place / "dvc.lock"
    lock = yaml.safe_load(path.read_text(encoding="utf-8"))
    lock["stages"] = {name: lock["stages"][name] for name in READY}
    path.write_text(yaml.safe_dump(lock), encoding="utf-8")
    return made


def is_training(checkout: Checkout) -> bool:
    """Whether the lineage has started and left something to resume from."""
    work = checkout.place / "data/tmp/tiny/models" / LINEAGE
    return any(work.glob("*.checkpoint"))


def is_trained(checkout: Checkout) -> bool:
    """Whether the lineage is finished."""
    return (checkout.place / MODELS / "lineage.json").exists()


def count_epochs(model: Path) -> int:
    """The epochs in a finished model's history."""
    with (model / "history.csv").open(encoding="utf-8", newline="") as lines:
        return sum(1 for _ in csv.DictReader(lines))


def same_models(one: Checkout, other: Checkout) -> bool:
    """Whether both have the lineage, equal in every byte."""
    trees = [tree_of(checkout.place / MODELS) for checkout in (one, other)]
    return bool(trees[0]) and trees[0] == trees[1]
