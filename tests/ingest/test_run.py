"""The whole of ingestion: raw data set in, patch store (or one line about what is wrong) out."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio

from srscene.core.classes import decode
from srscene.core.store import SPLITS, PatchStore
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.runtime.console import BadInput
from tests.ingest.raw_patches import (
    LABELS,
    LISTS,
    NAMES,
    REAL,
    TILE,
    V2_NAMES,
    pack,
    pixels,
    rgb,
    write_band,
    write_lists,
    write_metadata,
    write_patch,
    write_v1,
    write_v2,
)
from tests.options import section

SKIP = section("datasets.bigearthnet", IngestOptions, on_error="skip")
STOP = section("datasets.bigearthnet", IngestOptions, on_error="stop")
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def v1(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("v1")
    write_v1(root)
    return root


@pytest.fixture
def broken(v1, tmp_path) -> Path:
    """A copy of the data set to break."""
    return Path(shutil.copytree(v1, tmp_path / "raw"))


def file_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rejected(store: Path) -> dict[str, str]:
    with (store / "rejected.csv").open(newline="") as file:
        return {row["name"]: row["reason"] for row in csv.DictReader(file)}


def test_a_tree_of_version_1(v1, tmp_path):
    ingest(v1, tmp_path / "patches", "bigearthnet", STOP)
    store = PatchStore(tmp_path / "patches")
    assert store.names == sorted(NAMES)
    assert store.attributes == {
        "dataset": "bigearthnet",
        "bands": ["B04", "B03", "B02"],
        "reflectance_max": 2000,
    }
    assert not store.has_reference
    for index, name in enumerate(store.names):
        np.testing.assert_array_equal(store[index], rgb(NAMES.index(name)))
        assert name in LISTS[SPLITS[store.split[index]]]
        assert decode(store.labels[index]) == ["Arable land", "Inland waters"]  # the road has no class
    assert sorted(path.name for path in tmp_path.iterdir()) == ["patches"]


def test_a_tree_of_version_2(tmp_path):
    write_v2(tmp_path / "raw")
    ingest(tmp_path / "raw", tmp_path / "patches", "bigearthnet", STOP)
    store = PatchStore(tmp_path / "patches")
    assert store.names == sorted(V2_NAMES)
    assert [len(store.indices(split)) for split in SPLITS] == [2, 1, 1]
    for index, name in enumerate(store.names):
        np.testing.assert_array_equal(store[index], rgb(V2_NAMES.index(name)))
        assert decode(store.labels[index]) == ["Arable land", "Inland waters"]


def test_the_real_patches_out_of_their_archive(tmp_path, capsys):
    """Four patches for training, one for testing, none for validation; one that no list names."""
    listed = {
        "train": [
            "S2A_MSIL2A_20170617T113321_36_85", "S2A_MSIL2A_20170617T113321_4_55",
            "S2A_MSIL2A_20171221T112501_56_35", "S2B_MSIL2A_20170924T93020_69_24",
        ],
        "val": [],
        "test": ["S2A_MSIL2A_20170613T101031_87_48"],
    }  # fmt: skip
    root = tmp_path / "raw"
    write_lists(root, listed)
    (root / REAL.name).symlink_to(REAL)
    ingest(root, tmp_path / "patches", "bigearthnet", STOP)
    assert "5 patches (4 train, 0 val, 1 test)" in capsys.readouterr().out

    store = PatchStore(tmp_path / "patches")
    with tarfile.open(REAL) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none
        tar.extractall(tmp_path / "tree")
    for index, name in enumerate(store.names):
        files = tmp_path / "tree" / "BigEarthNet-S2-Example" / name / name
        bands = [rasterio.open(f"{files}_{band}.tif").read(1) for band in ("B04", "B03", "B02")]
        expected = np.clip(np.stack(bands, -1) / 2000 * 255, 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(store[index], expected)
        assert name in listed[SPLITS[store.split[index]]]
    assert decode(store.labels[store.names.index("S2A_MSIL2A_20170613T101031_87_48")]) == [
        "Arable land",
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
    ]


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
@pytest.mark.parametrize("version", [1, 2])
def test_tree_and_archive_give_the_same_bytes(tmp_path, version, suffix):
    root, packed = tmp_path / "tree", tmp_path / "packed"
    archive = pack((write_v1 if version == 1 else write_v2)(root), packed / f"BigEarthNet{suffix}")
    for path in root.glob("*.*"):
        if path.is_file():
            shutil.copy(path, archive.parent)
    ingest(root, tmp_path / "a", "bigearthnet", STOP)
    ingest(packed, tmp_path / "b", "bigearthnet", STOP)
    assert file_bytes(tmp_path / "a") == file_bytes(tmp_path / "b")


def test_threads_do_not_change_the_bytes_and_shards_are_of_the_size_asked_for(tmp_path):
    root = tmp_path / "raw"
    names = [f"patch_{row}_{column}" for row in range(10) for column in range(10)]
    write_patch(root / "tree", names[0], 0, LABELS)
    for name in names[1:]:
        (root / "tree" / name).mkdir()
        for file in (root / "tree" / names[0]).iterdir():
            os.link(file, root / "tree" / name / file.name.replace(names[0], name))
    write_band(root / "tree" / names[77] / "other.tif", pixels(9))
    os.replace(root / "tree" / names[77] / "other.tif", root / "tree" / names[77] / f"{names[77]}_B02.tif")
    write_lists(root, {"train": names, "val": [], "test": []})
    for threads in (1, 4):
        ingest(root, tmp_path / str(threads), "bigearthnet", STOP, threads, per_shard=30)
    assert file_bytes(tmp_path / "1") == file_bytes(tmp_path / "4")
    store = PatchStore(tmp_path / "1")
    assert [store.shard_of(index).name[6:11] for index in (0, 29, 30, 99)] == [
        f"{n:05d}" for n in (0, 0, 1, 3)
    ]
    assert store.names == names
    assert [index for index in range(100) if not np.array_equal(store[index], store[0])] == [77]


def test_another_reflectance_max(v1, tmp_path):
    ingest(
        v1,
        tmp_path / "patches",
        "bigearthnet",
        section("datasets.bigearthnet", IngestOptions, reflectance_max=3000),
    )
    store = PatchStore(tmp_path / "patches")
    assert store.attributes["reflectance_max"] == 3000
    np.testing.assert_array_equal(store[0], rgb(NAMES.index(store.names[0]), 3000))


def test_only_listed_patches_are_taken_and_missing_ones_are_counted(broken, tmp_path, capsys):
    write_lists(broken, {"train": NAMES[:2], "val": [], "test": [NAMES[4], "S2A_MSIL2A_20990101T101031_1_1"]})
    ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    assert PatchStore(tmp_path / "patches").names == sorted([*NAMES[:2], NAMES[4]])
    said = capsys.readouterr().out
    assert "1 listed but not there: left out" in said
    assert "3 that no list names: ignored" in said


def test_references_come_along(broken, tmp_path):
    (broken / "reference").mkdir()
    for seed, name in enumerate(NAMES):
        image = np.random.default_rng(seed).integers(0, 256, (480, 480, 3), np.uint8)
        cv2.imwrite(str(broken / "reference" / f"{name}.png"), image[..., ::-1])
    ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    store = PatchStore(tmp_path / "patches")
    assert store.has_reference
    for index, name in enumerate(store.names):
        image = np.random.default_rng(NAMES.index(name)).integers(0, 256, (480, 480, 3), np.uint8)
        np.testing.assert_array_equal(store.reference(index), image)


BAD = NAMES[4]
BAND = f"BigEarthNet-v1.0/{BAD}/{BAD}_B03.tif"
LABEL = f"BigEarthNet-v1.0/{BAD}/{BAD}_labels_metadata.json"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


def relabel(labels: object) -> Callable[[Path], None]:
    return lambda root: (root / LABEL).write_text(json.dumps({"labels": labels}))


def add_reference(root: Path, image: np.ndarray) -> None:
    (root / "reference").mkdir()
    for name in NAMES:
        cv2.imwrite(str(root / "reference" / f"{name}.png"), np.zeros((480, 480, 3), np.uint8))
    cv2.imwrite(str(root / "reference" / f"{BAD}.png"), image)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing band": (lambda root: (root / BAND).unlink(), f"{BAND}: missing, expected"),
    "truncated": (lambda root: cut(root / BAND), f"{BAND}: not a readable TIFF of 20,000 bytes"),
    "no TIFF": (lambda root: (root / BAND).write_text("<html>"), f"{BAND}: not a readable TIFF of 6 bytes"),
    "empty file": (lambda root: (root / BAND).write_text(""), f"{BAND}: not a readable TIFF of 0 bytes"),
    "wrong size": (
        lambda root: write_band(root / BAND, pixels(0, (2, 2))),
        f"{BAND}: 2×2 pixels, expected 120×120",
    ),
    "wrong type": (
        lambda root: write_band(root / BAND, pixels(0, dtype="float32")),
        f"{BAND}: pixels of type float32, expected uint16 or int16",
    ),
    "a folder": (
        lambda root: ((root / BAND).unlink(), (root / BAND).mkdir()),
        f"{BAND}: a folder, expected a file",
    ),
    "a named pipe": (
        lambda root: ((root / BAND).unlink(), os.mkfifo(root / BAND)),
        f"{BAND}: a named pipe, expected a file",
    ),
    "too large": (
        lambda root: (root / BAND).write_bytes(bytes(2 << 20)),
        f"{BAND}: 2.1 MB, expected at most 1.05 MB",
    ),
    "a bomb": (
        lambda root: write_band(root / BAND, np.zeros((8000, 8000), np.uint16), compress="deflate"),
        f"{BAND}: 8000×8000 pixels, expected 120×120",
    ),
    "reference of grey": (
        lambda root: add_reference(root, np.zeros((480, 480), np.uint8)),
        f"reference/{BAD}.png: 480×480×1 of type uint8, expected 480×480×3",
    ),
    "reference with transparency": (
        lambda root: add_reference(root, np.zeros((480, 480, 4), np.uint8)),
        f"reference/{BAD}.png: 480×480×4 of type uint8, expected 480×480×3",
    ),
    "deep labels": (
        lambda root: (root / LABEL).write_text('{"labels": ' + "[" * 30_000),
        f"{LABEL}: no list of labels in it, expected",
    ),
    "no label file": (lambda root: (root / LABEL).unlink(), f"{LABEL}: missing, expected"),
    "no JSON": (lambda root: (root / LABEL).write_text("{"), f"{LABEL}: no list of labels in it, expected"),
    "no labels in it": (lambda root: (root / LABEL).write_text("[]"), f"{LABEL}: no list of labels in it"),
    "labels are no list": (relabel("Pastures"), f"{LABEL}: no list of labels in it, expected"),
    "nested labels": (relabel([["Pastures"]]), f"{LABEL}: no list of labels in it, expected"),
    "null labels": (relabel(None), f"{LABEL}: no list of labels in it, expected"),
    "unknown label": (relabel(["Pastures", "Lava"]), f"{LABEL}: unknown label 'Lava', expected"),
    "no label": (relabel([]), f"{LABEL}: empty label list, expected"),
    "only dropped labels": (relabel(["Airports"]), f"{LABEL}: no label among the 19 classes, only Airports"),
    "reference of wrong size": (
        lambda root: add_reference(root, np.zeros((240, 240, 3), np.uint8)),
        f"reference/{BAD}.png: 240×240×3 of type uint8, expected 480×480×3 of 8 bits",
    ),
    "reference of 16 bits": (
        lambda root: add_reference(root, np.zeros((480, 480, 3), np.uint16)),
        f"reference/{BAD}.png: 480×480×3 of type uint16, expected 480×480×3 of 8 bits",
    ),
    "reference missing": (
        lambda root: (
            add_reference(root, np.zeros((480, 480, 3), np.uint8)),
            (root / "reference" / f"{BAD}.png").unlink(),
        ),
        f"reference/{BAD}.png: missing, expected",
    ),
    "reference no PNG": (
        lambda root: (
            add_reference(root, np.zeros((480, 480, 3), np.uint8)),
            (root / "reference" / f"{BAD}.png").write_text("no"),
        ),
        f"reference/{BAD}.png: not a readable PNG",
    ),
    "listed in two splits": (
        lambda root: write_lists(root, {"val": [NAMES[3], BAD]}),
        f"train.csv, val.csv, test.csv: {BAD} is listed twice, expected once",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bad_patch_stops_the_run_with_one_line_and_leaves_nothing(broken, tmp_path, damage):
    harm, finding = DAMAGE[damage]
    harm(broken)
    with pytest.raises(BadInput) as error:
        ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    message = str(error.value)
    assert message.startswith(f"{broken}/{finding}")
    assert "\n" not in message
    assert "; mend it, or set on_error: skip" in message
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_or_it_is_skipped_and_listed(broken, tmp_path, damage):
    harm, finding = DAMAGE[damage]
    harm(broken)
    ingest(broken, tmp_path / "patches", "bigearthnet", SKIP)
    assert PatchStore(tmp_path / "patches").names == sorted(set(NAMES) - {BAD})
    ((name, reason),) = rejected(tmp_path / "patches").items()
    assert name == BAD
    assert reason.startswith(finding)
    assert str(tmp_path) not in reason


def test_good_data_leave_no_list_of_rejects(v1, tmp_path):
    ingest(v1, tmp_path / "stop", "bigearthnet", STOP)
    ingest(v1, tmp_path / "skip", "bigearthnet", SKIP)
    assert file_bytes(tmp_path / "stop") == file_bytes(tmp_path / "skip")


def test_a_patch_that_comes_twice(broken, tmp_path):
    write_patch(broken / "copy", BAD, 99, LABELS)
    with pytest.raises(BadInput, match=f"copy/{BAD}: patch {BAD} comes a second time, expected once"):
        ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    ingest(broken, tmp_path / "patches", "bigearthnet", SKIP)
    store = PatchStore(tmp_path / "patches")
    assert store.names == sorted(NAMES)
    np.testing.assert_array_equal(store[store.names.index(BAD)], rgb(NAMES.index(BAD)))  # the first is kept
    assert list(rejected(tmp_path / "patches")) == [BAD]


def test_a_patch_that_comes_twice_in_an_archive(v1, tmp_path):
    root = tmp_path / "raw"
    write_lists(root, LISTS)
    with tarfile.open(root / "BigEarthNet.tar", "w") as tar:
        tar.add(v1 / "BigEarthNet-v1.0", "BigEarthNet-v1.0")
        tar.add(v1 / "BigEarthNet-v1.0" / NAMES[0], f"BigEarthNet-v1.0/{NAMES[0]}")
    with pytest.raises(BadInput, match=rf"BigEarthNet\.tar: .*/{NAMES[0]}: patch {NAMES[0]} comes a second"):
        ingest(root, tmp_path / "patches", "bigearthnet", STOP)
    ingest(root, tmp_path / "patches", "bigearthnet", SKIP)
    assert PatchStore(tmp_path / "patches").names == sorted(NAMES)


def test_a_cut_archive(v1, tmp_path):
    root = tmp_path / "raw"
    write_lists(root, LISTS | {"val": [], "test": []})
    archive = pack(v1 / "BigEarthNet-v1.0", root / "BigEarthNet-v1.0.tar.gz")
    archive.write_bytes(archive.read_bytes()[: int(0.6 * archive.stat().st_size)])
    with pytest.raises(
        BadInput, match=r"BigEarthNet-v1\.0\.tar\.gz: cut short or damaged .*download it again"
    ):
        ingest(root, tmp_path / "patches", "bigearthnet", STOP)
    assert not (tmp_path / "patches").exists()
    ingest(root, tmp_path / "patches", "bigearthnet", SKIP)
    store = PatchStore(tmp_path / "patches")
    assert 0 < len(store) < 3
    assert "BigEarthNet-v1.0.tar.gz" in rejected(tmp_path / "patches")
    for index, name in enumerate(store.names):
        np.testing.assert_array_equal(store[index], rgb(NAMES.index(name)))


def test_a_bad_patch_in_an_archive_is_named_with_the_archive(broken, tmp_path):
    (broken / BAND).unlink()
    root = tmp_path / "packed"
    write_lists(root, LISTS)
    pack(broken / "BigEarthNet-v1.0", root / "BigEarthNet-v1.0.tar.gz")
    with pytest.raises(BadInput, match=f"packed/BigEarthNet-v1.0.tar.gz: {BAND}: missing, expected"):
        ingest(root, tmp_path / "patches", "bigearthnet", STOP)


@pytest.mark.parametrize("options", [STOP, SKIP], ids=["stop", "skip"])
def test_a_list_that_names_no_patch_there(broken, tmp_path, options):
    write_lists(broken, {"val": ["S2A_MSIL2A_20990101T101031_1_1"]})
    with pytest.raises(
        BadInput,
        match=r"has none of the 1 val patches of train\.csv.*; put your own train\.csv, val\.csv, test\.csv",
    ):
        ingest(broken, tmp_path / "patches", "bigearthnet", options)
    assert not list(tmp_path.glob("patches*"))


def test_no_good_patch_at_all(broken, tmp_path):
    for file in broken.rglob("*_B02.tif"):
        file.unlink()
    with pytest.raises(BadInput, match=r"no good patch \(BigEarthNet-v1.0/.*_B02.tif: missing"):
        ingest(broken, tmp_path / "patches", "bigearthnet", SKIP)
    assert not list(tmp_path.glob("patches*"))


@pytest.mark.parametrize(
    ("labels", "finding"),
    [([], "empty label list"), (["Lava"], "unknown label 'Lava'")],
    ids=["none", "unknown"],
)
def test_bad_labels_in_the_metadata_of_version_2(tmp_path, labels, finding):
    write_v2(tmp_path / "raw")
    write_metadata(tmp_path / "raw", V2_NAMES, labels=[["Pastures"], labels, ["Pastures"], ["Pastures"]])
    with pytest.raises(BadInput, match=rf"metadata\.parquet: {V2_NAMES[1]}: {finding}, expected"):
        ingest(tmp_path / "raw", tmp_path / "patches", "bigearthnet", STOP)


def test_version_2_names_the_tile_in_messages(tmp_path):
    write_v2(tmp_path / "raw")
    (band := tmp_path / "raw/BigEarthNet-S2" / TILE / V2_NAMES[0] / f"{V2_NAMES[0]}_B02.tif").unlink()
    with pytest.raises(BadInput, match=f"{band}: missing"):
        ingest(tmp_path / "raw", tmp_path / "patches", "bigearthnet", STOP)


def test_a_failed_run_keeps_what_an_earlier_one_wrote(broken, tmp_path):
    ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    before = file_bytes(tmp_path / "patches")
    (broken / BAND).unlink()
    (tmp_path / "patches.tmp").mkdir()  # and what a killed one left is swept away
    (tmp_path / "patches.tmp" / "shard-00007.h5").touch()
    with pytest.raises(BadInput):
        ingest(broken, tmp_path / "patches", "bigearthnet", STOP)
    assert file_bytes(tmp_path / "patches") == before
    ingest(broken, tmp_path / "patches", "bigearthnet", SKIP)
    assert sorted(file_bytes(tmp_path / "patches")) == ["index.h5", "rejected.csv", "shard-00000.h5"]


def run_stage(folder: Path, parameters: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(parameters)
    path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    return subprocess.run(
        [sys.executable, "-m", "stages.ingest"],
        cwd=folder, env=os.environ | {"PYTHONPATH": path} | environment, capture_output=True, text=True,
    )  # fmt: skip


def test_the_stage(v1, tmp_path):
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/bigearthnet").symlink_to(v1)
    parameters = "dataset: bigearthnet\ndatasets: {bigearthnet: {reflectance_max: 1500, on_error: stop}}\n"
    for threads, said in (("1", "; CPU, 1 thread\n"), ("3", "; CPU, 3 threads\n")):
        run = run_stage(tmp_path, parameters, OMP_NUM_THREADS=threads)
        assert run.returncode == 0, run.stderr
        assert said in run.stdout
    assert PatchStore(tmp_path / "data/patches").attributes["reflectance_max"] == 1500

    typo = run_stage(tmp_path, parameters.replace("on_error", "on_eror"))
    assert typo.returncode == 1
    (line,) = typo.stderr.splitlines()
    assert line.startswith("error: params.yaml: datasets.bigearthnet.on_error: Field required")
    assert "datasets.bigearthnet.on_eror: no such parameter; did you mean 'on_error'?" in line


def test_the_stage_leaves_the_synthesizers_keys_to_the_synthesizer(v1, tmp_path):
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/synthetic").symlink_to(v1)
    values = "{reflectance_max: 2000, on_error: stop, train: 4, sensor: {blur: 1.5}}"
    run = run_stage(tmp_path, f"dataset: synthetic\ndatasets: {{synthetic: {values}}}\n")
    assert run.returncode == 0, run.stderr
    assert PatchStore(tmp_path / "data/patches").attributes["dataset"] == "synthetic"
    assert len(PatchStore(tmp_path / "data/patches")) == len(NAMES)
