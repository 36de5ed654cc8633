"""A compressed lineage: one model, its source's weights in another form, tuned or as fitted."""
# N clips  K classes

from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F

from lipnet.code import code_digest
from lipnet.files import digest_files, digest_of
from lipnet.how import How
from lipnet.inference.predict import predict_logits
from lipnet.lineage.generation import (
    HISTORY_FILE,
    WEIGHTS_FILE,
    Generation,
    Packing,
    read_generation,
    write_generation,
)
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.lineage.summary import LineageSummary, write_lineage
from lipnet.measure.accuracy import topk
from lipnet.models.rejection import ORIGIN_KEY, choose_rejection, describe_rejection
from lipnet.models.weights import load_card, load_model
from lipnet.train.history import write_history

CODE = "compress.lineage"  # the module whose imports are the code of what is stored here
NAME = "g1"  # also if it is tuned: its source teaches it


def store_lineage(
    plan: LineagePlan, data: LineageData, how: How, *, work: Path, device: torch.device
) -> Generation:
    """Write the weights that the plan starts from, or those of one of their widths or exits, in the
    form of its storage, without training, to `work`/g1, with an empty history, and the lineage's
    summary."""
    assert plan.start is not None
    model, source = load_model(plan.start, width=how.width, exit=how.exit)
    form = plan.storage.fit(model, data, plan.recipe, device)
    stored = form.stored(model).to(device)
    logits_NK, labels_N = predict_logits(stored, data.val, plan.recipe, device=device)
    top1, top5 = (topk(logits_NK.numpy(), labels_N.numpy(), k).mean() for k in (1, 5))
    generation = Generation(
        name=NAME,
        model=f"{plan.lineage}-{NAME}",
        teacher=None,
        spec=str(plan.spec),
        recipe=plan.recipe,
        best_epoch=0,
        val_top1=float(top1),
        val_top5=float(top5),
        val_loss=float(F.cross_entropy(logits_NK, labels_N)),
        fingerprint=_fingerprint(plan, data, device),
    )
    origin = {name: value for name, value in source.origin.items() if name != ORIGIN_KEY}
    origin |= {"model": generation.model, "teacher": None, "best_epoch": generation.best_epoch}
    origin |= {"fingerprint": generation.fingerprint, **plan.storage.origin}
    origin |= describe_rejection(choose_rejection(logits_NK, labels_N))
    folder = work / NAME
    folder.mkdir(parents=True, exist_ok=True)
    form.save(folder / WEIGHTS_FILE, model.cpu(), replace(source, origin=origin))
    write_history(folder / HISTORY_FILE, [])
    write_generation(folder, generation)
    write_lineage(work, LineageSummary.of(plan.lineage, [generation]))
    return generation


def note_packing(work: Path, *, source: Path, how: How, epochs: int) -> None:
    """Add how a lineage's model was compressed, and its size, to its generation.json."""
    folder = work / NAME
    packing = Packing(
        of=str(load_card(source).origin["model"]),
        how=str(how),
        epochs=epochs,
        file_bytes=(folder / WEIGHTS_FILE).stat().st_size,
        source_bytes=source.stat().st_size,
    )
    write_generation(folder, replace(read_generation(folder), packing=packing))


def _fingerprint(plan: LineagePlan, data: LineageData, device: torch.device) -> str:
    """A digest of everything that the stored weights depend on."""
    assert plan.start is not None
    return digest_of(
        {
            "spec": str(plan.spec),
            "recipe": asdict(plan.recipe),
            "data": data.digest,
            "start": digest_files([plan.start]),
            "storage": dict(plan.storage.facts),
            "code": code_digest(CODE),
            "made with": f"torch {torch.__version__}, {device.type}",
        }
    )
