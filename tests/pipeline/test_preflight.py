"""The preflight check: its estimates, and what it refuses."""

import json
import re
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.files import digest_files
from lipnet.landmarks.options import LandmarkOptions
from lipnet.lineage.generation import Generation, write_generation
from lipnet.recipe import Recipe
from lipnet.sources.inventory import Entry, scan_inventory, write_inventory
from lipnet.spec import ModelSpec
from pipeline import disk, machine, preflight, work
from pipeline.estimate import Corpus, Machine, estimate
from pipeline.paths import Paths
from pipeline.profile import CONF
from pipeline.sections import Source
from stages.manifest import make_manifest
from tests.contract.imports import ROOT

Usage = namedtuple("Usage", ["total", "used", "free"])
CORPUS = Corpus(videos=6, frames_per_video=29, clips={"train": 4}, labels=500, rendered=False)


def make_params(*, root: str = "", name: str = "synthetic") -> SimpleNamespace:
    recipe = SimpleNamespace(epochs=2, input_size=32, batch=8, stored_field=96, stored_size=36)
    specs = {"big": "resnet18_0.25x + tcn_0.25x", "small": "resnet18_0.125x + tcn_0.25x"}
    return SimpleNamespace(
        profile="tiny",
        crops=CropOptions(),
        shards=SimpleNamespace(codec="raw", url=""),
        source=SimpleNamespace(name=name, root=root, options={}),
        synthetic=SimpleNamespace(words=["a", "b"], clips_per_word={"train": 4, "val": 2}),
        scratch={"big": SimpleNamespace(generations=1, init="")},
        taught={"small": SimpleNamespace(generations=1, teacher="big", members="best", init="")},
        landmarks=LandmarkOptions(),
        cascades={},
        compressed={},
        lineages=["big", "small"],
        epochs_of=lambda lineage: recipe.epochs,
        source_of={"big": None, "small": "big"}.get,
        compute=SimpleNamespace(record_gib=0.0, workers=1),
        workers=SimpleNamespace(cache_folder=None, memory_gib=8.0),
        group_by_teacher_logits=lambda: [["small", "other"]],
        widths_of=lambda lineage: (),
        spec_of=lambda lineage: ModelSpec.parse(specs[lineage]),
        recipe_of=lambda lineage: recipe,
        initial_recipe_of=lambda lineage: recipe,
    )


def test_a_missing_package_is_found_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    params = make_params()
    monkeypatch.setattr(preflight, "EXPORT", ("onnx_that_is_not_installed",))
    params.compressed = {"a": SimpleNamespace(how="int8")}
    preflight.check_extras(params)
    params.compressed = {"b": SimpleNamespace(how="w8a8")}
    with pytest.raises(InputError, match=r"compressed\.b needs onnx_that.*extra `export`"):
        preflight.check_extras(params)


def test_weights_to_start_from_that_are_missing_are_found_before_the_preprocessing(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, init = make_params(), workplace / "start.safetensors"
    params.taught["small"].init = str(init)
    monkeypatch.setattr(preflight, "load_params", lambda: params)
    with pytest.raises(InputError, match=r"small: init names no file, .*start\.safetensors: run"):
        preflight.main()
    Paths("tiny").lineage("small").mkdir(parents=True)  # it is trained already
    preflight.main()
    Paths("tiny").lineage("small").rmdir()
    init.touch()
    preflight.main()


@pytest.mark.parametrize(
    ("section", "lineage", "name"), [("scratch", "big", "g0"), ("taught", "small", "g1")]
)
def test_a_model_that_started_from_other_contents_is_named(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    section: str,
    lineage: str,
    name: str,
) -> None:
    params, init = make_params(), workplace / "start.safetensors"
    getattr(params, section)[lineage].init = str(init)
    monkeypatch.setattr(preflight, "load_params", lambda: params)
    init.write_bytes(b"first")
    folder = Paths("tiny").lineage(lineage) / name
    folder.mkdir(parents=True)
    recipe, fingerprint = Recipe(), "a" * 16
    spec = "resnet18_0.25x + tcn_0.25x"
    made = Generation(name, f"{lineage}-{name}", None, spec, recipe, 0, 0.5, 0.5, 1.0, fingerprint)
    write_generation(folder, replace(made, start=digest_files([init])))
    preflight.main()
    assert "other contents" not in capsys.readouterr().out
    init.write_bytes(b"second")
    preflight.main()
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{lineage} started from other contents of" in printed
    assert f"dvc repro --force --single-item {section}@{lineage}" in printed
    init.unlink()
    preflight.main()
    assert f"{lineage} cannot be trained: it starts from" in capsys.readouterr().out


def make_lrw(root: Path) -> Path:
    for split in ("train", "val", "test"):
        folder = root / "A" / split
        folder.mkdir(parents=True)
        (folder / "A_1.mp4").write_bytes(b"x")
        (folder / "A_1.txt").write_text("Duration: 0.4 seconds\n")
    return root


def set_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda place: Usage(free, 0, free))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository as the working directory, and a machine that is not measured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "measure_machine", lambda: Machine(2, 50.0))
    monkeypatch.setattr(machine, "count_busy_cores", lambda: 0.0)
    monkeypatch.setattr("sys.argv", ["preflight"])
    for module in (preflight, work):
        monkeypatch.setattr(module, "source_root", lambda params: Path(params.source.root))
    return tmp_path


def test_main_prints_the_estimate(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "load_params", make_params)
    preflight.main()
    printed = capsys.readouterr().out
    for step in ("raw", "landmarks", "shards", "models", "logits", "total"):
        assert step in printed
    assert list(workplace.iterdir()) == []


def test_a_flow_gets_the_table_as_a_file_and_a_line_with_the_total(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "load_params", make_params)
    monkeypatch.setattr("sys.argv", ["preflight", "--json", "made/preflight.json"])
    preflight.main()
    cells = json.loads((workplace / "made/preflight.json").read_text())
    assert [row["step"] for row in cells][-1] == "total"
    assert capsys.readouterr().out.splitlines() == [
        f"all steps: {cells[-1]['disk']}, {cells[-1]['time']}"
    ]


def plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    """What the program prints with these options for the test's profile."""
    monkeypatch.setattr(preflight, "load_params", lambda: make_params(root="/no", name="lrw"))
    monkeypatch.setattr("sys.argv", ["preflight", *arguments])
    preflight.main()
    return capsys.readouterr().out


LRW = ("--clips", "488763/25000/25000", "--labels", "500")


def test_a_corpus_that_is_not_here_is_planned_for_a_named_gpu(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_free(monkeypatch, 10_000)  # of this disk, which is not asked
    printed = plan(monkeypatch, capsys, *LRW, "--gpu", "h200", "--gpus", "8")
    assert "- big x2" in printed
    assert "- small x1" in printed
    assert "h200, estimated: 182,965 GMAC/s" in printed
    assert "not measured" in printed
    one, many = re.findall(r"([0-9.]+) (?:hours|min) on", printed)
    assert float(many) <= float(one)
    given_rate = plan(monkeypatch, capsys, *LRW, "--rate", "9000")
    assert "9,000 GMAC/s as given" in given_rate


def test_a_rate_measured_on_a_busy_machine_is_marked(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "other processes" not in plan(monkeypatch, capsys, *LRW)
    monkeypatch.setattr(machine, "count_busy_cores", lambda: 3.2)
    printed = plan(monkeypatch, capsys, *LRW)
    assert "other processes used about 3.2 cores at the time" in printed


@pytest.mark.slow
def test_a_profile_is_planned_before_its_root_is_set(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / CONF).symlink_to(ROOT / CONF)
    profile = ("--profile", "folder", "source.options.frames=50", "--gpu", "h200")
    size = ("--clips", "100/20/20", "--labels", "5")
    assert "Preflight: folder" in plan(monkeypatch, capsys, *profile, *size)
    with pytest.raises(InputError, match=r"source\.root is empty"):
        plan(monkeypatch, capsys, *profile)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--clips", "10/2", "--labels", "5"), "--clips 10/2: clips of train/val/test"),
        (("--clips", "10/0/2", "--labels", "5"), "--clips 10/0/2"),
        (("--clips", "10/1/2"), "--clips and --labels go together"),
        (("--clips", "10/1/2", "--labels", "1"), "--labels 1: 2 or more"),
        ((*LRW, "--gpu", "h2"), "--gpu h2: known are h200, "),
        ((*LRW, "--gpu", "h200", "--rate", "5"), "give one of --gpu, --rate and --doctor"),
        ((*LRW, "--rate", "-5"), "--rate -5.0: multiply-adds"),
        (("recipe.epochs=3",), "changes need --profile"),
    ],
)
def test_wrong_sizes_are_one_line(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        plan(monkeypatch, capsys, *arguments)


def test_what_is_finished_is_not_left_to_do(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "load_params", make_params)
    monkeypatch.setattr("sys.argv", ["preflight", "--json", "cells.json"])
    paths = Paths("tiny")
    (paths.tmp / "models/big/g0").mkdir(parents=True)
    (paths.tmp / "models/big/g0/generation.json").write_text("{}")
    paths.lineage("small").mkdir(parents=True)
    (paths.lineage("small") / "lineage.json").write_text("{}")
    paths.raw.mkdir()
    preflight.main()
    left = {row["step"]: row["left"] for row in json.loads(Path("cells.json").read_text())}
    assert (left["raw"], left["- small x1"]) == ("done", "done")
    assert left["- big x2"] == left["models"] != "done"


@pytest.mark.parametrize(("gpus", "workers", "named"), [(1, 1, False), (4, 1, True), (4, 4, False)])
def test_gpus_that_are_not_used_are_named(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gpus: int,
    workers: int,
    named: bool,
) -> None:
    params = make_params()
    params.compute.workers = workers
    monkeypatch.setattr(preflight, "load_params", lambda: params)
    monkeypatch.setattr(preflight, "count_gpus", lambda: gpus)
    preflight.main()
    expected = f"uses {workers} of them, `make flow` uses all {gpus}"
    assert (expected in capsys.readouterr().out) == named


def test_results_without_their_corpus_lead_to_the_report(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(workplace / "elsewhere")
    monkeypatch.setattr(preflight, "load_params", lambda: make_params(root=root, name="lrw"))
    results = Paths("tiny").results
    results.parent.mkdir(parents=True)
    results.write_text("model\n")
    with pytest.raises(InputError, match=r"run `python -m pipeline\.leaderboard`"):
        preflight.main()


def test_main_fails_if_the_disk_is_too_small(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "load_params", make_params)
    set_free(monkeypatch, 10_000)
    with pytest.raises(InputError, match=r"10 kB free, but about .* MB are needed"):
        preflight.main()


@pytest.mark.parametrize(("budget", "expected"), [(0.0, 0), (1.0, 2 * 4 * 500 * 2)])
def test_recordings_are_counted_if_they_fit(budget: float, expected: int) -> None:
    params = make_params()
    params.compute = SimpleNamespace(record_gib=budget)
    assert work.weigh_recordings(params, CORPUS) == expected  # type: ignore[arg-type]


def test_decoded_clips_need_room_on_the_disk_of_their_folder(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_params()
    monkeypatch.setattr(preflight, "load_params", lambda: params)
    preflight.main()
    assert "decoded clips" not in capsys.readouterr().out
    params.workers = SimpleNamespace(cache_folder=workplace / "decoded", memory_gib=2e-4)
    preflight.main()
    assert re.search(
        "decoded clips.* 301 kB", capsys.readouterr().out
    )  # 8 clips of 29 x 36 x 36; 4 fit
    set_free(monkeypatch, 10_000)
    with pytest.raises(InputError, match=r"leave workers\.cache empty: decoded clips take 301 kB"):
        preflight.main()


def test_a_rendered_corpus_is_counted_from_the_parameters() -> None:
    corpus = work.count_corpus(make_params(), Paths("tiny"))
    assert (corpus.videos, corpus.labels, corpus.rendered) == (12, 2, True)
    assert corpus.clips == {"train": 8, "val": 4}
    params = make_params()
    params.crops = CropOptions(size=48)
    assert work.count_corpus(params, Paths("tiny")).crop_size == 48


def test_a_folder_of_words_has_the_frames_of_its_options(workplace: Path) -> None:
    root = workplace / "corpus"
    for word in ("ja", "nein"):
        (root / word).mkdir(parents=True)
        for number in range(3):
            (root / word / f"{number}.mp4").write_bytes(b"x")
    params = make_params(root=str(root), name="folder")
    params.source.options = {"frames": 60}
    corpus = work.count_corpus(params, Paths("tiny"))
    assert (corpus.frames_per_clip, corpus.frames_per_video, corpus.all_clips) == (60, 60, 6)


def test_a_manifest_is_used_only_for_the_same_source(workplace: Path) -> None:
    root, paths = make_lrw(workplace / "corpus"), Paths("tiny")
    params = make_params(root=str(root), name="lrw")
    counted = work.count_corpus(params, paths)
    assert (counted.videos, counted.clips) == (3, {"train": 1, "val": 1, "test": 1})
    make_manifest("lrw", root, {}, folder=paths.manifest)
    assert work.count_corpus(params, paths) == counted
    assert work.read_counts(paths.manifest, "lrw", {"words": ["A"]}) is None
    assert work.read_counts(paths.manifest, "grid", {}) is None


def test_a_missing_corpus_is_named(workplace: Path) -> None:
    params = make_params(root=str(workplace / "nowhere"), name="lrw")
    with pytest.raises(InputError, match=r"source\.root .*nowhere does not exist"):
        work.count_corpus(params, Paths("tiny"))


def test_ready_crops_need_no_landmarks(workplace: Path) -> None:
    root = workplace / "corpus"
    for name in ("trn", "val", "tst"):
        (root / "info").mkdir(parents=True, exist_ok=True)
        (root / f"info/{name}_1000.txt").write_text(f"{name},hao,0,0.4\n{name},hao,0.4,0.8\n")
        (root / f"images/{name}").mkdir(parents=True)
        for number in range(1, 21):
            (root / f"images/{name}/{number}.jpg").write_bytes(b"x")
    params = make_params(root=str(root), name="lrw1000")
    params.crops = CropOptions(size=122)
    corpus = work.count_corpus(params, Paths("tiny"))
    assert (corpus.videos, corpus.all_clips, corpus.ready) == (3, 6, True)
    rows = {row.step: row for row in estimate(corpus, [], Machine(2, 50.0))}
    assert (rows["landmarks"].disk_bytes, rows["landmarks"].seconds) == (0, 0)
    like_lrw = replace(corpus, ready=False, frames_per_clip=29, crop_size=96)
    stored = {row.step: row for row in estimate(like_lrw, [], Machine(2, 50.0))}["shards"]
    share = (8 * 122**2) / (29 * 96**2)
    assert rows["shards"].disk_bytes == pytest.approx(share * stored.disk_bytes, rel=0.001)


def test_every_member_of_an_ensemble_that_teaches_is_counted() -> None:
    params = make_params()
    alone = work.list_work(params, 2, frames=29, paths=None)[1]
    params.taught["small"].members = "all"
    together = work.list_work(params, 2, frames=29, paths=None)[1]
    assert together.teacher_gmacs == 2 * alone.teacher_gmacs > 0


def test_cores_of_a_machine_that_is_measured_are_refused(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "load_params", make_params)
    monkeypatch.setattr("sys.argv", ["preflight", "--cores", "64"])
    with pytest.raises(InputError, match="--cores goes with --gpu"):
        preflight.main()


def test_lineages_count_g0_and_their_teachers() -> None:
    big, small = work.list_work(make_params(), 10)
    assert (big.lineage, big.generations, big.teacher_gmacs) == ("big", 2, 0)
    assert (small.lineage, small.generations, small.teacher_gmacs) == ("small", 1, big.gmacs)
    assert small.epochs == 2
    assert 0 < small.gmacs < big.gmacs


def test_a_changed_corpus_is_reported_with_the_command_to_use_it(tmp_path: Path) -> None:
    root, inventory = make_lrw(tmp_path / "corpus"), tmp_path / "inventory.tsv"
    assert preflight.describe_changes(root, inventory, recorded=False) == []
    write_inventory(inventory, scan_inventory(root))
    assert preflight.describe_changes(root, inventory, recorded=True) == []
    (root / "A/train/A_1.mp4").write_bytes(b"longer")
    (root / "A/train/A_2.mp4").write_bytes(b"new")
    text = root / "A/train/A_1.txt"
    text.write_bytes(text.read_bytes().swapcase())
    warning = "\n".join(preflight.describe_changes(root, inventory, recorded=True))
    assert "1 added (such as A/train/A_2.mp4), 1 resized (such as A/train/A_1.mp4)" in warning
    assert "1 edited (such as A/train/A_1.txt)" in warning
    assert "dvc repro --force --single-item raw" in warning
    assert "make reproduce" in warning
    inventory.unlink()
    assert (
        "was deleted: DVC restores it"
        in preflight.describe_changes(root, inventory, recorded=True)[0]
    )


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        ("", "uses the old list of files"),
        ("deleted", "does not look for new files"),
        ("another root", ""),
        ("another profile", "uses the old list of files"),
    ],
)
def test_only_a_list_of_files_that_dvc_keeps_is_called_old(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: str,
    warned: str,
) -> None:
    root, paths = make_lrw(workplace / "corpus"), Paths("tiny")
    params = make_params(root=str(root), name="lrw")
    params.source = Source(name="lrw", root=str(root))
    monkeypatch.setattr(preflight, "load_params", lambda: params)
    write_inventory(paths.inventory, {"A/train/A_0.mp4": Entry(1)})
    listed = "elsewhere" if change == "another root" else str(root)
    stage = {
        "params": {"params.yaml": {"source": {"name": "lrw", "root": listed, "options": {}}}},
        "outs": [{"path": f"data/{'other' if change == 'another profile' else 'tiny'}/raw"}],
    }
    Path("dvc.lock").write_text(json.dumps({"stages": {"raw": stage}}))
    if change == "deleted":
        paths.inventory.unlink()
    preflight.main()
    printed = capsys.readouterr().out
    assert warned in printed
    assert bool(warned) == (preflight.REFRESH in printed)


def test_a_long_run_on_a_cpu_is_warned_of() -> None:
    assert preflight.warn_of_time(3660.0, on_gpu=False) == []
    assert preflight.warn_of_time(300_000.0, on_gpu=True) == []
    (warning,) = preflight.warn_of_time(300_000.0, on_gpu=False)
    assert "3.5 days" in warning


def test_only_the_time_that_is_left_is_warned_of(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "load_params", make_params)
    monkeypatch.setattr(machine, "measure_machine", lambda: Machine(2, 1e-5))
    preflight.main()
    assert "this will take up to" in capsys.readouterr().out
    for lineage in ("big", "small"):
        Paths("tiny").lineage(lineage).mkdir(parents=True)
        (Paths("tiny").lineage(lineage) / "lineage.json").write_text("{}")
        (Paths("tiny").logits_test / lineage).mkdir(parents=True)
    preflight.main()
    assert "this will take up to" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "url", "warned"),
    [
        ("lrw", "s3://clips", True),
        ("folder", "s3://clips", True),
        ("grid", "s3://clips", False),
        ("synthetic", "s3://clips", False),
        ("lrw", "", False),
    ],
)
def test_an_upload_of_clips_that_may_not_leave_is_warned_of(
    source: str, url: str, warned: bool
) -> None:
    params = make_params(name=source)
    params.shards.url = url
    assert bool(preflight.warn_of_upload(params)) == warned  # type: ignore[arg-type]


def test_the_machine_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CALIBRATION_SECONDS", 0.01)
    measured = machine.measure_machine()
    assert measured.cores >= 1
    assert measured.gmacs_per_second > 0


@pytest.mark.parametrize(
    ("codec", "url", "expected"),
    [("raw", "", 1.0), ("delta", "", 0.55), ("jpeg95", "", 0.5), ("raw", "s3://clips", 0.0)],
)
def test_compressed_shards_need_less_room_and_remote_ones_none(
    codec: str, url: str, expected: float
) -> None:
    params = make_params()
    params.shards = SimpleNamespace(codec=codec, url=url)
    assert work.weigh_pixel(params) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_shards_at_a_path_need_room_there(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    params = make_params()
    monkeypatch.setattr(preflight, "load_params", lambda: params)
    params.shards.url = "s3://clips"
    set_free(monkeypatch, 70_000_000)
    preflight.main()
    params.shards.url = f"{scheme}{workplace}/shards"
    set_free(monkeypatch, 5_000_000)
    with pytest.raises(InputError, match=r"the shards take 3\.2 MB of it"):
        preflight.main()
