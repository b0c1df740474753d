"""How processes meet, and what becomes of a node that is cut off."""

import shutil
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from srscene.runtime import rendezvous
from srscene.runtime.console import BadInput
from srscene.runtime.ranks import together

HERE = Path(__file__).parent


@pytest.mark.parametrize(("nodes", "first"), [
    ("", "127.0.0.1"), ("a7", "127.0.0.1"), ("a7,b3", "a7"), ("a[07-12,15]", "a07"), ("gpu-[3,9]", "gpu-3"),
    ("x1,y[2-4]", "x1"),
])  # fmt: skip
def test_the_first_of_slurms_nodes(nodes: str, first: str) -> None:
    assert rendezvous._first_node(nodes) == first


def test_steps_of_slurm_and_runs_of_open_mpi_take_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendezvous._port() == 29_500
    ports = []
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    for run in ("1140785153", "1140064257", "prterun-node-1234@1"):  # of Open MPI 4, two in a row, and of 5
        monkeypatch.setenv("PMIX_NAMESPACE", run)
        ports.append(rendezvous._port())
    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    for step in ("0", "1"):
        monkeypatch.setenv("SLURM_STEP_ID", step)
        ports.append(rendezvous._port())
    assert len(set(ports)) == 5
    assert all(1024 < port < 32768 for port in ports)


def test_processes_that_do_not_meet_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one never comes."""
    monkeypatch.setattr(rendezvous, "TO_MEET", timedelta(seconds=1))
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", "1")
    expected = r"2 processes did not meet at 127.0.0.1:1 .*; set MASTER_ADDR"
    with pytest.raises(BadInput, match=expected), together("upscale"):
        raise AssertionError


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's way")
def test_connections_are_watched() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as near, server.accept()[0] as far:
        rendezvous.watch_connections()
        for connection in (near, far):
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
        near.sendall(b"x")
        assert far.recv(1) == b"x"  # it is still open


def test_a_node_that_is_cut_off_ends_the_run() -> None:
    """Two nodes, which are namespaces of Linux, and a cable between them that is pulled."""
    options = ["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    namespaces = ["unshare", *options]
    tried = [*namespaces, "ip", "link", "add", "type", "veth"]
    if not shutil.which("unshare") or subprocess.run(tried, capture_output=True).returncode:
        pytest.skip("no networks of one's own on this machine")
    command = [*namespaces, "bash", "cut_off.sh", sys.executable]
    run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120)
    lost = "error: stage: process {} of 2 was lost (killed, or its node is gone)"
    for process in (0, 1):  # each node says so of the other, at times in one line
        assert run.stderr.count(lost.format(process)) == 1, run.stderr
    assert run.stdout.splitlines()[-2:] == ["status 1", "status 1"], run.stderr
