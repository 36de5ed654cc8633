"""A simulated GPU: CPU tensors that report cuda:0, and that notice what a real GPU would.

Operations that mix tensors of the GPU and of the CPU are refused as on a real one. Everything for
which the host would wait is recorded: values that it reads, and copies from or to memory that is
not pinned. Copies to pinned memory arrive only when their event is synchronised. Kernels, memory
limits, and the order between streams are not simulated.
"""

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, get_default_nowrap_functions
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
READS = {
    *(Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__int__, Tensor.__float__),
    *(Tensor.__index__, Tensor.nonzero, torch.nonzero, torch.equal, Tensor.equal),
    *(torch.masked_select, Tensor.masked_select, torch.unique, Tensor.numpy),
}
# These accept, or are checked by themselves for, tensors of both devices.
MIXES = {
    *(Tensor.__getitem__, Tensor.__setitem__, Tensor.index_put_),
    *(Tensor.data.__set__, Tensor.grad.__set__),  # type: ignore[attr-defined]
    *(
        torch._VF.gru,
        torch._VF.lstm,
        torch._VF.rnn_tanh,
    ),  # the number of clips per step is on the CPU
}


class OnGpu(Tensor):
    """A CPU tensor that claims to be on the GPU."""

    device = property(lambda self: CUDA)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    gpu: "SimulatedGpu"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return plain(self).__reduce_ex__(protocol)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        return cls.gpu.call(func, tuple(args), kwargs or {})


def plain(value: Any) -> Any:
    """The tensor as one of the CPU; anything else as it is."""
    return value.as_subclass(Tensor) if isinstance(value, OnGpu) else value


def on_gpu(value: Any) -> Any:
    """The tensor as one of the GPU; anything else as it is."""
    is_plain = isinstance(value, Tensor) and not isinstance(value, OnGpu)
    return value.as_subclass(OnGpu) if is_plain else value


def _device_type(value: Any) -> str | None:
    if isinstance(value, torch.device):
        return value.type
    return value.split(":")[0] if isinstance(value, str) else None


def _to_host(tree: Any) -> Any:
    """Arguments with the CPU in place of the GPU as a device."""
    cpu = torch.device("cpu")
    return tree_map(lambda leaf: cpu if _device_type(leaf) == "cuda" else leaf, tree)


class SimulatedGpu:
    """The GPU: its calls, pinned memory, copies on their way, and the waits while `watching`."""

    def __init__(self) -> None:
        self.waits: list[str] = []
        self.watching = False
        self._pinned: dict[int, Tensor] = {}
        self._copying: list[tuple[Tensor, Tensor]] = []
        self._lock = threading.Lock()

    def watch(self, on: bool) -> None:
        self.watching = on

    def wait(self, what: str) -> None:
        """Record that the host waits, and the line of the library that makes it wait."""
        if self.watching:
            frames = reversed(traceback.extract_stack())
            places = (f"{f.filename}:{f.lineno}" for f in frames if "/lipnet/" in f.filename)
            place = next((p for p in places if "/tests/" not in p), "")
            self.waits.append(f"{what} at {place}")

    def finish_copies(self) -> None:
        """Let all copies to pinned memory arrive."""
        with self._lock, torch._C.DisableTorchFunctionSubclass():
            for target, source in self._copying:
                target.copy_(source)
            self._copying = []

    def call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One call of torch, as the GPU would answer it."""
        with torch._C.DisableTorchFunctionSubclass():
            if func is torch._C._nn._parse_to:
                return func(*args, **kwargs)
            special = SPECIAL.get(getattr(func, "__name__", ""))
            answer = special(self, func, args, kwargs) if special else NotImplemented
            return self._compute(func, args, kwargs) if answer is NotImplemented else answer

    def _compute(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        is_pinned = kwargs.pop("pin_memory", False)
        if func == Tensor.grad.__get__:  # type: ignore[attr-defined]
            return on_gpu(func(*args))  # autograd's own tensors are plain
        if not any(isinstance(tensor, OnGpu) for tensor in found):
            if "cuda" in {_device_type(value) for value in (*args, kwargs.get("device"))}:
                return tree_map(on_gpu, func(*_to_host(args), **_to_host(kwargs)))
            made = func(*args, **kwargs)
            return self._pin(made) if is_pinned else made
        if func in READS:
            self.wait(f"read by the host: {func.__name__}")
        nowrap = func in get_default_nowrap_functions()
        is_mixed = any(not isinstance(tensor, OnGpu) and tensor.dim() for tensor in found)
        if is_mixed and not nowrap and func not in MIXES:
            raise RuntimeError(f"{func.__name__}: tensors on cuda:0 and on the CPU")
        made = func(*_to_host(args), **_to_host(kwargs))
        if nowrap or func in READS:
            return plain(made) if func is not Tensor.nonzero else on_gpu(made)
        return tree_map(
            lambda leaf: leaf if isinstance(leaf, torch.nn.Parameter) else on_gpu(leaf), made
        )

    def _pin(self, tensor: Tensor) -> Tensor:
        self._pinned[tensor.untyped_storage().data_ptr()] = tensor  # kept, so that no other gets it
        return tensor

    def _is_asynchronous(self, host: Tensor, non_blocking: bool) -> bool:
        return non_blocking and host.untyped_storage().data_ptr() in self._pinned

    def _to(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`to`, `cpu` and `cuda`: the copies between host and GPU."""
        own, named = args[0], {_device_type(a) for a in (*args[1:], *kwargs.values())}
        if func is Tensor.cpu or (isinstance(own, OnGpu) and "cpu" in named):
            if isinstance(own, OnGpu):
                self.wait("copy to the host")
            return plain(func(*tree_map(plain, args), **kwargs))
        to_gpu = func is Tensor.cuda or "cuda" in named
        to_gpu = to_gpu or any(isinstance(other, OnGpu) for other in args[1:])
        if isinstance(own, OnGpu) or not to_gpu:
            return NotImplemented
        if not self._is_asynchronous(own, bool(kwargs.get("non_blocking"))):
            self.wait("copy to the GPU")
        if func is Tensor.cuda:
            return on_gpu(own)
        return on_gpu(func(*_to_host(tree_map(plain, args)), **_to_host(kwargs)))

    def _copy(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`copy_`, which accepts tensors of two devices."""
        target, source, *rest = args
        if isinstance(target, OnGpu) == isinstance(source, OnGpu):
            return NotImplemented
        host = source if isinstance(target, OnGpu) else target
        is_asynchronous = self._is_asynchronous(host, bool(rest or kwargs.get("non_blocking")))
        if not is_asynchronous:
            self.wait("copy_ between host and GPU")
        if not is_asynchronous or isinstance(target, OnGpu):
            func(plain(target), plain(source))
            return target
        with self._lock:
            self._copying.append((target, plain(source).clone()))
        return target

    def _deepcopy(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        own, memo = args
        if not isinstance(own, OnGpu):
            return NotImplemented
        copied = on_gpu(plain(own.detach()).clone()).requires_grad_(own.requires_grad)
        if isinstance(own, torch.nn.Parameter):
            copied._is_param = True
        return memo.setdefault(id(own), copied)

    def _sequence(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise RuntimeError(f"{func.__name__} copies its order to the device and waits")

    def _same_kind(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return isinstance(args[0], OnGpu) == isinstance(args[1], OnGpu)


Special = Callable[[SimulatedGpu, Any, tuple[Any, ...], dict[str, Any]], Any]
SPECIAL: Mapping[str, Special] = {
    "to": SimulatedGpu._to,
    "cpu": SimulatedGpu._to,
    "cuda": SimulatedGpu._to,
    "copy_": SimulatedGpu._copy,
    "__deepcopy__": SimulatedGpu._deepcopy,
    "_pack_padded_sequence": SimulatedGpu._sequence,
    "_has_compatible_shallow_copy_type": SimulatedGpu._same_kind,
}


class Simulation(TorchFunctionMode):
    """Sends calls without a tensor of the GPU, such as factories, to the GPU as well."""

    def __init__(self, gpu: SimulatedGpu) -> None:
        super().__init__()
        self._gpu = gpu

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        return self._gpu.call(func, tuple(args), kwargs or {})


class _CpuAutocast(torch.autocast):
    """Half precision on the CPU, for any device."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu", *args, **kwargs)


@contextmanager
def simulated_gpu(monkeypatch: pytest.MonkeyPatch, *, half: bool = True) -> Iterator[SimulatedGpu]:
    """A simulated GPU for this thread and for those that it starts.

    Without `half` it computes in single precision: some convolutions of a CPU are slow in half.
    """
    gpu = SimulatedGpu()
    monkeypatch.setattr(OnGpu, "gpu", gpu, raising=False)
    run = threading.Thread.run

    def run_simulated(thread: threading.Thread) -> None:
        with Simulation(gpu):  # a mode is its thread's own
            run(thread)

    monkeypatch.setattr(threading.Thread, "run", run_simulated)
    monkeypatch.setattr(torch, "autocast", _CpuAutocast if half else lambda *a, **k: nullcontext())
    monkeypatch.setattr(torch.backends.cudnn, "is_acceptable", lambda tensor: False)
    for name, fake in _fakes(gpu).items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(Tensor, "record_stream", lambda tensor, stream: None)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with Simulation(gpu):
            yield gpu
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


def _fakes(gpu: SimulatedGpu) -> dict[str, Any]:
    class Event:
        """An event that waits for the copies to pinned memory."""

        def record(self, stream: object = None) -> None: ...

        def query(self) -> bool:
            return False

        def synchronize(self) -> None:
            if threading.current_thread() is threading.main_thread():
                gpu.wait("synchronised event")
            gpu.finish_copies()

    class Stream:
        """A stream; everything runs at once, so it has nothing to wait for."""

        def __init__(self, device: object = None) -> None: ...

        def wait_stream(self, other: object) -> None: ...

        def wait_event(self, event: object) -> None: ...

    return {
        "Event": Event,
        "Stream": Stream,
        "current_stream": lambda device=None: Stream(),
        "stream": lambda stream: nullcontext(),
        "set_device": lambda device: None,
        "current_device": lambda: 0,
        "mem_get_info": lambda device=None: (1 << 37, 1 << 37),
    }
