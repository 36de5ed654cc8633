"""Cascades: the threshold is validation's, and the cost is that of the clips that stay."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.cli.main import main
from lipnet.errors import InputError
from lipnet.selection.cascade import NO_CLIP, Cascade, choose_cascade, find_cascade
from lipnet.selection.ensemble import softmax

STUDY = Path(__file__).parents[3] / "docs/results/grid_study"
PAIR = ("--small", "sn05-tcn1-s2-by-rn18-t4-g1", "--large", "rn18-mstcn-g1")


@given(st.integers(1, 40), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_the_threshold_is_the_lowest_that_costs_no_clip(
    clips: int, classes: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    small, large = rng.integers(-3, 4, (2, clips, classes)).astype(np.float32)  # ties included
    labels = rng.integers(0, classes, clips)

    def right(threshold: float) -> int:
        found = Cascade(threshold).probabilities(small, large).argmax(1)
        return int((found == labels).sum())

    wanted = int((softmax(large).argmax(1) == labels).sum())
    candidates = np.unique(softmax(small).max(axis=1).astype(np.float64))
    allowed = [threshold for threshold in candidates if right(threshold) >= wanted]
    if not allowed:
        with pytest.raises(InputError, match="no threshold keeps"):
            choose_cascade(small, large, labels)
        cascade = find_cascade(small, large, labels)
        assert cascade.threshold == NO_CLIP
        assert not cascade.leaves(small).any()
    else:
        assert choose_cascade(small, large, labels).threshold == min(allowed)


def test_the_command_reads_a_kept_study(capsys: pytest.CaptureFixture[str]) -> None:
    main(["cascade", str(STUDY), *PAIR, "--json"])
    found = json.loads(capsys.readouterr().out)
    small, large = found["top1_small"]["value"], found["top1_large"]["value"]
    assert found["over_large"]["value"] == pytest.approx(found["top1"]["value"] - large)
    assert small < large
    assert 0 < found["leaves"] < 1
    own = found["worst_gflops"] - found["large_gflops"]
    assert found["gflops"] == pytest.approx(own + (1 - found["leaves"]) * found["large_gflops"])
    main(["cascade", str(STUDY), *PAIR, "--split", "val"])
    printed = capsys.readouterr().out
    assert " on val, whose clips also chose the threshold\n" in printed
    assert "worst case" in printed
    assert f"threshold {found['threshold']!r}: " in printed  # to be given to --leave-at


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--small", PAIR[3], "--large", PAIR[1]), "has to be the cheaper one"),
        (("--small", "none", "--large", PAIR[1]), "has no model 'none'"),
    ],
)
def test_a_pair_that_is_none_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["cascade", str(STUDY), *arguments])
