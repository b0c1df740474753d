"""Push, fresh clone, pull: against a folder and against a real S3 server on the loopback."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from srscene.runtime.params import parse
from tests.pipeline.repository import Repo
from tests.ports import free_port

KEY, SECRET = "researcher", "correct-horse-battery"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An S3 server with one bucket and one key; yields its address and the folder of its objects."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "bucket").mkdir()
    address = f"127.0.0.1:{free_port()}"
    rclone = Path(sys.executable).with_name("rclone")
    command = [rclone, "serve", "s3", "--addr", address, "--auth-key", f"{KEY},{SECRET}", folder]
    server = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env=os.environ | {"RCLONE_CONFIG": os.devnull}
    )
    try:
        wait_for(address, server)
        yield f"http://{address}", folder / "bucket"
    finally:
        server.terminate()
        server.wait()


def wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    host, port = address.split(":")
    for _ in range(600):
        assert server.poll() is None
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(address)


def use_s3(repo: Repo, address: str, secret: str = SECRET) -> None:
    """Point the remote at the server; credentials stay out of git."""
    repo.dvc("remote", "modify", "--local", "storage", "url", "s3://bucket/srscene")
    repo.dvc("remote", "modify", "--local", "storage", "endpointurl", address)
    repo.dvc("remote", "modify", "--local", "storage", "access_key_id", KEY)
    repo.dvc("remote", "modify", "--local", "storage", "secret_access_key", secret)
    repo.dvc("remote", "modify", "--local", "storage", "region", "us-east-1")


def test_folder_remote_gives_a_clone_everything(repo: Repo, tmp_path: Path) -> None:
    repo.dvc("push")
    clone = repo.clone(tmp_path / "clone")
    clone.dvc("pull")
    assert clone.repro() == set()
    assert clone.run("git", "status", "--porcelain") == ""


def test_a_file_that_the_remote_lacks_is_named_and_comes_later(repo: Repo, tmp_path: Path) -> None:
    repo.dvc("push")
    lost = stored(repo, "data/predictions.h5")
    lost.unlink()
    clone = repo.clone(tmp_path / "clone")
    said = clone.dvc("pull", ok=False)
    assert f"md5: {lost.parent.name}{lost.name}" in said
    assert "data/predictions.h5" in said.split("ERROR: ")[1]
    assert (clone.folder / "models/classifier/model.safetensors").exists()
    assert "1 file pushed" in repo.dvc("push")
    assert "1 file fetched" in clone.dvc("pull")
    assert clone.repro() == set()


def test_a_file_of_a_folder_that_the_remote_lacks(repo: Repo, tmp_path: Path) -> None:
    """DVC takes a folder whose list is on the remote for whole: the list must go, then all is looked for."""
    repo.dvc("push")
    folder = stored(repo, "data/patches")
    entry = json.loads(folder.read_text())[0]["md5"]
    lost = folder.parents[1] / entry[:2] / entry[2:]
    lost.unlink()
    clone = repo.clone(tmp_path / "clone")
    assert entry in clone.dvc("pull", ok=False)
    folder.unlink()
    assert "2 files pushed" in repo.dvc("push")
    clone.dvc("pull")
    assert clone.repro() == set()


def stored(repo: Repo, path: str) -> Path:
    """Return where the folder remote keeps an output; of a folder, its list."""
    stages = parse((repo.folder / "dvc.lock").read_bytes())["stages"].values()
    digest = next(out["md5"] for stage in stages for out in stage.get("outs", ()) if out["path"] == path)
    return repo.folder.parent / "storage/files/md5" / digest[:2] / digest[2:]


def test_a_clone_can_check_without_any_data(repo: Repo, tmp_path: Path) -> None:
    repo.dvc("push")
    clone = repo.clone(tmp_path / "clone")
    assert clone.repro("--pull", "--allow-missing") == set()
    assert not (clone.folder / "data/upscaled").exists()


def test_s3_gives_a_clone_everything(repo: Repo, s3: tuple[str, Path], tmp_path: Path) -> None:
    use_s3(repo, s3[0])
    repo.dvc("push")
    clone = repo.clone(tmp_path / "clone")
    use_s3(clone, s3[0])
    clone.dvc("pull")
    assert clone.repro() == set()


def test_s3_refuses_a_wrong_key(repo: Repo, s3: tuple[str, Path], tmp_path: Path) -> None:
    clone = repo.clone(tmp_path / "clone")
    use_s3(clone, s3[0], secret="wrong")
    clone.dvc("pull", ok=False)
    assert not (clone.folder / "data/predictions.h5").exists()


def test_s3_corruption_is_detected(repo: Repo, s3: tuple[str, Path], tmp_path: Path) -> None:
    use_s3(repo, s3[0])
    repo.dvc("push")
    damage = max((path for path in s3[1].rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = damage.read_bytes()
    damage.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    clone = repo.clone(tmp_path / "clone")
    use_s3(clone, s3[0])
    assert "Checkout failed" in clone.dvc("pull", ok=False)
    assert not (clone.folder / "models/classifier/model.safetensors").exists()  # the largest object
