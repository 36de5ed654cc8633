"""Evaluating a live reader on the continuous sentences of a corpus, and choosing its threshold."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from lipnet.clip import Clip
from lipnet.data.clip_set import KnownClips
from lipnet.errors import InputError
from lipnet.inference.evaluate import Corpus, choose_clips, count_known
from lipnet.labels import BACKGROUND
from lipnet.live.frames import read_file
from lipnet.live.reader import LiveModel, LiveReader, Step
from lipnet.live.scores import SentenceScore, Span, Spoken, StreamScore, combine, score_sentence
from lipnet.live.spotter import Event, Reading, Reporter, Spotter
from lipnet.models.spotting import Spotting
from lipnet.sources.discover import SOURCES, find_source

# What `choose_spotting` tries. A frame lasts 0.04 s, the shortest words of GRID two to three.
THRESHOLDS = (*(n / 20 for n in range(2, 19)), 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
REFRACTORY = (0.0, 0.08, 0.12, 0.16, 0.2, 0.28, 0.4)  # seconds
MAX_FALSE = 3.0  # false words per minute of silence, if any setting has as few


@dataclass(frozen=True)
class Sentence:
    """One video, and the words that are spoken in it."""

    video: str
    spoken: tuple[Spoken, ...]
    clips: tuple[Clip, ...]


@dataclass(frozen=True, eq=False)
class ReadSentence:
    """A sentence as it was read: runs of readings without a break."""

    sentence: Sentence
    runs: Sequence[Sequence[Reading]]

    @property
    def spans(self) -> list[Span]:
        """The times of the runs, by the middles of their windows."""
        return [(run[0].middle, run[-1].middle) for run in self.runs if run]


@dataclass(frozen=True)
class LiveEvaluation:
    """The scores on a split; `failed` has the videos that could not be read with the reasons, and
    `trained_on` counts clips with the name of a training clip, None if those are not known."""

    split: str
    score: StreamScore
    failed: Mapping[str, str]
    trained_on: KnownClips | None


def list_sentences(corpus: Corpus) -> tuple[str, list[Sentence]]:
    """The split and its sentences, ordered by video; InputError for a source that does not give
    all words of a video."""
    if not find_source(corpus.source).gives_every_word:
        known = ", ".join(name for name, own in SOURCES.items() if own.gives_every_word)
        raise InputError(
            f"--source {corpus.source} does not give the times of all words in a video; sources "
            f"that do: {known}"
        )
    split, clips, _ = choose_clips(corpus)
    by_video = groupby(clips, key=lambda clip: clip.video)
    return split, [_gather(video, list(own)) for video, own in by_video]


def _gather(video: str, clips: Sequence[Clip]) -> Sentence:
    words = [
        Spoken(clip.label, clip.word_first / clip.fps, clip.word_last / clip.fps)
        for clip in clips
        if clip.label != BACKGROUND
    ]
    spoken = sorted(words, key=lambda own: own.start)
    return Sentence(video, tuple(spoken), tuple(clips))


def read_sentences(
    sentences: Iterable[Sentence],
    corpus: Corpus,
    make_reader: Callable[[], LiveReader],
    failed: dict[str, str],
) -> Iterator[ReadSentence]:
    """Each sentence as a stream of its own; `failed` gets those that cannot be read."""
    for sentence in sentences:
        reader = make_reader()
        try:
            frames = read_file(corpus.folder / sentence.video, pixels=reader.pixels)
            steps = [reader.push(frame) for frame in frames]
        except InputError as error:
            failed[sentence.video] = str(error)
            continue
        yield ReadSentence(sentence, split_runs(steps))


def split_runs(steps: Iterable[Step]) -> list[list[Reading]]:
    """The readings, in runs that no loss of the face interrupts."""
    runs: list[list[Reading]] = [[]]
    for step in steps:
        if step.is_fresh and runs[-1]:
            runs.append([])
        if step.reading is not None:
            runs[-1].append(step.reading)
    return runs


def report_events(runs: Sequence[Sequence[Reading]], reporter: Reporter) -> list[Event]:
    """All events of a stream."""
    events: list[Event] = []
    for run in runs:
        for reading in run:
            events += reporter.push(reading)
        events += reporter.interrupt()
    return events + reporter.finish()


def score_all(
    read: Sequence[ReadSentence], make_reporter: Callable[[], Reporter]
) -> list[SentenceScore]:
    """The counts of each sentence by a reporter of its own."""
    return [
        score_sentence(own.sentence.spoken, report_events(own.runs, make_reporter()), own.spans)
        for own in read
    ]


def evaluate_stream(
    model: LiveModel,
    corpus: Corpus,
    make_reader: Callable[[], LiveReader],
    make_reporter: Callable[[], Reporter],
    *,
    limit: int = 0,
    on_video: Callable[[int, int], None] = lambda done, total: None,
) -> LiveEvaluation:
    """The scores on the first `limit` sentences of the corpus's split (0: all of them).

    InputError if no sentence could be read.
    """
    split, read, failed = read_split(corpus, make_reader, limit=limit, on_video=on_video)
    clips = [clip for own in read for clip in own.sentence.clips]
    known = count_known(model.card, corpus.source, clips)
    return LiveEvaluation(split, combine(score_all(read, make_reporter)), failed, known)


def read_split(
    corpus: Corpus,
    make_reader: Callable[[], LiveReader],
    *,
    limit: int,
    on_video: Callable[[int, int], None],
) -> tuple[str, list[ReadSentence], dict[str, str]]:
    """The split, its sentences as they were read, and the videos that failed."""
    split, sentences = list_sentences(corpus)
    chosen = sentences[:limit] if limit else sentences
    failed: dict[str, str] = {}
    read = []
    for own in read_sentences(chosen, corpus, make_reader, failed):
        read.append(own)
        on_video(len(read) + len(failed), len(chosen))
    if not read:
        first = next(iter(failed.values()), "there are none")
        raise InputError(f"none of {len(chosen)} sentences could be read: {first}")
    return split, read, failed


def choose_spotting(read: Sequence[ReadSentence], labels: Sequence[str]) -> Spotting:
    """The threshold and refractory time with the highest F1 on validation sentences.

    Of those with at most MAX_FALSE false words per minute of silence, if there are any; otherwise
    those with the fewest. Of equals the higher threshold, then the longer time.
    """
    tried = []
    for threshold in THRESHOLDS:
        for refractory in REFRACTORY:
            scores = score_all(read, _spotters(labels, threshold, refractory))
            words = sum(own.words for own in scores) + sum(own.reported for own in scores)
            f1 = 2 * sum(own.matched for own in scores) / max(words, 1)
            minutes = sum(own.silence for own in scores) / 60
            false = sum(own.false_in_silence for own in scores) / minutes if minutes else 0.0
            tried.append(Spotting(threshold, refractory, f1, false, len(read)))
    allowed = max(MAX_FALSE, min(own.false_per_minute for own in tried))
    quiet = [own for own in tried if own.false_per_minute <= allowed]
    return max(quiet, key=lambda own: (own.f1, own.threshold, own.refractory))


def _spotters(labels: Sequence[str], threshold: float, refractory: float) -> Callable[[], Reporter]:
    return lambda: Spotter(labels, threshold=threshold, refractory=refractory)
