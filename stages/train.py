"""What the stages `scratch` and `taught` share: one lineage trained under a lock, watched."""

import fcntl
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lipnet.data.loader import open_split
from lipnet.device import choose_device
from lipnet.distill.generation import GENERATION_FILES, LINEAGE_FILE, best_weights
from lipnet.distill.lineage import LineageData, LineagePlan, train_lineage
from lipnet.errors import InputError
from lipnet.files import read_json
from stages.params import Params
from stages.paths import Paths
from stages.progress import LineageProgress
from stages.resume import move_into_place


def named_lineage(known: Collection[str], kind: str) -> str:
    """The lineage that the command line names; InputError unless it is one of the known."""
    if len(sys.argv) != 2:
        raise InputError(f"usage: python -m stages.{kind} LINEAGE")
    if sys.argv[1] not in known:
        raise InputError(f"no {kind} lineage {sys.argv[1]!r}; known: {', '.join(known) or 'none'}")
    return sys.argv[1]


def train(params: Params, plan: LineagePlan) -> None:
    """Train the plan's lineage in data/tmp and move it into place when it is whole."""
    paths = Paths(params.profile)
    work = paths.tmp / "models" / plan.lineage
    with sole_writer(work):
        data = open_data(params, plan)
        with LineageProgress(params, plan, work / "progress.jsonl") as progress:
            done = train_lineage(plan, data, work=work, device=choose_device(), listener=progress)
        names = [generation.name for generation in done]
        publish_lineage(work, paths.lineage(plan.lineage), names)


def open_data(params: Params, plan: LineagePlan) -> LineageData:
    """The training and validation clips of the profile, at the recipe's size; never the test's."""
    shards = Paths(params.profile).shards
    shrink, memory = plan.recipe.shrink, params.workers.memory_gib
    summary = read_summary(shards)
    return LineageData(
        train=open_split(shards, "train", shrink=shrink, memory_gib=memory),
        val=open_split(shards, "val", shrink=shrink, memory_gib=memory),
        labels=read_labels(shards),
        preprocessing={**summary["preprocessing"], "source": params.source.name},
        digest=str(summary["fingerprint"]),
    )


def read_summary(shards: Path) -> Mapping[str, Any]:
    """What the shards say of themselves."""
    if not (shards / "summary.json").exists():
        raise InputError(f"no shards in {shards}: run the stage `shards` first")
    summary = read_json(shards / "summary.json")
    if not isinstance(summary, dict):
        raise InputError(f"{shards / 'summary.json'} is not what the stage `shards` writes")
    return summary


def read_labels(shards: Path) -> list[str]:
    """The labels in class order, as they travel with the shards."""
    labels = read_json(shards / "labels.json")
    if not isinstance(labels, list):
        raise InputError(f"{shards / 'labels.json'} is not what the stage `shards` writes")
    return [str(label) for label in labels]


def teacher_weights(params: Params, teacher: str) -> Path:
    """The weights of the best generation of a teacher lineage."""
    return best_weights(Paths(params.profile).lineage(teacher))


@contextmanager
def sole_writer(work: Path) -> Iterator[None]:
    """Hold the lineage's lock: an orphan of an earlier start and its rerun never both write."""
    work.parent.mkdir(parents=True, exist_ok=True)
    with (work.parent / f"{work.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"lineage {work.name} is being trained by another process already: "
                "wait for it, or end it, and run this again"
            ) from None
        work.mkdir(exist_ok=True)
        yield


def publish_lineage(work: Path, place: Path, generations: Sequence[str]) -> None:
    """Move a finished lineage's generations to `place`; whatever else lies in `work` goes."""
    kept = [f"{name}/{file}" for name in generations for file in GENERATION_FILES]
    move_into_place(work, place, [LINEAGE_FILE, *kept])
