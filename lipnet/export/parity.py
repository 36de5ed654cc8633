"""Parity: whether exported graphs compute what the library computes."""
# T frames  H W pixels  K classes

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from lipnet.errors import InputError
from lipnet.inference.onnx_reader import OnnxReader
from lipnet.models.lipreader import Lipreader
from lipnet.seed import generator_of

LENGTHS = (1, 2, 5, 12, 29, 45)  # frames; the graph was traced with 29
TOLERANCE = 1e-4  # of the spread: the standard deviation of the library's logits


@dataclass(frozen=True)
class Parity:
    """The largest difference of a logit for each number of frames, as a fraction of the spread."""

    by_frames: Mapping[int, float]

    @property
    def worst(self) -> float:
        """The largest over all lengths."""
        return max(self.by_frames.values())


def check_parity(model: Lipreader, reader: OnnxReader, size: int) -> Parity:
    """The parity of a float32 graph; InputError beyond TOLERANCE."""
    parity = measure_parity(model, reader, size)
    if not parity.worst <= TOLERANCE:  # NaN as well
        raise InputError(
            f"the exported graph's logits differ from the library's by {parity.worst:.1e} of their "
            f"spread; at most {TOLERANCE:.0e} is accepted, so nothing was written"
        )
    return parity


@torch.inference_mode()
def measure_parity(model: Lipreader, reader: OnnxReader, size: int) -> Parity:
    """Compare the logits of noise at several lengths."""
    generator = generator_of("parity")
    differences, logits = {}, []
    for frames in LENGTHS:
        frames_1THW = torch.randn(1, frames, size, size, generator=generator)
        word_1T = (torch.arange(frames) >= frames // 2).float().unsqueeze(0)
        clip = (frames_1THW, torch.tensor([frames]), word_1T)
        expected_1K = model(*clip)
        logits.append(expected_1K)
        differences[frames] = float((reader(*clip) - expected_1K).abs().max())
    spread = float(torch.cat(logits).std())
    return Parity({frames: apart / spread for frames, apart in differences.items()})
