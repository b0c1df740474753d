"""`upscale` and a fit in several processes: the same bytes as alone, and one end for all of them."""

import re
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from srscene.runtime.leases import PRETENDED
from tests.ports import free_port
from tests.sr.launched import STAGE, Ended, Place, end
from tests.sr.sr_data import checkpoint, images, store

SMALL = {
    "features": 8, "blocks": 1, "steps": 60, "batch_size": 3, "crop": 8, "precision": "fp32",
}  # fmt: skip
BOUND = 2e-4
"""Of the mean difference of a weight after SMALL's 60 steps: Adam's steps, of up to 0.001, have the sign of
gradients that may be nothing but rounding."""


def bicubic(folder: Path, count: int, shards_of: int = 10_000, **changes: Any) -> Place:
    """A place to upscale `count` patches of 6×6 pixels, which makes 24×24 of them."""
    place = Place(folder, shards_of * 24 * 24 * 3, sr="bicubic", **changes)
    store(folder / "data/patches", images(count, 6, 6))
    return place


def shards(place: Place) -> dict[str, bytes]:
    return place.outs("data/upscaled")


def test_the_same_bytes_for_one_two_and_four_processes(tmp_path: Path) -> None:
    """Of one shard, which they share in slices; with a network, whose last batches are not full."""
    found = []
    for world in (1, 2, 4):
        place = Place(tmp_path / str(world), sr="srresnet", machine={"batch_size": 5})
        store(place.folder / "data/patches", images(70, 8, 8))
        checkpoint("msrresnet", place.folder / "models/upscaler/weights.safetensors")
        done = place.torchrun("upscale", world)
        assert done.status == 0, done.errors
        assert done.said.count("70 patches") == 1
        assert ("× " in done.said) == (world > 1)
        found.append(shards(place))
        assert not list(place.folder.glob(".scratch/upscale/*/*.slices"))
    assert [*found[0]] == ["shard-00000.h5"]
    assert found[0] == found[1] == found[2]


def test_the_same_bytes_where_each_process_has_shards(tmp_path: Path) -> None:
    place = bicubic(tmp_path / "2", 22, shards_of=4)
    codes = [end(process) for process in place.srun("upscale", 2)]
    assert [code.status for code in codes] == [0, 0], codes
    assert ["22 patches" in code.said for code in codes] == [True, False]
    assert codes[1].said == codes[1].errors == ""
    alone = bicubic(tmp_path / "1", 22, shards_of=4)
    assert alone.alone("upscale").status == 0
    assert len(shards(place)) == 6
    assert shards(place) == shards(alone)


SHORT = """
import os, sys
from srscene.sr import run
from srscene.sr.bicubic.model import Bicubic

class Short(Bicubic):
    def load(self, *arguments):
        bicubic = super().load(*arguments)
        def upscale(pixels, names):
            print("a batch of", len(pixels), file=sys.stderr)
            if len(pixels) > int(os.environ["FITS"]):
                raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.")
            return bicubic(pixels, names)
        return upscale

run.find = lambda name: Short()
"""
"""Lets memory run out for larger batches than FITS."""


def test_where_memory_is_short_in_one_process_all_take_smaller_batches(tmp_path: Path) -> None:
    """Else a patch's bytes would depend on who upscales it."""
    place = bicubic(tmp_path, 16, shards_of=4, machine={"batch_size": 4})
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    processes = [
        place._start(
            ["-c", SHORT + STAGE, "upscale", *place.numbers],
            group | {"RANK": rank, "LOCAL_RANK": rank, "FITS": fits},
        )
        for rank, fits in (("0", "4"), ("1", "2"))
    ]
    done = [end(process) for process in processes]
    assert [code.status for code in done] == [0, 0], done
    assert "upscale: out of memory in another process; going on with batches of 2" in done[0].said
    assert done[1].said == ""
    sizes = [re.findall(r"a batch of (\d)", code.errors) for code in done]
    assert [set(found[1:]) for found in sizes] == [{"2"}, {"2"}]


def test_three_stages_on_two_gpus(tmp_path: Path) -> None:
    """Pretended ones, of which each stage takes another; the third one waits, and says so."""
    gpus = {PRETENDED: "a,b", "TMPDIR": str(tmp_path)}
    places = [slow(tmp_path / name, count=12) for name in ("1", "2", "3")]
    first_two = [place.start("upscale", gpus) for place in places[:2]]
    at_work = []
    while len(at_work) < 2:
        for process, place in zip(first_two, places, strict=False):
            if process not in at_work and list(place.folder.glob(".scratch/upscale/*/*.part")):
                process.send_signal(signal.SIGSTOP)
                at_work.append(process)
        assert all(process.poll() is None for process in first_two), "ended too early"
        time.sleep(0.005)
    third = places[2].start("upscale", gpus)
    assert third.stdout
    waiting = third.stdout.readline()
    for process in first_two:
        process.send_signal(signal.SIGCONT)
    done = [end(process) for process in (*first_two, third)]
    assert waiting.startswith("upscale: all 2 GPUs are taken by other stages; waiting for a free one")
    assert [code.status for code in done] == [0, 0, 0]
    assert not any("taken" in code.said for code in done)
    assert {lock.name for lock in tmp_path.glob("srscene-*/*")} == {"a.lock", "b.lock"}
    assert shards(places[0]) == shards(places[1]) == shards(places[2])


def lost(place: Place, victim: int, pattern: str) -> list[Ended]:
    """Run `upscale` in two processes, and kill one when a file is there."""
    processes = place.srun("upscale", 2)
    wait_for(processes, place.folder, pattern)
    processes[victim].kill()
    return [end(process) for process in processes]


def wait_for(processes: list["subprocess.Popen[str]"], folder: Path, pattern: str) -> None:
    while not list(folder.glob(pattern)):
        assert all(process.poll() is None for process in processes), "ended too early"
        time.sleep(0.005)


def slow(folder: Path, count: int = 24) -> Place:
    """A place where upscaling takes seconds, with two shards in each of two processes."""
    place = Place(folder, 6 * 96 * 96 * 3, checkpoint_seconds=0, sr="realesrgan", machine={"batch_size": 1})
    store(folder / "data/patches", images(count, 24, 24))
    checkpoint("rrdbnet", folder / "models/upscaler/weights.safetensors")
    return place


@pytest.mark.parametrize("victim", [0, 1])
def test_a_lost_process_ends_the_other_one_and_costs_no_more_than_its_work(
    tmp_path: Path, victim: int
) -> None:
    place = slow(tmp_path / "2")
    ended = lost(place, victim, ".scratch/upscale/*/shard-0000[01].h5")
    assert ended[victim].status == -signal.SIGKILL
    other = ended[1 - victim]
    assert other.status == 1
    assert len(other.words) == 1
    assert f"upscale: process {victim} of 2 was lost" in other.words[0]
    assert "Traceback" not in other.errors
    assert not (place.folder / "data/upscaled").exists()
    kept = {file: file.stat().st_ino for file in place.folder.glob(".scratch/upscale/*/shard-*.h5")}
    assert kept

    again = [end(process) for process in place.srun("upscale", 2)]
    assert [code.status for code in again] == [0, 0], again
    assert all(file.stat().st_ino == number for file, number in kept.items())  # it was not made again
    alone = slow(tmp_path / "1")
    assert alone.alone("upscale").status == 0
    assert shards(place) == shards(alone)


def test_torchrun_ends_with_one_line_of_ours(tmp_path: Path) -> None:
    place = bicubic(tmp_path, 40)
    (tmp_path / "params.yaml").write_text((tmp_path / "params.yaml").read_text().replace("auto", "often"))
    done = place.torchrun("upscale", 2)
    assert done.status == 1
    assert len(done.words) == 1
    assert "machine.batch_size" in done.words[0]


def test_what_one_process_finds_wrong_is_said_once(tmp_path: Path) -> None:
    """The second one may write no more than some pictures, as on a full disk."""
    place = slow(tmp_path)
    processes = place.srun("upscale", 2)
    resource.prlimit(processes[1].pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
    done = [end(process) for process in processes]
    assert [code.status for code in done] == [1, 1]
    assert [len(code.words) for code in done] == [1, 0], done
    assert "the disk is full" in done[0].words[0]
    assert not any("Traceback" in code.errors for code in done)
    assert not (tmp_path / "data/upscaled").exists()


def fitting(folder: Path, **changes: Any) -> Place:
    fit = {"weights": {"source": "fit", "fit": SMALL | changes}}
    place = Place(folder, sr="srresnet", upscalers={"srresnet": fit})
    store(folder / "data/patches", images(9, 40, 40))
    (folder / "data/fit_seed.json").write_text("0")
    return place


def weights(place: Place) -> dict[str, torch.Tensor]:
    return load_file(place.folder / "models/upscaler/weights.safetensors")


def test_a_fit_in_two_processes_is_that_of_one_but_for_rounding(tmp_path: Path) -> None:
    """Batches of three: one process has two crops, the other one."""
    alone, two, again = (fitting(tmp_path / name) for name in ("1", "2", "again"))
    assert alone.alone("weights").status == 0
    done = two.torchrun("weights", 2)
    assert done.status == 0, done.errors
    assert done.said.count("weights: fit") == 1
    assert [code.status for code in map(end, again.srun("weights", 2))] == [0, 0]
    assert two.outs("models/upscaler") == again.outs("models/upscaler")
    one, other = (
        torch.cat([value.flatten() for _, value in sorted(weights(place).items())]) for place in (alone, two)
    )
    assert 0 < float((one - other).abs().mean()) < BOUND


def test_more_processes_than_crops(tmp_path: Path) -> None:
    alone, two = (fitting(tmp_path / name, batch_size=1, steps=5) for name in ("1", "2"))
    assert alone.alone("weights").status == 0
    assert [code.status for code in map(end, two.srun("weights", 2))] == [0, 0]
    assert (
        two.outs("models/upscaler")["weights.safetensors"]
        == alone.outs("models/upscaler")["weights.safetensors"]
    )


def test_weights_that_are_not_fitted_are_the_first_ones_work(tmp_path: Path) -> None:
    place = Place(tmp_path, sr="bicubic")
    store(tmp_path / "data/patches", images(3, 6, 6))
    (tmp_path / "data/fit_seed.json").write_text("null")
    done = [end(process) for process in place.srun("weights", 2)]
    assert [code.status for code in done] == [0, 0]
    assert [code.said.count("weights: none") for code in done] == [1, 0]
    assert [*place.outs("models/upscaler")] == ["card.json"]
