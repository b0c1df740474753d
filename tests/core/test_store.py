import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from srscene.core import codec
from srscene.core.classes import CLASSES
from srscene.core.hdf5 import read_text, write_texts
from srscene.core.store import INDEX, SPLITS, Patch, PatchStore, index_digest, shard_path
from srscene.core.writer import write_index, write_shard, write_store
from srscene.runtime.console import BadInput

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["raw", "compressed"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The form in which stores hold small images: as they are, or compressed as large ones are."""
    if request.param == "compressed":
        monkeypatch.setattr(codec, "LEAST", 1)
    return request.param


def make_patch(seed: int, shape: tuple[int, int] = (6, 5), reference: bool = False) -> Patch:
    random = np.random.default_rng(seed)
    return Patch(
        name=f"patch_{seed}",
        split=SPLITS[seed % 3],
        labels=random.integers(0, 2, 19, np.uint8),
        image=random.integers(0, 256, (*shape, 3), np.uint8),
        reference=random.integers(0, 256, (4 * shape[0], 4 * shape[1], 3), np.uint8) if reference else None,
    )


def write(folder: Path, patches: list[Patch], shard: int, attributes: dict | None = None) -> Path:
    write_store(folder, patches, attributes or {}, shard)
    return folder


def same(store: PatchStore, patches: list[Patch]) -> None:
    assert len(store) == len(patches)
    assert store.names == [patch.name for patch in patches]
    assert [SPLITS[split] for split in store.split] == [patch.split for patch in patches]
    np.testing.assert_array_equal(store.labels, [patch.labels for patch in patches])
    for image, patch in zip(store, patches, strict=True):
        np.testing.assert_array_equal(image, patch.image)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    count=st.integers(1, 48),
    shard=st.integers(1, 35),
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    reference=st.booleans(),
)
def test_what_goes_in_comes_out(tmp_path, form, count, shard, shape, reference):
    shutil.rmtree(tmp_path / "store", ignore_errors=True)
    patches = [make_patch(seed, shape, reference) for seed in range(count)]
    store = PatchStore(write(tmp_path / "store", patches, shard, {"scale": 1}))
    same(store, patches)
    assert store.image_shape == (*shape, 3)
    assert store.attributes == {"scale": 1}
    assert store.has_reference == reference
    if reference:
        for index, patch in enumerate(patches):
            np.testing.assert_array_equal(store.reference(index), patch.reference)
        backwards = range(count)[::-1]
        np.testing.assert_array_equal(
            store.references(backwards), [patches[index].reference for index in backwards]
        )
    assert store.shard_of(count - 1) == shard_path(tmp_path / "store", (count - 1) // shard)
    for split in SPLITS:
        assert [patches[i].split for i in store.indices(split)] == [split] * len(store.indices(split))


def test_the_same_patches_give_the_same_bytes_whatever_the_number_of_threads(tmp_path, form):
    patches = [make_patch(seed) for seed in range(20)]
    write_store(tmp_path / "a", patches, {"b": 1, "a": [2]}, 8, threads=1)
    write_store(tmp_path / "b", patches, {"a": [2], "b": 1}, 8, threads=3)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_any_hdf5_reader_can_read_it(tmp_path):
    patches = [make_patch(seed) for seed in range(20)]
    write(tmp_path, patches, 100, {"scale": 4})
    with h5py.File(shard_path(tmp_path, 0)) as file:
        np.testing.assert_array_equal(file["images"][:], [patch.image for patch in patches])
        assert file["images"].chunks is None
        assert [zlib.crc32(patch.image) for patch in patches] == file["images_crc32"][:].tolist()
        assert file["names"].asstr()[3] == "patch_3"
        assert json.loads(file.attrs["classes"]) == list(CLASSES)


def test_any_reader_of_jpeg_2000_can_read_what_is_compressed(tmp_path):
    patches = [make_patch(seed, (200, 210)) for seed in range(3)]
    write(tmp_path, patches, 100)
    with h5py.File(shard_path(tmp_path, 0)) as file:
        images = file["images"]
        assert (images.ndim, images.chunks) == (1, None)
        assert (images.attrs["codec"], images.attrs["shape"]) == (b"htj2k", b"[200, 210, 3]")
        for number, patch in enumerate(patches):
            start, end = file["images_offsets"][number : number + 2]
            codestream = images[start:end]
            assert zlib.crc32(codestream) == file["images_crc32"][number]
            np.testing.assert_array_equal(imagecodecs.htj2k_decode(codestream), patch.image)
            np.testing.assert_array_equal(Image.open(io.BytesIO(codestream.tobytes())), patch.image)


def test_only_large_images_are_compressed(tmp_path):
    small = make_patch(0, (45, 46), reference=True)
    write(tmp_path, [small] * 3, 3)
    with h5py.File(shard_path(tmp_path, 0)) as file:
        assert file["images"].shape == (3, 45, 46, 3)
        assert file["reference"].ndim == 1
    opened = PatchStore(tmp_path)
    np.testing.assert_array_equal(opened.references([2]), [small.reference])
    np.testing.assert_array_equal(opened[2], small.image)


def test_the_digest_is_of_pixels_whatever_their_form(tmp_path, monkeypatch):
    patches = [make_patch(seed, reference=True) for seed in range(4)]
    raw = PatchStore(write(tmp_path / "raw", patches, 3))
    monkeypatch.setattr(codec, "LEAST", 1)
    compressed = PatchStore(write(tmp_path / "compressed", patches, 3))
    assert shard_path(raw.folder, 0).read_bytes() != shard_path(compressed.folder, 0).read_bytes()
    assert raw.digest == compressed.digest


def test_an_image_that_was_read_may_be_changed(tmp_path):
    write(tmp_path, [make_patch(0)], 1)
    store = PatchStore(tmp_path)
    store[0][:] = 0
    np.testing.assert_array_equal(store[0], make_patch(0).image)


def test_a_store_that_was_read_from_can_go_to_another_process(tmp_path):
    patches = [make_patch(seed) for seed in range(5)]
    store = PatchStore(write(tmp_path, patches, 2))
    assert store[4].any()
    buffer = io.BytesIO()
    pickle.dump(store, buffer)
    assert buffer.tell() < 5_000
    same(pickle.loads(buffer.getvalue()), patches)


def test_an_error_leaves_no_file(tmp_path):
    def broken() -> Iterator[Patch]:
        yield make_patch(0)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_store(tmp_path / "store", broken(), {})
    with pytest.raises(BadInput):
        PatchStore(tmp_path / "store")


def test_no_patch_no_file(tmp_path):
    write_store(tmp_path, [], {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [1, 16])
def test_patches_of_a_shard_must_be_alike(tmp_path, number):
    for wrong in (make_patch(0, (6, 4)), make_patch(0, reference=True)):
        with pytest.raises(ValueError, match="patch_0"):
            write_shard(shard_path(tmp_path, 0), [*map(make_patch, range(number)), wrong], {})
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("index", [-1, 3, 99])
def test_an_index_outside_is_an_error(tmp_path, index):
    store = PatchStore(write(tmp_path, [make_patch(seed) for seed in range(3)], 2))
    with pytest.raises(IndexError):
        store[index]


def test_no_store(tmp_path):
    with pytest.raises(BadInput, match=r"no index\.h5 in it; run `dvc repro` or `dvc pull`"):
        PatchStore(tmp_path)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_shard_is_noticed(tmp_path, missing):
    write(tmp_path, [make_patch(seed) for seed in range(6)], 2)
    shard_path(tmp_path, missing).unlink()
    with pytest.raises(BadInput, match=f"shard-0000{missing}.h5: missing"):
        PatchStore(tmp_path)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_shard_is_noticed(tmp_path, share):
    path = shard_path(write(tmp_path, [make_patch(seed) for seed in range(6)], 6), 0)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInput, match=r"shard-00000\.h5: damaged \(.* bytes, expected"):
        PatchStore(tmp_path)


@pytest.mark.parametrize("place", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_damaged_index_is_noticed(tmp_path, place):
    """Or the damage lies where HDF5 keeps nothing of ours, and the store is as it was."""
    patches = [make_patch(seed) for seed in range(40)]
    path = write(tmp_path, patches, 6) / INDEX
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 0xFF
    path.write_bytes(data)
    try:
        same(PatchStore(tmp_path), patches)
        said = ""
    except BadInput as error:
        said = str(error)
    assert re.fullmatch(r"(.*index\.h5: .*; delete it and run the stage again)?", said)


@pytest.mark.parametrize("name", ["labels", "split", "names", "images_start", "images_crc32", "bytes"])
def test_a_value_of_the_index_that_was_changed_is_noticed(tmp_path, name):
    path = write(tmp_path, [make_patch(seed) for seed in range(3)], 2) / INDEX
    with h5py.File(path, "r+") as file:
        values = file[name][:]
        file[name][:] = values[::-1] if name == "names" else values + 1
    with pytest.raises(BadInput, match=r"index\.h5: damaged \(not the values that were written\)"):
        PatchStore(tmp_path)


def test_a_shard_without_its_tables_gets_no_index(tmp_path):
    path = shard_path(write(tmp_path, [make_patch(0)], 1), 0)
    with h5py.File(path, "r+") as file:
        del file["labels"]
    with pytest.raises(BadInput, match=r"shard-00000\.h5: damaged"):
        write_index([path], tmp_path / INDEX)


@pytest.mark.parametrize("other", [make_patch(1, (6, 6)), make_patch(1, reference=True)])
def test_a_later_shard_of_other_images_gets_no_index(tmp_path, other):
    paths = [shard_path(tmp_path, number) for number in range(2)]
    for path, patch in zip(paths, (make_patch(0), other), strict=True):
        write_shard(path, [patch], {})
    with pytest.raises(BadInput, match=r"shard-00001\.h5: other images, classes or attributes"):
        write_index(paths, tmp_path / INDEX)


def test_a_larger_codestream_than_the_store_s_is_refused(tmp_path, monkeypatch):
    """Its header says so before anything is allocated."""
    monkeypatch.setattr(codec, "LEAST", 1)
    with pytest.raises(ValueError, match="no HTJ2K codestream of 6×5×3"):
        codec.decode(codec.encode(make_patch(0, (60, 50)).image), np.empty((6, 5, 3), np.uint8))


@pytest.mark.parametrize("name", ["images", "reference"])
def test_a_damaged_image_is_one_line_and_the_others_are_read(tmp_path, form, name):
    patches = [make_patch(seed, reference=True) for seed in range(3)]
    path = shard_path(write(tmp_path, patches, 3), 0)
    with h5py.File(tmp_path / INDEX) as file:
        last = int(file[f"{name}_start"][1] + file[f"{name}_length"][1]) - 1
    data = bytearray(path.read_bytes())
    data[last] ^= 1
    path.write_bytes(data)
    opened = PatchStore(tmp_path)
    with pytest.raises(
        BadInput, match=rf"shard-00000\.h5: damaged .*expected {name} of patch_1 as .*; delete"
    ):
        opened.batch([0, 1]) if name == "images" else opened.reference(1)
    np.testing.assert_array_equal(opened[2], patches[2].image)
    np.testing.assert_array_equal(opened.reference(0), patches[0].reference)


def test_another_order_of_classes_is_refused(tmp_path):
    path = write(tmp_path, [make_patch(0)], 1) / INDEX
    with h5py.File(path, "r+") as file:
        texts = {name: read_text(file, name) for name in ("attributes", "forms")}
        texts["classes"] = json.dumps(sorted(CLASSES))
        digest = index_digest({name: values[:] for name, values in file.items()}, texts)
        write_texts(file, texts | {"sha256": digest})
    with pytest.raises(BadInput, match=r"index\.h5: .*classes"):
        PatchStore(tmp_path)


def test_a_batch_is_the_images_in_the_order_asked_for(tmp_path, form):
    patches = [make_patch(seed) for seed in range(7)]
    opened = PatchStore(write(tmp_path, patches, 3))
    np.testing.assert_array_equal(opened.batch([6, 0, 3, 3]), [patches[i].image for i in (6, 0, 3, 3)])
    assert opened.batch([]).shape == (0, 6, 5, 3)
    assert [opened.split_of(index) for index in range(7)] == [patch.split for patch in patches]


def test_threads_may_share_a_store(tmp_path):
    patches = [make_patch(seed) for seed in range(16)]
    opened = PatchStore(write(tmp_path, patches, 1))
    before = sys.getswitchinterval(), len(list(Path("/proc/self/fd").iterdir()))
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(opened.__getitem__, [*range(16)] * 50))
    finally:
        sys.setswitchinterval(before[0])
    for number, image in enumerate(found):
        np.testing.assert_array_equal(image, patches[number % 16].image)
    assert len(list(Path("/proc/self/fd").iterdir())) == before[1]


MANY = """
import resource, sys, time
import numpy as np
from srscene.core.store import PatchStore
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
store = PatchStore(sys.argv[1])
for index in np.random.default_rng(0).permutation(len(store)):
    assert store[int(index)][0, 0, 0] == index % 251
"""


def test_more_shards_than_a_process_may_open_files(tmp_path):
    colours = (np.full((2, 2, 3), number % 251, np.uint8) for number in range(1200))
    labels = np.zeros(19, np.uint8)
    write_store(tmp_path, (Patch(f"p{n}", "train", labels, image) for n, image in enumerate(colours)), {}, 1)
    subprocess.run([sys.executable, "-c", MANY, str(tmp_path)], check=True)


def test_the_digest_stands_for_all_that_a_store_holds(tmp_path):
    def digest(name: str, patches: list[Patch], attributes: dict | None = None) -> str:
        return PatchStore(write(tmp_path / name, patches, 4, attributes)).digest

    patches = [make_patch(seed, reference=True) for seed in range(6)]
    first = digest("first", patches)
    assert digest("again", patches) == first
    other = make_patch(7, reference=True)
    changed = [patches[0]._replace(**{field: getattr(other, field)}) for field in Patch._fields]
    digests = {digest(f"{number}", [patch, *patches[1:]]) for number, patch in enumerate(changed)}
    assert len(digests | {first, digest("attributes", patches, {"sr": "hat"})}) == 7


LIMITED = """
import resource, sys
from pathlib import Path
from srscene.core import codec
from srscene.core.writer import write_shard
from srscene.runtime.console import run_stage
from srscene.runtime.parts import piece
from tests.core.test_store import make_patch

def main():
    codec.LEAST = int(sys.argv[1])
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with piece(Path("shard-00000.h5")) as path:
        write_shard(path, map(make_patch, range(30)), {})

run_stage(main)
"""


@pytest.mark.parametrize("limit", [2_000, 9_000])
def test_a_full_disk_is_one_line_and_leaves_no_file(tmp_path, form, limit):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(codec.LEAST), str(limit)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*shard-00000\.h5.*: the disk is full \(.*\n", done.stderr)
    assert not list(tmp_path.iterdir())
