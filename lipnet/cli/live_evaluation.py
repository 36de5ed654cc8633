"""Scores of `lipnet live --evaluate`, and the choice of a threshold by `--choose`."""

import argparse
import json
from typing import TYPE_CHECKING

from lipnet.cli.evaluate import format_known, known_to_json, read_options, show_progress
from lipnet.cli.live_modes import make_reader, make_reporter
from lipnet.errors import InputError

if TYPE_CHECKING:
    from lipnet.live.evaluate import LiveEvaluation
    from lipnet.live.reader import LiveModel
    from lipnet.live.scores import Interval

VAL = "val"


def evaluate(parsed: argparse.Namespace, model: "LiveModel") -> None:
    """Print the scores on continuous sentences."""
    from lipnet.inference.evaluate import Corpus
    from lipnet.live.evaluate import evaluate_stream

    make_reporter(parsed, model)  # InputError before the first video
    found = evaluate_stream(
        model,
        Corpus(parsed.source, parsed.root, parsed.split, read_options(parsed.options)),
        lambda: make_reader(parsed, model),
        lambda: make_reporter(parsed, model),
        limit=parsed.limit,
        on_video=show_progress,
    )
    print(json.dumps(to_json(found)) if parsed.json else "\n".join(format_lines(found)))


def choose(parsed: argparse.Namespace, model: "LiveModel") -> None:
    """Choose threshold and refractory time on validation sentences, and write them."""
    from lipnet.inference.clip_model import ONNX
    from lipnet.inference.evaluate import Corpus
    from lipnet.live.evaluate import choose_spotting, read_split
    from lipnet.models.spotting import describe_spotting
    from lipnet.models.weights import copy_weights

    if parsed.weights.suffix == ONNX:
        raise InputError(f"--choose needs a weights file, not {parsed.weights}: export its output")
    corpus = Corpus(parsed.source, parsed.root, parsed.split, read_options(parsed.options))
    _, read, failed = read_split(
        corpus,
        lambda: make_reader(parsed, model),
        limit=parsed.limit,
        on_video=show_progress,
    )
    chosen = choose_spotting(read, model.labels)
    copy_weights(parsed.weights, parsed.choose, describe_spotting(chosen))
    print(
        f"threshold {chosen.threshold:g}, {chosen.refractory:g} s between words: "
        f"F1 {chosen.f1:.3f} and {chosen.false_per_minute:.1f} false words per minute of silence "
        f"on {chosen.sentences} sentences of {VAL} ({len(failed)} failed); "
        f"written to {parsed.choose}"
    )


def to_json(found: "LiveEvaluation") -> dict[str, object]:
    """Rates and F1 as fractions with their 95 % intervals, times in seconds; null if no word was
    found at its time."""
    score = found.score
    has_delay = score.delay == score.delay
    return {
        "split": found.split,
        "sentences": score.sentences,
        "failed": len(found.failed),
        **known_to_json(found.trained_on),
        "words": score.words,
        "reported": score.reported,
        "word_error_rate": score.word_error_rate.value,
        "word_error_rate_95": [score.word_error_rate.low, score.word_error_rate.high],
        "f1": score.f1.value,
        "f1_95": [score.f1.low, score.f1.high],
        "false_per_minute": score.false_per_minute,
        "silence_minutes": score.silence_minutes,
        "delay": score.delay if has_delay else None,
        "slowest": score.slowest if has_delay else None,
    }


def format_lines(found: "LiveEvaluation") -> list[str]:
    """The same as lines of text."""
    from lipnet.live.scores import TOLERANCE

    score = found.score
    delay = (
        f"{score.delay:.2f} s (median; longest {score.slowest:.2f})"
        if score.delay == (score.delay)
        else "no word was found at its time"
    )
    return [
        f"{score.sentences} sentences, {score.words} words, {len(found.failed)} failed "
        f"(split: {found.split})",
        format_known(found.trained_on),
        *(f"  {video}: {reason}" for video, reason in found.failed.items()),
        f"word error rate                 {_format(score.word_error_rate)}",
        f"F1 at +-{TOLERANCE:g} s                  {_format(score.f1)}",
        f"false words per minute          {score.false_per_minute:.1f} of "
        f"{score.silence_minutes:.2f} minutes of silence",
        f"delay from a word's middle      {delay}",
    ]


def _format(own: "Interval") -> str:
    return f"{own.value:6.1%}  (95 %: {own.low:.1%} to {own.high:.1%})"
