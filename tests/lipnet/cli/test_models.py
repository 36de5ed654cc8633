"""`lipnet models`: equal digits pass, one that differs ends with status 1 and its name."""

import json
from dataclasses import replace

import pytest

from lipnet.cli.main import main
from lipnet.measure import imagenet, paper, systems
from lipnet.spec import ModelSpec

SMALL, OTHER = paper.PAPER_ROWS[-1], paper.OTHER_ROWS


@pytest.fixture
def one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "PAPER_ROWS", (SMALL,))
    monkeypatch.setattr(paper, "OTHER_ROWS", OTHER[1:2])


@pytest.mark.slow
def test_all_fourteen_models_are_the_papers(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models"])
    text = capsys.readouterr().out
    assert "14 of 14 are equal in every printed digit." in text
    differing = {line.split("  ")[0]: line for line in text.splitlines() if "DIFFERS" in line}
    assert list(differing) == ["LRW-1000"]
    assert "densenet3d + bgru_256" in differing["LRW-1000"]


@pytest.mark.usefixtures("one_row")
def test_columns_line_up_and_a_model_not_built_has_a_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["models"])
    lines = capsys.readouterr().out.splitlines()
    heading, row = next(pair for pair in zip(lines, lines[1:], strict=False) if "corpus" in pair[0])
    assert row.split()[-6:] == ["1.6055", "1.6", "equal", "0.8364", "0.84", "equal"]
    assert row.index("1.6055") + len("1.6055") == heading.index("M params") + len("M params")
    assert max(map(len, lines)) <= 110
    unbuilt = next(line for line in lines if "MobiVSR-1 + TCN  " in line)
    assert unbuilt.split()[-8:] == ["-", "4.5", "not", "built", "-", "10.75", "not", "built"]
    assert any(line.startswith("MobiVSR-1 + TCN: not built; ") for line in lines)


@pytest.mark.usefixtures("one_row")
def test_json_has_our_figures_and_the_papers(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "--json"])
    printed = json.loads(capsys.readouterr().out)
    (row,), (unbuilt,) = printed["paper"], printed["others"]
    assert (row["spec"], row["corpus"]) == (SMALL.spec, "LRW-1000")
    assert (row["paper_params_m"], row["paper_gflops"], row["equal"]) == ("1.6", "0.84", True)
    assert row["params_m"] == pytest.approx(1.605496)
    assert (unbuilt["spec"], unbuilt["params_m"], unbuilt["equal"]) == (None, None, False)


@pytest.mark.slow
@pytest.mark.usefixtures("one_row")
def test_all_adds_the_trunks_next_to_their_published_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nets = {net.backbone: net for net in imagenet.PUBLISHED_NETS}
    chosen = (nets["mobilenetv1_1x"], nets["mobilenetv2_0.5x"])
    monkeypatch.setattr(imagenet, "PUBLISHED_NETS", chosen)
    monkeypatch.setattr(systems, "SYSTEMS", ())
    main(["models", "--all"])
    one, two = capsys.readouterr().out.splitlines()[-2:]
    first = "mobilenetv1_1x 4.232 4.2 equal 0.5687 0.569 equal 5.774 1.337"
    assert one.split() == first.split()
    second = "mobilenetv2_0.5x 1.969 - 0.0971 0.097 equal 3.513 0.462"
    assert two.split() == second.split()
    main(["models", "--all", "--json"])
    trunks = json.loads(capsys.readouterr().out)["trunks"]
    assert [trunk["backbone"] for trunk in trunks] == [net.backbone for net in chosen]
    assert trunks[0]["params_m"] == pytest.approx(4.231976)


@pytest.mark.usefixtures("one_row")
def test_all_adds_the_systems_of_others_with_our_figures_or_a_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by_spec = {system.spec: system for system in systems.SYSTEMS}
    unbuilt = [system for system in systems.SYSTEMS if system.spec is None]
    monkeypatch.setattr(imagenet, "PUBLISHED_NETS", ())
    monkeypatch.setattr(systems, "SYSTEMS", (by_spec["vggm_mt"], unbuilt[0]))
    main(["models", "--all"])
    text = capsys.readouterr().out
    row = next(line for line in text.splitlines() if "vggm_mt" in line)
    assert row.split()[-6:] == ["vggm_mt", "58.66", "1.09", "61.1", "LRW", "top-1"]
    missing = next(line for line in text.splitlines() if "not built  " in line and "84.1" in line)
    assert missing.split()[-7:] == ["not", "built", "-", "-", "84.1", "LRW", "top-1"]
    assert f"{unbuilt[0].name}: {unbuilt[0].note}" in " ".join(text.split())
    main(["models", "--all", "--json"])
    printed = json.loads(capsys.readouterr().out)["systems"]
    assert printed[0]["params_m"] == pytest.approx(58.664020)
    assert (printed[1]["spec"], printed[1]["params_m"]) == (None, None)


def test_every_system_is_a_canonical_spec_or_has_a_reason() -> None:
    for system in systems.SYSTEMS:
        assert system.note
        assert system.spec is None or str(ModelSpec.parse(system.spec)) == system.spec


def test_systems_that_are_not_built_are_listed_with_what_they_print() -> None:
    """Two-stream I3D, DenseNet fusion, letters, whole faces with cutout; MobiVSR-1."""
    unbuilt = {system.printed for system in systems.SYSTEMS if system.spec is None}
    assert unbuilt == {"84.1", "83.3", "76.2", "85.0"}
    assert [row.top1 for row in paper.OTHER_ROWS if row.spec is None and row.note] == [72.2]


@pytest.mark.parametrize("wrong", [{"params_m": "1.7"}, {"gflops": "0.83"}])
@pytest.mark.usefixtures("one_row")
def test_a_digit_that_differs_is_an_error(
    wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paper, "PAPER_ROWS", (SMALL, replace(SMALL, **wrong)))
    with pytest.raises(SystemExit, match=r"digits: shufflenetv2_0.5x \+ dstcn_1x \(LRW-1000\)$"):
        main(["models"])
    text = capsys.readouterr().out
    assert "1 of 2 are equal" in text
    assert text.count("DIFFERS") == 1
