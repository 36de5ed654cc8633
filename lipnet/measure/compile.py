"""torch.compile for inference, kept where it pays: for full clips of one shape, one at a time."""
# B batch  T frames  H W pixels

import torch
from torch import Tensor, nn

from lipnet.measure.latency import measure_latency

LEAST_GAIN = 1.05  # compiled, a clip must be so many times faster; it differs in the last bits


class FixedShape(nn.Module):
    """Compiled for one full clip of one shape; whatever else comes runs as the model is.

    Compiling depends on lengths and shape, and takes a minute each time.
    """

    def __init__(self, model: nn.Module, *, frames: int, size: int) -> None:
        super().__init__()
        self.model = model
        self._shape = (1, frames, size, size)
        self._compiled = torch.compile(model.forward, dynamic=False)

    def forward(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor | None = None
    ) -> Tensor:
        """What the model gives, without a gradient."""
        fits = tuple(frames_BTHW.shape) == self._shape and int(lengths_B[0]) == self._shape[1]
        with torch.inference_mode():
            forward = self._compiled if fits else self.model
            out: Tensor = forward(frames_BTHW, lengths_B, word_BT)
            return out


def compile_model(model: nn.Module, *, frames: int = 29, size: int = 88) -> tuple[nn.Module, str]:
    """The model in eval mode, compiled for one clip of this shape, and "".

    Where no compiler works or nothing is gained: the model as it was, and a line that says why.
    """
    compiled = FixedShape(model, frames=frames, size=size).eval()
    threads = torch.get_num_threads()
    try:
        compiled_ms = measure_latency(compiled, frames=frames, size=size, threads=threads).p50_ms
    except RuntimeError as error:  # what torch raises for a missing or failing C++ compiler
        return model, f"not compiled: {str(error).splitlines()[0]}"
    eager_ms = measure_latency(model, frames=frames, size=size, threads=threads).p50_ms
    if eager_ms < LEAST_GAIN * compiled_ms:
        return model, f"not compiled: {compiled_ms:.1f} ms a clip, {eager_ms:.1f} as it is"
    return compiled, ""
