"""A walk over the DVC graph: each stage is a Prefect task, in parallel if the graph allows it."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prefect import Task, allow_failure, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import task_run
from prefect.states import Cancelled, Completed, Failed

from flows.command import Commands, Outcome
from flows.graph import StageGraph, command_of, dvc_environment
from flows.progress import TrainingProgress

ERROR_LINES = 15
# Seconds before each retry. Long stages resume from what they have finished, and the cause of the
# failure (memory, a lost node) may need minutes to go away.
RETRY_SECONDS = {
    "": [10.0],
    **dict.fromkeys(
        ("landmarks", "shards", "scratch", "taught", "compressed"), [10.0, 60.0, 300.0]
    ),
}
CACHED, RESTORED, SKIPPED = "Cached", "Restored", "Skipped"
ON_GPU = ("scratch", "taught", "compressed", "predict")
DONE = (CACHED, RESTORED, "Completed")
# Hints that DVC prints after a stage and around an error, which do not apply to a flow.
CHATTER = (
    "To track the changes",
    "git add",
    "To enable auto",
    "dvc config",
    "Use `dvc push`",
    "Data and pipelines are up to date",
)
# DVC's last line on a failure: the command and its exit code, or an error of DVC itself.
DVC_FAILED, STAGE_FAILED = "ERROR: failed to reproduce", "failed to run:"


def _is_first_log(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Task run failed with state")


@contextmanager
def drop_repeated_logs() -> Iterator[None]:
    """Prefect logs a failed task's state twice, once with an empty traceback: drop that one."""
    logger = logging.getLogger("prefect.task_runs")
    logger.addFilter(_is_first_log)
    try:
        yield
    finally:
        logger.removeFilter(_is_first_log)


class Walk:
    """Runs the stages of a graph; `states` has the final state of each stage that has ended."""

    def __init__(
        self,
        folder: Path,
        graph: StageGraph,
        stale: set[str],
        *,
        commands: Commands,
        force: bool = False,
        after: Sequence[State[Any]] = (),
    ) -> None:
        self._folder = folder
        self._after = list(after)  # of the steps before the first stages
        self._graph = graph
        self._stale = set(graph.needs) if force else stale
        self._options = ["--force"] if force else []
        self._commands = commands
        self._futures: dict[str, PrefectFuture[State[Any]]] = {}
        self.states: dict[str, State[Any]] = {}

    def run(self, parallel: int) -> None:
        """Run all stages, `parallel` at a time; each starts when all that it needs have ended."""
        rank = {name: place for place, name in enumerate(self._graph.order)}
        sorter = TopologicalSorter({name: self._graph.needs[name] for name in self._graph.order})
        sorter.prepare()
        ended: SimpleQueue[str] = SimpleQueue()
        ready: list[str] = []
        running = 0
        while sorter.is_active():
            ready = sorted([*ready, *sorter.get_ready()], key=rank.__getitem__)
            while ready and running < parallel:
                self._submit(ready.pop(0), ended)
                running += 1
            stage = ended.get()
            running -= 1
            self._futures[stage].wait()
            self.states[stage] = self._futures[stage].state
            sorter.done(stage)

    def _submit(self, stage: str, ended: "SimpleQueue[str]") -> None:
        needs = sorted(self._graph.needs[stage])
        failed = next((name for name in needs if self.states[name].name not in DONE), "")
        changed = any(self.states[name].name != CACHED for name in needs)
        command = self._command_of(stage) if changed or stage in self._stale else []
        group = stage.partition("@")[0]
        # One of two tags, for concurrency limits; each set of tags costs a request of seconds.
        device = "gpu" if group.startswith(ON_GPU) else "cpu"
        tags = [device] if command and not failed else []
        retry_seconds = RETRY_SECONDS.get(group, RETRY_SECONDS[""])
        named = command_task(stage, retry_seconds).with_options(tags=tags)
        future = named.submit(
            command,
            blocked_by=failed,
            retry_seconds=retry_seconds,
            folder=str(self._folder),
            commands=self._commands,
            wait_for=[allow_failure(self._futures[name]) for name in needs] or self._after,
            return_state=False,
        )
        self._futures[stage] = future
        future.add_done_callback(lambda _: ended.put(stage))

    @property
    def last(self) -> list[State[Any]]:
        """The states of the stages that no other stage needs."""
        needed = set().union(*self._graph.needs.values())
        return [self.states[name] for name in self._graph.order if name not in needed]

    def _command_of(self, stage: str) -> list[str]:
        return command_of(["repro", "--single-item", *self._options, stage])


def may_retry(task: object, run: object, state: State[Any]) -> bool:
    """Whether a retry may succeed: after a killed process, a lost node or "fault: ...", but not
    after an error that the stage explains ("error: ...": bad input, a full disk). Not after an
    error of DVC itself either, because a retry would delete what the stage has made."""
    lines = (state.message or "").splitlines()
    by_dvc = any(line.startswith(DVC_FAILED) and STAGE_FAILED not in line for line in lines)
    return not (is_explained(lines) or by_dvc)


def is_explained(lines: Iterable[str]) -> bool:
    """Whether the command printed an error message of its own."""
    return any(line.startswith("error: ") for line in lines)


@task(cache_policy=NO_CACHE, persist_result=False, retry_condition_fn=may_retry)
def run_command(
    command: Sequence[str],
    *,
    folder: str,
    commands: Commands,
    blocked_by: str = "",
    retry_seconds: Sequence[float] = (),
) -> State[Any]:
    """The task of a stage, run by DVC, or of another step; no command for an unchanged stage.

    blocked_by: a failed stage that this one needs. retry_seconds: seconds before each retry.
    """
    if blocked_by:
        return Cancelled(name=SKIPPED, message=f"not run: it needs {blocked_by}")
    if not command:
        return Completed(name=CACHED, message="unchanged")
    attempt = task_run.run_count
    # Prefect's own retry delay does not end when the flow is cancelled.
    if attempt > 1 and not commands.pause(retry_seconds[attempt - 2]):
        return Cancelled(message="stopped before the retry")
    started = time.monotonic()
    outcome = stream_command(command, Path(folder), commands, TrainingProgress(command[-1]))
    return state_of(outcome, time.monotonic() - started)


def command_task(name: str, retry_seconds: Sequence[float]) -> Task[..., State[Any]]:
    """`run_command` as a task of that name; call it with the same `retry_seconds`."""
    return run_command.with_options(name=name, task_run_name=name, retries=len(retry_seconds))


def stream_command(
    command: Sequence[str], folder: Path, commands: Commands, progress: TrainingProgress
) -> Outcome:
    """Run a command, and log its lines to the current Prefect run as they are printed."""
    logger = get_run_logger()
    explained = False

    def log(line: str) -> None:
        nonlocal explained
        explained = explained or is_explained([line])
        if not line.strip().startswith(CHATTER) and not (explained and DVC_FAILED in line):
            logger.info("%s", line)
        progress.update()

    return commands.run(command, folder=folder, environment=dvc_environment(), on_line=log)


def state_of(outcome: Outcome, seconds: float) -> State[Any]:
    """The final state of a task, from its command's exit code and DVC's output."""
    if outcome.cancelled:
        return Cancelled(message=f"stopped after {seconds:.0f} s")
    if outcome.code:
        return Failed(message=error_message(outcome))
    output = "\n".join(outcome.lines)
    if "is cached - skipping run" in output:
        return Completed(name=RESTORED, message="restored from DVC's cache")
    if "didn't change, skipping" in output and "Running stage" not in output:
        return Completed(name=CACHED, message="unchanged")
    return Completed(message=f"ran in {seconds:.1f} s")


def error_message(outcome: Outcome) -> str:
    """The last lines that the command printed, without DVC's messages around them; with DVC's
    error only if the command does not explain its own."""
    explained = (DVC_FAILED,) if is_explained(outcome.lines) else ()
    chatter = (*CHATTER, "Running stage", "> ", *explained)
    lines = [line for line in outcome.lines if not line.strip().startswith(chatter)]
    return "\n".join(lines[-ERROR_LINES:]) or f"ended with exit code {outcome.code}"


def describe_failure(order: Sequence[str], states: Mapping[str, State[Any]]) -> str:
    """The failed stages with their messages, and the stages skipped because of them; "" if none."""
    failed = [name for name in order if states[name].is_failed() or states[name].is_crashed()]
    skipped = [name for name in order if states[name].name == SKIPPED]
    parts = [f"{name} failed:\n{states[name].message}" for name in failed]
    if parts and skipped:
        parts.append(f"not run, because they need it: {', '.join(skipped)}")
    return "\n".join(parts)
