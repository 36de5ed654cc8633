"""The work of a profile: which lineages it has, what they wait for, and how long they train."""

from pathlib import Path

import pytest

from lipnet.errors import InputError
from pipeline import work
from pipeline.params import load_params
from pipeline.work import check_cascades, list_work
from tests.pipeline.test_params import COMPRESSED, PAIR, write


def test_compressed_lineages_wait_for_their_source_and_train_only_if_they_are_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "weigh_model", lambda *_, **__: (2.0, 1000))
    rows = {"stored": COMPRESSED, "tuned": {**COMPRESSED, "recipe": {"epochs": 3}}}
    params = load_params(write(tmp_path, compressed=rows))
    works = {own.lineage: own for own in list_work(params, labels=3)}
    assert list(works) == ["rn18-tcn", "rn18-dstcn-by-rn18-tcn", "stored", "tuned"]
    assert [(works[name].generations, works[name].epochs) for name in rows] == [(1, 0), (1, 3)]
    assert {works[name].teacher for name in rows} == {"rn18-tcn"}
    assert works["tuned"].teacher_gmacs == 2.0
    assert (works["rn18-tcn"].generations, works["rn18-tcn"].teacher) == (2, "")


def test_a_cascade_in_the_wrong_order_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    check_cascades(load_params(write(tmp_path, cascades={"a": PAIR})), labels=3)
    swapped = {"small": PAIR["large"], "large": PAIR["small"]}
    params = load_params(write(tmp_path, cascades={"a": swapped}))
    with pytest.raises(InputError, match=r"cascades\.a: rn18-tcn costs .* has to be the cheaper"):
        check_cascades(params, labels=3)
