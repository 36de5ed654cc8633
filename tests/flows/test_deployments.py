"""Flows run the stages that DVC would run, report what ran, and fail with a clear message."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.states import Failed

from flows import deployments, progress, servers
from flows import run as flow_runs
from flows import walk as walked
from flows.command import Outcome
from flows.deployments import reproduce
from flows.graph import command_of, dvc_environment
from flows.walk import CACHED, RESTORED, SKIPPED, Walk, error_message, may_retry, state_of
from lipnet.errors import InputError
from lipnet.report.csv_rows import write_rows
from lipnet.report.rows import LeaderboardRow
from pipeline import checkout
from pipeline.profile import LATEST, compose_profile, known_profiles
from tests.contract.deployments import DEPLOYMENTS, Deployment
from tests.contract.imports import ROOT
from tests.tracking.fabricated import model_row

FAILING = """
stages:
  top:
    cmd: mkdir -p o && echo 1 > o/top
    outs: [o/top]
  bad:
    cmd: "echo 'error: no clips in data/grid' >&2; exit 1"
    deps: [o/top]
    outs: [o/bad]
  after:
    cmd: cat o/bad > o/after
    deps: [o/bad]
    outs: [o/after]
  other:
    cmd: cat o/top > o/other
    deps: [o/top]
    outs: [o/other]
"""
ONE = """
stages:
  one: {cmd: mkdir o, outs: [o]}
"""
SLOW = """
stages:
  slow:
    cmd: echo started && sleep 600
    outs: [o]
"""
# Each lineage writes the same progress as training does, and is killed once, as by a lost machine.
PARTS = """
stages:
  shards: {cmd: mkdir -p o && echo 1 > o/shards, outs: [o/shards]}
  quality: {cmd: cp o/shards o/quality, deps: [o/shards], outs: [o/quality]}
  scratch:
    foreach: {a: {}, b: {}}
    do:
      cmd: sh train.sh ${key}
      deps: [o/shards]
      outs: ["o/${key}"]
  predict_val_scratch:
    foreach: {a: {}, b: {}}
    do:
      cmd: cp o/${key} o/val-${key}
      deps: ["o/${key}"]
      outs: ["o/val-${key}"]
  select: {cmd: cat o/val-a o/val-b > o/selected, deps: [o/val-a, o/val-b], outs: [o/selected]}
  report: {cmd: cp o/selected o/report, deps: [o/selected], outs: [o/report]}
"""
TRAIN = """
folder=data/tmp/tiny/models/$1; mkdir -p $folder; lines=$folder/progress.jsonl
if test $1 = a; then epochs='"epochs": 5,'; fi  # else as an earlier version wrote it
report() { echo '{"model": "'$1'-g0", "epoch": '$2', "train_loss": 1.5, "val_top1": 0.25,'\
 "$epochs"'"val_loss": 2.0, "seconds": 3.0}' >> $lines; echo "$1-g0  epoch $2"; }
if test ! -f $folder/started; then touch $folder/started; report $1 0; kill -9 $$; fi
report $1 1; report $1 2
echo $1 > o/$1
"""
# Two lineages; each waits a while for the other to run, and writes whether it did.
TWO_ON_A_GPU = """
stages:
  scratch:
    foreach: {a: {other: b}, b: {other: a}}
    do:
      cmd: sh pair.sh ${key} ${item.other}
      outs: ["o/${key}"]
"""
PAIR = """
mkdir -p o; touch running-$1; found=alone
for attempt in $(seq $(cat attempts)); do
  if test -f running-$2; then found=together; break; fi
  sleep 0.1
done
echo $found > o/$1
sleep 0.5; rm running-$1
"""
PREFLIGHT = """
import json, sys
from pathlib import Path
place = Path(sys.argv[2])
place.parent.mkdir(parents=True, exist_ok=True)
place.write_text(json.dumps([{"step": "total", "disk": "1 GB", "time": "2 min"}]))
print("enough space")
"""
NO_LIMIT_SECONDS = 5.5  # Prefect caches for five seconds that a tag has no limit
Repository = Callable[..., Path]
Walked = tuple[Any, dict[str, str]]


def prepare(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    preflight: str = "",
    profile: str = "tiny",
    workers: int = 1,
) -> None:
    """Fake programs for the steps that are not stages, and a leaderboard."""
    programs = {
        "pipeline/preflight.py": preflight or PREFLIGHT,
        "pipeline/leaderboard.py": "print('a table')\n",
        "tracking/publish.py": "open('published', 'w').close()\n",
    }
    for name, content in programs.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).with_name("__init__.py").touch()
        (folder / name).write_text(content)
    report = folder / "data" / profile / "report"
    (report / "figures").mkdir(parents=True)
    (report / "figures" / "generations.png").write_bytes(b"a picture")
    write_rows(report / "leaderboard.csv", LeaderboardRow, [model_row("a-g0", latency=3.0)])
    pages = folder / "data" / "tmp" / profile / "mlflow.json"
    pages.parent.mkdir(parents=True, exist_ok=True)
    pages.write_text(json.dumps({"runs": "/#/experiments/1", "generations": {"a": "/#/compare"}}))
    recipe = SimpleNamespace(epochs=4)
    compute = SimpleNamespace(workers=workers)
    params = SimpleNamespace(profile=profile, compute=compute, recipe_of=lambda lineage: recipe)
    for module in (flow_runs, deployments, progress):
        monkeypatch.setattr(module, "load_params", lambda: params)
    monkeypatch.setattr(flow_runs, "Walk", SeenWalk)


class SeenWalk(Walk):
    """A walk that a test can inspect afterwards."""

    latest: "SeenWalk"
    parallel: int

    def run(self, parallel: int) -> None:
        SeenWalk.latest = self
        self.parallel = parallel
        super().run(parallel)


def walk(**options: Any) -> Walked:
    """Run the flow; its final state, and the name of each stage's state."""
    state = reproduce(return_state=True, **options)
    return state, {name: ended.name or "" for name, ended in SeenWalk.latest.states.items()}


def latest_artifact(key: str) -> dict[str, Any]:
    """The latest artifact with that key (Prefect 3.8's server rejects its own Artifact.get)."""
    query = {"artifacts": {"key": {"any_": [key]}}, "limit": 1, "sort": "UPDATED_DESC"}
    with get_client(sync_client=True) as client:
        found: list[dict[str, Any]] = client._client.post("/artifacts/filter", json=query).json()
    return found[0]


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_the_first_walk_runs_all_stages_and_the_second_none(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository()
    prepare(folder, monkeypatch)
    state, tasks = walk(parallel=2)
    assert state.is_completed()
    stages = ("top", "side@a", "side@b", "end")
    assert set(tasks) == set(stages)
    assert set(tasks.values()) == {"Completed"}
    assert (folder / "published").exists()
    _check_artifacts()
    state, tasks = walk()
    assert set(tasks.values()) == {CACHED}
    status = subprocess.run(
        command_of(["status", "--json"]), capture_output=True, env=dvc_environment(), check=True
    )
    assert json.loads(status.stdout) == {}
    _check_stages_after_a_change(folder)


def _check_artifacts() -> None:
    (row,) = json.loads(latest_artifact("leaderboard-tiny")["data"])
    assert (row["model"], row["test top-1"], row["95 % interval"]) == ("a-g0", "70.0", "60.0-80.0")
    links = latest_artifact("links-tiny")["data"]
    assert "[The generations of a compared](http://127.0.0.1:5000/#/compare)" in links
    (total,) = json.loads(latest_artifact("preflight-tiny")["data"])
    assert total == {"step": "total", "disk": "1 GB", "time": "2 min"}
    assert "base64,YSBwaWN0dXJl)" in latest_artifact("figures-tiny")["data"]  # a picture


def _check_stages_after_a_change(folder: Path) -> None:
    (folder / "source.txt").write_text("2\n")
    _, tasks = walk(profile="tiny")
    assert tasks["end"] == "Completed"
    assert (folder / "o" / "end").read_text() == "2\n2\n"
    (folder / "source.txt").write_text("1\n")
    _, tasks = walk()
    assert {tasks["top"], tasks["end"]} == {RESTORED}
    assert (folder / "o" / "end").read_text() == "1\n1\n"


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_a_failed_stage_skips_the_stages_that_need_it_and_is_reported(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository(FAILING)
    prepare(folder, monkeypatch)
    state, tasks = walk(parallel=2)
    assert state.is_failed()
    assert tasks["bad"] == "Failed"
    assert tasks["after"] == SKIPPED
    assert tasks["other"] == "Completed"
    assert state.message == (
        "bad failed:\nerror: no clips in data/grid\nnot run, because they need it: after"
    )
    assert not (folder / "published").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_the_leaderboard_is_shown_even_if_publishing_fails(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository()
    prepare(folder, monkeypatch, profile="away")
    (folder / "tracking" / "publish.py").write_text("raise SystemExit('error: MLflow is down')\n")
    state, _ = walk()
    assert state.is_failed()
    assert str(state.message).startswith(
        "all stages are done, but MLflow is not up to date: publish failed:\nerror: MLflow is down"
    )
    assert "run `python -m tracking.publish`" in str(state.message)
    (row,) = json.loads(latest_artifact("leaderboard-away")["data"])
    assert row["model"] == "a-g0"


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_a_failed_preflight_ends_the_flow_before_any_stage(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository()
    prepare(folder, monkeypatch, preflight="raise SystemExit('error: 3 GB missing')\n")
    state = reproduce(return_state=True)
    assert state.message == "preflight failed:\nerror: 3 GB missing"
    assert not (folder / "o").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_flows_run_parts_of_the_graph_and_show_the_progress_of_training(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository(PARTS)
    (folder / "train.sh").write_text(TRAIN)
    prepare(folder, monkeypatch)
    monkeypatch.setattr(walked, "RETRY_SECONDS", {"": [0.1]})
    assert deployments.preprocess(return_state=True).is_completed()
    assert set(SeenWalk.latest.states) == {"shards", "quality"}
    state = deployments.train(lineage="a", return_state=True)
    assert state.message == "2 stages: 1 made, 0 restored, 1 unchanged"
    assert not (folder / "o" / "b").exists()
    assert not (folder / "published").exists()
    bar = latest_artifact("training-a-g0")
    assert bar["data"] == 60.0
    assert "epoch 3 of 5: training loss 1.500, validation 25.0%" in bar["description"]
    failed = deployments.report(return_state=True)
    assert failed.is_failed()
    assert "predict_val_scratch@b failed" in str(failed.message)
    assert not (folder / "o" / "b").exists()
    assert deployments.train(lineage="b", return_state=True).is_completed()
    assert latest_artifact("training-b-g0")["data"] == 75.0
    assert deployments.report(return_state=True).is_completed()
    assert (folder / "o" / "report").read_text() == "a\nb\n"
    assert (folder / "published").exists()
    unknown = deployments.train(lineage="c", return_state=True)
    known = "; known: shards, "
    assert str(unknown.message).startswith(
        f"no stage compressed@c or scratch@c or taught@c in this profile{known}"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_a_concurrency_limit_on_the_tag_gpu_limits_training(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository(TWO_ON_A_GPU)
    (folder / "pair.sh").write_text(PAIR)
    (folder / "attempts").write_text("3000")
    prepare(folder, monkeypatch)
    assert walk(parallel=2)[0].is_completed()
    assert "together" in _found(folder)
    (folder / "attempts").write_text("20")
    with get_client(sync_client=True) as client:
        client.create_concurrency_limit(tag="gpu", concurrency_limit=1)
        time.sleep(NO_LIMIT_SECONDS)
        try:
            assert walk(parallel=2, force=True)[0].is_completed()
        finally:
            client.delete_concurrency_limit_by_tag(tag="gpu")
    assert _found(folder) == ["alone", "alone"]


def _found(folder: Path) -> list[str]:
    """Whether each of the two ran alone or together with the other."""
    return [(folder / "o" / key).read_text().strip() for key in "ab"]


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_a_second_walk_waits_for_the_checkout(
    make_repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = make_repository()
    prepare(folder, monkeypatch)
    holding = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    checkout.LOCK.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(checkout.LOCK)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with (
            pytest.raises(InputError, match="another run is using this checkout"),
            checkout.lock_checkout(wait=False),
        ):
            pass

        def pause(_: float) -> None:  # the other process ends during the first pause
            other.kill()
            other.wait()

        monkeypatch.setattr(checkout, "time", SimpleNamespace(sleep=pause))
        state, _ = walk()
    assert state.is_completed()
    assert "waiting: another run, or a stage" in caplog.text
    assert checkout.HELD not in os.environ


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_the_command_line_composes_its_profile_while_it_holds_the_checkouts_lock(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the profile that params.yaml has already, which then loses its earlier changes."""
    folder = make_repository()
    prepare(folder, monkeypatch, preflight="raise SystemExit('error: 3 GB missing')\n")
    script = f"import os, sys; print(*sys.argv[1:], {checkout.HELD!r} in os.environ)"
    (folder / "pipeline" / "profile.py").write_text(f"{script[:-1]}, file=open('composed', 'w'))")
    for arguments, composed in (
        (["--profile", "tiny", "a.b=1", "c={}"], "tiny a.b=1 c={} True"),
        (["--profile", "tiny"], "tiny True"),
        (["a.b=2"], "tiny a.b=2 True"),
    ):
        monkeypatch.setattr(sys, "argv", ["flows.deployments", *arguments])
        with pytest.raises(SystemExit, match="3 GB missing"):
            deployments.main()
        assert (folder / "composed").read_text() == f"{composed}\n"


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ([], ""),
        (["PROFILE=tiny"], " --profile tiny"),
        (["PROFILE=tiny", "SET=a.b=1 'c=[x, y]'"], " --profile tiny a.b=1 'c=[x, y]'"),
        (["SET=a.b=1"], " a.b=1"),
    ],
)
def test_make_leaves_the_profile_to_the_flow(given: list[str], arguments: str) -> None:
    command = ["make", "-n", "--no-print-directory", "-o.venv/.installed", "flow", *given]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = listed.stdout.splitlines()
    assert " ".join(line.split()) == f".venv/bin/python -m flows.deployments{arguments}"


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_a_negative_number_of_stages_is_refused(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(make_repository(), monkeypatch)
    state = reproduce(parallel=-1, return_state=True)
    assert state.is_failed()
    assert str(state.message).startswith("parallel is -1: set it to the number of stages")


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_stages_run_one_at_a_time_if_a_training_has_several_workers(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    prepare(make_repository(ONE), monkeypatch, workers=2)
    assert walk()[0].is_completed()
    assert SeenWalk.latest.parallel == 1
    refused = reproduce(parallel=2, return_state=True)
    assert refused.is_failed()
    assert str(refused.message).startswith("parallel is 2 and compute.workers is 2: trainings")


@pytest.mark.parametrize(
    ("parallel", "workers", "gpus", "address", "chosen"),
    [
        (0, 1, "0,1,2,3", "", 4),
        (0, 1, "", "", 1),
        (3, 1, "0,1", "", 3),
        (0, 2, "0,1,2,3", "", 1),
        (0, 2, "0,1,2,3", "head:6379", 1),
        (1, 2, "0,1,2,3", "", 1),
        (2, 2, "0,1,2,3", "head:6379", 2),
        (2, 2, "", "", 2),  # processes on a CPU share the cores
    ],
)
def test_the_number_of_stages_at_a_time(
    parallel: int,
    workers: int,
    gpus: str,
    address: str,
    chosen: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert flow_runs.choose_parallel(parallel, workers) == chosen


@pytest.mark.parametrize("name", [own.flow for own in DEPLOYMENTS])
def test_the_form_offers_the_profiles_that_exist_and_gives_an_example(name: str) -> None:
    fields = getattr(deployments, name).parameters.properties
    assert fields["profile"]["type"] == "string"
    assert fields["profile"]["enum"] == [LATEST, *known_profiles()]
    assert fields["profile"]["default"] == LATEST
    assert all(field["description"] for field in fields.values())
    if "changes" in fields:
        assert fields["changes"]["type"] == "array"
        assert "recipe.epochs=20" in fields["changes"]["description"]


@pytest.mark.parametrize("own", DEPLOYMENTS, ids=lambda own: own.name)
def test_a_deployment_runs_stages_that_exist_with_the_parameters_that_it_gives(
    own: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(deployments, "run_flow", lambda *given, **_: calls.append(given))
    getattr(deployments, own.flow).fn(**own.parameters)
    ((wanted, profile, *_),) = calls
    monkeypatch.chdir(ROOT)
    lineages = compose_profile(profile, [], tmp_path / "params.yaml").lineages
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert {name.partition("@")[0] for name in wanted.stages} <= set(stages)
    assert {name.partition("@")[2] for name in wanted.stages} <= {"", *lineages}


@pytest.mark.parametrize(
    ("flow", "given", "name"),
    [
        ("report", {"profile": "tiny"}, "report-tiny"),
        ("reproduce", {"changes": ["recipe.epochs=3"]}, "reproduce-latest recipe.epochs=3"),
        ("train", {"lineage": "a", "profile": LATEST, "changes": []}, "train-a latest"),
        ("shrink", {"lineage": "a", "profile": "tiny", "changes": ["x=1"]}, "shrink-a tiny x=1"),
    ],
)
def test_a_run_is_named_by_its_flow_its_lineage_or_profile_and_changes(
    flow: str, given: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SimpleNamespace(flow_name=flow, parameters=given)
    monkeypatch.setattr(deployments, "flow_run", run)
    monkeypatch.setattr(deployments, "load_params", lambda: SimpleNamespace(profile="latest"))
    assert deployments.name_run() == name


@pytest.mark.parametrize(
    ("message", "again"),
    [
        ("error: no clips in data/grid", False),
        ("fault: data/x is gone\nERROR: failed to reproduce 'a': failed to run: train", True),
        ("epoch 3\nERROR: failed to reproduce 'a': failed to run: train, exited with -9", True),
        ("done\nERROR: failed to reproduce 'a': [Errno 28] No space left on device", False),
        (None, True),
    ],
)
def test_an_error_that_a_stage_explains_is_not_retried(message: str | None, again: bool) -> None:
    assert may_retry(None, None, Failed(message=message)) is again


@pytest.mark.slow
def test_an_interrupted_walk_leaves_no_process_and_no_lock(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository(SLOW)
    script = (
        "from flows import command; from flows.command import Commands\n"
        "from flows.graph import *; from pathlib import Path\n"
        "import os, signal, threading\n"
        "command.STOP_SIGNALS = ((signal.SIGINT, 100.0), *command.STOP_SIGNALS[1:])\n"
        # A background job of a shell starts with this signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "commands = Commands()\n"
        "work = threading.Thread(target=lambda: print(commands.run(command_of(['repro', "
        "'--single-item', 'slow']), folder=Path(), environment=dvc_environment(), "
        "on_line=lambda line: print(line, flush=True))))\n"
        "work.start()\n"
        "try:\n    work.join()\n"
        "except KeyboardInterrupt:\n    commands.stop()\n    work.join()\n"
    )
    root = Path(flow_runs.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if line.startswith("started"):
                break
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    process.wait(120)
    assert "cancelled=True" in rest
    assert time.monotonic() - started < 100  # the first signal was enough
    locked = folder / ".dvc" / "tmp" / "rwlock"
    assert not locked.exists() or "slow" not in locked.read_text()


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Outcome(0, ["Running stage 'a':", "> true"], cancelled=False), "Completed"),
        (Outcome(0, ["Stage 'a' didn't change, skipping"], cancelled=False), CACHED),
        (Outcome(0, ["Stage 'a' is cached - skipping run, checking"], cancelled=False), RESTORED),
        (Outcome(1, ["error: x"], cancelled=False), "Failed"),
        (Outcome(1, [], cancelled=True), "Cancelled"),
    ],
)
def test_the_final_state_shows_whether_a_stage_ran(outcome: Outcome, name: str) -> None:
    assert state_of(outcome, 1.0).name == name


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["error: no clips", "ERROR: failed to reproduce 'a': failed to run: x"],
            "error: no clips",
        ),
        (
            ["epoch 3", "ERROR: failed to reproduce 'a': failed to run: x, exited with -9"],
            "epoch 3\nERROR: failed to reproduce 'a': failed to run: x, exited with -9",
        ),
    ],
)
def test_dvcs_error_is_kept_if_the_stage_gives_none(lines: list[str], message: str) -> None:
    frame = ["Running stage 'a':", "> x"]
    assert error_message(Outcome(1, [*frame, *lines], cancelled=False)) == message


def test_the_log_filter_is_installed_only_while_a_flow_runs() -> None:
    logger = logging.getLogger("prefect.task_runs")
    before = list(logger.filters)  # Prefect's own, if a flow has run in this process
    with walked.drop_repeated_logs():
        assert len(logger.filters) == len(before) + 1
        for text, kept in (("Task run failed with state Failed", False), ("Finished", True)):
            record = logging.LogRecord("x", logging.ERROR, "", 0, text, None, None)
            assert bool(logger.filter(record)) is kept
    assert logger.filters == before


def test_mlflow_link_is_the_servers_address_without_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for address in (
        "tracking.example:5000",
        "tracking.example:5000/",
        "me:secret@tracking.example:5000",
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        assert servers.find_mlflow() == "http://tracking.example:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert servers.find_mlflow() == "http://127.0.0.1:5000"
