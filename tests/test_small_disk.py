"""A real disk that is too small: a tmpfs of 2 MiB, in a mount namespace of its own, on which an archive is
ingested and a store upscaled. Said before, said when full, and nothing left of it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.kills import outputs
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.runtime.console import BadInput
from srscene.runtime.machine import Machine
from srscene.sr.run import upscale_store
from tests.ingest.raw_patches import NAMES, pack, write_lists, write_v1
from tests.options import section
from tests.sr.sr_data import images, store, upscale_options

ROOT = Path(__file__).parents[1]
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]
MOUNTABLE = (
    shutil.which("unshare") is not None
    and subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode
    == 0
)


def main(folder: Path) -> None:
    """Fill the small disk; print what was said, what stayed, and what came of it where there is room."""
    small, large, raw = folder / "small", folder / "large", folder / "raw"
    small.mkdir()
    write_v1(folder / "tree")
    raw.mkdir()
    pack(folder / "tree/BigEarthNet-v1.0", raw / "BigEarthNet-v1.0.tar.gz")
    write_lists(
        raw, {"train": [*NAMES, *(f"absent_{number}_0" for number in range(50))], "val": [], "test": []}
    )
    options = section("datasets.bigearthnet", IngestOptions)
    patches, weights = store(folder / "patches", images(8, 120, 120)), folder / "weights"
    weights.mkdir()
    machine = section("machine", Machine, batch_size=2)

    def both(place: Path) -> list[str]:
        said = []
        os.environ["DVC_ROOT"] = str(place)
        for work in (
            lambda: ingest(raw, place / "data/patches", "bigearthnet", options, 1),
            lambda: upscale_store(
                "bicubic",
                upscale_options("bicubic"),
                machine,
                patches,
                weights,
                place / "data/upscaled",
                "test",
            ),
        ):
            try:
                work()
                said.append("")
            except BadInput as error:
                said.append(str(error))
        return said

    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    (small / "ballast").write_bytes(bytes(1_800_000))
    full = both(small)
    left = sorted(outputs(small))
    (small / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
    again, elsewhere = both(small), both(large)
    same = outputs(small) == outputs(large)
    print(json.dumps({"full": full, "left": left, "again": [*again, *elsewhere], "same": same}))


@pytest.mark.skipif(not MOUNTABLE, reason="no tmpfs can be mounted in a namespace here")
def test_a_small_disk(tmp_path: Path) -> None:
    command = [*UNSHARE, sys.executable, "-m", "tests.test_small_disk", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    said, (ingesting, upscaling) = done.stdout, report["full"]
    assert "the store of" in said
    assert "going on, since the archive may hold fewer" in said
    assert "the disk is full" in ingesting
    assert "small" in ingesting
    assert "the disk is full" in upscaling
    assert report["left"] == ["ballast"]
    assert report["again"] == ["", "", "", ""]
    assert report["same"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
