"""Training a small model on a person's takes, from released weights, and measuring it."""
# N clips  K classes

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import FPS
from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.data.batch import collate
from lipnet.data.clip_set import ClipSet
from lipnet.data.loader import ClipFacts, MemoryStore
from lipnet.data.shrink import Shrink
from lipnet.device import choose_device, keep_freed_memory
from lipnet.files import write_atomic
from lipnet.inference.predict import predict_logits
from lipnet.inference.read import crop_options_of
from lipnet.labels import BACKGROUND
from lipnet.landmark_names import MESH
from lipnet.lineage.generation import WEIGHTS_FILE, Generation, TrainingFacts
from lipnet.lineage.generation_run import LineageListener
from lipnet.lineage.lineage import train_lineage
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.live.graphs import check_stream
from lipnet.measure.accuracy import Estimate, accuracy
from lipnet.measure.confusion import LookAlike, confusion_matrix, find_lookalikes
from lipnet.models.weights import ModelCard, load_card, load_model
from lipnet.recipe import Recipe
from lipnet.shards.index import ClipFailure
from lipnet.shards.meta import ClipMeta
from lipnet.single.train import measure_pixels
from lipnet.spec import ModelSpec
from lipnet.teach.clips import Collected, Cut, collect_clips
from lipnet.teach.takes import WORK
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord

LINEAGE = "taught"
# Training sees about this many clips in all: 29 epochs of 140. On two cores a minute or two.
CLIPS_IN_ALL, MIN_EPOCHS, MAX_EPOCHS = 4000, 12, 60
CUT = 5  # frames at each end of a word's window that a random cut may take away
CROPPING, TRAINING = "cropping", "training"
Progress = Callable[[str, int, int], None]  # a stage, its steps that are done, and all of them


@dataclass(frozen=True)
class HeldBack:
    """What the model reads of the takes that it was neither trained on nor chosen by.

    `words` is the share of the words that are read right, `pauses` that of the pauses in which no
    word is read (None: no held-back take has any); `confused` are the labels that are mistaken for
    each other, the worst first.
    """

    words: Estimate
    pauses: Estimate | None
    per_word: Mapping[str, tuple[int, int]]  # takes that are read right, and all
    confused: Sequence[LookAlike]


@dataclass(frozen=True)
class Taught:
    """A model that was taught: its file and card, clips per split, the takes that could not be
    used, and what it reads of the held-back takes."""

    path: Path
    card: ModelCard
    clips: Mapping[str, int]
    epochs: int
    failures: Sequence[ClipFailure]
    held_back: HeldBack


def describe_taught(taught: Taught) -> dict[str, object]:
    """The same as JSON: counts, and fractions (0 to 1)."""
    found = taught.held_back
    return {
        "path": str(taught.path),
        "labels": taught.card.labels,
        "clips": dict(taught.clips),
        "epochs": taught.epochs,
        "failures": {own.clip_id: own.reason for own in taught.failures},
        "words": _describe_estimate(found.words),
        "pauses": found.pauses and _describe_estimate(found.pauses),
        "per_word": {word: list(counts) for word, counts in found.per_word.items()},
        "confused": [[own.first, own.second, own.mistaken, own.clips] for own in found.confused],
    }


def _describe_estimate(own: Estimate) -> dict[str, float]:
    return {"top1": own.value, "low": own.low, "high": own.high, "clips": own.clips}


def teach(
    root: Path,
    start: Path,
    out: Path,
    *,
    words: Sequence[str] = (),
    epochs: int = 0,
    on_progress: Progress = lambda stage, done, total: None,
    on_note: Callable[[str], None] = lambda text: None,
) -> Taught:
    """Train a model on the takes below `root`, from the weights `start`, and write it to `out`.

    Takes are those of `words`, or of all folders. Without `epochs`, their number follows from the
    number of clips. An interrupted call resumes, and one with nothing changed only measures.
    InputError for weights that cannot read a stream, or a word without enough takes.
    """
    card = load_card(start)
    options = check_start(card, start)

    def on_take(done: int, total: int) -> None:
        on_progress(CROPPING, done, total)

    found = collect_clips(root, options, words, on_take)
    recipe = make_recipe(card, len(found.splits["train"]), epochs)
    plan = LineagePlan(LINEAGE, ModelSpec.parse(card.spec), recipe, generations=0, start=start)
    listener = _Listener(recipe.epochs, on_progress, on_note)
    trained = train_clips(plan, found, options, work=root / WORK / "model", listener=listener)
    with write_atomic(out) as temporary:
        temporary.write_bytes(trained.read_bytes())
    return Taught(
        out,
        load_card(out),
        {name: len(own) for name, own in found.splits.items()},
        recipe.epochs,
        found.failures,
        summarise(read_held_back(out, found)),
    )


def train_clips(
    plan: LineagePlan,
    found: Collected,
    options: CropOptions,
    *,
    work: Path,
    listener: LineageListener,
) -> Path:
    """Train the plan's only generation on collected clips, into the folder `work`; the path of its
    weights file."""
    data = build_data(found, options, plan.recipe)
    work.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    done = train_lineage(plan, data, work=work, engine=Engine(choose_device()), listener=listener)
    return work / done[0].name / WEIGHTS_FILE


def check_start(card: ModelCard, start: Path) -> CropOptions:
    """How takes are cropped for a model that starts from these weights: as its training crops
    were, but by the landmark model `mesh`. InputError if it cannot be taught."""
    check_stream(card, start)
    trained = crop_options_of(card.preprocessing, start)
    return replace(trained, face="").for_landmarks(MESH)


def make_recipe(card: ModelCard, clips: int, epochs: int = 0) -> Recipe:
    """How a few clips are learned from weights that know other words: the model's own input, the
    takes' own mean and deviation, and every augmentation that makes few takes more: places, sizes,
    mirrored, and cut at the ends, so that a word is also read when it is not quite in the middle.
    """
    chosen = epochs or min(MAX_EPOCHS, max(MIN_EPOCHS, round(CLIPS_IN_ALL / max(1, clips))))
    return replace(
        Recipe.for_input(card.preprocessing),
        mean="auto",
        std="auto",
        optimiser="adamw",
        lr=1e-3,
        batch=16,
        epochs=chosen,
        schedule="cosine_by_step",
        warmup_epochs=min(2, chosen - 1),
        mixup=0.0,
        jitter=2.0,
        jitter_scale=0.04,
        variable_length=True,
        cut_share=0.5,
        eval_context=-1,
    )


def build_data(found: Collected, options: CropOptions, recipe: Recipe) -> LineageData:
    """The training and validation clips in memory."""
    digest = hashlib.sha256()
    for name in ("train", "val"):
        for cut in found.splits[name]:
            digest.update(f"{name} {cut.clip.clip_id} {cut.clip.label}".encode())
            digest.update(np.ascontiguousarray(cut.crops_THW).tobytes())
    train = found.splits["train"]
    return LineageData(
        train=store_clips(train, found.labels, recipe),
        val=store_clips(found.splits["val"], found.labels, recipe),
        labels=found.labels,
        preprocessing={**describe_crops(options, MESH), "fps": FPS, "source": "folder"},
        digest=digest.hexdigest()[:16],
        pixels=measure_pixels([cut.crops_THW for cut in train]),
        trained_on=ClipSet.of("folder", (cut.clip.clip_id for cut in train)),
        shortest=min(len(cut.crops_THW) for cut in train),
        shortest_cut=min(map(_count_left, train)),
    )


def store_clips(cuts: Sequence[Cut], labels: Sequence[str], recipe: Recipe) -> MemoryStore:
    """The windows as a model's input; random cuts in training take up to CUT frames at each end."""
    shrink = Shrink.for_recipe(recipe)
    index = {label: number for number, label in enumerate(labels)}
    metas = [_describe_cut(cut, index[cut.clip.label]) for cut in cuts]
    samples = [(shrink(cut.crops_THW), meta) for cut, meta in zip(cuts, metas, strict=True)]
    ids, units = [meta.clip_id for meta in metas], [meta.unit for meta in metas]
    none = [""] * len(metas)
    facts = ClipFacts(ids, units, none, none, [meta.label_index for meta in metas])
    return MemoryStore(collate(samples), facts)


def _describe_cut(cut: Cut, label_index: int) -> ClipMeta:
    frames = len(cut.crops_THW)
    edge = min(CUT, frames // 4)
    clip = cut.clip
    return ClipMeta(clip.clip_id, clip.label, label_index, edge, frames - edge, unit=clip.unit)


def _count_left(cut: Cut) -> int:
    """The frames that a random cut leaves at least: the word and the one before it."""
    meta = _describe_cut(cut, 0)
    return meta.word_last - max(0, meta.word_first - 1)


@dataclass(frozen=True, eq=False)
class Answers:
    """The classes of the held-back clips, those that a model reads, and the clips' takes."""

    labels: Sequence[str]
    truth_N: NDArray[np.integer]
    read_N: NDArray[np.integer]
    units_N: NDArray[np.str_]

    @property
    def names_N(self) -> NDArray[np.str_]:
        """The label of each clip."""
        names_N: NDArray[np.str_] = np.asarray(self.labels, np.str_)[self.truth_N]
        return names_N


def read_held_back(weights: Path, found: Collected) -> Answers:
    """What the model reads of the test split."""
    device = choose_device()
    model, card = load_model(weights, device=str(device))
    recipe = Recipe.for_input(card.preprocessing)
    store = store_clips(found.splits["test"], card.labels, recipe)
    logits_NK, labels_N = predict_logits(model, store, recipe, device=device, name=str(weights))
    units_N = np.array(store.facts().units)
    return Answers(card.labels, labels_N.numpy(), logits_NK.argmax(1).numpy(), units_N)


def summarise(own: Answers) -> HeldBack:
    """Shares with intervals, counts by word, and what is mistaken for what."""
    names_N, right_N = own.names_N, own.truth_N == own.read_N
    word_N = names_N != BACKGROUND
    takes = Counter(names_N[word_N].tolist())
    right = Counter(names_N[word_N & right_N].tolist())
    matrix_KK = confusion_matrix(own.truth_N, own.read_N, len(own.labels))
    return HeldBack(
        words=accuracy(right_N[word_N], own.units_N[word_N]),
        pauses=None if word_N.all() else accuracy(right_N[~word_N], own.units_N[~word_N]),
        per_word={word: (right[word], takes[word]) for word in sorted(takes)},
        confused=find_lookalikes(matrix_KK, own.labels),
    )


@dataclass(frozen=True)
class _Listener:
    """A listener of the lineage and of its training that reports epochs."""

    epochs: int
    progress: Progress
    note: Callable[[str], None]

    def begin(self, model: str, facts: TrainingFacts) -> "_Listener":
        return self

    def end(self, generation: Generation) -> None:
        self.progress(TRAINING, self.epochs, self.epochs)

    def on_batch(self, done: int, total: int) -> None:
        return

    def on_epoch(self, record: EpochRecord) -> None:
        self.progress(TRAINING, record.epoch + 1, self.epochs)

    def on_note(self, text: str) -> None:
        self.note(text)

    def on_warning(self, text: str) -> None:
        self.note(text)
