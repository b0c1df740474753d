"""Processes that do the same work at once, one of them killed: the others end with the same, whole bytes."""

import json
import subprocess
import sys
from pathlib import Path

from dev.robustness.concurrency import PROCESSES, STAGES

ROOT = Path(__file__).parents[2]
ATTEMPTS = 2


def test_processes_share_work_and_survive_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dev.robustness.concurrency", str(tmp_path), str(ATTEMPTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report.keys() == set(STAGES)
    for attempts in report.values():
        assert len(attempts) == ATTEMPTS
        for attempt in attempts:
            assert attempt == {"codes": [0] * PROCESSES, "same": True}
