"""How the processes of a stage find each other, and notice that a node is gone."""

import os
import re
import socket
import stat
import sys
from contextlib import suppress
from datetime import timedelta
from zlib import crc32

import torch
from torch import distributed

from srscene.runtime.console import BadInput, brief
from srscene.runtime.machine import launched

FOR_EVER = timedelta(days=365)
"""Of waiting for a process that lives: its share may take days."""
TO_MEET = timedelta(minutes=5)
LOST_AFTER = 120
"""Seconds without an answer after which a node is lost."""


def meet(stage: str, rank: int, world: int) -> None:
    """Make torch.distributed's group of all processes, under the names that torchrun and accelerate use.

    Raises BadInput where they do not come.
    """
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(launched().local_rank)}
    os.environ.setdefault("MASTER_ADDR", _first_node(os.environ.get("SLURM_STEP_NODELIST", "")))
    os.environ.setdefault("MASTER_PORT", str(_port()))
    try:
        store, _, _ = next(distributed.rendezvous("env://", timeout=TO_MEET))
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            timeout=FOR_EVER,
            store=store,
            rank=rank,
            world_size=world,
        )
    except distributed.DistError as error:
        place = ":".join(os.environ[name] for name in ("MASTER_ADDR", "MASTER_PORT"))
        raise BadInput(
            f"{stage}: {world} processes did not meet at {place} ({brief(error)}); set MASTER_ADDR to the "
            "first one's node and MASTER_PORT to a free port there"
        ) from None


def watch_connections() -> None:
    """Have the system ask, on this process's connections, whether the other node is still there.

    After LOST_AFTER seconds without an answer, or in which a stopped process takes nothing, it breaks a
    connection, where gloo would wait for ever. Linux's way; elsewhere it does nothing.
    """
    probes = 4
    options = {
        (socket.SOL_SOCKET, "SO_KEEPALIVE"): 1,
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE"): max(1, LOST_AFTER // 2),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL"): max(1, LOST_AFTER // 2 // probes),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT"): probes,
        # what was sent and not taken: without it, a node that is cut off itself would not notice
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT"): 1000 * LOST_AFTER,
    }
    for handle in map(int, os.listdir("/proc/self/fd") if sys.platform == "linux" else []):
        with suppress(OSError):  # closed meanwhile, or of another kind
            if stat.S_ISSOCK(os.fstat(handle).st_mode):
                connection = socket.socket(fileno=handle)
                try:
                    for (level, option), value in options.items():
                        connection.setsockopt(level, getattr(socket, option), value)
                finally:
                    connection.detach()  # it is gloo's to close


def _first_node(nodes: str) -> str:
    """Return the first of Slurm's nodes, `a7,b3` or `a[07-12,15]`; this machine where there is but one."""
    several = re.match(r"([^,\[]+)(?:\[([0-9]+)[-,]|,)", nodes)
    return several[1] + (several[2] or "") if several else "127.0.0.1"


def _port() -> int:
    """Return a port that other runs of Slurm or Open MPI on the same node do not take; else accelerate's."""
    names = "SLURM_JOB_ID", "SLURM_STEP_ID", "PMIX_NAMESPACE"
    job, step, run = (os.environ.get(name, "") for name in names)
    if run and "OMPI_COMM_WORLD_SIZE" in os.environ:  # first: within a job of Slurm not all have the step's
        return 15_000 + crc32(run.encode()) % 15_000
    if job.isdecimal() and step.isdecimal():
        return 15_000 + (131 * int(job) + int(step)) % 15_000
    return 29_500
