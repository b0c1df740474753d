"""Runs what is missing of a grid of upscalers × backbones × seeds, an experiment of DVC each.

A cell that is there, in any commit, is not run again. Killed, the same call goes on: what a cell had finished
is in DVC's run-cache or in scratch. Two workers that need the same upscaled patches share the work: the
second waits for the first (core/scratch.py).
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from subprocess import Popen, TimeoutExpired
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from srscene.compare import experiments, results
from srscene.compare.grid import Wanted
from srscene.compare.measured import Measured, note, read_measured
from srscene.compare.progress import Follower, duration
from srscene.core.console import BadInput, brief, say
from srscene.core.device import describe, pick_device

LOGS = Path(".dvc/tmp/sweep")
"""Not in git; the log of each cell, and what cells took."""
BUSY = 20
"""Times that a cell is started again because another DVC process had the repository locked."""
PATIENCE = 60
"""Seconds that a cell has to end after Ctrl-C."""


class Plan(NamedTuple):
    """Which cells there are, which stand in DVC's queue, which failed there, and which are missing."""

    there: list[Wanted]
    queued: list[Wanted]
    failed: list[Wanted]
    missing: list[Wanted]

    def again(self) -> "Plan":
        """Return the plan that also runs what is there: what the code has not changed, DVC restores."""
        return self._replace(there=[], missing=self.there + self.missing)


def plan(cells: Sequence[Wanted]) -> Plan:
    """Return the state of each cell; a name that an experiment with other settings has is not taken again."""
    found, unusable = results.read(experiments.experiments(), experiments.cache())
    made = {results.identity(result.params) for result in found}
    taken = {result.cell.provenance["experiment"] for result in found}
    for experiment, why in unusable:
        if experiment.name in {cell.name for cell in cells}:
            say(f"sweep: {experiment.name} does not count: {why}")
    queue = experiments.queue()
    state = Plan([], [], [], [])
    for cell in cells:
        if cell.name in taken and cell.identity not in made:
            cell = cell._replace(name=f"{cell.name}-{results.short(cell.identity)}")
        standing = queue.get(cell.name)
        if cell.identity in made:
            state.there.append(cell)
        elif standing in ("Queued", "Running"):
            state.queued.append(cell)
        else:
            (state.failed if standing == "Failed" else state.missing).append(cell)
    return state


def show(state: Plan, jobs: int) -> None:
    """Print how many cells there are of each kind, and what is to do with its cost."""
    todo = state.missing + state.failed
    measured = read_measured(LOGS)
    parts = [f"{len(cells)} {kind}" for kind, cells in state._asdict().items() if cells]
    cost = ""
    if todo:
        seconds = [estimate(cell, measured) for cell in todo]
        known = [value for value in seconds if value is not None]
        cost = "; nothing is measured yet to tell how long it takes"
        if known:
            total = duration(mean(known) * len(todo) / jobs)
            cost = f"; about {total}, judging by {len(measured)} that ran here"
    count = sum(map(len, state))
    say(f"sweep: {count} cell{'' if count == 1 else 's'}: {', '.join(parts)}{cost}")
    table = Table("cell", "state", box=None, pad_edge=False)
    for kind, cells in state._asdict().items():
        for cell in cells:
            table.add_row(cell.name, kind)
    Console().print(table)


def estimate(cell: Wanted, measured: Sequence[Measured]) -> float | None:
    """Return the seconds that a cell takes, from those most like it; None where nothing is measured."""
    for alike in (
        [row for row in measured if (row.sr, row.backbone) == (cell.sr, cell.backbone)],
        [row for row in measured if row.backbone == cell.backbone],
        measured,
    ):
        if alike:
            return mean(row.seconds for row in alike)
    return None


def enqueue(state: Plan) -> None:
    """Put what is missing into DVC's queue."""
    for cell in state.missing + state.failed:
        experiments.remove(cell.name)
        experiments.enqueue(cell.name, cell.overrides)
        say(f"sweep: {cell.name} is queued")


class Running(NamedTuple):
    cell: Wanted
    process: "Popen[bytes]"
    began: float
    log: Path


def run(state: Plan, jobs: int) -> bool:
    """Run what is missing, `jobs` cells at a time; return whether all are there in the end."""
    todo = list(reversed(state.missing + state.failed))
    running: list[Running] = []
    failed: list[str] = []
    locked_out: Counter[str] = Counter()
    device = describe(pick_device())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Follower(len(todo)) as follower:
        try:
            while todo or running:
                while todo and len(running) < jobs:
                    running.append(_start(todo.pop()))
                for job in [job for job in running if job.process.poll() is not None]:
                    running.remove(job)
                    seconds = time.monotonic() - job.began
                    why = _outcome(job)
                    if why and experiments.LOCKED in why and locked_out[job.cell.name] < BUSY:
                        locked_out[job.cell.name] += 1
                        todo.append(job.cell)
                        continue
                    if why is None:
                        note(LOGS, Measured(job.cell.name, job.cell.sr, job.cell.backbone, seconds, device))
                    else:
                        failed.append(f"{job.cell.name}: {why}")
                    follower.ended(job.cell.name, seconds, why)
                follower.show({job.cell.name: job.log for job in running})
                time.sleep(0.5)
        except KeyboardInterrupt:
            _stop(running)
            raise BadInput("sweep: stopped; the same call goes on with what is not there yet") from None
    for line in failed:
        say(f"sweep: failed: {line}")
    return not failed


def _start(cell: Wanted) -> Running:
    log = LOGS / f"{cell.name}.log"
    experiments.remove(cell.name)
    return Running(cell, experiments.start(cell.name, cell.overrides, log), time.monotonic(), log)


def _outcome(job: Running) -> str | None:
    """Return why a cell that has ended does not count, if so.

    Its own run may fail at the end where an earlier sweep was killed, but not its cells: one of them took
    the name meanwhile, with the same result.
    """
    ended = [found for found in experiments.experiments() if found.name == job.cell.name]
    found, unusable = results.read(ended, experiments.cache())
    if found and results.identity(found[0].params) == job.cell.identity:
        return None
    if job.process.returncode:
        return f"{last_words(job.log)} ({job.log})"
    return unusable[0].why if unusable else "its parameters are not those that were asked for"


def last_words(log: Path) -> str:
    """Return what a stage said when it failed, else the log's last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return brief((errors or lines or ["no word"])[-1])


def _stop(running: Sequence[Running]) -> None:
    """End cells as Ctrl-C would, with the stages that they run."""
    for job in running:
        os.killpg(job.process.pid, signal.SIGINT)
    until = time.monotonic() + PATIENCE
    for job in running:
        try:
            job.process.wait(max(0.1, until - time.monotonic()))
        except TimeoutExpired:
            os.killpg(job.process.pid, signal.SIGKILL)
