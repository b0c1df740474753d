"""The six real patches as scenes. None adjoins another, so there is nothing to lay out as one: any two
lie 20 km apart or more.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from srscene.core.store import PatchStore
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.raw.examples import unpack
from srscene.raw.layout import V1_FOLDER
from srscene.scene.source import open_scene
from tests.options import section

FLAGS = {"offset": 0, "scale": 10_000, "reflectance_max": 2000}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "examples"
    unpack(folder)
    return folder


def _patches(raw: Path) -> list[Path]:
    return sorted((raw / V1_FOLDER).iterdir())


def test_a_patch_read_as_a_scene_is_the_ingested_one_to_the_byte(raw: Path, tmp_path: Path) -> None:
    listed = {name for split in ("train", "test") for name in (raw / f"{split}.csv").read_text().split()}
    (unlisted,) = {patch.name for patch in _patches(raw)} - listed
    (raw / "val.csv").write_text(f"{unlisted}\n")  # the one under snow
    ingest(raw, tmp_path / "store", "examples", section("datasets.examples", IngestOptions), threads=1)
    store = PatchStore(tmp_path / "store")
    assert len(store.names) == 6
    for patch in _patches(raw):
        with open_scene(patch, **FLAGS) as scene:
            image, valid = scene.read(0, 0, scene.height, scene.width)
        assert valid.all()
        np.testing.assert_array_equal(image, store[store.names.index(patch.name)])


def test_no_two_of_them_adjoin(raw: Path) -> None:
    corners = {}
    for patch in _patches(raw):
        with open_scene(patch, **FLAGS) as scene:
            corners[patch.name] = (scene.crs.to_epsg(), scene.transform.c, scene.transform.f)
    apart = [
        float(np.hypot(x - x2, y - y2))
        for (zone, x, y), (zone2, x2, y2) in combinations(corners.values(), 2)
        if zone == zone2
    ]
    assert len(apart) == 4  # three lie in zone 29, two in zone 35, one in zone 33
    assert min(apart) > 20_000  # m
