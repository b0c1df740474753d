"""Shared by all tests: one thread a process, so that two test processes share two cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
