"""Crops for benchmarks: cut from GRID if it is available, else from rendered videos."""

from pathlib import Path
from tempfile import TemporaryDirectory

from lipnet.crops.align import load_face
from lipnet.crops.crop import CropOptions, crop_matrices, crop_mouth
from lipnet.landmarks.detector import DlibDetector, find_predictor
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.track import track_landmarks
from lipnet.shards.codec import Crops
from lipnet.sources.synthetic.corpus import plan_corpus, write_clip
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.video.decode import iter_frames

GRID = Path(__file__).resolve().parents[2] / "shared" / "data" / "grid"
FRAMES = 29
STARTS = (0, 23, 46)  # first frames of the clips that are cut from a GRID sentence


def find_clips(grid: Path, videos: int) -> tuple[list[Crops], str]:
    """Clips of 29 crops from `videos` videos (GRID: per speaker), and the name of their source."""
    if grid.is_dir():
        return grid_clips(grid, videos), f"GRID ({grid.name})"
    return rendered_clips(videos), "rendered videos"


def cut_videos(paths: list[Path], starts: tuple[int, ...]) -> list[Crops]:
    """Clips of 29 crops, cut as in the pipeline."""
    detector, options = DlibDetector(find_predictor()), CropOptions()
    clips = []
    for path in paths:
        track = track_landmarks(iter_frames(path), detector, LandmarkOptions())
        matrices = crop_matrices(track.points_TP2, load_face(), options)
        crops = crop_mouth(iter_frames(path), matrices, options.size)
        clips += [crops[first : first + FRAMES] for first in starts]
    return [clip for clip in clips if len(clip) == FRAMES]


def grid_clips(root: Path, videos: int) -> list[Crops]:
    """Clips from `videos` sentences of each speaker."""
    speakers = sorted(place for place in root.iterdir() if place.name != "alignments")
    paths = [path for s in speakers if s.is_dir() for path in sorted(s.glob("*.mp*"))[:videos]]
    return cut_videos(paths, STARTS)


def rendered_clips(videos: int) -> list[Crops]:
    """Clips from `videos` synthetic videos."""
    options = SyntheticOptions(
        words=("ABOUT", "BARK"),
        clips_per_word={"train": (videos + 1) // 2, "val": 1, "test": 1},
        speakers={"train": 4, "val": 1, "test": 1},
    )
    plans = [plan for plan in plan_corpus(options) if plan.split == "train"][:videos]
    with TemporaryDirectory() as folder:
        for plan in plans:
            write_clip(plan, options, Path(folder))
        return cut_videos([Path(folder) / f"{plan.stem}.mp4" for plan in plans], (0,))
