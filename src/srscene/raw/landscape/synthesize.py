"""Makes the data set `synthetic`: procedural land cover whose 2.5 m truth is known.

The default train and test patches (seed 0) have, in B04, B03 and B02, means of 578, 632 and 447 and standard
deviations of 397, 321 and 282. The real data (reBEN) have 588, 614, 438 and 685, 603, 607: the scenes lack
clouds and snow.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from srscene.core.store import Split
from srscene.raw.landscape.options import SyntheticOptions
from srscene.raw.landscape.patch_folder import GRID, acquisition, write_patch
from srscene.raw.landscape.render import render
from srscene.raw.landscape.scenes import KINDS, lay_out, shares
from srscene.raw.landscape.sensor import observe
from srscene.raw.landscape.textures import Field
from srscene.raw.layout import REFERENCE_FOLDER, V1_FOLDER, write_lists
from srscene.runtime.console import BadInput, progress
from srscene.runtime.files import need, whole_folder
from srscene.runtime.machine import cpu_threads

PATCH_BYTES = 480_000
"""Of a patch's files, on average: 379,000 for the reference, 93,000 for the bands and the labels."""


class Sample(NamedTuple):
    """A patch: what the sensor saw (120, 120, 3) uint16, the truth (480, 480, 3) float32, CORINE labels."""

    kind: str
    image: NDArray[np.uint16]
    truth: Field
    labels: list[str]


def sample(options: SyntheticOptions, index: int) -> Sample:
    """Return the `index`-th patch of the seed; kinds of landscape take turns, so that each split has all."""
    rng = np.random.default_rng([options.seed, index])
    kind = list(KINDS)[index % len(KINDS)]
    scene = lay_out(rng, kind)
    area = shares(scene.cover)
    present = np.flatnonzero((area >= options.label_share) | (area == area.max()))
    truth = render(rng, scene)
    image = observe(rng, truth, options.mtf_nyquist, options.snr)
    return Sample(kind, image, truth, [scene.looks[number] for number in map(int, present)])


def to_8_bits(reflectance: Field, reflectance_max: int) -> NDArray[np.uint8]:
    """Return clip(reflectance / reflectance_max · 255), truncated: the formula of the ingested patches."""
    return np.clip(reflectance / reflectance_max * 255, 0, 255).astype(np.uint8)


def make(options: SyntheticOptions, out: Path, workers: int | None = None) -> dict[Split, list[str]]:
    """Write the data set to `out`: `BigEarthNet-v1.0/`, `reference/<patch>.png`, `{train,val,test}.csv`.

    Returns the patch names by split. The same options give the same bytes with any number of `workers`, which
    are processes of one thread each, by default as many as there may be threads. Raises BadInput where the
    patches do not fit into one tile.
    """
    counts: dict[Split, int] = {"train": options.train, "val": options.val, "test": options.test}
    total = sum(counts.values())
    if total > GRID**2:
        raise BadInput(
            f"params.yaml: datasets.synthetic: {total:,} patches in all, expected at most {GRID**2:,}, since "
            "they lie in one tile; lower train, val or test"
        )
    workers = workers or cpu_threads()
    need(out, total * PATCH_BYTES, f"the data set of {total:,} patches")
    with whole_folder(out) as folder:
        (folder / REFERENCE_FOLDER).mkdir()
        write: Callable[[int], str] = partial(_write, options, folder)
        with ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
            names = list(progress(pool.map(write, range(total), chunksize=4), "scenes", "patch", total))
        remaining = iter(names)
        splits = {split: [next(remaining) for _ in range(count)] for split, count in counts.items()}
        write_lists(folder, splits)
    return splits


def _write(options: SyntheticOptions, folder: Path, index: int) -> str:
    made = sample(options, index)
    seen = acquisition(np.random.default_rng([options.seed, index, 1]), index)
    source = "SYNTHETIC_" + made.kind.upper().replace(" ", "-")
    write_patch(folder / V1_FOLDER, seen, made.image, made.labels, source)
    reference = to_8_bits(made.truth, options.reflectance_max)
    image = cv2.imencode(".png", reference[..., ::-1])[1]  # OpenCV keeps quiet where it cannot write a file
    (folder / REFERENCE_FOLDER / f"{seen.patch}.png").write_bytes(image.tobytes())
    return seen.patch
