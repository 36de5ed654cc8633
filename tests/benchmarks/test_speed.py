"""The speed benchmarks print one row per model, and exit if the two sides differ."""

import re
import sys
from types import ModuleType

import pytest
import torch

from benchmarks import compare, inference, train_step
from lipnet.measure.paper import PAPER_ROWS

Printed = pytest.CaptureFixture[str]
ROW = re.compile(
    r"shufflenetv2_0\.5x \+ dstcn_1x +112 +\d+ +\d+\.\d +\d+\.\d +\d+\.\d\d  [\d.]+-[\d.]+"
)
ONE = ["--models", "0.5x + dstcn_1x", "--repeats", "1", "--batch", "2", "--threads", "1"]


@pytest.mark.slow
@pytest.mark.parametrize(("script", "tables"), [(inference, 2), (train_step, 1)])
def test_a_table_has_conditions_and_rows(
    script: ModuleType, tables: int, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *ONE])
    script.main()
    printed = capsys.readouterr().out
    assert printed.count(f"1 thread, torch {torch.__version__}, load average") == tables
    assert len([line for line in printed.splitlines() if ROW.fullmatch(line)]) == tables


def test_both_sides_are_called_in_turn() -> None:
    called: list[str] = []
    result = compare.compare(
        lambda: called.append("plain"), lambda: called.append("ours"), repeats=3
    )
    assert called == ["plain", "ours"] * 4  # the first pair is not timed
    assert len(result.ratios) == 3


def test_models_with_different_outputs_are_not_timed() -> None:
    logits_BK = torch.randn(2, 9)
    compare.check_same(logits_BK, logits_BK + 1e-5, "x")
    with pytest.raises(SystemExit, match="x: outputs differ by 0.1"):
        compare.check_same(logits_BK, logits_BK + 0.1, "x")
    with pytest.raises(SystemExit, match="differ by nan"):
        compare.check_same(logits_BK, logits_BK * float("nan"), "x")


def test_every_model_of_the_paper_is_measured_once_per_size() -> None:
    rows = compare.choose_rows([])
    assert {(row.spec, row.size) for row in rows} == {(row.spec, row.size) for row in PAPER_ROWS}
    assert len(rows) == len({(row.spec, row.size) for row in rows})
    with pytest.raises(SystemExit, match="resnet19: matches no spec; known: resnet18"):
        compare.choose_rows(["resnet19"])
