"""Source: a corpus adapter, how it lists clips and the facts of its corpus."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lipnet.clip import CLIP_FRAMES, Clip, Rejected

Discovered = tuple[list[Clip], list[Rejected]]


def gives_no_splits(root: Path) -> bool:
    """A layout without splits: they are drawn from the clips."""
    return False


def count_default_frames(options: Mapping[str, object]) -> int:
    """The frames of a clip with any options."""
    return CLIP_FRAMES


@dataclass(frozen=True)
class Published:
    """The size of a corpus as its authors published it: videos, labels, and clips by split."""

    videos: int
    labels: int
    clips: Mapping[str, int]


def gives_no_size(options: Mapping[str, object]) -> Published | None:
    """A corpus of any size."""
    return None


CHANGE_FRACTIONS = "change the fractions in source.options"


def add_videos(root: Path, options: Mapping[str, object]) -> str:
    """The advice for a layout that gives the splits."""
    return "add videos of it to source.root"


@dataclass(frozen=True)
class Source:
    """A corpus, as the rest of the project needs to know it.

    `discover` takes source.root and source.options, and returns the clips sorted by id and a record
    of each file, or line of a label file, that was left out; equal trees give equal lists. What it
    reads besides videos is in a folder of the root and ends in one of ANNOTATIONS of inventory.py:
    DVC does not notice an edit of other files.
    """

    discover: Callable[[Path, Mapping[str, object]], Discovered]
    # The expected files, in words.
    layout: str
    # What `discover` has a record of: "files", or "lines" of label files, each of which is a clip.
    counted: str = "files"
    # Frames of a clip with these options (the mean, if clips differ), and of a whole video: for
    # estimates of disk and time.
    frames_per_clip: Callable[[Mapping[str, object]], int] = count_default_frames
    frames_per_video: int = CLIP_FRAMES
    # The size of the whole corpus with these options, to plan for it before it is here.
    published: Callable[[Mapping[str, object]], Published | None] = gives_no_size
    # Whether the layout of a root gives the splits, so that its test split is the same for all.
    gives_splits: Callable[[Path], bool] = gives_no_splits
    # What helps if a split of this root with these options has no clip.
    advise: Callable[[Path, Mapping[str, object]], str] = add_videos
    # Whether the clips are images with the mouth cut out already, so that no face is looked for.
    cropped: bool = False
    # Whether the pipeline renders the videos if source.root is empty; they show no real people.
    rendered: bool = False
    # Whether the clips of a video have all the words that are spoken in it.
    gives_every_word: bool = False
    # The face to follow if a frame has several, as `landmarks.prefer` names it.
    face: str = "largest"
    # The corpus, its authors and its licence, for model cards; empty: not known.
    attribution: str = ""
    # The licence of weights trained on it, as the Hugging Face Hub names it; other: see the card.
    weights_licence: str = "other"
    # Whether the licence allows sharing the clips.
    shareable: bool = False
    # The corpus's name in the paper's tables; empty: not in them.
    paper_name: str = ""
