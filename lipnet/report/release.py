"""Release a model of a study: half-precision weights, and a model card beside them."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from lipnet.errors import InputError
from lipnet.lineage.generation import WEIGHTS_FILE, Generation, read_generation
from lipnet.models.weights import load_model, save_weights
from lipnet.report.front_matter import front_matter
from lipnet.report.markdown import Row, interval, join, percent, read_rows
from lipnet.report.results import read_mapping
from lipnet.report.study import Study
from lipnet.sources.discover import find_source

MOST_BYTES = 20_000_000
LIMITS = (
    "It knows the labels in its header and no others, and names one of them for any video. "
    "Accuracy on people, cameras and poses that it was not trained on is lower. Not for "
    "following what somebody says without their consent."
)


def release_model(study: Study, model_id: str, folder: Path, *, attribution: str = "") -> Path:
    """Write <study>-<model>.safetensors and .md into `folder`; the weights' path.

    `attribution` says what it was trained on and under which licence, where the source's is not
    known; InputError without it, for an unknown model or one above 20 MB.
    """
    rows = {row["model"]: row for row in read_rows(study.report / "results.csv")}
    row = rows.get(model_id)
    if row is None or row["members"]:
        known = ", ".join(name for name, own in rows.items() if not own["members"])
        raise InputError(f"{study.root} has no model {model_id!r}; it has: {known}")
    source = str(read_mapping(study.report / "metrics.json")["corpus"]["source"])
    told = attribution or find_source(source).attribution
    if not told:
        raise InputError(
            f"say what {model_id} was trained on and under which licence (--data): the terms of "
            f"{source!r} are not known here"
        )
    path = folder / f"{study.name}-{model_id}.safetensors"
    place = study.lineage(row["lineage"]) / row["generation"]
    generation = read_generation(place)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".") as beside:
        weights = Path(beside) / path.name
        _write_weights(place / WEIGHTS_FILE, weights, generation.fingerprint)
        described = _describe(study, row, rows, weights, generation, told)
        text = "\n".join([*front_matter(path.stem, source, top1_of(row)), *described])
        weights.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
        for made in (weights.with_suffix(".md"), weights):
            made.replace(folder / made.name)
    return path


def top1_of(row: Row) -> dict[str, float]:
    """The model's accuracy on each split that it was measured on."""
    splits = ("val", "test", "unseen")
    return {split: float(row[f"{split}_top1"]) for split in splits if row.get(f"{split}_top1")}


def _write_weights(weights: Path, path: Path, fingerprint: str) -> None:
    model, card = load_model(weights)
    if card.origin.get("fingerprint") != fingerprint:
        raise InputError(f"{weights} is not what its generation.json describes: run `dvc repro`")
    size = sum(2 * tensor.numel() for tensor in model.state_dict().values())
    if size > MOST_BYTES:
        raise InputError(
            f"{path.name} would have {size / 1e6:.1f} MB; a released model has at most "
            f"{MOST_BYTES / 1e6:.0f} MB: choose a smaller one"
        )
    save_weights(path, model, card, half=True)


def _describe(
    study: Study,
    row: Row,
    rows: dict[str, Row],
    path: Path,
    generation: Generation,
    attribution: str,
) -> list[str]:
    """The model card."""
    splits = read_mapping(study.summary_file)["splits"]
    counts = ", ".join(f"{own['clips']} {split}" for split, own in splits.items())
    recipe = ", ".join(f"{name} {value}" for name, value in asdict(generation.recipe).items())
    weights = path.read_bytes()
    return [
        f"# {path.stem}",
        "",
        f"`{row['spec']}`: {float(row['params_m']):.2f} million parameters, "
        f"{float(row['gflops']):.3f} GFLOPs for a clip of 29 frames at {row['input_size']} pixels; "
        f"{len(weights) / 1e6:.1f} MB in half precision.",
        "",
        f"**Data.** {attribution} Clips: {counts}.",
        "",
        f"**Lineage.** {_trace(row, rows)}",
        "",
        f"**Recipe.** {recipe}; weights of epoch {int(row['best_epoch']) + 1}, best on validation.",
        "",
        "| split | clips | top-1 [95 %] | top-5 [95 %] |",
        "|---|---:|---:|---:|",
        *(_accuracy(row, split) for split in ("val", "test", "unseen") if row.get(f"{split}_top1")),
        "",
        f"Before the rounding to half precision, by the study `{study.name}`. Intervals resample "
        "what is independent (GRID: the sentence). The test split chose nothing"
        f"{'; validation chose this model of its lineage' * (row['chosen'] == '1')}.",
        "",
        f"**Limits.** {LIMITS}",
        "",
        f"SHA-256 of the weights: `{hashlib.sha256(weights).hexdigest()}`.",
    ]


def _trace(row: Row, rows: dict[str, Row]) -> str:
    """From the model to the one that nobody taught."""
    parts = [f"`{row['model']}` ({row['training']})"]
    while row["teacher"] in rows and not rows[row["teacher"]]["members"]:
        row = rows[row["teacher"]]
        top1 = percent(row["test_top1"])
        parts.append(f"taught by `{row['model']}` ({row['spec']}, {top1} % on test)")
    if row["teacher"]:
        parts.append(f"taught by `{row['teacher']}`")
    return ", ".join(parts) + "."


def _accuracy(row: Row, split: str) -> str:
    clips = row[f"{split}_clips"]
    return join([split, clips, interval(row, f"{split}_top1"), interval(row, f"{split}_top5")])
