"""torch.compile for training: trunk and head separately, if a trial is faster."""
# B batch

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lipnet.data.batch import View
from lipnet.device import mixed_precision
from lipnet.models.lipreader import Lipreader

# Not the front end: torch 2.13 fails to lower its convolution for maps of a dynamic size.
PARTS = ("trunk", "head")
MIN_GAIN = 1.02  # below it, the compiled model is not used
WARM_UP, TIMED = 3, 5  # forward and backward passes of a trial
Backend = str | Callable[..., Callable[..., object]]


@dataclass(frozen=True)
class Trial:
    """How many times as fast a compiled step is; `fault` is why the model cannot be compiled."""

    gain: float
    fault: str = ""

    @property
    def is_useful(self) -> bool:
        """Whether to use the compiled model."""
        return not self.fault and self.gain >= MIN_GAIN

    def __str__(self) -> str:
        if self.fault:
            return f"not compiled: {self.fault}"
        if not self.is_useful:
            return f"not compiled: on the first batch it is {self.gain:.2f} times as fast"
        return f"compiled: {self.gain:.2f} times as fast on the first batch"


def compile_parts(model: nn.Module, *, backend: Backend = "inductor") -> None:
    """Compile a Lipreader's parts, in place, for any number of frames in a batch.

    The names of its tensors do not change, and a deep copy is not compiled.
    """
    for name in PARTS:
        part = getattr(model, name)
        assert isinstance(part, nn.Module)
        part.compile(dynamic=True, backend=backend)


def try_compile(
    model: nn.Module, view: View, *, clock: Callable[[], float], backend: Backend = "inductor"
) -> Trial:
    """Time forward and backward passes of copies of the model on a view, as training runs them:
    one copy as it is, one compiled. The model itself does not change."""
    if not isinstance(model, Lipreader):
        return Trial(0.0, "a network of several widths is trained as it is")
    plain, compiled = copy.deepcopy(model).train(), copy.deepcopy(model).train()
    compile_parts(compiled, backend=backend)
    try:
        compiled_seconds = _time_steps(compiled, view, clock)
        plain_seconds = _time_steps(plain, view, clock)
    except Exception as error:  # each stage of the compiler has exceptions of its own
        text = str(error).strip()
        return Trial(0.0, text.splitlines()[0] if text else repr(error))
    return Trial(plain_seconds / max(compiled_seconds, 1e-9))


def _time_steps(model: nn.Module, view: View, clock: Callable[[], float]) -> float:
    """Seconds of TIMED passes, after WARM_UP that are not timed."""
    started = 0.0
    for number in range(WARM_UP + TIMED):
        if number == WARM_UP:
            _synchronise(view.frames_BTHW)
            started = clock()
        with mixed_precision(view.frames_BTHW.device):
            logits_BK = model(view.frames_BTHW, view.lengths_B, view.word_BT, view.valid)
        logits_BK.float().sum().backward()
    _synchronise(view.frames_BTHW)
    return clock() - started


def _synchronise(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
