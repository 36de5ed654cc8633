"""A model's accuracy on raw videos that the pipeline has not preprocessed, in one process."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import Clip, Rejected
from lipnet.crops.crop import CropOptions
from lipnet.cutting.window import check_whole, cut_clip, fail_clip
from lipnet.data.batch import Sample
from lipnet.data.clip_set import ClipSet, KnownClips
from lipnet.device import choose_device
from lipnet.errors import InputError
from lipnet.inference.clip_model import load_clip_model
from lipnet.inference.conditions import (
    AS_THEY_ARE,
    Answers,
    Condition,
    ConditionScore,
    Subject,
    read_conditions,
    score_conditions,
)
from lipnet.inference.crop import crop_video, shared_detector
from lipnet.inference.read import crop_options_of, describe_landmarks, find_landmarks
from lipnet.labels import BACKGROUND
from lipnet.landmarks.options import LandmarkModel, LandmarkOptions
from lipnet.measure.accuracy import Estimate, accuracy, topk
from lipnet.models.lengths import Lengths
from lipnet.models.weights import TRAINED_ON, ModelCard
from lipnet.recipe import Recipe
from lipnet.shards.index import ClipFailure
from lipnet.sources.discover import discover_clips, find_source
from lipnet.text import format_counts
from lipnet.video.decode import VideoError

# T frames  H W pixels  K classes  N clips
ALL, TEST = "all", "test"


@dataclass(frozen=True)
class Corpus:
    """Videos with labels: a source's name, its root, one of its splits or ALL, its options.

    Without a split: the test split if the layout of the root gives one, otherwise ALL.
    """

    source: str
    root: Path | str
    split: str = ""
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The root as a path."""
        return Path(self.root)


@dataclass(frozen=True)
class Predictions:
    """A model's answers for each clip of `split` that could be read, under each condition; the
    failures of the others, and the files of the corpus that are not clips of its layout.

    `trained_on`, `landmarks` and `warning` are as in Evaluation.
    """

    clips: Sequence[Clip]
    answers: Mapping[Condition, Answers]
    failures: Sequence[ClipFailure]
    rejected: Sequence[Rejected]
    split: str
    trained_on: KnownClips | None
    landmarks: str
    lengths: Lengths
    warning: str = ""

    @property
    def logits_NK(self) -> NDArray[np.float32]:
        """The logits of the clips as they are."""
        return self.answers[AS_THEY_ARE].logits_NK

    @property
    def labels_N(self) -> NDArray[np.int64]:
        """The numbers of the clips' labels."""
        return self.answers[AS_THEY_ARE].labels_N

    @property
    def other_lengths(self) -> int:
        """How many clips were read at a length on which the model was not trained."""
        frames_N = self.answers[AS_THEY_ARE].frames_N.tolist()
        return sum(bool(self.lengths.find_fault(frames)) for frames in frames_N)


@dataclass(frozen=True)
class Evaluation:
    """Accuracy over the clips of `split` that could be read; `failed` counts the others by reason,
    and `rejected` the files of the whole corpus that are not clips of its layout.

    `trained_on` is how many of the clips that were read have the name of a training clip of the
    model, by its digest; None if the weights file does not list those. `background` is how many
    are windows without a word, which the accuracies count. `landmarks` is the landmark model that
    was used; `warning` is a sentence if the model was trained on crops by another. `conditions`
    are the scores of the conditions that were asked for, on the same clips. `lengths` are those of
    the model's training clips, and `other_lengths` is how many clips were read at others. `labels`
    is the number of the model's labels.
    """

    split: str
    clips: int
    trained_on: KnownClips | None
    failed: Mapping[str, int]
    rejected: Mapping[str, int]
    top1: Estimate
    top5: Estimate
    per_slot: Mapping[str, Estimate]
    landmarks: str
    warning: str = ""
    background: int = 0
    conditions: Sequence[ConditionScore] = ()
    lengths: Lengths = field(default_factory=Lengths)
    other_lengths: int = 0
    labels: int = 0


def evaluate(
    weights: Path | str,
    corpus: Corpus,
    detector: LandmarkModel | None = None,
    *,
    face: str = "",
    conditions: Sequence[Condition] = (),
    on_video: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """The model's accuracy on the corpus, with intervals over its independent units.

    A clip that cannot be read, or has a label that the model does not know, is counted by reason.
    All `conditions` are evaluated on the same crops, in one pass over the videos.
    Without a `detector` the landmark model of the model's training crops is loaded. Raises
    InputError if no clip is left, the split is unknown or the weights cannot be used.

        >>> split = {"train_speakers": ["s1"], "val_fraction": 0.0833, "fold": "1/3", "frames": 17}
        >>> corpus = lipnet.Corpus("grid", "/data/grid", "test", split)
        >>> weights = "data/released/grid_release-sn05-tcn1-long-g0.safetensors"
        >>> found = lipnet.evaluate(weights, corpus)
        >>> found.top1.value, found.top1.low, found.top1.high
        (0.869, 0.853, 0.884)
    """
    found = read_corpus(
        Path(weights), corpus, detector, face=face, conditions=conditions, on_video=on_video
    )
    failed = Counter(failure.reason for failure in found.failures)
    if not found.clips:
        raise InputError(_describe_failures(found.failures, failed))
    units = [clip.unit for clip in found.clips]
    right_N, near_N = (topk(found.logits_NK, found.labels_N, k) for k in (1, 5))
    rejected = Counter(record.reason for record in found.rejected)
    return Evaluation(
        split=found.split,
        trained_on=found.trained_on,
        clips=len(found.clips),
        failed=dict(sorted(failed.items())),
        rejected=dict(sorted(rejected.items())),
        top1=accuracy(right_N, units),
        top5=accuracy(near_N, units),
        per_slot=_score_slots(right_N, [clip.slot for clip in found.clips], units),
        background=sum(clip.label == BACKGROUND for clip in found.clips),
        landmarks=found.landmarks,
        warning=found.warning,
        conditions=score_conditions(found.answers, units),
        lengths=found.lengths,
        other_lengths=found.other_lengths,
        labels=found.logits_NK.shape[1],
    )


def _score_slots(
    right_N: NDArray[np.bool_], slots: Sequence[str], units: Sequence[str]
) -> dict[str, Estimate]:
    """Accuracy on the clips of each slot, if the corpus has any."""
    slots_N, units_N = np.array(slots), np.array(units)
    return {
        slot: accuracy(right_N[slots_N == slot], units_N[slots_N == slot])
        for slot in sorted(set(slots) - {""})
    }


def _describe_failures(failures: Sequence[ClipFailure], failed: Counter[str]) -> str:
    """Why no clip is left: the number of failures by reason, and the first of them."""
    such = f", such as {failures[0].clip_id}: {failures[0].detail}" if failures else ""
    return f"none of {failed.total()} clips could be read: {format_counts(failed)}{such}"


def read_corpus(
    weights: Path,
    corpus: Corpus,
    detector: LandmarkModel | None = None,
    *,
    face: str = "",
    conditions: Sequence[Condition] = (),
    on_video: Callable[[int, int], None] = lambda done, total: None,
) -> Predictions:
    """The answers for every clip of the corpus's split that can be read, ordered by video; as they
    are, and under each of the conditions."""
    model, card = load_clip_model(weights, device=str(choose_device()))
    recipe = Recipe.for_input(card.preprocessing)
    options = crop_options_of(card.preprocessing, weights, face)
    detector = detector or shared_detector(find_landmarks(card.preprocessing, weights))
    known = {label: index for index, label in enumerate(card.labels)}
    failures: list[ClipFailure] = []
    split, chosen, rejected = choose_clips(corpus)
    unknown = [clip for clip in chosen if clip.label not in known]
    failures += [fail_clip(clip, _unknown_label(clip)) for clip in unknown]
    cut = _Cut(corpus, options, known, detector, failures)
    samples = cut.samples([clip for clip in chosen if clip.label in known], on_video)
    clips, answers = read_conditions(
        Subject(model, recipe, card.labels, str(weights)),
        samples,
        conditions,
        describe=lambda clip: f"clip {clip.clip_id} ({clip.video})",
    )
    return Predictions(
        clips,
        answers,
        failures,
        rejected,
        split,
        count_known(card, corpus.source, clips),
        detector.name,
        card.lengths,
        describe_landmarks(card.preprocessing, detector.name),
    )


def count_known(card: ModelCard, source: str, clips: Sequence[Clip]) -> KnownClips | None:
    """How many of the clips the model was trained on, by digest; None if its card has none."""
    found = card.origin.get(TRAINED_ON)
    if not isinstance(found, Mapping):
        return None
    try:
        return ClipSet.parse(found).count(source, [clip.clip_id for clip in clips])
    except ValueError as error:
        raise InputError(f"the model's card has a wrong {TRAINED_ON}: {error}") from None


def choose_clips(corpus: Corpus) -> tuple[str, list[Clip], list[Rejected]]:
    """The split, its clips ordered by video, and the rejected files; InputError if it has none."""
    if find_source(corpus.source).cropped:
        raise InputError(f"{corpus.source} has precropped mouths, not videos")
    found, rejected = discover_clips(corpus.source, corpus.folder, corpus.options)
    splits = sorted({clip.split for clip in found})
    given = TEST in splits and find_source(corpus.source).gives_splits(corpus.folder)
    split = corpus.split or (TEST if given else ALL)
    chosen = [clip for clip in found if split in (ALL, clip.split)]
    if not chosen:
        raise InputError(
            f"--split {split}: no such split in {corpus.root}; known: {ALL}, {', '.join(splits)}"
        )
    return split, sorted(chosen, key=lambda clip: (clip.video, clip.clip_id)), rejected


def _unknown_label(clip: Clip) -> VideoError:
    return VideoError("unknown_label", f"the model has no label {clip.label!r}")


@dataclass
class _Cut:
    """Cuts clips out of videos, and decodes each video once; `failures` collects what fails."""

    corpus: Corpus
    options: CropOptions
    known: Mapping[str, int]
    detector: LandmarkModel
    failures: list[ClipFailure]

    def samples(
        self, clips: Sequence[Clip], on_video: Callable[[int, int], None]
    ) -> Iterator[tuple[Clip, Sample]]:
        landmarks = LandmarkOptions(prefer=find_source(self.corpus.source).face)
        videos = [(video, list(own)) for video, own in groupby(clips, key=lambda clip: clip.video)]
        for done, (video, own) in enumerate(videos):
            try:
                check_whole(own, self.corpus.folder / video)
                made = crop_video(
                    self.corpus.folder / video,
                    self.detector,
                    crops=self.options,
                    landmarks=landmarks,
                )
            except VideoError as error:
                self.failures += [fail_clip(clip, error) for clip in own]
            else:
                yield from self._windows(own, made.crops_THW)
            on_video(done + 1, len(videos))

    def _windows(
        self, clips: Sequence[Clip], crops_THW: NDArray[np.uint8]
    ) -> Iterator[tuple[Clip, Sample]]:
        for clip in clips:
            try:
                sample = cut_clip(clip, crops_THW, self.known[clip.label])
            except VideoError as error:
                self.failures.append(fail_clip(clip, error))
            else:
                yield clip, sample
