"""The runner, as the stage `upscale` calls it: whole, killed, run twice at once, short of memory."""

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
from srscene.core import writer as shard_writer
from srscene.core.store import PatchStore, shard_path
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


def shards_of(monkeypatch: pytest.MonkeyPatch, count: int, side: int) -> None:
    """Let a shard hold `count` pictures of this side."""
    monkeypatch.setattr(shard_writer, "SHARD_BYTES", count * side * side * 3)


def upscale(
    name: str,
    patches: PatchStore,
    out: Path,
    batch_size: int | str = "auto",
    key: str = "",
    **options: Any,
) -> PatchStore:
    machine = Machine(batch_size=batch_size, workers="auto")  # type: ignore[arg-type]
    chosen = upscale_options(name, **options)
    upscale_store(name, chosen, machine, patches, Path("weights"), out, key or out.name)
    return PatchStore(out)


def same_pictures(one: PatchStore, other: PatchStore) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_everything_but_the_size_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"dataset": "synthetic", "bands": ["B04", "B03", "B02"], "reflectance_max": 2000}
    patches = store(tmp_path / "p", images(7, 12, 12), images(7, 48, 48), known)
    shards_of(monkeypatch, 3, 48)
    result = upscale("bicubic", patches, tmp_path / "out", batch_size=2)
    assert [len(indices) for indices in result.shard_ranges()] == [3, 3, 1]
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
    tmp_path: Path, batch_size: int, shard_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = store(tmp_path / "p", images(7, 12, 12))
    reference = upscale("bicubic", patches, tmp_path / "reference", batch_size=1)
    shards_of(monkeypatch, shard_size, 48)
    result = upscale("bicubic", patches, tmp_path / "out", batch_size=batch_size)
    assert len(result.shards) == -(-7 // shard_size)
    assert same_pictures(result, reference)


@pytest.mark.parametrize("shard_size", [1, 4, 5])
def test_a_network_does_not_see_shards(
    tmp_path: Path, shard_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint("msrresnet", tmp_path / "weights/weights.safetensors")
    patches = store(tmp_path / "p", images(7, 20, 20))
    reference = upscale("srresnet", patches, tmp_path / "reference", precision="fp32")
    shards_of(monkeypatch, shard_size, 80)
    assert same_pictures(upscale("srresnet", patches, tmp_path / "out", precision="fp32"), reference)


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
    shards_of(monkeypatch, 5, 48)
    upscale("bicubic", store(tmp_path / "p", images(7, 12, 12)), tmp_path / "out", batch_size=3)
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


def test_memory_that_runs_out_later_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(fits=2, short_at="patch_5")
    use(recorder, monkeypatch)
    patches = store(tmp_path / "p", images(8, 12, 12))
    result = upscale("bicubic", patches, tmp_path / "out", batch_size=4)
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
        upscale("bicubic", patches, tmp_path / "out", batch_size=8)
    recorder = Recorder()
    use(recorder, monkeypatch)
    capsys.readouterr()
    upscale("bicubic", patches, tmp_path / "out", batch_size=8)
    assert recorder.batches[1][0] == "patch_8"
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
    """40 pictures of 48×48 and one colour: 276,480 bytes as they are, a twentieth of it compressed."""
    patches = store(tmp_path / "p", np.full((40, 12, 12, 3), 80, np.uint8))
    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: Disk(10**9, 0, 60_000))
    with pytest.raises(BadInput, match="upscaling 40 patches needs 553 kB"):
        upscale("bicubic", patches, tmp_path / "out", batch_size=4)
    monkeypatch.setattr(codec, "LEAST", 1)
    upscale("bicubic", patches, tmp_path / "out", batch_size=4)
    written = sum(file.stat().st_size for file in (tmp_path / "out").iterdir())
    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: Disk(10**9, 0, written // 4))
    shutil.rmtree(tmp_path / ".scratch")
    with pytest.raises(BadInput, match="upscaling 40 patches needs"):
        upscale("bicubic", patches, tmp_path / "out", batch_size=4)


def test_slices_of_an_earlier_run_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patches = store(tmp_path / "p", images(3, 12, 12))
    use(Recorder(fail_at="patch_2"), monkeypatch)
    with pytest.raises(RuntimeError, match="as planned"):
        upscale("bicubic", patches, tmp_path / "out", batch_size=1)
    (folder,) = (path for path in tmp_path.glob(".scratch/upscale/*") if path.is_dir())
    slices = folder / "shard-00000.slices"
    slices.mkdir()
    (slices / "shard-00000.h5").write_bytes(b"finished by a run of more processes")
    use(Recorder(), monkeypatch)
    upscale("bicubic", patches, tmp_path / "out", batch_size=1)
    assert not slices.exists()


def test_not_even_one_patch_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Recorder(fits=0), monkeypatch)
    with pytest.raises(BadInput, match="not even one patch fits the device's memory"):
        upscale("bicubic", store(tmp_path / "p", images(3, 12, 12)), tmp_path / "out", batch_size=4)


def test_finished_work_counts_under_the_same_key_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = store(tmp_path / "p", images(6, 12, 12))
    shards_of(monkeypatch, 3, 48)

    def begins_with(key: str) -> str:
        """Fail at patch_4; return the patch behind those that an earlier run finished."""
        recorder = Recorder(fail_at="patch_4")
        use(recorder, monkeypatch)
        with pytest.raises(RuntimeError, match="as planned"):
            upscale("bicubic", patches, tmp_path / "out", batch_size=1, key=key)
        return recorder.batches[1][0]  # the first batch tells the scale

    assert begins_with("one") == "patch_1"
    assert begins_with("one") == "patch_4"  # also what it has of a shard stays
    assert begins_with("other") == "patch_1"
    assert begins_with("one") == "patch_4"
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".scratch/upscale/*/*.tmp"))


ALONE = """
import sys
from pathlib import Path
from srscene.core import writer as shard_writer
from srscene.runtime.machine import Machine
from srscene.core.store import PatchStore
from srscene.sr.realesrgan.options import UpscaleOptions
from srscene.sr.run import upscale_store
shard_writer.CHECKPOINT_SECONDS = float(sys.argv[2])
machine = Machine(batch_size=2, workers="auto")
options = UpscaleOptions(precision="fp32", compile=False)
upscale_store("realesrgan", options, machine, PatchStore("p"), Path("weights"), Path(sys.argv[1]), "out")
"""


def start(folder: Path, out: str, checkpoint_seconds: float = 30) -> "subprocess.Popen[str]":
    """Upscale the store `p` in a process of its own, safe on disk after each batch or every 30 s."""
    command = [sys.executable, "-c", ALONE, out, str(checkpoint_seconds)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)


def wait_for(process: "subprocess.Popen[str]", folder: Path, pattern: str) -> Path:
    while not (found := list(folder.glob(pattern))):
        assert process.poll() is None, "ended too early"
        time.sleep(0.005)
    return found[0]


def test_a_run_killed_inside_a_shard_goes_on_at_the_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint("rrdbnet", tmp_path / "weights/weights.safetensors")
    patches = store(tmp_path / "p", images(40, 24, 24))
    process = start(tmp_path, "out", checkpoint_seconds=0)
    try:
        journal = wait_for(process, tmp_path, ".scratch/upscale/*/shard-00000.journal")
        while journal.read_text().count("\n") < 2:
            assert process.poll() is None, "ended too early"
            time.sleep(0.005)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    safe = [
        name
        for line in journal.read_text().splitlines()
        for name in json.loads(line.partition(" ")[2])["names"]
    ]
    assert 4 <= len(safe) < 40

    batches = []
    whole_batch = run.Enlarge.__call__

    def noted(enlarge: run.Enlarge, batch: run.Batch) -> run.Fetch:
        batches.append(list(batch.indices))
        return whole_batch(enlarge, batch)

    monkeypatch.setattr(run.Enlarge, "__call__", noted)
    result = upscale("realesrgan", patches, tmp_path / "out", batch_size=2, precision="fp32")
    assert batches[1:] == [[at, at + 1] for at in range(len(safe), 40, 2)]
    assert result.names == patches.names
    upscale("realesrgan", patches, tmp_path / "whole", batch_size=2, precision="fp32")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["shard-00000.h5"]


def test_two_processes_with_the_same_work(tmp_path: Path) -> None:
    """The second one waits, says so, and ends as well as the first."""
    checkpoint("rrdbnet", tmp_path / "weights/weights.safetensors")
    store(tmp_path / "p", images(24, 24, 24))
    first = start(tmp_path, "first")
    wait_for(first, tmp_path, ".scratch/upscale/*/*.part")
    first.send_signal(signal.SIGSTOP)
    second = start(tmp_path, "second")
    assert second.stdout
    waiting = second.stdout.readline()
    first.send_signal(signal.SIGCONT)
    said = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert "another process does the same work" in waiting
    assert "another process" not in said[0]
    shard = shard_path(next(tmp_path.glob(".scratch/upscale/*/finished")).parent, 0)
    assert (tmp_path / "first" / shard.name).stat().st_ino == shard.stat().st_ino  # it was made once
    assert (tmp_path / "second" / shard.name).stat().st_ino == shard.stat().st_ino
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_finished_work_is_published_again_and_damaged_shards_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a kill while DVC hashed the outs."""
    patches = store(tmp_path / "p", images(8, 12, 12))
    shards_of(monkeypatch, 2, 48)
    upscale("bicubic", patches, tmp_path / "out", batch_size=1)
    expected = contents(tmp_path / "out")

    def again() -> list[str]:
        """Upscale again; return the patches that were computed, but for the first, which tells the scale."""
        recorder = Recorder()
        with monkeypatch.context() as patched:
            use(recorder, patched)
            upscale("bicubic", patches, tmp_path / "out", batch_size=1)
        assert contents(tmp_path / "out") == expected
        return [name for batch in recorder.batches[1:] for name in batch]

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
    assert again() == ["patch_1", "patch_2", "patch_3", "patch_4", "patch_5"]
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
