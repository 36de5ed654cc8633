"""A clip: one utterance of one word, as every source describes it."""

from dataclasses import dataclass

FPS = 25.0
CLIP_FRAMES = 29
SPLITS = ("train", "val", "test", "unseen")


@dataclass(frozen=True, slots=True)
class Clip:
    """One word in one video; all frame indices count the video's frames after resampling to fps.

    `unit` is the statistically independent unit (GRID: the sentence; LRW: the clip itself).
    The window is [first, last) with last = -1 for "to the end"; the word is
    [word_first, word_last) and may extend beyond the window if a video is short. Frames count
    from the first, or from the middle one if the video is `centred` on its word. A `ready`
    video is a folder of numbered images, frame 0 being image 1, with the mouth cut out already.
    """

    clip_id: str
    video: str
    label: str
    split: str
    speaker: str
    unit: str
    slot: str
    first: int
    last: int
    word_first: int
    word_last: int
    fps: float = FPS
    centred: bool = False
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """A source file that cannot become a clip, with a snake_case reason and details."""

    path: str
    reason: str
    detail: str
