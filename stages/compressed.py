"""The stage `compressed@<lineage>`: the best model of another lineage in a smaller file."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch

from lipnet.compress.graph import quantise_model
from lipnet.compress.lineage import Maker, note_packing, pack_weights, store_lineage
from lipnet.compress.storage import CompressedStorage
from lipnet.device import keep_freed_memory
from lipnet.files import digest_files
from lipnet.how import How
from lipnet.lease import lease_device
from lipnet.lineage.plan import LineagePlan
from lipnet.lineage.summary import best_weights
from lipnet.train.engine import Engine
from pipeline.params import Params, load_params
from pipeline.paths import Paths
from pipeline.program import run_stage
from stages.train import named_lineage, open_data, publish_lineage, sole_writer, train

CPU = torch.device("cpu")  # the device of ONNX Runtime
USAGE = "usage: python -m stages.compressed LINEAGE"


def main() -> None:
    """Compress the lineage named on the command line, and tune it if it has a recipe."""
    params = load_params()
    lineage = named_lineage(params.compressed, "compressed")
    entry = params.compressed[lineage]
    source, how = best_weights(Paths(params.profile).lineage(entry.of)), How.parse(entry.how)
    plan = LineagePlan(
        lineage,
        params.spec_of(lineage),
        params.recipe_of(lineage),
        generations=1,
        teachers=(source,),
        start=source,
        storage=CompressedStorage(how, digest_files([source])),
    )
    epochs = params.epochs_of(lineage)
    note = partial(note_packing, source=source, how=how, epochs=epochs)
    if epochs:
        train(params, plan, finish=note)
    else:
        store(params, plan, how, finish=note)


def store(params: Params, plan: LineagePlan, how: How, *, finish: Callable[[Path], None]) -> None:
    """Compress without training, in data/tmp, and move the lineage into place."""
    make: Maker = quantise_model if how.is_graph else pack_weights
    paths = Paths(params.profile)
    work = paths.tmp / "models" / plan.lineage
    keep_freed_memory()
    with sole_writer(work):
        with nullcontext(CPU) if how.is_graph else lease_device() as device:
            data = open_data(params, plan, Engine(device))
            made = store_lineage(plan, data, how, work=work, device=device, make=make)
        finish(work)
        publish_lineage(work, paths.lineage(plan.lineage), [made.name])
    print(f"{made.model}: validation top-1 {made.val_top1:.1%}, not tuned", flush=True)


if __name__ == "__main__":
    run_stage(main)
