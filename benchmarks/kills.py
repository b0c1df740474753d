"""What SIGKILLs at random moments cost: nothing, if the table says so."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dev.random_kills import Disturbed

STAGES = ("ingest", "upscale", "fit", "train", "predict", "evaluate")
HEADER = "| stage | runs | kills | first third | middle | last | same bytes | rubbish left |"


def run(count: int) -> None:
    """Kill the stages `count` times in all; print what is wrong, then the table."""
    lines = [HEADER, "|---" + "|--:" * 7 + "|"]
    with tempfile.TemporaryDirectory() as folder:
        for number, stage in enumerate(STAGES):
            share = (count + number) // len(STAGES)
            runs = killed(stage, Path(folder), share) if share else []
            for bad in runs:
                if not bad["same"] or bad["rubbish"]:
                    print(f"{stage}: {bad}")
            lines.append(row(stage, runs))
            print(lines[-1], flush=True)
    print("\n".join(["", *lines]))


def killed(stage: str, folder: Path, count: int) -> "list[Disturbed]":
    """Kill a stage `count` times in a process of its own, whose forks have no threads."""
    command = [sys.executable, "-m", "dev.random_kills", str(folder), str(count), stage]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    report: dict[str, list[Disturbed]] = json.loads(found.stdout)
    return report[stage]


def row(stage: str, runs: "list[Disturbed]") -> str:
    """Return a stage's line of the table."""
    thirds = [min(2, int(3 * moment)) for run in runs for moment in run["moments"]]
    same, rubbish = sum(run["same"] for run in runs), sum(bool(run["rubbish"]) for run in runs)
    where = [thirds.count(third) for third in range(3)]
    return "| " + " | ".join(map(str, [stage, len(runs), len(thirds), *where, same, rubbish])) + " |"
