"""What a killed upscaling left in scratch, damaged before it goes on: in the end the same store comes out."""

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch as replaced

from numpy.random import default_rng

from dev.robustness.judge import Attempt, quietly
from dev.robustness.mutations import damage, remove
from srscene.core import codec
from srscene.core.store import Image, PatchStore
from srscene.runtime.machine import Machine
from srscene.sr.run import upscale_store
from tests.sr.sr_data import images, store, upscale_options


class Killed(PatchStore):
    """Ends the run at its eighth patch, of nine: two parts of three are whole."""

    def batch(self, indices: Sequence[int]) -> Image:  # type: ignore[override]
        if 7 in indices:
            raise KeyboardInterrupt
        return super().batch(indices)


def compressed(folder: Path, seed: int) -> Iterator[Attempt]:
    """The same of pictures that are compressed, as large ones are."""
    yield from unfinished(folder, seed, least=1)


def unfinished(folder: Path, seed: int, least: int = codec.LEAST) -> Iterator[Attempt]:
    """Parts and their digests."""
    store(folder / "patches", images(9, 4, 4))
    weights, left = folder / "weights", folder / "left"
    weights.mkdir()
    run = partial(_upscaled, PatchStore(folder / "patches"), folder, least)
    expected = quietly(run)
    shutil.rmtree(folder / ".scratch")
    try:
        quietly(partial(_upscaled, Killed(folder / "patches"), folder, least))
    except KeyboardInterrupt:
        (folder / ".scratch").rename(left)
    files = [file.relative_to(left) for file in sorted(left.rglob("*")) if file.is_file()]
    files = [file for file in files if file.suffix != ".lock"]
    assert {file.suffix for file in files} == {".h5", ".sha256"}, files
    for number in count():
        rng = default_rng([seed, number])
        file = files[int(rng.integers(len(files)))]
        remove(folder / ".scratch")
        shutil.copytree(left, folder / ".scratch")
        kind = damage(folder / ".scratch" / file, (left / file).read_bytes(), rng)
        if kind in ("a pipe", "a huge hole"):
            continue  # which nothing makes among one's own files
        yield Attempt(f"{kind}: {file.name}, seed {[seed, number]}", run, expected, (file.name,))


def _upscaled(patches: PatchStore, folder: Path, least: int) -> dict[str, bytes]:
    out, machine = folder / "out", Machine(batch_size=1, workers="auto")
    options: Any = upscale_options("bicubic")
    with (
        replaced.dict(os.environ, {"DVC_ROOT": str(folder)}),
        replaced.object(codec, "LEAST", least),
    ):
        upscale_store("bicubic", options, machine, patches, folder / "weights", out, "test", 3)
    found = {file.name: file.read_bytes() for file in out.iterdir()}
    shutil.rmtree(out)
    return found
