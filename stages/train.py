"""What the stages `scratch` and `taught` share: one lineage trained under a lock, watched."""

import fcntl
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from cluster.training import train_together
from lipnet.data.loader import open_split
from lipnet.data.shrink import Shrink
from lipnet.device import keep_freed_memory
from lipnet.errors import InputError
from lipnet.lineage.generation import GENERATION_FILES, LINEAGE_FILE, all_weights, best_weights
from lipnet.lineage.lineage import LineageData, LineagePlan, train_lineage
from lipnet.shards.summary import read_labels, read_summary
from lipnet.train.engine import Engine
from lipnet.train.processes import OneProcess, Processes
from pipeline.lease import lease_device
from pipeline.outputs import move_into_place
from pipeline.params import Params, Taught
from pipeline.paths import Paths
from stages.progress import LineageProgress, SilentLineage


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
        if params.compute.workers > 1:
            names = train_together(partial(train_share, params, plan, work), params.compute.workers)
        else:
            with lease_device() as device:
                names = train_share(params, plan, work, OneProcess(), device)
        publish_lineage(work, paths.lineage(plan.lineage), names)


def train_share(
    params: Params, plan: LineagePlan, work: Path, processes: Processes, device: torch.device
) -> list[str]:
    """This process's share of training the lineage; the names of its generations."""
    keep_freed_memory()
    shared = plan.lineage in {name for group in params.group_by_teacher_logits() for name in group}
    recordings = Paths(params.profile).recorded if shared else None
    engine = Engine(
        device,
        processes,
        compile=params.compute.compile,
        checkpoint_steps=params.compute.checkpoint_steps,
        recordings=recordings,
        recordings_gib=params.compute.record_gib,
    )
    data = open_data(params, plan, engine)
    lines = work / "progress.jsonl"
    with LineageProgress(params, plan, lines) if engine.leads else SilentLineage() as listener:
        done = train_lineage(plan, data, work=work, engine=engine, listener=listener)
    return [generation.name for generation in done]


def open_data(params: Params, plan: LineagePlan, engine: Engine) -> LineageData:
    """The training and validation clips of the profile, at the recipe's size; never the test's.

    Several processes share the memory, as if all were on one machine, and only the first one
    validates: the others hold no validation clips.
    """
    shards = Paths(params.profile).shards
    summary = read_summary(shards)
    memory = params.workers.memory_gib / engine.processes.share.world
    train, val = (
        open_split(
            shards,
            split,
            shrink=Shrink.for_recipe(plan.recipe),
            memory_gib=memory if split == "train" or engine.leads else 0.0,
            device=engine.device,
        )
        for split in ("train", "val")
    )
    return LineageData(
        train=train,
        val=val,
        labels=read_labels(shards),
        preprocessing={**summary.preprocessing, "source": params.source.name},
        digest=summary.fingerprint,
    )


def teacher_weights(params: Params, entry: Taught) -> tuple[Path, ...]:
    """The weights of a teacher lineage's best generation, or of all of them."""
    folder = Paths(params.profile).lineage(entry.teacher)
    return (best_weights(folder),) if entry.members == "best" else all_weights(folder)


def start_weights(init: str) -> Path | None:
    """The weights file that a lineage starts from, if any; InputError where it is missing."""
    if init and not Path(init).is_file():
        raise InputError(f"init: no file {init}; `lipnet import-checkpoint` makes one")
    return Path(init) if init else None


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
