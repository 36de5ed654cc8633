"""The table of exported sizes: every model of the paper, and what is not within the limit."""

import sys

import pytest

from benchmarks import export_sizes
from benchmarks.export_sizes import BLSTM, Model, Sizes, describe_input
from lipnet.errors import InputError
from lipnet.measure.paper import PAPER_ROWS

SMALL = Model("resnet18 + tcn_1x", 88, 500)


def test_every_model_of_the_tables_and_a_blstm_is_a_row() -> None:
    models = list(export_sizes.list_models())
    found = {(model.spec, model.size) for model in models}
    assert len(found) == len(models) == 17
    assert {(row.spec, row.size) for row in PAPER_ROWS} < found
    assert all(describe_input(model)["input_size"] == model.size for model in models)
    assert {"resnet34 + bgru_512", "densenet3d + bgru_256", BLSTM} < {own.spec for own in models}


def test_a_model_beyond_the_limit_and_one_that_is_refused_end_the_table_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter((Sizes(4_000_000, 4_100_000, 1_050_000, 2e-6, 0.2), Sizes(1, 1, 1, 2e-4, 0.2)))

    def measure(model: Model) -> Sizes:
        found = next(answers, None)
        if found is None:
            raise InputError("torch.export cannot express the clip graph")
        return found

    monkeypatch.setattr(export_sizes, "measure_sizes", measure)
    monkeypatch.setattr(export_sizes, "list_models", lambda: [SMALL] * 3)
    monkeypatch.setattr(sys, "argv", ["export_sizes"])
    with pytest.raises(SystemExit, match="no parity within 1e-04: resnet18 .*; resnet18"):
        export_sizes.main()
    rows = capsys.readouterr().out.splitlines()[2:]
    assert rows[0].split()[-5:] == ["4.0", "4.1", "1.1", "2.0e-06", "2.0e-01"]
    assert rows[2].endswith("cannot express the clip graph")
