"""A stream: CPU time per new frame of `lipnet live`, part by part, on one thread.

The baseline reads the same windows as whole clips, without cached features. The weights are random:
they change no time. Tracking needs a real face, so a video file is an argument.
"""
# H W pixels

import argparse
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.compare import describe_machine
from lipnet.clip import CLIP_FRAMES
from lipnet.crops.align import load_face
from lipnet.crops.crop import CropOptions
from lipnet.export.graph import make_stream_graphs
from lipnet.export.onnx_file import trace
from lipnet.inference.onnx_reader import open_session
from lipnet.landmark_names import LANDMARK_MODELS
from lipnet.live.cropper import CausalCropper
from lipnet.live.frames import TimedFrame, read_file
from lipnet.live.graphs import OnnxGraphs, StreamGraphs, TorchGraphs
from lipnet.live.reader import HOP, make_tracker
from lipnet.live.tracker import Sighting
from lipnet.live.window import StreamWindow
from lipnet.models.build import build_model
from lipnet.models.fold import fold_batchnorm
from lipnet.models.lipreader import Lipreader
from lipnet.spec import ModelSpec

CLASSES = 500
Found = TypeVar("Found")


def main() -> None:
    """Print the time of each part, and of a whole new frame against the baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path, help="a video that shows a face")
    parser.add_argument("--model", default="shufflenetv2_0.5x + tcn_1x", metavar="SPEC")
    parser.add_argument("--size", type=int, default=88, help="pixels of the input")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(describe_machine(1))
    model = build_model(ModelSpec.parse(asked.model), CLASSES).eval()
    tracked = {name: time_tracking(asked.video, name, asked.size) for name in LANDMARK_MODELS}
    images = next(iter(tracked.values()))[1]
    read = {name: time_reading(graphs, images) for name, graphs in make_graphs(model, asked.size)}
    baseline = time_whole_clips(model, images)
    for name, (parts, _) in tracked.items():
        before = sum(parts.values())
        print(f"{name:<8}" + "".join(f"  {part} {ms:.2f}" for part, ms in parts.items()))
        for engine, (frame, head) in read.items():
            whole = before + frame + head
            print(
                f"  {engine:<6} frame {frame:.2f}  head {head:.2f}  whole {whole:.2f} ms per frame;"
                f" whole clips: {(before + baseline) / whole:.2f} times as long"
            )


def time_tracking(video: Path, name: str, size: int) -> tuple[dict[str, float], list[Tensor]]:
    """Milliseconds per frame for decoding, tracking and cropping, and the normalised frames."""
    tracker = make_tracker(name)
    frames, decode = time_all(read_file(video, pixels=tracker.pixels))
    tracker.track(frames[0].image)  # loads what is loaded on first use
    seen, track = time_all(tracker.track(frame.image) for frame in frames)
    pairs = [(frame, face) for frame, face in zip(frames, seen, strict=True) if face is not None]
    cropper = CausalCropper(CropOptions(), load_face())
    images, crop = time_all(cut(cropper, size, *pair) for pair in pairs)
    return {"decode": decode, "landmarks": track, "crop": crop}, images


def cut(cropper: CausalCropper, size: int, frame: TimedFrame, face: Sighting) -> Tensor:
    """The centre of a frame's crop, normalised."""
    crop_HW: NDArray[np.uint8] = cropper.cut(frame.image_HW, cropper.place(face.points_P2))
    first = (len(crop_HW) - size) // 2
    seen_HW = np.ascontiguousarray(crop_HW[first : first + size, first : first + size])
    return (torch.from_numpy(seen_HW).float() / 255 - 0.421) / 0.165


def make_graphs(model: Lipreader, size: int) -> list[tuple[str, StreamGraphs]]:
    """The two graphs in PyTorch, and in ONNX Runtime."""
    sessions = [open_session(trace(graph)) for graph in make_stream_graphs(model, size)]
    return [("torch", TorchGraphs(model)), ("onnx", OnnxGraphs(sessions))]


def time_reading(graphs: StreamGraphs, images: list[Tensor]) -> tuple[float, float]:
    """Milliseconds per frame for a new frame's features, and for the window and its edges."""
    window = StreamWindow(graphs, CLIP_FRAMES)
    pushed = read = 0.0
    for number, image_HW in enumerate(images):
        _, took = time_call(partial(window.push, image_HW))
        pushed += took
        if window.is_full and number % HOP == 0:
            read += time_call(window.logits)[1]
    return pushed / len(images), read / (len(images) - CLIP_FRAMES + 1)


@torch.inference_mode()
def time_whole_clips(model: Lipreader, images: list[Tensor]) -> float:
    """Milliseconds per frame if each window is read as a clip."""
    folded, length_1 = fold_batchnorm(model), torch.tensor([CLIP_FRAMES])
    read = 0.0
    ends = range(CLIP_FRAMES, len(images) + 1)
    for end in ends[::HOP]:
        clip_1THW = torch.stack(images[end - CLIP_FRAMES : end])[None]
        read += time_call(partial(folded, clip_1THW, length_1))[1]
    return read / len(ends)


def time_all(found: Iterable[Found]) -> tuple[list[Found], float]:
    """All of them, and the milliseconds that each took on average."""
    made: list[Found] = []
    _, took = time_call(partial(made.extend, found))
    return made, took / max(1, len(made))


def time_call(call: Callable[[], Found]) -> tuple[Found, float]:
    """What a call returns, and its milliseconds of CPU time."""
    start = time.process_time()
    made = call()
    return made, 1e3 * (time.process_time() - start)


if __name__ == "__main__":
    main()
