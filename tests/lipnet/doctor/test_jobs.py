"""The code for a GPU on a simulated one: equal devices everywhere, and no wait between steps."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lipnet.device import copy_to_host, send_together
from lipnet.distill import teacher
from lipnet.doctor.jobs import JOBS, Job, run_job
from lipnet.models import lipreader
from lipnet.models.packing import ValidFrames, find_valid_frames
from lipnet.recipe import DISTILLATIONS, OFF
from lipnet.train.loop import _Fit
from lipnet.train.step import Stepper
from tests.simulated_gpu import CUDA, simulated_gpu

CPU = torch.device("cpu")
SLOW_IN_HALF = ("separable branches, PReLU", "dctcn", "densenet3d")


@pytest.mark.slow  # together
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_runs_on_the_gpu_without_a_wait(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with simulated_gpu(monkeypatch, half=job.name not in SLOW_IN_HALF) as gpu:
        run_job(job, CUDA, tmp_path, gpu.watch)
        assert gpu.waits == []
        if job.recorded:  # the second training reads what the first one recorded
            (tmp_path / "checkpoint").unlink()
            run_job(job, CUDA, tmp_path, gpu.watch)
            assert gpu.waits == []


def test_the_jobs_use_every_part_of_a_recipe_that_can_be_off() -> None:
    found = {(name, value) for job in JOBS for name, value in job.changes.items() if name in OFF}
    assert OFF.keys() - {name for name, value in found if value != OFF[name]} == set()
    assert {("distillation", own) for own in DISTILLATIONS} - found == {("distillation", "kl")}


class Stopped(Exception):
    """Stands for an interruption."""


@pytest.mark.slow
def test_an_interrupted_training_resumes_on_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [2]  # steps

    def stop() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Stopped

    job = Job("resumed", changes={"ema": 0.5})
    monkeypatch.setattr(_Fit, "_is_checkpoint_due", lambda self: True)
    # On CPUs with bfloat16, oneDNN reads uninitialised memory when it computes the gradient of a
    # 3 x 3 kernel with stride 2 over a map of one pixel: no two half-precision trainings agree.
    with simulated_gpu(monkeypatch, half=False) as gpu:
        whole = run_job(job, CUDA, tmp_path / "whole", gpu.watch)
        assert gpu.waits == []  # although each step wrote a checkpoint
        with pytest.raises(Stopped):
            run_job(job, CUDA, tmp_path / "cut", on_step=stop)
        resumed = run_job(job, CUDA, tmp_path / "cut")
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_indexes_on_the_cpu_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: the simulation finds a mask on the wrong device."""

    def find_on_cpu(lengths_B: Tensor, *, steps: int, device: torch.device) -> ValidFrames:
        return find_valid_frames(lengths_B, steps=steps, device=CPU)

    monkeypatch.setattr(lipreader, "find_valid_frames", find_on_cpu)
    with simulated_gpu(monkeypatch), pytest.raises(RuntimeError, match="cuda:0 and on the CPU"):
        run_job(Job("control", "resnet18_0.125x + tcn_0.125x"), CUDA, tmp_path)


@pytest.mark.slow
def test_a_wait_between_steps_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: the simulation finds a loss that the host reads, and where."""
    step = Stepper.step

    def read_loss(self: Stepper, *args: object) -> Tensor:
        losses_3 = step(self, *args)  # type: ignore[arg-type]
        losses_3.tolist()
        return losses_3

    monkeypatch.setattr(Stepper, "step", read_loss)
    with simulated_gpu(monkeypatch) as gpu:
        run_job(Job("control"), CUDA, tmp_path, gpu.watch)
    assert gpu.waits
    assert all("tolist" in wait and "train/loop.py" in wait for wait in gpu.waits)


@pytest.mark.slow
def test_a_copy_from_memory_that_is_not_pinned_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control: non_blocking alone does not make a copy asynchronous."""

    def send_each(tensors: list[Tensor], device: torch.device) -> list[Tensor]:
        return [tensor.to(device, non_blocking=True) for tensor in tensors]

    monkeypatch.setattr(teacher, "send_together", send_each)
    job = Job("control", teachers=1, recorded=True)
    with simulated_gpu(monkeypatch) as gpu:
        run_job(job, CUDA, tmp_path, gpu.watch)
        (tmp_path / "checkpoint").unlink()
        run_job(job, CUDA, tmp_path, gpu.watch)
    assert any("copy to the GPU" in wait and "distill/teacher.py" in wait for wait in gpu.waits)


def test_copies_are_complete_after_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [torch.arange(5), torch.tensor([True, False]), torch.rand(2, 3), torch.zeros(0)]
    transposed = torch.rand(2, 3).t()
    with simulated_gpu(monkeypatch):
        sent = send_together(tensors, CUDA)
        copies = copy_to_host(sent)
        sent[0].add_(1)  # after the copy was queued: not part of it
        back = copies.wait()
        assert all(tensor.device == CUDA for tensor in sent)
        assert copy_to_host([transposed.to(CUDA)]).wait()[0].stride() == transposed.stride()
    assert all(torch.equal(one, two) for one, two in zip(back, tensors, strict=True))
