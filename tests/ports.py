"""Ports that nothing else takes between the moment they are chosen and the one in which a server listens."""

import itertools
import os
import socket
from contextlib import suppress

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_numbers = itertools.count(20_000 + 3_000 * (_WORKER % 3) + os.getpid() % 1_000)
"""Below those that systems give away themselves, and others in each of pytest's processes."""


def free_port() -> int:
    """Return a port of this machine that is free, another one at each call."""
    for port in _numbers:
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError
