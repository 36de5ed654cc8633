"""torch.compile for training: front end, trunk and head separately, if trials are faster."""
# B batch  N frames  S frames stacked  H W pixels

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lipnet.data.batch import View
from lipnet.device import mixed_precision
from lipnet.models.frontend import FrontEnd
from lipnet.models.lipreader import Lipreader

PARTS = ("trunk", "head")  # compiled as modules; of the front end, what follows the stacking
MIN_GAIN = 1.02  # below it, the compiled model is not used
WARM_UP, TIMED = 3, 5  # forward and backward passes of the trial on the first batch
EPOCH_WARM_UP, EPOCH_TIMED = 5, 20  # steps of the trial in the first epoch, compiled and not
FIRST_BATCH = "on the first batch"
Backend = str | Callable[..., Callable[..., object]]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Trial:
    """How many times as fast a compiled step is; `fault` is why the model cannot be compiled."""

    gain: float
    fault: str = ""
    where: str = FIRST_BATCH

    @property
    def is_useful(self) -> bool:
        """Whether to use the compiled model."""
        return not self.fault and self.gain >= MIN_GAIN

    def __str__(self) -> str:
        if self.fault:
            return f"not compiled: {self.fault}"
        if not self.is_useful:
            return f"not compiled: {self.where} it is {self.gain:.2f} times as fast"
        return f"compiled: {self.gain:.2f} times as fast {self.where}"


class CompiledParts:
    """A Lipreader's parts, compiled in place for any number of frames in a batch.

    The names of its tensors do not change, and a deep copy is not compiled. Nothing is compiled
    before the first call.
    """

    def __init__(self, model: nn.Module, *, backend: Backend = "inductor") -> None:
        self._parts = [getattr(model, name) for name in PARTS]
        for part in self._parts:
            part.compile(dynamic=True, backend=backend)
        self._calls = [part._compiled_call_impl for part in self._parts]
        # torch 2.13 cannot lower the front end's convolution for maps of a dynamic size, so all
        # but the number of frames is static. Fixed-frame networks have nothing to compile here.
        frontend = getattr(model, "frontend", None)
        self._frontend = frontend if isinstance(frontend, FrontEnd) else None
        if self._frontend is not None:
            self._see = _compile_for_any_number(self._frontend.see, backend)
            self._frontend.compiled = self._see

    def turn(self, *, on: bool) -> None:
        """Use the compiled code, or not."""
        for part, call in zip(self._parts, self._calls, strict=True):
            part._compiled_call_impl = call if on else None  # what nn.Module.compile sets
        if self._frontend is not None:
            self._frontend.compiled = self._see if on else None


def _compile_for_any_number(
    see: Callable[[Tensor], Tensor], backend: Backend
) -> Callable[[Tensor], Tensor]:
    """`see` compiled once for any number of frames; all other sizes are static."""
    from torch._dynamo import maybe_mark_dynamic  # as slow to import as the rest of torch

    compiled = torch.compile(see, dynamic=False, backend=backend)

    def call(stacked_NSHW: Tensor) -> Tensor:
        maybe_mark_dynamic(stacked_NSHW, 0)
        return compiled(stacked_NSHW)

    return call


class EpochTrial:
    """Times steps of an epoch as they are trained, first compiled and then not."""

    def __init__(self, parts: CompiledParts, device: torch.device, clock: Clock) -> None:
        self._parts, self._device, self._clock = parts, device, clock
        self._steps, self._started = 0, 0.0
        self._seconds: list[float] = []

    @staticmethod
    def count_steps() -> int:
        """The steps that a trial takes."""
        return 2 * (EPOCH_WARM_UP + EPOCH_TIMED)

    def finish_step(self) -> Trial | None:
        """To be called after each step: the gain after the last one, before that None."""
        self._steps += 1
        half = EPOCH_WARM_UP + EPOCH_TIMED
        if self._steps in (EPOCH_WARM_UP, half + EPOCH_WARM_UP):
            self._started = self._look()
        if self._steps in (half, 2 * half):
            self._seconds.append(self._look() - self._started)
            self._parts.turn(on=False)
        if len(self._seconds) < 2:
            return None
        compiled, plain = self._seconds
        where = f"over {EPOCH_TIMED} steps of the first epoch"
        return Trial(plain / max(compiled, 1e-9), where=where)

    def finish(self, trial: Trial) -> None:
        """Use the compiled code for the rest of the training if it is faster."""
        self._parts.turn(on=trial.is_useful)

    def _look(self) -> float:
        _synchronise(self._device)
        return self._clock()


def try_compile(
    model: nn.Module, view: View, *, clock: Clock, backend: Backend = "inductor"
) -> Trial:
    """Time forward and backward passes of copies of the model on a view, as training runs them:
    one copy as it is, one compiled. The model itself does not change."""
    if not isinstance(model, Lipreader):
        return Trial(0.0, "a network of several widths is trained as it is")
    plain, compiled = copy.deepcopy(model).train(), copy.deepcopy(model).train()
    CompiledParts(compiled, backend=backend)
    try:
        compiled_seconds = _time_steps(compiled, view, clock)
        plain_seconds = _time_steps(plain, view, clock)
    except Exception as error:  # each stage of the compiler has exceptions of its own
        text = str(error).strip()
        return Trial(0.0, text.splitlines()[0] if text else repr(error))
    return Trial(plain_seconds / max(compiled_seconds, 1e-9))


def _time_steps(model: nn.Module, view: View, clock: Clock) -> float:
    """Seconds of TIMED passes, after WARM_UP that are not timed."""
    device, started = view.frames_BTHW.device, 0.0
    for number in range(WARM_UP + TIMED):
        if number == WARM_UP:
            _synchronise(device)
            started = clock()
        with mixed_precision(device):
            logits_BK = model(view.frames_BTHW, view.lengths_B, view.word_BT, view.valid)
        logits_BK.float().sum().backward()
    _synchronise(device)
    return clock() - started


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
