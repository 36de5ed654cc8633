"""torch.compile for inference if it is faster: for full clips of one shape, one at a time."""
# B batch  T frames  H W pixels

import torch
from torch import Tensor, nn

from lipnet.measure.latency import measure_latency

MIN_SPEEDUP = 1.05  # below this, compiling is not worth outputs that differ in the last bits


class FixedShape(nn.Module):
    """Compiled for one full clip of one shape; any other input runs without compilation.

    The compiled code depends on lengths and shape; each compilation takes a minute.
    """

    def __init__(self, model: nn.Module, *, frames: int, size: int) -> None:
        super().__init__()
        self.model = model
        self._shape = (1, frames, size, size)
        self._compiled = torch.compile(model.forward, dynamic=False)

    def forward(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor | None = None
    ) -> Tensor:
        """The model's output, without gradients."""
        fits = tuple(frames_BTHW.shape) == self._shape and int(lengths_B[0]) == self._shape[1]
        with torch.inference_mode():
            forward = self._compiled if fits else self.model
            out: Tensor = forward(frames_BTHW, lengths_B, word_BT)
            return out


def compile_model(model: nn.Module, *, frames: int = 29, size: int = 88) -> tuple[nn.Module, str]:
    """The model in eval mode, compiled for one clip of this shape, and "".

    If no compiler works or nothing is gained: the model unchanged, and a line with the reason.
    """
    compiled = FixedShape(model, frames=frames, size=size).eval()
    threads = torch.get_num_threads()
    try:
        compiled_ms = measure_latency(compiled, frames=frames, size=size, threads=threads).p50_ms
    except RuntimeError as error:  # raised for a missing or failing C++ compiler
        return model, f"not compiled: {str(error).splitlines()[0]}"
    eager_ms = measure_latency(model, frames=frames, size=size, threads=threads).p50_ms
    if eager_ms < MIN_SPEEDUP * compiled_ms:
        return model, f"not compiled: {compiled_ms:.1f} ms per clip, {eager_ms:.1f} without"
    return compiled, ""
