"""Small corpora in the layouts of other sources, made of rendered faces."""

import shutil
from pathlib import Path

import cv2
import numpy as np

from lipnet.crops.crop import CropOptions
from lipnet.inference.crop import crop_videos
from lipnet.landmarks.detector import DlibDetector, find_predictor
from lipnet.landmarks.options import LandmarkOptions
from lipnet.sources.synthetic.corpus import plan_corpus, write_clip
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.render import ClipPlan
from tests.lipnet.video.making import flat_frame, write_video

CLIPS = {"train": 4, "val": 2, "test": 2}
OPTIONS = SyntheticOptions(
    words=("BARK", "MILLION"), clips_per_word=CLIPS, speakers={"train": 2, "val": 1, "test": 1}
)
LABEL_FILES = {"train": "trn", "val": "val", "test": "tst"}
WORDS = {"BARK": "bark, please", "MILLION": "милион"}  # a comma, and letters that are not ASCII


def render(root: Path) -> list[ClipPlan]:
    """Sixteen clips of 29 frames in LRW's layout."""
    plans = plan_corpus(OPTIONS)
    for plan in plans:
        write_clip(plan, OPTIONS, root)
    return plans


def make_folder(root: Path, rendered: Path, plans: list[ClipPlan]) -> None:
    """One folder per word; among the videos one without a face, an empty one and a text file."""
    for number, plan in enumerate(plans):
        place = root / WORDS[plan.word] / f"клип {number} 100%d.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(rendered / f"{plan.stem}.mp4", place)
    word = root / WORDS["BARK"]
    write_video(word / "dark.mp4", [flat_frame(0)] * 5)
    (word / "zero.mov").write_bytes(b"")
    (word / "notes.txt").write_text("not a video")


def make_lrw1000(root: Path, rendered: Path, plans: list[ClipPlan]) -> None:
    """Label files and frames cut at the mouth; one clip lacks a frame, one has an empty one, one
    line is cut short and one names no frame."""
    lines: dict[str, list[str]] = {split: [] for split in LABEL_FILES}
    detector = DlibDetector(find_predictor())
    for number, plan in enumerate(plans):
        folder = f"{number:032x}"
        export_frames(rendered / f"{plan.stem}.mp4", root / "images" / folder, detector)
        lines[plan.split].append(f"{folder},词,{plan.word.lower()},0.20,0.9{number % 7}")
    (root / f"images/{0:032x}/10.jpg").unlink()
    (root / f"images/{1:032x}/10.jpg").write_bytes(b"")
    lines["train"] += [f"{2:032x},词,bark,0.20", f"{2:032x},词,bark,0.21,0.22"]
    (root / "info").mkdir()
    for split, name in LABEL_FILES.items():
        text = "\n".join(lines[split]) + "\n"
        (root / f"info/{name}_1000.txt").write_text(text, encoding="utf-8")


def export_frames(video: Path, folder: Path, detector: DlibDetector) -> None:
    """The mouth in every frame as <n>.jpg from 1, 100 pixels a side."""
    folder.mkdir(parents=True)
    [record] = crop_videos(
        [video], folder, detector, crops=CropOptions(size=100), landmarks=LandmarkOptions()
    )
    with np.load(record.crops) as made:
        for number, crop_HW in enumerate(made["crops"], start=1):
            cv2.imwrite(str(folder / f"{number}.jpg"), crop_HW)
    Path(record.crops).unlink()
