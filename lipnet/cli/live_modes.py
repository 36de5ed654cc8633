"""What `lipnet live` reads with: thresholds, the kind of reading, and the reader."""

import argparse
from typing import TYPE_CHECKING

from lipnet.labels import BACKGROUND

if TYPE_CHECKING:
    from lipnet.live.reader import LiveModel, LiveReader
    from lipnet.live.spotter import Reporter

GRAMMAR_THRESHOLD, PROMPT_THRESHOLD = 0.3, 0.5


def has_words(parsed: argparse.Namespace) -> bool:
    """Whether only the words of a prompt or of a grammar are read."""
    return parsed.prompt is not None or parsed.grammar is not None


def describe_limits(parsed: argparse.Namespace, model: "LiveModel") -> list[str]:
    """What makes reading with these weights less than reliable."""
    from lipnet.inference.read import describe_landmarks

    different = describe_landmarks(model.card.preprocessing, model.landmarks)
    lines = [f"warning: {different}"] if different else []
    if has_words(parsed):
        return lines
    if BACKGROUND not in model.labels:
        lines.append(
            f"{parsed.weights} has no {BACKGROUND} class: some word is likely at every moment, so "
            "words will be reported in silence as well; --grammar and --prompt need no such class"
        )
    if model.card.spotting is None and parsed.threshold is None:
        threshold, refractory = settings_of(parsed, model)
        lines.append(
            f"no threshold was chosen for streams of these weights: {threshold:g} is used, and "
            f"{refractory:g} s between words (--threshold, --refractory; --choose chooses)"
        )
    return lines


def settings_of(parsed: argparse.Namespace, model: "LiveModel") -> tuple[float, float]:
    """Threshold and refractory time: as given, else those in the weights file, else fixed ones."""
    from lipnet.live.spotter import find_settings

    threshold, refractory = find_settings(model.card)
    if has_words(parsed):
        threshold = PROMPT_THRESHOLD if parsed.prompt is not None else GRAMMAR_THRESHOLD
    given, pause = parsed.threshold, parsed.refractory
    return (threshold if given is None else given), (refractory if pause is None else pause)


def make_reporter(parsed: argparse.Namespace, model: "LiveModel") -> "Reporter":
    """Free spotting, sentences of a grammar, or answers to prompts."""
    from lipnet.live.grammar import GrammarReporter, load_grammar
    from lipnet.live.prompt import PromptReporter
    from lipnet.live.spotter import Spotter

    threshold, refractory = settings_of(parsed, model)
    if parsed.grammar is not None:
        slots = load_grammar(parsed.grammar)
        return GrammarReporter(model.labels, slots, threshold=threshold)
    if parsed.prompt is not None:
        words = [word.strip() for word in parsed.prompt.split(",")]
        reporter = PromptReporter(model.labels, words, threshold=threshold)
        if parsed.file is not None:
            reporter.prompt(0.0, seconds=float("inf"))
        return reporter
    return Spotter(model.labels, threshold=threshold, refractory=refractory)


def make_reader(parsed: argparse.Namespace, model: "LiveModel") -> "LiveReader":
    """A reader at the start of a stream."""
    from lipnet.live.reader import LiveReader, make_tracker

    return LiveReader(
        model,
        make_tracker(model.landmarks),
        hop=parsed.hop,
        frames=parsed.frames,
        exact_edges=not parsed.cached_edges,
    )
