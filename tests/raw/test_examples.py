"""The real patches, out of the installed distribution."""

import json
import sys
from pathlib import Path

import pytest
import rasterio

from srscene.raw import examples
from srscene.raw.bigearthnet import encode
from srscene.runtime.console import BadInput


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("raw") / "examples"
    examples.unpack(out)
    return out


def names(tree: Path, split: str) -> list[str]:
    return (tree / f"{split}.csv").read_text().split()


def test_official_lists_name_five_of_the_six_patches(tree: Path) -> None:
    patches = {path.name for path in (tree / "BigEarthNet-v1.0").iterdir()}
    assert len(patches) == 6
    assert [len(names(tree, split)) for split in ("train", "val", "test")] == [4, 0, 1]
    listed = {name for split in ("train", "test") for name in names(tree, split)}
    assert patches - listed == {"S2B_MSIL2A_20180204T94161_57_38"}  # the one under snow


def test_every_patch_is_whole(tree: Path) -> None:
    for patch in (tree / "BigEarthNet-v1.0").iterdir():
        assert len(list(patch.glob("*_B*.tif"))) == 12
        assert encode(json.loads((patch / f"{patch.name}_labels_metadata.json").read_text())["labels"]).any()
        for band in ("B02", "B03", "B04"):
            with rasterio.open(patch / f"{patch.name}_{band}.tif") as tif:
                assert (tif.shape, tif.dtypes) == ((120, 120), ("uint16",))


def test_the_package_is_read_but_never_imported(tree: Path) -> None:
    assert tree.exists()
    assert "bigearthnet_common" not in sys.modules


def test_a_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "PACKAGE", "no-such-distribution")
    with pytest.raises(BadInput, match=r"^no-such-distribution: not installed, expected version 2.8.0; "):
        examples.unpack(tmp_path / "examples")
    assert not list(tmp_path.iterdir())


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    archive = tmp_path / "cut.tar.bz2"
    archive.write_bytes(b"BZh9 not an archive")
    with pytest.raises(
        BadInput, match=r"cut\.tar\.bz2: damaged \(.*\); expected .*-common 2\.8\.0; install "
    ):
        examples._unpack_archive(archive, tmp_path / "out")
