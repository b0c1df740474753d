"""Makes the data set `synthetic`: procedural land cover whose 2.5 m truth is known.

The default train and test patches (seed 0) have, in B04, B03 and B02, means of 578, 632 and 447 and standard
deviations of 397, 321 and 282. The real data (reBEN) have 588, 614, 438 and 685, 603, 607: the scenes lack
clouds and snow.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Limit

from srscene.console import progress
from srscene.params import Section, Seed
from srscene.raw.bigearthnet_layout import acquisition, write_patch
from srscene.raw.folder import whole, write_split_lists
from srscene.raw.render import render
from srscene.raw.scenes import KINDS, lay_out, shares
from srscene.raw.sensor import observe
from srscene.raw.textures import Field


class Options(Section):
    """The section `datasets.synthetic`."""

    seed: Seed = 0
    train: int = Limit(160, ge=1)
    val: int = Limit(40, ge=0)
    test: int = Limit(80, ge=0)
    label_share: float = Limit(0.05, gt=0, lt=0.5)
    mtf_nyquist: float = Limit(0.26, gt=0, lt=1)
    snr: float = Limit(150.0, gt=0)
    reflectance_max: int = Limit(2000, gt=0)
    on_error: Literal["stop", "skip"] = "stop"


class Sample(NamedTuple):
    """A patch: what the sensor saw (120, 120, 3) uint16, the truth (480, 480, 3) float32, CORINE labels."""

    kind: str
    image: NDArray[np.uint16]
    truth: Field
    labels: list[str]


def sample(options: Options, index: int) -> Sample:
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


def make(options: Options, out: Path, workers: int | None = None) -> dict[str, list[str]]:
    """Write the data set to `out`: `BigEarthNet-v1.0/`, `reference/<patch>.png`, `{train,val,test}.csv`.

    Returns the patch names by split. The same options give the same bytes with any number of `workers`, which
    defaults to one a core.
    """
    counts = {"train": options.train, "val": options.val, "test": options.test}
    total = sum(counts.values())
    workers = workers or len(os.sched_getaffinity(0))
    with whole(out) as folder:
        (folder / "reference").mkdir()
        write: Callable[[int], str] = partial(_write, options, folder)
        with ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
            names = list(progress(pool.map(write, range(total), chunksize=4), "scenes", "patch", total))
        remaining = iter(names)
        splits = {split: [next(remaining) for _ in range(count)] for split, count in counts.items()}
        write_split_lists(folder, splits)
    return splits


def _write(options: Options, folder: Path, index: int) -> str:
    made = sample(options, index)
    seen = acquisition(np.random.default_rng([options.seed, index, 1]), index)
    source = "SYNTHETIC_" + made.kind.upper().replace(" ", "-")
    write_patch(folder / "BigEarthNet-v1.0", seen, made.image, made.labels, source)
    reference = to_8_bits(made.truth, options.reflectance_max)
    cv2.imwrite(str(folder / "reference" / f"{seen.patch}.png"), reference[..., ::-1])
    return seen.patch
