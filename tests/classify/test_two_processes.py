"""Stages in two processes: damaged scratch costs no byte, and a failure ends both with one line."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.classify.stores import quick, write_store
from tests.classify.test_train import OUTPUTS, Stages, flip, truncate

SECONDS = 180
"""Within which two processes end, or wait for each other for ever."""


def _in_two(stages: Stages, stage: str) -> tuple[list[int], list[str], list[str]]:
    """Run a stage in two processes, as torchrun starts them; return exit codes, outputs and errors."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = []
    for rank in ("0", "1"):
        environment = stages.environment | group | {"RANK": rank, "LOCAL_RANK": rank}
        command = [sys.executable, "-m", f"stages.{stage}"]
        pipe = subprocess.PIPE
        processes.append(
            subprocess.Popen(command, cwd=stages.folder, env=environment, stdout=pipe, stderr=pipe, text=True)
        )
    try:
        said = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], [out for out, _ in said], [err for _, err in said]


def _outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def test_damaged_scratch_costs_no_byte(tmp_path: Path) -> None:
    stages = Stages(tmp_path, quick(epochs=2, batch_size=4))
    write_store(tmp_path / "data" / "upscaled", train=8, val=0, test=0)  # no val: the last epoch is kept
    codes, _, errors = _in_two(stages, "train")
    assert codes == [0, 0], errors
    undisturbed = _outputs(tmp_path)
    damages: list[tuple[str, Callable[[Path], None]]] = [
        ("checkpoint.pt", flip),
        ("epoch-0002.safetensors", truncate),
    ]
    for piece, damage in damages:
        (file,) = tmp_path.glob(f".scratch/train/*/{piece}")
        damage(file)
        codes, (first, second), errors = _in_two(stages, "train")
        assert codes == [0, 0], errors
        assert first.count(f"{piece}: not as it was written") == 1
        assert "not as it was written" not in second
        assert ("going on after epoch 2 of 2" in first) == (piece != "checkpoint.pt")
        assert _outputs(tmp_path) == undisturbed


def test_a_training_that_diverges_ends_both(tmp_path: Path) -> None:
    wild = quick(epochs=40, batch_size=4, learning_rate=10.0, weight_decay=10.0)
    stages = Stages(tmp_path, wild)
    write_store(tmp_path / "data" / "upscaled", train=8, val=0, test=0)
    codes, _, errors = _in_two(stages, "train")
    assert codes == [1, 1]
    assert [error.count("error: test_resnet: not finite from step") for error in errors] == [1, 0]
    assert [error.count("error: ") for error in errors] == [1, 0], errors
    assert not any("Traceback" in error for error in errors)
    assert not (tmp_path / "models").exists()
