"""`lipnet doctor`: every part reports, failures are counted, the report is a file."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lipnet import lease
from lipnet.cli import doctor
from lipnet.cli.main import main
from lipnet.doctor import checks, facts, speed
from lipnet.doctor.checks import Check, run_checks
from lipnet.doctor.facts import collect_facts
from lipnet.doctor.jobs import JOBS
from lipnet.doctor.speed import LRW_CLIPS, Speed, Workload, measure_products, measure_training
from tests.lipnet.train.tiny import Minutes

CPU = torch.device("cpu")


def test_facts_name_versions_and_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "DISK_BYTES", facts.CHUNK)
    found = collect_facts(tmp_path, clock=Minutes())
    assert found["torch"] == torch.__version__
    assert "MB/s" in found["disk"]
    assert not list(tmp_path.iterdir())


def test_memory_counts_what_the_page_cache_gives_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "DISK_BYTES", facts.CHUNK)
    monkeypatch.setattr(facts, "MEMINFO", tmp_path / "meminfo")
    facts.MEMINFO.write_text("MemTotal: 9437184 kB\nMemFree: 1024 kB\nMemAvailable: 8388608 kB\n")
    assert collect_facts(tmp_path, clock=Minutes())["memory"] == "8.0 GiB available"


def test_facts_that_cannot_be_found_leave_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(subprocess, "run", hang)
    found = collect_facts(tmp_path / "none", clock=Minutes())
    assert "can use (driver: unknown: TimeoutExpired: " in found["gpu"]
    assert found["disk"].startswith("unknown: FileNotFoundError: ")
    assert found["torch"] == torch.__version__


def test_a_gpu_without_free_memory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(index: int) -> None:
        raise torch.OutOfMemoryError("CUDA error: out of memory\nCompile with ...")

    properties = SimpleNamespace(name="H200", major=9, minor=0)
    monkeypatch.setattr(facts, "DISK_BYTES", facts.CHUNK)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    gpu = collect_facts(tmp_path, clock=Minutes())["gpu 0"]
    assert gpu.startswith("H200, memory unknown: OutOfMemoryError: CUDA error: out of memory, comp")


def test_a_job_that_fails_is_reported_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_job(job: object, *_: object) -> dict[str, torch.Tensor]:
        if job is JOBS[1]:
            raise RuntimeError("no kernel image\nfor this device")
        return {"weight": torch.zeros(1)}

    monkeypatch.setattr(checks, "JOBS", JOBS[:3])
    monkeypatch.setattr(checks, "run_job", run_job)
    found = list(run_checks(CPU, tmp_path))
    assert [bool(check.failure) for check in found] == [False, True, False, False]
    assert "FAILED: RuntimeError: no kernel image" in found[1].line


def test_a_device_on_which_nothing_runs_has_a_whole_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(checks, "run_job", refuse)
    for name in ("measure_products", "measure_training"):
        monkeypatch.setattr(speed, name, refuse)
    monkeypatch.setattr(facts, "DISK_BYTES", facts.CHUNK)
    report = tmp_path / "report.txt"
    count = len(JOBS) + 2 + len(speed.WORKLOADS["cpu"])
    with pytest.raises(SystemExit, match=f"{count} of the checks failed"):
        main(["doctor", "--report", str(report), "--disk", str(tmp_path)])
    lines = report.read_text().splitlines()
    assert sum("FAILED: RuntimeError: no kernel image" in line for line in lines) == count


def test_different_weights_of_equal_trainings_fail_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iter([{"weight": torch.zeros(1)}, {"weight": torch.full((1,), 1e-3)}])
    monkeypatch.setattr(checks, "run_job", lambda *_: next(made))
    assert "differ by up to 1.0e-03" in checks.check_determinism(CPU, tmp_path).failure


@pytest.mark.slow
def test_speed_counts_the_clips_of_the_timed_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(speed.SQUARE, "cpu", 64)
    monkeypatch.setattr(speed, "LRW_FRAMES", 21)
    workload = Workload("resnet18_0.125x + tcn_0.125x", 2, steps=2, crop_size=18, input_size=16)
    found = measure_training(workload, CPU, clock=Minutes())
    # On this clock a minute passes per look: two per step, and one at the end.
    assert found.clips_per_second == pytest.approx(4 / (5 * 60))
    assert found.wait_share == pytest.approx(2 / 5)
    assert measure_products(CPU, clock=Minutes()) > 0
    assert Speed(workload, LRW_CLIPS * 80 / 3600, 0, 0).lrw_hours == pytest.approx(1)


def test_a_device_is_leased_for_checks_and_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    @contextmanager
    def lease_device() -> Iterator[torch.device]:
        held.append("leased")
        yield CPU
        held.append("released")

    def measure(*_: object, **__: object) -> float:
        held.append("measured")
        return 1e12

    monkeypatch.setattr(lease, "lease_device", lease_device)
    monkeypatch.setattr(checks, "run_checks", lambda *_: iter([]))
    monkeypatch.setattr(speed, "measure_products", measure)
    monkeypatch.setitem(speed.WORKLOADS, "cpu", ())
    monkeypatch.setattr(facts, "DISK_BYTES", facts.CHUNK)
    main(["doctor", "--disk", str(tmp_path)])
    assert held == ["leased", "measured", "released"]


def test_the_report_is_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make_report(disk: Path) -> Iterator[str]:
        yield "torch 2"
        yield Check("streamed", "RuntimeError").line

    monkeypatch.setattr(doctor, "make_report", make_report)
    report = tmp_path / "report.txt"
    with pytest.raises(SystemExit, match="1 of the checks failed"):
        main(["doctor", "--report", str(report)])
    assert report.read_text() == capsys.readouterr().out


def test_a_report_in_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="its folder does not exist"):
        main(["doctor", "--report", str(tmp_path / "none" / "report.txt")])
