"""The runner, as the stage `upscale` calls it: whole, killed, by several workers, short of memory."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from srscene.core import codec
from srscene.core.store import PatchStore, shard_path
from srscene.core.writer import PER_SHARD
from srscene.runtime import files
from srscene.runtime.console import BadInput
from srscene.runtime.files import sha256
from srscene.runtime.machine import Machine
from srscene.runtime.params import recorded
from srscene.sr import run
from srscene.sr.bicubic.model import Bicubic
from srscene.sr.common.upscaler import Upscale, Upscaler, load_from_card
from srscene.sr.run import upscale_store
from srscene.sr.weights.prepare import prepare_weights
from tests.sr.sr_data import checkpoint, images, store, upscale_options, weights_options

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()


def upscale(
    name: str,
    patches: PatchStore,
    out: Path,
    batch_size: int | str = "auto",
    per_shard: int = PER_SHARD,
    **options: Any,
) -> PatchStore:
    machine = Machine(batch_size=batch_size, workers="auto")  # type: ignore[arg-type]
    chosen, key = upscale_options(name, **options), f"{name} {options} {patches.digest} {per_shard}"
    upscale_store(name, chosen, machine, patches, Path("weights"), out, key, per_shard)
    return PatchStore(out)


def same_pictures(one: PatchStore, other: PatchStore) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_everything_but_the_size_stays(tmp_path: Path) -> None:
    known = {"dataset": "synthetic", "bands": ["B04", "B03", "B02"], "reflectance_max": 2000}
    patches = store(tmp_path / "p", images(7, 12, 12), images(7, 48, 48), known)
    result = upscale("bicubic", patches, tmp_path / "out", batch_size=2, per_shard=3)
    assert sorted(contents(tmp_path / "out")) == ["index.h5", *(f"shard-0000{n}.h5" for n in range(3))]
    assert result.names == patches.names
    assert np.array_equal(result.labels, patches.labels)
    assert np.array_equal(result.split, patches.split)
    assert result.image_shape == (48, 48, 3)
    assert not result.has_reference
    made = {"sr": "bicubic", "options": {"scale": 4}, "precision": "fp32", "weights": None, "scale": 4}
    assert result.attributes == known | made


def test_none_changes_no_byte(tmp_path: Path) -> None:
    patches = store(tmp_path / "p", images(5, 12, 12))
    result = upscale("none", patches, tmp_path / "out", batch_size=2)
    assert same_pictures(result, patches)
    assert result.attributes["scale"] == 1


@pytest.mark.parametrize(("batch_size", "shard_size"), [(1, 7), (3, 7), (7, 2), (2, 3)])
def test_bicubic_does_not_depend_on_batches_and_shards(
    tmp_path: Path, batch_size: int, shard_size: int
) -> None:
    patches = store(tmp_path / "p", images(7, 12, 12))
    reference = upscale("bicubic", patches, tmp_path / "reference", batch_size=1)
    result = upscale("bicubic", patches, tmp_path / "out", batch_size, shard_size)
    assert result.shard_of(6) == shard_path(tmp_path / "out", 6 // shard_size)
    assert same_pictures(result, reference)


@pytest.mark.parametrize("shard_size", [1, 4, 5])
def test_a_network_does_not_see_shards(tmp_path: Path, shard_size: int) -> None:
    checkpoint("msrresnet", tmp_path / "weights/weights.safetensors")
    patches = store(tmp_path / "p", images(7, 20, 20))
    reference = upscale("srresnet", patches, tmp_path / "reference", precision="fp32")
    result = upscale("srresnet", patches, tmp_path / "out", per_shard=shard_size, precision="fp32")
    assert same_pictures(result, reference)


class Recorder(Bicubic):
    """Bicubic that notes what it is called with, and fails at a patch, or where a batch does not fit.

    With `short_at`, memory is short at that patch alone.
    """

    def __init__(self, fail_at: str = "", fits: int = 99, short_at: str = "") -> None:
        self.fail_at, self.fits, self.short_at = fail_at, fits, short_at
        self.batches: list[list[str]] = []

    def load(self, *arguments: Any) -> Upscale:
        bicubic = super().load(*arguments)

        def upscale(pixels: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            assert len(pixels) == len(names)
            self.batches.append(list(names))
            if self.fail_at in names:
                raise RuntimeError("as planned")
            if len(names) > self.fits and (not self.short_at or self.short_at in names):
                raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.")
            return bicubic(pixels, names)

        return upscale


def use(upscaler: Upscaler[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "find", lambda name: upscaler)


def test_every_batch_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    use(recorder, monkeypatch)
    upscale("bicubic", store(tmp_path / "p", images(7, 12, 12)), tmp_path / "out", 3, per_shard=5)
    assert recorder.batches == [
        ["patch_0", "patch_1", "patch_2"],
        ["patch_3", "patch_4", "patch_4"],
        ["patch_5", "patch_6", "patch_6"],
    ]


def test_batches_are_halved_where_memory_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder(fits=2)
    use(recorder, monkeypatch)
    patches = store(tmp_path / "p", images(7, 12, 12))
    result = upscale("bicubic", patches, tmp_path / "out", batch_size=8)
    assert [len(batch) for batch in recorder.batches] == [8, 4, 2, 2, 2, 2]
    said = [line for line in capsys.readouterr().out.splitlines() if "memory" in line]
    assert said == [f"upscale: out of memory; going on with batches of {size}" for size in (4, 2)]
    monkeypatch.undo()
    assert same_pictures(result, upscale("bicubic", patches, tmp_path / "reference"))


def test_memory_that_runs_out_later_loses_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(fits=2, short_at="patch_5")
    use(recorder, monkeypatch)
    patches = store(tmp_path / "p", images(8, 12, 12))
    result = upscale("bicubic", patches, tmp_path / "out", batch_size=4, per_shard=4)
    numbers = [[int(name.removeprefix("patch_")) for name in batch] for batch in recorder.batches]
    assert numbers == [[0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [6, 7]]
    monkeypatch.undo()
    assert same_pictures(result, upscale("bicubic", patches, tmp_path / "reference"))


def test_the_next_run_begins_with_the_batch_that_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though memory may suffice for more by then: another size rounds differently."""
    patches = store(tmp_path / "p", images(12, 12, 12))
    use(Recorder(fits=2, fail_at="patch_9"), monkeypatch)
    with pytest.raises(RuntimeError, match="as planned"):
        upscale("bicubic", patches, tmp_path / "out", batch_size=8, per_shard=8)
    recorder = Recorder()
    use(recorder, monkeypatch)
    capsys.readouterr()
    upscale("bicubic", patches, tmp_path / "out", batch_size=8, per_shard=8)
    assert recorder.batches[0][0] == "patch_8"
    assert {len(batch) for batch in recorder.batches} == {2}
    assert "batches of 2: 12 patches" in capsys.readouterr().out


class Disk(NamedTuple):
    """What `shutil.disk_usage` returns."""

    total: int
    used: int
    free: int


def test_the_room_that_is_asked_for_is_what_compressed_pictures_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 pictures of 48×48 and one colour: 276,480 bytes as they are, a fifth of it compressed."""
    patches = store(tmp_path / "p", np.full((40, 12, 12, 3), 80, np.uint8))
    free = 120_000
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: Disk(10**9, 0, free))
    with pytest.raises(BadInput, match=r"the 3 parts that are left needs .* kB"):
        upscale("bicubic", patches, tmp_path / "out", batch_size=4, per_shard=10)
    shutil.rmtree(tmp_path / ".scratch")
    monkeypatch.setattr(codec, "LEAST", 1)
    upscale("bicubic", patches, tmp_path / "out", batch_size=4, per_shard=10)


def test_not_even_one_patch_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Recorder(fits=0), monkeypatch)
    with pytest.raises(BadInput, match="not even one patch fits the device's memory"):
        upscale("bicubic", store(tmp_path / "p", images(3, 12, 12)), tmp_path / "out", batch_size=4)


def test_finished_parts_count_and_a_failed_one_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = store(tmp_path / "p", images(6, 12, 12))
    first: list[str] = []
    for _ in range(2):
        recorder = Recorder(fail_at="patch_4")
        use(recorder, monkeypatch)
        with pytest.raises(RuntimeError, match="as planned"):
            upscale("bicubic", patches, tmp_path / "out", batch_size=1, per_shard=3)
        first.append(recorder.batches[0][0])
    assert first == ["patch_0", "patch_3"]
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".scratch/upscale/*/*.tmp"))


ALONE = """
import sys
from pathlib import Path
from srscene.runtime.machine import Machine
from srscene.core.store import PatchStore
from srscene.sr.realesrgan.options import UpscaleOptions
from srscene.sr.run import upscale_store
machine = Machine(batch_size=2, workers="auto")
options = UpscaleOptions(precision="fp32", compile=False)
upscale_store("realesrgan", options, machine, PatchStore("p"), Path("weights"), Path(sys.argv[1]), "test", 4)
"""


def start(folder: Path, out: str) -> "subprocess.Popen[str]":
    """Upscale the store `p` in a process of its own, in parts of four patches."""
    command = [sys.executable, "-c", ALONE, out]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)


def wait_for(process: "subprocess.Popen[str]", folder: Path, pattern: str) -> Path:
    while not (found := list(folder.glob(pattern))):
        assert process.poll() is None, "ended too early"
        time.sleep(0.005)
    return found[0]


def slow(tmp_path: Path) -> PatchStore:
    """Patches that take a few seconds, in ten parts."""
    checkpoint("rrdbnet", tmp_path / "weights/weights.safetensors")
    return store(tmp_path / "p", images(40, 24, 24))


def alone(patches: PatchStore, out: Path) -> dict[str, bytes]:
    """Return what one run without scratch makes of them."""
    machine, chosen = Machine(batch_size=2, workers="auto"), upscale_options("realesrgan", precision="fp32")
    upscale_store("realesrgan", chosen, machine, patches, Path("weights"), out, "another key", 4)
    return contents(out)


def test_a_killed_run_loses_the_part_in_hand_alone(tmp_path: Path) -> None:
    patches = slow(tmp_path)
    process = start(tmp_path, "out")
    try:
        wait_for(process, tmp_path, ".scratch/upscale/*/shard-00002.h5")
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    finished = {shard: shard.stat().st_ino for shard in tmp_path.glob(".scratch/upscale/*/shard-*.h5")}
    assert 3 <= len(finished) < 10
    assert start(tmp_path, "out").wait() == 0
    assert all(shard.stat().st_ino == number for shard, number in finished.items())
    assert contents(tmp_path / "out") == alone(patches, tmp_path / "whole")


@pytest.mark.parametrize("count", [2, 4])
def test_workers_share_the_parts(tmp_path: Path, count: int) -> None:
    patches = slow(tmp_path)
    workers = [start(tmp_path, "out") for _ in range(count)]
    assert [worker.wait(120) for worker in workers] == [0] * count
    assert contents(tmp_path / "out") == alone(patches, tmp_path / "whole")


def test_a_worker_that_comes_later_takes_over_what_a_killed_one_held(tmp_path: Path) -> None:
    patches = slow(tmp_path)
    first = start(tmp_path, "out")
    wait_for(first, tmp_path, ".scratch/upscale/*/shard-00001.h5")
    second = start(tmp_path, "out")
    wait_for(second, tmp_path, ".scratch/upscale/*/shard-00004.h5")
    first.kill()
    assert second.wait(120) == 0
    assert contents(tmp_path / "out") == alone(patches, tmp_path / "whole")


def test_a_worker_in_another_place_shares_the_scratch(tmp_path: Path) -> None:
    """As two experiments of one repository, or two nodes, do; each publishes where it is."""
    patches = slow(tmp_path)
    first, second = start(tmp_path, "first"), start(tmp_path, "second")
    assert [worker.wait(120) for worker in (first, second)] == [0, 0]
    shard = shard_path(next(tmp_path.glob(".scratch/upscale/*/finished")).parent, 0)
    assert (tmp_path / "first" / shard.name).samefile(shard)  # it was made once
    assert (tmp_path / "second" / shard.name).samefile(shard)
    whole = alone(patches, tmp_path / "whole")
    assert contents(tmp_path / "first") == contents(tmp_path / "second") == whole


UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "--uts", "--pid", "--fork"]


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*UNSHARE, "true"], capture_output=True).returncode != 0,
    reason="no namespaces here",
)
def test_a_worker_on_another_host(tmp_path: Path) -> None:
    """It has another host name, process numbers of its own, and sees the same disk at another place."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here / "weights", there):
        folder.mkdir(parents=True)
    checkpoint("rrdbnet", here / "weights/weights.safetensors")
    patches = store(here / "p", images(40, 24, 24))
    shell = f'hostname elsewhere && mount --bind {here} {there} && cd {there} && exec $0 -c "$1" second'
    other = subprocess.Popen([*UNSHARE, "sh", "-c", shell, sys.executable, ALONE])
    first = start(here, "first")
    assert [first.wait(120), other.wait(120)] == [0, 0]
    shutil.copytree(here / "weights", tmp_path / "weights", dirs_exist_ok=True)
    assert contents(here / "first") == contents(here / "second") == alone(patches, tmp_path / "whole")


def test_finished_work_is_published_again_and_damaged_shards_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a kill while DVC hashed the outs."""
    patches = store(tmp_path / "p", images(8, 12, 12))
    upscale("bicubic", patches, tmp_path / "out", batch_size=1, per_shard=2)
    expected = contents(tmp_path / "out")

    def again() -> list[str]:
        """Upscale again; return the patches that were computed."""
        recorder = Recorder()
        with monkeypatch.context() as patched:
            use(recorder, patched)
            upscale("bicubic", patches, tmp_path / "out", batch_size=1, per_shard=2)
        assert contents(tmp_path / "out") == expected
        return [name for batch in recorder.batches for name in batch]

    assert again() == []
    folder = next(tmp_path.glob(".scratch/upscale/*/finished")).parent
    first, second, third, _ = (shard_path(folder, number) for number in range(4))
    flipped = bytearray(expected[first.name])
    flipped[len(flipped) // 2] ^= 1
    for shard in (first, second, third):
        shard.unlink()  # the out has its own link
    first.write_bytes(flipped)
    second.write_bytes(b"")
    third.mkdir()
    capsys.readouterr()
    assert again() == ["patch_0", "patch_1", "patch_2", "patch_3", "patch_4", "patch_5"]
    assert capsys.readouterr().out.count("not as it was written") == 3
    assert again() == []


def test_a_store_tells_how_it_was_made(tmp_path: Path) -> None:
    """From its attributes and models/upscaler alone the same pictures come out, to the byte."""
    given = checkpoint("msrresnet", tmp_path / "given.safetensors")
    patches = store(tmp_path / "p", images(4, 30, 30))
    models = tmp_path / "weights"
    prepare_weights("srresnet", weights_options("srresnet", source=str(given)), patches, None, models, "test")
    result = upscale("srresnet", patches, tmp_path / "out", precision="bf16")
    attributes = json.loads(json.dumps(PatchStore(tmp_path / "out").attributes))
    assert attributes["options"] == {"precision": "bf16"}

    again = load_from_card(attributes, models, CPU)(torch.from_numpy(patches.batch(range(4))), patches.names)
    assert np.array_equal(again.numpy(), result.batch(range(4)))
    weights = models / "weights.safetensors"
    used = sha256(weights)
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(BadInput, match=r"weights.safetensors: its sha256 is ") as error:
        load_from_card(attributes, models, CPU)
    assert re.findall(r"\b[0-9a-f]{64}\b", str(error.value)) == [sha256(weights), used]
    assert "\n" not in str(error.value)


def test_the_card_tells_where_weights_come_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = checkpoint("msrresnet", tmp_path / "given.safetensors")
    options = weights_options("srresnet", source=str(given))
    patches = store(tmp_path / "p", images(3, 12, 12))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/old").touch()
    prepare_weights("srresnet", options, patches, None, tmp_path / "models", "test")
    card = json.loads((tmp_path / "models/card.json").read_text())
    assert card["sr"] == "srresnet"
    assert card["options"] == recorded(options)
    assert (card["source"], card["file"]) == ("file", "given.safetensors")
    assert {file.name for file in (tmp_path / "models").iterdir()} == {"card.json", "weights.safetensors"}
    assert f"weights: file, {card['parameters']:,} parameters" in capsys.readouterr().out


def test_without_weights_there_is_a_card_alone(tmp_path: Path) -> None:
    patches = store(tmp_path / "p", images(3, 12, 12))
    prepare_weights("bicubic", weights_options("bicubic"), patches, None, tmp_path / "models", "test")
    card = json.loads((tmp_path / "models/card.json").read_text())
    assert card == {"sr": "bicubic", "source": "none", "parameters": 0, "options": {}}
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["card.json"]


def test_official_weights_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says what to download and where to put it. The closed port stands for no network."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    patches = store(tmp_path / "p", images(3, 12, 12))
    with pytest.raises(BadInput) as error:
        prepare_weights(
            "hat", weights_options("hat", source="official"), patches, None, tmp_path / "models", "test"
        )
    assert "\n" not in str(error.value)
    for part in (
        "checkpoints/HAT_SRx4_ImageNet-pretrain.pth: not there",
        "github.com/XPixelGroup",
        "4ee053c4",
    ):
        assert part in str(error.value)
    assert not (tmp_path / "models").exists()
    assert not (tmp_path / "models.tmp").exists()


def test_upscale_runs_without_the_code_of_weights(tmp_path: Path) -> None:
    """DVC does not rerun `upscale` for an edit there, so nothing of it may be imported."""
    code = (
        "import sys; from srscene.sr.common.names import upscalers, options_of; "
        "from srscene.sr.common.upscaler import find; import srscene.sr.run\n"
        "for name in upscalers(): find(name); options_of(name)\n"
        "print([module for module in sys.modules if module.startswith('srscene.sr') and 'weights' in module])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_options_are_quick_to_import() -> None:
    code = (
        "import sys; from srscene.sr.common.names import upscalers, options_of\n"
        "for name in upscalers(): options_of(name)\n"
        "print({'torch', 'h5py', 'numpy', 'requests'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
