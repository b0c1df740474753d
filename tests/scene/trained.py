"""A tiny pipeline on synthetic land, and its test patches laid edge to edge as a scene."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine

from srscene.classify.predict import predict
from srscene.classify.train import train
from srscene.core.store import PatchStore
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.raw.landscape.options import SyntheticOptions
from srscene.raw.landscape.patch_folder import acquisition, write_patch
from srscene.raw.landscape.synthesize import Sample, sample
from srscene.raw.layout import V1_FOLDER, write_lists
from srscene.runtime.machine import Machine
from srscene.sr.common.names import options_of
from srscene.sr.run import upscale_store
from srscene.sr.weights.prepare import prepare_weights
from tests.classify.stores import quick
from tests.options import section

TRAIN, ROWS, COLUMNS, SIDE = 12, 3, 4, 120
MACHINE = section("machine", Machine)
UTM = {"crs": "EPSG:32633", "transform": Affine(10, 0, 399_960, 0, -10, 5_300_040)}
FIT = {"features": 8, "blocks": 1, "steps": 2, "batch_size": 1}


class Trained(NamedTuple):
    """What a run left in `folder`: models/, data/; and the test patches as a scene, by rows of COLUMNS."""

    folder: Path
    reflectance: NDArray[np.uint16]
    """(3, 3·120, 4·120): B04, B03, B02."""

    @property
    def models(self) -> tuple[Path, Path]:
        return self.folder / "models" / "classifier", self.folder / "models" / "upscaler"

    def store(self, name: str) -> PatchStore:
        return PatchStore(self.folder / "data" / name)


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in `folder`, so that scratch lies there."""
    before, root = Path.cwd(), os.environ.pop("DVC_ROOT", None)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        if root:
            os.environ["DVC_ROOT"] = root


def run_pipeline(folder: Path) -> Trained:
    """Synthesize, ingest, fit an SRResNet, upscale, train and predict, all tiny, in `folder`."""
    made = _write_raw(folder / "raw")
    with inside(folder):
        ingest(Path("raw"), Path("data/patches"), "synthetic", section("datasets.bigearthnet", IngestOptions))
        weights, upscale = options_of("srresnet")
        fit = section("upscalers.srresnet.weights", weights, source="fit", fit=FIT)
        prepare_weights("srresnet", fit, PatchStore("data/patches"), 0, Path("models/upscaler"), "test")
        options = section("upscalers.srresnet.upscale", upscale, precision="fp32")
        store = PatchStore("data/patches")
        upscale_store(
            "srresnet", options, MACHINE, store, Path("models/upscaler"), Path("data/upscaled"), "test"
        )
        upscaled, classifier = PatchStore("data/upscaled"), Path("models/classifier")
        quickly = quick(epochs=3, crop=0.3, batch_size=4)
        train(upscaled, "test_resnet", quickly, 0, MACHINE, classifier, Path("training.csv"), "test")
        predict(upscaled, classifier, MACHINE, Path("data/predictions.h5"))
    images = np.stack([patch.image for patch in made[TRAIN:]])
    rows = images.reshape(ROWS, COLUMNS, SIDE, SIDE, 3)
    return Trained(folder, rows.transpose(4, 0, 2, 1, 3).reshape(3, ROWS * SIDE, COLUMNS * SIDE))


def _write_raw(folder: Path) -> list[Sample]:
    options = section("datasets.synthetic", SyntheticOptions)
    made = [sample(options, index) for index in range(TRAIN + ROWS * COLUMNS)]
    names = []
    for index, patch in enumerate(made):
        seen = acquisition(np.random.default_rng(index), index)
        write_patch(folder / V1_FOLDER, seen, patch.image, patch.labels, "SYNTHETIC")
        names.append(seen.patch)
    write_lists(folder, {"train": names[:TRAIN], "val": [], "test": names[TRAIN:]})
    return made


def write_scene(path: Path, reflectance: NDArray, **profile: object) -> Path:
    """Write (3, H, W) as a GeoTIFF whose bands are called B04, B03, B02."""
    count, height, width = reflectance.shape
    settings = {"driver": "GTiff", "dtype": reflectance.dtype, **UTM, **profile}
    with rasterio.open(path, "w", count=count, height=height, width=width, **settings) as file:
        file.write(reflectance)
        file.descriptions = ("B04", "B03", "B02")
    return path
