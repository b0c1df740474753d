"""Runs what is missing of a grid of upscalers × backbones × seeds, an experiment of DVC each.

A cell that is there, in any commit, is not run again. No experiment is ever removed: where a name is taken,
a cell gets another. Killed, the same call goes on: what a cell had finished is in DVC's run-cache or in
scratch. A cell that another sweep runs is left to it. Two workers that need the same upscaled patches share
the work: the second waits for the first (runtime/parts.py).
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from statistics import mean
from subprocess import Popen, TimeoutExpired
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from srscene.compare import results
from srscene.runtime.console import BadInput, brief, say
from srscene.runtime.device import describe, pick_device
from srscene.runtime.machine import own_cores
from srscene.sweep import experiments
from srscene.sweep.grid import Wanted
from srscene.sweep.progress import Follower, Measured, duration, note, ran, read_measured

LOGS = Path(".dvc/tmp/sweep")
"""Not in git; the log of each cell, and what cells took."""
BUSY = 20
"""Times that a cell is started again because another DVC process had the repository locked."""
PATIENCE = 60
"""Seconds that a cell has to end after Ctrl-C."""


class Plan(NamedTuple):
    """Which cells there are or run, which stand in DVC's queue or failed there, and which are missing.

    Those that are unpulled are there but for their predictions, which DVC's cache lacks.
    """

    there: list[Wanted]
    running: list[Wanted]
    queued: list[Wanted]
    unpulled: list[Wanted]
    failed: list[Wanted]
    missing: list[Wanted]

    def again(self) -> "Plan":
        """Return the plan that also runs what is there: what the code has not changed, DVC restores."""
        return plan([cell for cells in self for cell in cells], again=True)


def plan(cells: Sequence[Wanted], again: bool = False) -> Plan:
    """Return the state of each cell, `again` as if none were there yet, saying what may surprise."""
    queue, known = experiments.queue(), experiments.experiments()
    found, unusable = results.read(known, experiments.cache())
    made = {results.identity(result.params) for result in found}
    unpulled = {each.unpulled for each in unusable if each.experiment.name != "HEAD"}
    state = Plan([], [], [], [], [], [])
    for cell in cells:
        if cell.identity in made and not again:
            state.there.append(cell)
            continue
        if cell.identity in unpulled and not again:
            state.unpulled.append(cell)
            continue
        cell = _under_free_name(cell, {experiment.name for experiment in known})
        standing = queue.states.get(cell.name)
        if standing == "Running" or experiments.runs(LOGS / f"{cell.name}.log"):
            state.running.append(cell)
        elif standing == "Queued":
            state.queued.append(cell)
        else:
            (state.failed if standing == "Failed" else state.missing).append(cell)
    if not again:
        names = {cell.name for cell in cells}
        _warn(state, [each for each in unusable if each.experiment.name in names], queue)
    return state


def _under_free_name(cell: Wanted, taken: set[str]) -> Wanted:
    """Return the cell under a name that no experiment has: its settings' hash behind, then a number too."""
    longer = f"{cell.name}-{results.short(cell.identity)}"
    names = chain([cell.name, longer], (f"{longer}-{number}" for number in count(2)))
    return cell._replace(name=next(name for name in names if name not in taken))


def _warn(state: Plan, unusable: Sequence[results.Unusable], queue: experiments.Queue) -> None:
    for experiment, why, _ in unusable:
        say(f"sweep: {experiment.name} does not count: {why}")
    if state.unpulled:
        say("sweep: what is unpulled is not run: `dvc exp pull` brings it, `--again` computes it here")
    standing = [cell for cell in state.queued + state.running if cell.name in queue.states]
    if standing and not queue.workers:
        say(
            f"sweep: {len(standing)} in DVC's queue, and no worker answers: `dvc queue start -j N` runs what "
            "waits, `dvc queue remove --queued` takes it out, `dvc queue kill NAME` what a killed worker left"
        )


def show(state: Plan, jobs: int) -> None:
    """Print how many cells there are of each kind, and what is to do with its cost."""
    todo = state.missing + state.failed
    parts = [f"{len(cells)} {kind}" for kind, cells in state._asdict().items() if cells]
    cost = ""
    if todo:
        cost = "; nothing is measured yet to tell how long it takes"
        measured = read_measured(LOGS)
        if measured:
            total = duration(estimate(todo, measured, jobs))
            cost = f"; about {total}, judging by {len(measured)} that ran here"
    total_cells = sum(map(len, state))
    say(f"sweep: {total_cells} cell{'' if total_cells == 1 else 's'}: {', '.join(parts)}{cost}")
    table = Table("cell", "state", box=None, pad_edge=False)
    for kind, cells in state._asdict().items():
        for cell in cells:
            table.add_row(cell.name, kind)
    Console().print(table)


def estimate(cells: Sequence[Wanted], measured: Sequence[Measured], jobs: int) -> float:
    """Return the seconds that cells take, `jobs` at a time, from the measured ones most like them."""
    return sum(_seconds(cell, measured) for cell in cells) / jobs


def _seconds(cell: Wanted, measured: Sequence[Measured]) -> float:
    same = [row for row in measured if row.backbone == cell.backbone]
    alike = [row for row in same if row.sr == cell.sr] or same or measured
    return mean(row.seconds for row in alike)


def enqueue(state: Plan) -> None:
    """Put what is missing into DVC's queue."""
    for cell in state.missing + state.failed:
        experiments.enqueue(cell.name, cell.overrides)
        say(f"sweep: {cell.name} is queued")


def visible_gpus() -> list[str]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES names, else the numbers of all, without starting CUDA."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = range(torch.cuda.device_count()) if chosen is None else ()
    return [*map(str, numbers), *filter(None, (chosen or "").split(","))]


def share(slot: int, jobs: int, gpus: Sequence[str]) -> dict[str, str]:
    """Return the environment in which the worker `slot` of `jobs` has its part of the GPUs and the cores.

    One worker alone has all that there is. OMP_NUM_THREADS stays as it is where it is set.
    """
    if jobs == 1:
        return {}
    own = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, own_cores() // jobs))}
    if gpus:
        own["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[slot::jobs] or [gpus[slot % len(gpus)]])
    return own


class Running(NamedTuple):
    slot: int
    cell: Wanted
    process: "Popen[bytes]"
    began: float
    log: Path


def run(state: Plan, jobs: int, gpus: Sequence[str]) -> bool:
    """Run what is missing, `jobs` cells at a time on these GPUs; return whether all are there in the end."""
    if 0 < len(gpus) < jobs:
        say(f"sweep: {jobs} cells at a time share {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}")
    todo = state.missing + state.failed
    running: list[Running] = []
    failed: list[str] = []
    locked_out: Counter[str] = Counter()
    cache, measured, device = experiments.cache(), read_measured(LOGS), pick_device()
    kind = describe(device) if device.type == "cuda" else "CPU"
    for number in (signal.SIGTERM, signal.SIGINT):  # in a script's background, cells would ignore the latter
        signal.signal(number, signal.default_int_handler)
    with Follower(len(todo), estimate(todo, measured, jobs) if measured else None) as follower:
        try:
            while todo or running:
                _fill(running, todo, jobs, gpus)
                for job in [job for job in running if job.process.poll() is not None]:
                    running.remove(job)
                    seconds = time.monotonic() - job.began
                    commit, why = _outcome(job, cache)
                    if why and experiments.locked_out(job.log) and locked_out[job.cell.name] < BUSY:
                        locked_out[job.cell.name] += 1
                        todo.insert(0, job.cell)
                        continue
                    if why:
                        failed.append(f"{job.cell.name}: {why}")
                    elif ran(job.log):
                        cell = job.cell
                        note(LOGS, Measured(cell.name, cell.sr, cell.backbone, seconds, kind, commit))
                    follower.ended(job.cell.name, seconds, why)
                follower.show({job.cell.name: job.log for job in running})
                time.sleep(0.5)
        except KeyboardInterrupt:
            raise BadInput("sweep: stopped; the same call goes on with what is not there yet") from None
        finally:
            _stop(running)
    for line in failed:
        say(f"sweep: failed: {line}")
    return not failed


def _fill(running: list[Running], todo: list[Wanted], jobs: int, gpus: Sequence[str]) -> None:
    """Start cells until `jobs` run; one that another sweep has begun to run waits in `todo`."""
    for cell in list(todo):
        if len(running) == jobs:
            return
        log = LOGS / f"{cell.name}.log"
        with suppress(BlockingIOError):
            slot = min({*range(jobs)} - {job.slot for job in running})
            process = experiments.start(cell.name, cell.overrides, log, share(slot, jobs, gpus))
            running.append(Running(slot, cell, process, time.monotonic(), log))
            todo.remove(cell)


def _outcome(job: Running, cache: Path) -> tuple[str, str | None]:
    """Return the commit that a cell has become, and why it does not count, if so.

    Its own run may fail at the end where another sweep's cell took the name meanwhile, with the same result.
    """
    ended = [found for found in experiments.experiments() if found.name == job.cell.name]
    found, unusable = results.read(ended, cache)
    if found and results.identity(found[0].params) == job.cell.identity:
        return found[0].cell.provenance["commit"], None
    if job.process.returncode:
        return "", f"{last_words(job.log)} ({job.log})"
    return "", unusable[0].why if unusable else "its parameters are not those that were asked for"


def last_words(log: Path) -> str:
    """Return what a stage said when it failed, else the log's last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return brief((errors or lines or ["no word"])[-1])


def _stop(running: Sequence[Running]) -> None:
    """End cells as Ctrl-C would, with the stages that they run."""
    running = [job for job in running if job.process.poll() is None]
    for job in running:
        os.killpg(job.process.pid, signal.SIGINT)
    until = time.monotonic() + PATIENCE
    for job in running:
        try:
            job.process.wait(max(0.1, until - time.monotonic()))
        except TimeoutExpired:
            os.killpg(job.process.pid, signal.SIGKILL)
