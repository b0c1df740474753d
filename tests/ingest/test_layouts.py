"""Trees and archives in which radar and reference maps lie beside Sentinel-2's patches."""

import os
import shutil
import tarfile
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srscene.core.store import PatchStore
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.ingest.sources import FolderPatch, OtherData, find_archive, find_patches
from srscene.raw.layout import of_sentinel2
from srscene.runtime.console import BadInput
from tests.ingest.raw_patches import (
    LISTS,
    NAMES,
    S1_NAMES,
    TILE,
    V2_NAMES,
    rgb,
    write_patch,
    write_reference_maps,
    write_s1,
    write_torchgeo_lists,
    write_v1,
    write_v2,
)
from tests.options import section

STOP, SKIP = (section("datasets.bigearthnet", IngestOptions, on_error=choice) for choice in ("stop", "skip"))
KINDS = ("BigEarthNet-S2", "BigEarthNet-S1", "Reference_Maps")
ORDERS = list(permutations(KINDS))


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 2 with all that belongs to it."""
    root = tmp_path_factory.mktemp("v2")
    write_v2(root)
    write_reference_maps(root)
    write_s1(root, version=2)
    return root


@pytest.fixture
def broken(v2: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    return Path(shutil.copytree(v2, tmp_path / "raw"))


def pack(v2: Path, root: Path, order: tuple[str, ...]) -> Path:
    root.mkdir()
    shutil.copy(v2 / "metadata.parquet", root)
    with tarfile.open(root / "BigEarthNet.tar", "w") as tar:
        for kind in order:
            tar.add(v2 / kind, kind)
    return root


def assert_all_patches(store: Path) -> None:
    patches = PatchStore(store)
    assert patches.names == sorted(V2_NAMES)
    for index, name in enumerate(patches.names):
        np.testing.assert_array_equal(patches[index], rgb(V2_NAMES.index(name)))
    assert sorted(path.name for path in store.iterdir()) == [
        "index.h5",
        "shard-00000.h5",
    ]  # and nothing was rejected


@pytest.mark.parametrize("options", [STOP, SKIP], ids=["stop", "skip"])
@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_a_tree_in_any_order_under_any_names(v2, tmp_path, capsys, order, options):
    root = tmp_path / "raw"
    root.mkdir()
    shutil.copy(v2 / "metadata.parquet", root)
    for letter, kind in zip("abc", order, strict=True):
        (root / letter).symlink_to(v2 / kind)
    ingest(root, tmp_path / "patches", "bigearthnet", options)
    assert_all_patches(tmp_path / "patches")
    said = capsys.readouterr().out
    first = min("abc"[order.index(kind)] for kind in KINDS[1:])
    assert f"ingest: 8 without a Sentinel-2 band, the first in {first}/" in said
    assert "no list names" not in said


@pytest.mark.parametrize("options", [STOP, SKIP], ids=["stop", "skip"])
@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_an_archive_in_any_order(v2, tmp_path, capsys, order, options):
    ingest(pack(v2, tmp_path / "raw", order), tmp_path / "patches", "bigearthnet", options)
    assert_all_patches(tmp_path / "patches")
    assert "ingest: 8 without a Sentinel-2 band, the first in BigEarthNet.tar: " in capsys.readouterr().out


def test_version_1_as_torchgeo_keeps_it(tmp_path, capsys):
    root = tmp_path / "raw"
    write_v1(root)
    write_s1(root, version=1)
    for split in LISTS:
        (root / f"{split}.csv").unlink()
    write_torchgeo_lists(root, LISTS)
    for archive in ("BigEarthNet-S1-v1.0.tar.gz", "Reference_Maps.tar.gz"):  # only the patches were unpacked
        (root / archive).write_bytes(b"not read")
    ingest(root, tmp_path / "patches", "bigearthnet", STOP)
    store = PatchStore(tmp_path / "patches")
    assert {split: {store.names[i] for i in store.indices(split)} for split in LISTS} == {
        split: set(names) for split, names in LISTS.items()
    }
    said = capsys.readouterr().out
    assert "6 patches in bigearthnet-train.csv, bigearthnet-val.csv, bigearthnet-test.csv;" in said
    assert "ingest: 4 without a Sentinel-2 band, the first in BigEarthNet-S1-v1.0: left alone" in said


def test_maps_in_the_patches_own_folders(broken, tmp_path):
    for name in V2_NAMES:
        file = f"{TILE}/{name}/{name}_reference_map.tif"
        os.replace(broken / "Reference_Maps" / file, broken / "BigEarthNet-S2" / file)
    shutil.rmtree(broken / "Reference_Maps")
    ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    assert_all_patches(tmp_path / "patches")


def test_radar_and_patches_in_one_folder(tmp_path):
    flat = write_v1(tmp_path / "raw")
    for patch in (write_s1(tmp_path, version=1)).iterdir():
        shutil.move(patch, flat)
    ingest(tmp_path / "raw", tmp_path / "patches", "bigearthnet", STOP)
    assert PatchStore(tmp_path / "patches").names == sorted(NAMES)


def test_a_patch_that_comes_twice_is_still_refused(broken, tmp_path):
    write_patch(broken / "more" / TILE, V2_NAMES[2], 99)
    with pytest.raises(BadInput, match=f"more/{TILE}/{V2_NAMES[2]}: patch {V2_NAMES[2]} comes a second time"):
        ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    ingest(broken, tmp_path / "patches", "bigearthnet", SKIP)
    assert PatchStore(tmp_path / "patches").names == sorted(V2_NAMES)
    assert len((tmp_path / "patches/rejected.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("lost", [["B04"], ["B04", "B03", "B02"]], ids=["one", "all"])
@pytest.mark.parametrize("packed", [False, True], ids=["tree", "archive"])
@pytest.mark.parametrize("name", V2_NAMES)
def test_a_patch_without_its_bands_is_named(broken, tmp_path, name, packed, lost):
    """Whichever it is, the first of its folder too: the maps of the same name do not take its place."""
    place = f"BigEarthNet-S2/{TILE}/{name}"
    for band in lost:
        (broken / place / f"{name}_{band}.tif").unlink()
    (broken / place / f"{name}_note.txt").touch()  # an archive's empty folder is no patch
    root = pack(broken, tmp_path / "packed", KINDS[::-1]) if packed else broken
    with pytest.raises(BadInput, match=f"{place}/{name}_B04.tif: missing, expected in every patch"):
        ingest(root, tmp_path / "patches", "bigearthnet", STOP)
    ingest(root, tmp_path / "patches", "bigearthnet", SKIP)
    assert PatchStore(tmp_path / "patches").names == sorted({*V2_NAMES} - {name})


@pytest.mark.parametrize("packed", [False, True], ids=["tree", "archive"])
@pytest.mark.parametrize("options", [STOP, SKIP], ids=["stop", "skip"])
def test_without_any_patch_of_sentinel_2(broken, tmp_path, options, packed):
    root = pack(broken, tmp_path / "packed", KINDS[1:]) if packed else broken
    shutil.rmtree(broken / "BigEarthNet-S2")
    with pytest.raises(
        BadInput,
        match=r"has none of the 2 train patches of metadata\.parquet "
        r"\(only 8 without a Sentinel-2 band, the first in .*BigEarthNet-S1/.*\), expected at least one",
    ):
        ingest(root, tmp_path / "patches", "bigearthnet", options)
    assert not list(tmp_path.glob("patches*"))


def test_maps_of_patches_that_are_not_there_are_no_patches(broken, tmp_path, capsys):
    shutil.rmtree(broken / "BigEarthNet-S2" / TILE / V2_NAMES[3])
    ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    assert PatchStore(tmp_path / "patches").names == V2_NAMES[:3]
    assert "1 listed but not there: left out" in capsys.readouterr().out


@pytest.mark.parametrize(("folder", "at_most"), [("BigEarthNet-S2", 1), ("Reference_Maps", 16)])
def test_only_few_patches_are_looked_into(tmp_path, monkeypatch, folder, at_most):
    """500,000 folders would take minutes on a network's disk."""
    names = [f"patch_{number // 100}_{number % 100}" for number in range(500)]
    what = "B04.tif" if folder == "BigEarthNet-S2" else "reference_map.tif"
    for name in names:
        (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / folder / name / f"{name}_{what}").touch()
    looked: list[str] = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: looked.append(path) or listdir(path))
    found = list(find_patches(tmp_path, names))
    assert len(looked) <= at_most
    if folder == "BigEarthNet-S2":
        assert found == [FolderPatch(name, f"{folder}/{name}", str(tmp_path)) for name in sorted(names)]
    else:
        assert found == [OtherData(folder, 500)]


def test_archives_of_radar_and_maps_are_not_taken_for_the_patches(tmp_path):
    (tmp_path / "Reference_Maps.tar.zst").touch()
    (tmp_path / "BigEarthNet-S1.tar.zst").touch()
    assert find_archive(tmp_path) is None
    with pytest.raises(BadInput, match=r"no patch folders and no archive of Sentinel-2's in it"):
        find_patches(tmp_path, V2_NAMES)
    (tmp_path / "BigEarthNet-v1.0.tar.gz").touch()
    assert find_archive(tmp_path) == tmp_path / "BigEarthNet-v1.0.tar.gz"


def test_links_in_a_circle_are_walked_once(tmp_path):
    deep = tmp_path / "/".join("a" for _ in range(400))
    deep.mkdir(parents=True)
    (tmp_path / "a/circle").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to("itself")
    write_patch(tmp_path / "b", NAMES[0], 0)
    assert [patch.name for patch in find_patches(tmp_path, NAMES)] == [NAMES[0]]


BAND = st.sampled_from([f"B{n:02}.tif" for n in range(1, 13)] + ["B8A.tif"])
OTHER_IMAGE = st.sampled_from(["VV.tif", "VH.tif", "reference_map.tif", "B13.tif", "B2.tif", "xB04.tif"])
NO_IMAGE = st.sampled_from(["labels_metadata.json", "B04.tif.aux.xml", "B04.jpg", "note.txt"])


@given(
    st.sampled_from(["", f"{NAMES[0]}_", f"{S1_NAMES[0]}_"]),
    st.lists(BAND),
    st.lists(OTHER_IMAGE),
    st.lists(NO_IMAGE),
    st.randoms(),
)
def test_what_makes_files_sentinel_2s(prefix, bands, others, rest, random):
    files = [prefix + file for file in (*bands, *others, *rest)]
    random.shuffle(files)
    assert of_sentinel2(files) == (bool(bands) or not others)
