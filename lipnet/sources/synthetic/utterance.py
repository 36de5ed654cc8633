"""An utterance: a word's visemes placed in a clip, with other speech before and after."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import CLIP_FRAMES, FPS
from lipnet.sources.synthetic.mouth import (
    PRESS,
    REST,
    TARGETS,
    TUCK,
    WIDTH,
    Articulation,
    look_up_targets,
    trace_mouth,
)

# T frames  V visemes in time  M mouth parameters
CLIP_SECONDS = CLIP_FRAMES / FPS
SHORTEST, LONGEST = 0.2, 0.92  # seconds; the word stays inside the clip
VOWEL_SECONDS, CONSONANT_SECONDS = 0.095, 0.07
VOWELS = frozenset({"IY", "IH", "EH", "AE", "AA", "AH", "AO", "UW", "UH", "ER"})
CONTEXT = tuple(sorted(set(TARGETS) - {REST}))


@dataclass(frozen=True)
class Delivery:
    """How a speaker says it: speaking rate and the size of the mouth's movements (1 = average),
    how loosely targets and lengths are hit (0 to 1), and how often (0 to 1) the mouth rests
    rather than speaks on, before and after the word."""

    rate: float = 1.0
    effort: float = 1.0
    looseness: float = 0.0
    pauses: float = 0.0


@dataclass(frozen=True)
class Utterance:
    """The mouth in each frame, and the length of the word in the clip's middle."""

    shapes_TM: NDArray[np.float64]
    seconds: float


def say_word(
    visemes: tuple[str, ...], delivery: Delivery, generator: np.random.Generator
) -> Utterance:
    """The word about the middle of CLIP_FRAMES frames, in speech that fills the rest."""
    word_V = _draw_lengths(visemes, delivery, generator)
    word_V *= np.clip(word_V.sum(), SHORTEST, LONGEST) / word_V.sum()
    before, before_V = _draw_context(delivery, generator)
    after, after_V = _draw_context(delivery, generator)
    seconds = round(float(word_V.sum()), 2)
    length_V = np.concatenate([before_V, word_V, after_V])
    start = (CLIP_SECONDS - word_V.sum()) / 2 - before_V.sum()
    middle_V = start + np.cumsum(length_V) - length_V / 2
    target_VM, strength_V = look_up_targets((*before, *visemes, *after))
    spoken_VM = _loosen(target_VM, delivery, generator)
    articulation = Articulation(middle_V, length_V, spoken_VM, strength_V)
    times_T = np.asarray((np.arange(CLIP_FRAMES) + 0.5) / FPS, np.float64)
    return Utterance(trace_mouth(articulation, times_T), seconds)


def _draw_lengths(
    visemes: tuple[str, ...], delivery: Delivery, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Seconds of each viseme."""
    usual_V = np.array([VOWEL_SECONDS if v in VOWELS else CONSONANT_SECONDS for v in visemes])
    scatter = 0.1 + 0.2 * delivery.looseness
    drawn_V = usual_V / delivery.rate * np.exp(scatter * generator.standard_normal(len(visemes)))
    return np.asarray(drawn_V, np.float64)


def _draw_context(
    delivery: Delivery, generator: np.random.Generator
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Visemes of neighbouring words, more than enough for half a clip."""
    count = 2 + int(np.ceil(CLIP_SECONDS / 2 * delivery.rate / CONSONANT_SECONDS))
    chosen = generator.choice(len(CONTEXT), size=count)
    pauses = generator.random(count) < delivery.pauses
    drawn = tuple(REST if p else CONTEXT[c] for c, p in zip(chosen, pauses, strict=True))
    return drawn, _draw_lengths(drawn, delivery, generator)


def _loosen(
    target_VM: NDArray[np.float64], delivery: Delivery, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Targets as they are reached: smaller with less effort, and scattered."""
    scatter_VM = 0.22 * delivery.looseness * generator.standard_normal(target_VM.shape)
    # Lips that miss their closure would be another sound.
    scatter_VM[:, [PRESS, TUCK]] *= 0.3
    low_M = np.zeros(target_VM.shape[1])
    low_M[WIDTH] = -1.0
    effort_M = np.full(target_VM.shape[1], delivery.effort)
    effort_M[[PRESS, TUCK]] = 1.0
    return np.asarray(np.clip(target_VM * effort_M + scatter_VM, low_M, 1.2), np.float64)
