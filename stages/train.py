"""Training of one lineage under a lock, for `scratch`, `taught` and tuned `compressed` ones."""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch

from cluster.training import train_together
from lipnet.data.clip_set import ClipSet
from lipnet.data.loader import open_split
from lipnet.data.shrink import Shrink
from lipnet.device import keep_freed_memory
from lipnet.errors import InputError
from lipnet.lease import lease_device
from lipnet.lineage.generation import list_files
from lipnet.lineage.generation_run import SilentLineage
from lipnet.lineage.lineage import train_lineage
from lipnet.lineage.plan import LineageData, LineagePlan, Plain, Storage
from lipnet.lineage.slimmable import SlimmableStorage
from lipnet.lineage.summary import LINEAGE_FILE, all_weights, best_weights
from lipnet.locks import lock_file
from lipnet.shards.index import PixelStats, list_indexes
from lipnet.shards.summary import ShardsSummary, read_labels, read_summary
from lipnet.shards.table import read_table
from lipnet.train.engine import Engine
from lipnet.train.loop import check_batches
from lipnet.train.processes import OneProcess, Processes
from pipeline.outputs import move_into_place
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sections import Taught
from stages.progress import LineageProgress


def named_lineage(known: Collection[str], kind: str) -> str:
    """The lineage named on the command line; InputError if it is unknown."""
    if len(sys.argv) != 2:
        raise InputError(f"usage: python -m stages.{kind} LINEAGE")
    if sys.argv[1] not in known:
        raise InputError(f"no {kind} lineage {sys.argv[1]!r}; known: {', '.join(known) or 'none'}")
    return sys.argv[1]


def leave_as_trained(work: Path) -> None:
    """Change nothing about a finished lineage."""


def train(
    params: Params, plan: LineagePlan, *, finish: Callable[[Path], None] = leave_as_trained
) -> None:
    """Train the plan's lineage in data/tmp and move it into place when it is complete.

    `finish` may change its files in between; it is called again after an interruption.
    """
    paths = Paths(params.profile)
    work = paths.tmp / "models" / plan.lineage
    with sole_writer(work):
        if params.compute.workers > 1:
            check_before_start(params, plan)
            names = train_together(partial(train_one, params, plan, work), params.compute.workers)
        else:
            with lease_device() as device:
                names = train_one(params, plan, work, OneProcess(), device)
        finish(work)
        publish_lineage(work, paths.lineage(plan.lineage), names)


def check_before_start(params: Params, plan: LineagePlan) -> None:
    """InputError if the processes could not share a batch of one of the generations: Ray takes a
    minute to start them."""
    clips = read_summary(Paths(params.profile).shards).splits["train"].clips
    for name in plan.generation_names:
        check_batches(plan.recipe_of(name), clips, params.compute.workers)


def train_one(
    params: Params, plan: LineagePlan, work: Path, processes: Processes, device: torch.device
) -> list[str]:
    """Train the lineage as one of `processes`; returns the names of its generations."""
    keep_freed_memory()
    shared = plan.lineage in {name for group in params.group_by_teacher_logits() for name in group}
    recordings = Paths(params.profile).recorded if shared else None
    engine = Engine(
        device,
        processes,
        compile=params.compute.compile,
        checkpoint_minutes=params.compute.checkpoint_minutes,
        recordings=recordings,
        recordings_gib=params.compute.record_gib,
    )
    data = open_data(params, plan, engine)
    if engine.is_main:
        warn_of_pixels(plan, read_summary(Paths(params.profile).shards))
    lines = work / "progress.jsonl"
    with (
        LineageProgress(params, plan, lines, engine)
        if engine.is_main
        else nullcontext(SilentLineage()) as listener
    ):
        finished = train_lineage(plan, data, work=work, engine=engine, listener=listener)
    return [generation.name for generation in finished]


def warn_of_pixels(plan: LineagePlan, shards: ShardsSummary) -> None:
    """Print the mean and deviation if they are measured, and what to set if they are not those of
    the training crops."""
    pixels = PixelStats(shards.pixel_mean, shards.pixel_std)
    recipe = plan.resolve(pixels).recipe
    advice = recipe.advise_normalisation(pixels.mean, pixels.std)
    if plan.recipe.measured:
        mean, std = recipe.normalisation
        print(f"{plan.lineage}: normalised by mean {mean:g} and deviation {std:g}", flush=True)
    if advice and plan.start is None:
        print(f"warning: {plan.lineage}: {advice}", file=sys.stderr, flush=True)


def open_data(params: Params, plan: LineagePlan, engine: Engine) -> LineageData:
    """The profile's training and validation clips at the recipe's size; never the test split.

    Each split has a memory budget of its own. For training clips each process has an equal share of
    it, as if all were on one machine. For validation clips the main process has the whole: it
    validates alone. Other processes read them from shards when they need them, as tuned compression
    does to choose BatchNorm's statistics.
    """
    shards = Paths(params.profile).shards
    summary = read_summary(shards)
    memory = params.workers.memory_gib
    budgets = {
        "train": memory / engine.processes.world_size,
        "val": memory if engine.is_main else 0.0,
    }
    train, val = (
        open_split(
            shards,
            split,
            shrink=Shrink.for_recipe(plan.recipe),
            memory_gib=budget,
            device=engine.device,
            decoders=params.workers.decoders,
            cache=params.workers.cache_folder if budget else None,
        )
        for split, budget in budgets.items()
    )
    frames = list_clips(shards) if engine.is_main else {}  # other processes write no weights
    is_listed = len(frames) == len(train)
    return LineageData(
        train=train,
        val=val,
        labels=read_labels(shards),
        preprocessing={**summary.preprocessing, "source": params.source.name},
        digest=summary.fingerprint,
        pixels=PixelStats(summary.pixel_mean, summary.pixel_std),
        trained_on=ClipSet.of(params.source.name, frames) if engine.is_main else None,
        shortest=min(frames.values(), default=None) if is_listed else None,
    )


def list_clips(shards: Path) -> dict[str, int]:
    """The frames of each clip of the training split, from the shards' tables."""
    tables = [index.with_suffix(".csv") for index in list_indexes(shards, "train")]
    return {
        row.clip_id: row.frames for path in tables if path.is_file() for row in read_table(path)
    }


def teacher_weights(params: Params, entry: Taught) -> tuple[Path, ...]:
    """The weights of the teacher lineage's best generation, or of all its generations."""
    folder = Paths(params.profile).lineage(entry.teacher)
    return (best_weights(folder),) if entry.members == "best" else all_weights(folder)


def choose_storage(params: Params, lineage: str) -> Storage:
    """How the weights of a lineage are stored: with those of its narrower widths, if it has any."""
    widths = params.widths_of(lineage)
    return SlimmableStorage(params.spec_of(lineage), widths) if widths else Plain()


@contextmanager
def sole_writer(work: Path) -> Iterator[None]:
    """Hold the lineage's lock, so that an orphaned process and a rerun never both write."""
    work.parent.mkdir(parents=True, exist_ok=True)
    path = work.parent / f"{work.name}.lock"
    with path.open("w") as lock:
        if not lock_file(lock, path):
            raise InputError(
                f"lineage {work.name} is being trained by another process already: "
                "wait for it or stop it, then run this again"
            )
        work.mkdir(exist_ok=True)
        yield


def publish_lineage(work: Path, target: Path, generations: Sequence[str]) -> None:
    """Move a finished lineage's files to `target` and remove everything else in `work`."""
    kept = [f"{name}/{file.name}" for name in generations for file in list_files(work / name)]
    move_into_place(work, target, [LINEAGE_FILE, *kept])
