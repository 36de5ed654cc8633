"""One walk over the DVC graph: each stage a Prefect task, side by side where the graph allows."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
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
# Seconds before each new try of a command that was lost. Long stages go on from what they had
# finished, and what took them (memory, a node) may need minutes to come back.
WAITS = {
    "": [10.0],
    **dict.fromkeys(("landmarks", "shards", "scratch", "taught"), [10.0, 60.0, 300.0]),
}
CACHED, RESTORED, SKIPPED = "Cached", "Restored", "Skipped"
ON_GPU = ("scratch", "taught", "predict")
DONE = (CACHED, RESTORED, "Completed")
# What DVC says to its user after a stage and around an error; no news to the flow's.
CHATTER = (
    "To track the changes",
    "git add",
    "To enable auto",
    "dvc config",
    "Use `dvc push`",
    "Data and pipelines are up to date",
)
# DVC's last line on a failure: the command and its exit code, or what DVC itself could not do.
DVC_FAILED, STAGE_FAILED = "ERROR: failed to reproduce", "failed to run:"


def drop_echo(record: logging.LogRecord) -> bool:
    """Prefect logs a failed task's state twice, once with an empty traceback: keep the other."""
    return not record.getMessage().startswith("Task run failed with state")


logging.getLogger("prefect.task_runs").addFilter(drop_echo)


class Walk:
    """The states of the stages, while they are walked; `parallel` of them run at once."""

    def __init__(
        self,
        folder: Path,
        graph: StageGraph,
        stale: set[str],
        *,
        commands: Commands,
        force: bool = False,
    ) -> None:
        self._folder = folder
        self._graph = graph
        self._stale = set(graph.needs) if force else stale
        self._options = ["--force"] if force else []
        self._commands = commands
        self._futures: dict[str, PrefectFuture[State[Any]]] = {}
        self.states: dict[str, State[Any]] = {}

    def go(self, parallel: int) -> None:
        """Walk to the end; a stage starts when all that it needs have ended."""
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
        lost = next((name for name in needs if self.states[name].name not in DONE), "")
        moved = any(self.states[name].name != CACHED for name in needs)
        command = self._command_of(stage) if moved or stage in self._stale else []
        group = stage.partition("@")[0]
        # One of two tags, by which limits can be set: each set of tags costs a request of seconds.
        device = "gpu" if group.startswith(ON_GPU) else "cpu"
        tags = [device] if command and not lost else []
        waits = WAITS.get(group, WAITS[""])
        named = name_command(stage, waits).with_options(tags=tags)
        future = named.submit(
            command,
            blocked_by=lost,
            waits=waits,
            folder=str(self._folder),
            commands=self._commands,
            wait_for=[allow_failure(self._futures[name]) for name in needs],
            return_state=False,
        )
        self._futures[stage] = future
        future.add_done_callback(lambda _: ended.put(stage))

    def _command_of(self, stage: str) -> list[str]:
        return command_of(["repro", "--single-item", *self._options, stage])


def may_pass(task: object, run: object, state: State[Any]) -> bool:
    """Whether a failure may be gone the next time: a killed process or a lost node may be; what a
    stage explains in a line of its own ("error: ...": bad input, a full disk) is not, nor what DVC
    failed at itself, which before it tries again deletes what the stage has made."""
    told = (state.message or "").splitlines()
    explained = is_explained(told)
    by_dvc = any(line.startswith(DVC_FAILED) and STAGE_FAILED not in line for line in told)
    return not (explained or by_dvc)


def is_explained(lines: Iterable[str]) -> bool:
    """Whether the command says itself, in a line for a person, why it failed."""
    return any(line.startswith("error: ") for line in lines)


@task(cache_policy=NO_CACHE, persist_result=False, retry_condition_fn=may_pass)
def run_command(
    command: Sequence[str],
    *,
    folder: str,
    commands: Commands,
    blocked_by: str = "",
    waits: Sequence[float] = (),
) -> State[Any]:
    """One task: a stage by DVC, or a step beside them; no command where DVC has said already
    that the stage did not change. `waits`: seconds before each new try."""
    if blocked_by:
        return Cancelled(name=SKIPPED, message=f"not run: it needs {blocked_by}")
    if not command:
        return Completed(name=CACHED, message="did not change")
    tries = task_run.run_count
    # Prefect's own wait between tries does not end with the flow.
    if tries > 1 and not commands.pause(waits[tries - 2]):
        return Cancelled(message="stopped before it was tried again")
    began = time.monotonic()
    outcome = stream_command(command, Path(folder), commands, TrainingProgress(command[-1]))
    return judge_outcome(outcome, time.monotonic() - began)


def name_command(name: str, waits: Sequence[float]) -> Task[..., State[Any]]:
    """`run_command` as the task of that name, to be called with the same waits."""
    return run_command.with_options(name=name, task_run_name=name, retries=len(waits))


def stream_command(
    command: Sequence[str], folder: Path, commands: Commands, progress: TrainingProgress
) -> Outcome:
    """Run a command, its lines going live to the log of the Prefect run that calls this."""
    logger = get_run_logger()
    explained = False

    def log(line: str) -> None:
        nonlocal explained
        explained = explained or is_explained([line])
        if not line.strip().startswith(CHATTER) and not (explained and DVC_FAILED in line):
            logger.info("%s", line)
        progress.look()

    return commands.run(command, folder=folder, environment=dvc_environment(), on_line=log)


def judge_outcome(outcome: Outcome, seconds: float) -> State[Any]:
    """The final state of a task, from how its command ended and what DVC said in it."""
    if outcome.cancelled:
        return Cancelled(message=f"stopped after {seconds:.0f} s")
    if outcome.code:
        return Failed(message=last_words(outcome))
    said = "\n".join(outcome.lines)
    if "is cached - skipping run" in said:
        return Completed(name=RESTORED, message="restored from DVC's cache")
    if "didn't change, skipping" in said and "Running stage" not in said:
        return Completed(name=CACHED, message="did not change")
    return Completed(message=f"ran in {seconds:.1f} s")


def last_words(outcome: Outcome) -> str:
    """The end of what the command printed, without DVC's frame about it; DVC's own last line
    only where the command does not explain itself."""
    explained = (DVC_FAILED,) if is_explained(outcome.lines) else ()
    chatter = (*CHATTER, "Running stage", "> ", *explained)
    told = [line for line in outcome.lines if not line.strip().startswith(chatter)]
    return "\n".join(told[-ERROR_LINES:]) or f"ended with exit code {outcome.code}"


def describe_failure(order: Sequence[str], states: Mapping[str, State[Any]]) -> str:
    """What failed with its own last words, and what was not run because of it; "" if nothing."""
    failed = [name for name in order if states[name].is_failed() or states[name].is_crashed()]
    skipped = [name for name in order if states[name].name == SKIPPED]
    parts = [f"{name} failed:\n{states[name].message}" for name in failed]
    if parts and skipped:
        parts.append(f"not run, because they need it: {', '.join(skipped)}")
    return "\n".join(parts)
