"""`upscale` and `weights` as a launcher starts them: the bytes of one process; no worker blocks another."""

import resource
import time
from pathlib import Path

import numpy as np
import pytest

from tests.sr.launched import Place, end
from tests.sr.sr_data import checkpoint, images, store

SMALL = {
    "features": 8, "blocks": 1, "steps": 5, "batch_size": 3, "crop": 8, "precision": "fp32",
}  # fmt: skip


def srresnet(folder: Path, count: int) -> Place:
    """A place to upscale patches of 8×8 pixels in parts of 128, the last of which is not full."""
    place = Place(folder, sr="srresnet", machine={"batch_size": 5})
    store(folder / "data/patches", images(count, 8, 8))
    checkpoint("msrresnet", folder / "models/upscaler/weights.safetensors")
    return place


def test_the_same_bytes_for_one_two_and_four_processes(tmp_path: Path) -> None:
    found = []
    for world in (1, 2, 4):
        place = srresnet(tmp_path / str(world), 300)
        done = place.torchrun("upscale", world)
        assert done.status == 0, done.errors
        assert done.said.count("300 patches") == 1
        found.append(place.outs("data/upscaled"))
    assert sorted(found[0]) == ["index.h5", "shard-00000.h5", "shard-00001.h5", "shard-00002.h5"]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "names", [("SLURM_PROCID", "SLURM_LOCALID"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"), ()]
)
def test_workers_need_no_common_launcher(tmp_path: Path, names: tuple[str, ...]) -> None:
    """srun's and mpirun's processes, and two terminals: the first one of a launcher speaks."""
    place = srresnet(tmp_path / "2", 300)
    workers = [place.start("upscale", dict.fromkeys(names, str(rank))) for rank in range(2)]
    done = [end(worker) for worker in workers]
    assert [each.status for each in done] == [0, 0], done
    assert ["300 patches" in each.said for each in done] == [True, not names]
    alone = srresnet(tmp_path / "1", 300)
    assert alone.alone("upscale").status == 0
    assert place.outs("data/upscaled") == alone.outs("data/upscaled")


def test_a_worker_that_fails_leaves_its_part_to_another(tmp_path: Path) -> None:
    """It may write no more than some pictures, as on a full disk of its own."""
    place = Place(tmp_path, sr="realesrgan", machine={"batch_size": 8})
    store(tmp_path / "data/patches", images(300, 8, 8))
    checkpoint("rrdbnet", tmp_path / "models/upscaler/weights.safetensors")
    poor = place.start("upscale")
    resource.prlimit(poor.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
    while not list(tmp_path.glob(".scratch/upscale/*/*.lock")):
        assert poor.poll() is None
        time.sleep(0.01)
    rich = place.start("upscale")
    done = end(poor)
    assert done.status == 1
    assert [line for line in done.words if "the disk is full" in line]
    assert end(rich).status == 0
    assert len(place.outs("data/upscaled")) == 4


def test_torchrun_ends_with_a_line_of_ours(tmp_path: Path) -> None:
    place = Place(tmp_path, machine={"batch_size": "often"})
    store(tmp_path / "data/patches", images(20, 8, 8))
    done = place.torchrun("upscale", 2)
    assert done.status == 1
    assert done.words
    assert all("machine.batch_size" in line for line in done.words)


@pytest.mark.parametrize("sr", ["bicubic", "srresnet"])
def test_weights_are_the_first_process_s_work(tmp_path: Path, sr: str) -> None:
    fit = {"srresnet": {"weights": {"source": "fit", "fit": SMALL}}}
    found = []
    for world in (1, 2):
        place = Place(tmp_path / str(world), sr=sr, upscalers=fit)
        store(place.folder / "data/patches", images(9, 40, 40))
        (place.folder / "data/fit_seed.json").write_text("0")
        done = place.torchrun("weights", world)
        assert done.status == 0, done.errors
        assert done.said.count("weights: ") == 1
        found.append(place.outs("models/upscaler"))
    assert found[0] == found[1]


def test_threads_do_not_change_a_byte(tmp_path: Path) -> None:
    """So that workers with other numbers of threads may share the work."""
    found = []
    for threads in ("1", "2"):
        place = srresnet(tmp_path / threads, 40)
        assert end(place.start("upscale", {"OMP_NUM_THREADS": threads})).status == 0
        found.append(place.outs("data/upscaled"))
    assert found[0] == found[1]
    assert np.unique(np.frombuffer(found[0]["shard-00000.h5"], np.uint8)).size > 100
