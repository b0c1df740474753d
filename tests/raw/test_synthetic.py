"""The synthetic data set: what is written, that it is repeatable, that its land is what its labels say."""

import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio

from srscene.core.classes import CLASSES, decode
from srscene.raw.bigearthnet import CORINE, encode
from srscene.raw.landscape import synthesize
from srscene.raw.landscape.materials import PAINTERS
from srscene.raw.landscape.options import SyntheticOptions
from srscene.raw.landscape.patch_folder import acquisition
from srscene.raw.landscape.scenes import KINDS, lay_out, shares
from srscene.raw.landscape.synthesize import make, sample, to_8_bits
from srscene.runtime.console import BadInput
from tests.options import section

OPTIONS = section("datasets.synthetic", SyntheticOptions, train=4, val=1, test=2)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("raw") / "synthetic"
    make(OPTIONS, out, workers=1)
    return out


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def test_patches_are_written_in_the_layout_of_version_1(tree: Path) -> None:
    lists = [(tree / f"{split}.csv").read_text().split() for split in ("train", "val", "test")]
    assert [len(names) for names in lists] == [4, 1, 2]
    listed = [name for names in lists for name in names]
    assert sorted(listed) == sorted(path.name for path in (tree / "BigEarthNet-v1.0").iterdir())
    for name in listed:
        assert re.fullmatch(r"S2[AB]_MSIL2A_\d{8}T\d{5,6}_\d{1,2}_\d{1,2}", name)
        folder = tree / "BigEarthNet-v1.0" / name
        metadata = json.loads((folder / f"{name}_labels_metadata.json").read_text())
        assert set(metadata) == {"labels", "coordinates", "projection", "tile_source", "acquisition_date"}
        assert encode(metadata["labels"]).sum() == len(metadata["labels"]) >= 1
        for band in ("B02", "B03", "B04"):
            with rasterio.open(folder / f"{name}_{band}.tif") as tif:
                assert (tif.shape, tif.dtypes, tif.compression) == ((120, 120), ("uint16",), None)
                assert tif.crs.to_epsg() == 32633
                assert (tif.bounds.left, tif.bounds.top) == (
                    metadata["coordinates"]["ulx"],
                    metadata["coordinates"]["uly"],
                )
        assert cv2.imread(str(tree / "reference" / f"{name}.png"), cv2.IMREAD_UNCHANGED).shape == (
            480,
            480,
            3,
        )


def test_a_reference_is_the_truth_of_its_own_patch(tree: Path) -> None:
    """Brought to 10 m, red, green and blue of the PNG lie close to the three bands."""
    for folder in (tree / "BigEarthNet-v1.0").iterdir():
        png = cv2.imread(str(tree / "reference" / f"{folder.name}.png"))[..., ::-1]
        truth = png.reshape(120, 4, 120, 4, 3).mean((1, 3))
        for number, band in enumerate(("B04", "B03", "B02")):
            with rasterio.open(folder / f"{folder.name}_{band}.tif") as tif:
                seen = np.clip(tif.read(1) / 2000 * 255, 0, 255)
            assert abs(seen.mean() - truth[..., number].mean()) < 1.5
            assert np.corrcoef(seen.ravel(), truth[..., number].ravel())[0, 1] > 0.85


def test_bytes_do_not_depend_on_the_number_of_workers(tree: Path, tmp_path: Path) -> None:
    make(OPTIONS, tmp_path / "again", workers=2)
    assert digests(tmp_path / "again") == digests(tree)


def test_there_are_as_many_processes_as_the_user_allows_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    class Pool(ProcessPoolExecutor):
        def __init__(self, workers: int, *rest: Any) -> None:
            started.append(workers)
            super().__init__(workers, *rest)

    monkeypatch.setattr(synthesize, "ProcessPoolExecutor", Pool)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    make(section("datasets.synthetic", SyntheticOptions, train=1, val=0, test=0), tmp_path / "raw")
    assert started == [1]


def test_more_patches_than_a_tile_holds_are_refused_at_once(tmp_path: Path) -> None:
    many = section("datasets.synthetic", SyntheticOptions, train=8000, val=200, test=82)
    with pytest.raises(BadInput, match=r"datasets\.synthetic: 8,282 patches in all, expected at most 8,281"):
        make(many, tmp_path / "raw")
    assert not list(tmp_path.iterdir())


def test_another_seed_is_another_landscape() -> None:
    other = OPTIONS.model_copy(update={"seed": 1})
    assert not np.array_equal(sample(OPTIONS, 0).image, sample(other, 0).image)


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("srscene.raw.landscape.synthesize, srscene.ingest.ingest", {"torch"}),
        ("srscene.raw.landscape.options, srscene.ingest.options", {"torch", "h5py", "rasterio", "cv2"}),
    ],
)
def test_no_seconds_go_into_loading_what_is_not_needed(modules: str, heavy: set[str]) -> None:
    code = f"import sys, {modules}; print({heavy} & {{*sys.modules}})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_every_class_can_be_painted_and_is_asked_for() -> None:
    assert set(PAINTERS) == {name for names in CORINE.values() for name in names}
    rng = np.random.default_rng(0)
    seen = {index for kind in KINDS for _ in range(12) for index in lay_out(rng, kind).looks}
    assert seen == set(range(19))


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_classes_that_cover_enough(kind: str) -> None:
    index = list(KINDS).index(kind)
    area = shares(lay_out(np.random.default_rng([0, index]), kind).cover)
    made = sample(OPTIONS, index)
    assert made.kind == kind
    assert decode(encode(made.labels)) == [CLASSES[i] for i in np.flatnonzero(area >= OPTIONS.label_share)]
    assert np.isfinite(made.truth).all()
    assert 0 < made.image.mean() < 3000


def test_no_patch_is_without_a_label() -> None:
    picky = section("datasets.synthetic", SyntheticOptions, label_share=0.49)
    assert all(sample(picky, index).labels for index in range(len(KINDS)))


def test_names_are_unique_and_one_in_eight_has_a_short_time() -> None:
    names = [acquisition(np.random.default_rng([0, index]), index).patch for index in range(400)]
    assert len(set(names)) == 400
    assert sum(bool(re.search(r"T\d{5}_", name)) for name in names) == 50
    with pytest.raises(ValueError, match="a tile holds 8281 patches"):
        acquisition(np.random.default_rng(0), 8281)


def test_eight_bits_are_clipped_and_truncated() -> None:
    reflectance = np.array([-5, 0, 7.8, 1999.9, 2000, 9000], np.float32)
    assert to_8_bits(reflectance, 2000).tolist() == [0, 0, 0, 254, 255, 255]
