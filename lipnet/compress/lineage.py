"""A compressed lineage: one model, its source in another form, tuned or as fitted."""
# N clips  K classes

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from lipnet.code import code_digest
from lipnet.files import digest_files, digest_of
from lipnet.how import How
from lipnet.inference.predict import predict_logits
from lipnet.lineage.generation import (
    HISTORY_FILE,
    ONNX_FILE,
    WEIGHTS_FILE,
    Generation,
    Packing,
    read_generation,
    write_generation,
)
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.lineage.summary import LineageSummary, write_lineage
from lipnet.measure.accuracy import topk
from lipnet.models.rejection import choose_rejection, describe_rejection
from lipnet.models.weights import ModelCard, load_card, load_model
from lipnet.train.history import write_history

CODE = "compress.lineage"  # the module whose imports are the code of what is stored here
NAME = "g1"  # also if it is tuned: its source teaches it


@dataclass(frozen=True)
class Stored:
    """A model in its stored form: the card to start from, logits [N, K] and labels [N] on
    validation, the name of its file and how that is written, and what it depends on besides the
    plan."""

    card: ModelCard
    validation: tuple[Tensor, Tensor]
    file: str
    write: Callable[[Path, ModelCard], None]
    facts: Mapping[str, object] = field(default_factory=dict)


# Makes the stored form of the model that a plan starts from, or of one of its widths or exits.
Maker = Callable[[LineagePlan, LineageData, How, torch.device], Stored]


def pack_weights(plan: LineagePlan, data: LineageData, how: How, device: torch.device) -> Stored:
    """Weights in the form of the plan's storage (a Maker)."""
    assert plan.start is not None
    model, card = load_model(plan.start, width=how.width, exit=how.exit)
    form = plan.storage.fit(model, data, plan.recipe, device)
    stored = form.stored(model).to(device)
    validation = predict_logits(stored, data.val, plan.recipe, device=device)
    model = model.cpu()
    return Stored(card, validation, WEIGHTS_FILE, lambda path, card: form.save(path, model, card))


def store_lineage(
    plan: LineagePlan,
    data: LineageData,
    how: How,
    *,
    work: Path,
    device: torch.device,
    make: Maker = pack_weights,
) -> Generation:
    """Write what `make` makes of the plan's start to `work`/g1, without training, with an empty
    history, and the lineage's summary."""
    plan = plan.resolve(data.pixels)
    stored = make(plan, data, how, device)
    logits_NK, labels_N = stored.validation
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
        fingerprint=_fingerprint(plan, data, device, stored.facts),
    )
    origin = stored.card.without_thresholds().origin
    origin |= {"model": generation.model, "teacher": None, "best_epoch": generation.best_epoch}
    origin |= {"fingerprint": generation.fingerprint, **plan.storage.origin}
    origin |= describe_rejection(choose_rejection(logits_NK, labels_N))
    folder = work / NAME
    folder.mkdir(parents=True, exist_ok=True)
    stored.write(folder / stored.file, replace(stored.card, origin=origin))
    write_history(folder / HISTORY_FILE, [])
    write_generation(folder, generation)
    write_lineage(work, LineageSummary.of(plan.lineage, [generation]))
    return generation


def note_packing(work: Path, *, source: Path, how: How, epochs: int) -> None:
    """Add how a lineage's model was compressed, and its size, to its generation.json; remove what
    an interrupted compression by other steps left."""
    folder = work / NAME
    kept, other = (ONNX_FILE, WEIGHTS_FILE) if how.is_graph else (WEIGHTS_FILE, ONNX_FILE)
    (folder / other).unlink(missing_ok=True)
    packing = Packing(
        of=str(load_card(source).origin["model"]),
        how=str(how),
        epochs=epochs,
        file_bytes=(folder / kept).stat().st_size,
        source_bytes=source.stat().st_size,
    )
    write_generation(folder, replace(read_generation(folder), packing=packing))


def _fingerprint(
    plan: LineagePlan, data: LineageData, device: torch.device, facts: Mapping[str, object]
) -> str:
    """A digest of everything that the stored model depends on."""
    assert plan.start is not None
    return digest_of(
        {
            "spec": str(plan.spec),
            "recipe": asdict(plan.recipe),
            "data": data.digest,
            "start": digest_files([plan.start]),
            "storage": {**plan.storage.facts, **facts},
            "code": code_digest(CODE),
            "made with": f"torch {torch.__version__}, {device.type}",
        }
    )
