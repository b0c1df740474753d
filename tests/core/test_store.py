import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from srscene.core import codec, store
from srscene.core import writer as shard_writer
from srscene.core.classes import CLASSES
from srscene.core.store import SPLITS, Patch, PatchStore, shard_path, write_texts
from srscene.core.writer import ShardWriter, patches_per_shard
from srscene.runtime.console import BadInput
from srscene.runtime.parts import kept


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


def write_shard(folder: Path, patches: Iterable[Patch]) -> None:
    with ShardWriter(shard_path(folder, 0)) as writer:
        for patch in patches:
            writer.add(patch)


def write(folder: Path, patches: list[Patch], shard: int, attributes: dict | None = None) -> Path:
    for number, start in enumerate(range(0, len(patches), shard)):
        with ShardWriter(shard_path(folder, number), attributes) as writer:
            for patch in patches[start : start + shard]:
                writer.add(patch)
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
    ranges = store.shard_ranges()
    assert [index for part in ranges for index in part] == list(range(count))
    assert all(len(part) == shard for part in ranges[:-1])
    for split in SPLITS:
        assert [patches[i].split for i in store.indices(split)] == [split] * len(store.indices(split))


def test_the_same_patches_give_the_same_bytes_whatever_the_number_of_threads(tmp_path, form, monkeypatch):
    patches = [make_patch(seed) for seed in range(20)]
    for name, threads in (("a", 1), ("b", 3)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, threads=threads: range(threads))
        write(tmp_path / name, patches, 8, {"b": 1, "a": [2]} if name == "a" else {"a": [2], "b": 1})
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize(("processes", "threads"), [(1, 24), (8, 3), (48, 1)])
def test_all_cores_of_the_process_compress(tmp_path, monkeypatch, processes, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(24))
    for name, value in {
        "RANK": 0,
        "LOCAL_RANK": 0,
        "WORLD_SIZE": processes,
        "LOCAL_WORLD_SIZE": processes,
    }.items():
        monkeypatch.setenv(name, str(value))
    with ShardWriter(shard_path(tmp_path, 0)) as writer:
        writer.add(make_patch(0, (200, 200)))
        assert writer._pool._max_workers == threads


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
    with ShardWriter(shard_path(tmp_path, 0)) as writer:
        writer.extend([small] * 3)
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
    assert raw.shards[0].images["images"].compressed != compressed.shards[0].images["images"].compressed
    assert raw.digest == compressed.digest


def test_few_images_wait_to_be_compressed(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, "WAITING_BYTES", 3 * 200 * 200 * 3)
    with ShardWriter(shard_path(tmp_path, 0)) as writer:
        for seed in range(12):
            writer.add(make_patch(seed, (200, 200)))
            assert writer.count == seed + 1
            assert len(writer._waiting) <= 3
    assert len(PatchStore(tmp_path)) == 12


def test_the_writer_keeps_nothing_of_the_array_it_is_given(tmp_path, form):
    image = np.zeros((4, 4, 3), np.uint8)
    with ShardWriter(shard_path(tmp_path, 0)) as writer:
        for value in range(5):
            image[:] = value
            writer.add(make_patch(value)._replace(image=image))
    assert [int(image.max()) for image in PatchStore(tmp_path)] == [0, 1, 2, 3, 4]


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
        write_shard(tmp_path, broken())
    assert not list(tmp_path.iterdir())


def test_no_patch_no_file(tmp_path):
    with ShardWriter(shard_path(tmp_path, 0)):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [1, 16])
def test_patches_of_a_shard_must_be_alike(tmp_path, number):
    for wrong in (make_patch(0, (6, 4)), make_patch(0, reference=True)):
        with pytest.raises(ValueError, match="patch_0"):
            write_shard(tmp_path, [*map(make_patch, range(number)), wrong])
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("index", [-1, 3, 99])
def test_an_index_outside_is_an_error(tmp_path, index):
    store = PatchStore(write(tmp_path, [make_patch(seed) for seed in range(3)], 2))
    with pytest.raises(IndexError):
        store[index]


def test_no_store(tmp_path):
    with pytest.raises(BadInput, match=r"no shard-\*\.h5 in it; run `dvc repro` or `dvc pull`"):
        PatchStore(tmp_path)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_shard_is_noticed(tmp_path, missing):
    write(tmp_path, [make_patch(seed) for seed in range(6)], 2)
    shard_path(tmp_path, missing).unlink()
    with pytest.raises(BadInput, match=f"shard-0000{missing}.h5 is missing"):
        PatchStore(tmp_path)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_shard_is_noticed(tmp_path, share):
    path = shard_path(write(tmp_path, [make_patch(seed) for seed in range(6)], 6), 0)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInput, match=rf"shard-00000\.h5: {'damaged' if share else 'an empty file'}"):
        PatchStore(tmp_path)


def test_a_shard_without_its_tables_is_noticed(tmp_path):
    path = shard_path(write(tmp_path, [make_patch(0)], 1), 0)
    with h5py.File(path, "r+") as file:
        del file["labels"]
    with pytest.raises(BadInput, match=r"shard-00000\.h5: damaged"):
        PatchStore(tmp_path)


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("labels", np.zeros((2, 19), np.uint8), r"labels of \(2, 19\) for 1 names"),
        ("labels", np.full((1, 19), 2, np.uint8), "labels or splits that there are not"),
        ("split", np.array([3], np.uint8), "labels or splits that there are not"),
        ("images", np.zeros((2, 4, 4, 3), np.uint8), r"images of \(2, 4, 4, 3\) uint8 for 1 checksums"),
        ("images", np.zeros((1, 4, 4), np.uint8), r"images of \(1, 4, 4\)"),
        ("images", np.zeros((1, 4, 4, 3), np.int16), r"images of \(1, 4, 4, 3\) int16"),
        ("images_crc32", np.zeros(2, np.uint32), r"images of \(1, 6, 5, 3\) uint8 for 2 checksums"),
    ],
)
def test_tables_that_do_not_fit_together_are_noticed(tmp_path, name, values, found):
    path = shard_path(write(tmp_path, [make_patch(0)], 1), 0)
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values
    with pytest.raises(BadInput, match=rf"shard-00000\.h5: damaged \({found}"):
        PatchStore(tmp_path)


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        (lambda good: good[[0, 2, 1, 3]], "images that do not lie one behind the other"),
        (lambda good: good[[0, 1, 1, 3]], "images that do not lie one behind the other"),
        (
            lambda good: good + np.array([7, 0, 0, 0], np.uint64),
            "images that do not lie one behind the other",
        ),
        (lambda good: good[[0, 1, 3]], "images of"),
        (lambda good: good + np.array([0, 0, 0, 1], np.uint64), "images of"),
        (lambda good: good.astype(np.float64), "images of"),
        (lambda good: good[:0], ""),
    ],
)
def test_offsets_that_lie_are_noticed(tmp_path, monkeypatch, lie, found):
    monkeypatch.setattr(codec, "LEAST", 1)
    path = shard_path(write(tmp_path, [make_patch(seed) for seed in range(3)], 3), 0)
    with h5py.File(path, "r+") as file:
        lies = lie(file["images_offsets"][:])
        del file["images_offsets"]
        file["images_offsets"] = lies
    with pytest.raises(BadInput, match=rf"shard-00000\.h5: damaged \({found}"):
        PatchStore(tmp_path)


@pytest.mark.parametrize(
    "texts",
    [
        {"shape": "[60000, 60000, 3]"},
        {"shape": "[-6, -5, 3]"},
        {"shape": "[6, 5, 4]"},
        {"shape": "6"},
        {"codec": "jpegls"},
    ],
)
def test_a_form_that_is_none_is_refused(tmp_path, monkeypatch, texts):
    monkeypatch.setattr(codec, "LEAST", 1)
    path = shard_path(write(tmp_path, [make_patch(0)], 1), 0)
    with h5py.File(path, "r+") as file:
        write_texts(file["images"], texts)
    with pytest.raises(BadInput, match=r"shard-00000\.h5: damaged"):
        PatchStore(tmp_path)


def test_images_of_another_size_in_a_later_shard_are_refused(tmp_path):
    write(tmp_path, [make_patch(0), make_patch(1)], 1)
    shard_path(tmp_path, 1).unlink()
    with ShardWriter(shard_path(tmp_path, 1)) as writer:
        writer.add(make_patch(1, (6, 6)))
    with pytest.raises(BadInput, match=r"shard-00001\.h5: images of .*6, 6, 3.*expected .*6, 5, 3"):
        PatchStore(tmp_path)


@pytest.mark.parametrize("name", ["images", "reference"])
def test_a_damaged_image_is_one_line_and_the_others_are_read(tmp_path, form, name):
    patches = [make_patch(seed, reference=True) for seed in range(3)]
    path = shard_path(write(tmp_path, patches, 3), 0)
    images = PatchStore(tmp_path).shards[0].images[name]
    data = bytearray(path.read_bytes())
    data[images.begins + int(images.offsets[2]) - 1] ^= 1
    path.write_bytes(data)
    opened = PatchStore(tmp_path)
    with pytest.raises(
        BadInput, match=rf"shard-00000\.h5: damaged .*expected {name} of patch_1 as .*; delete"
    ):
        opened.batch([0, 1]) if name == "images" else opened.reference(1)
    np.testing.assert_array_equal(opened[2], patches[2].image)
    np.testing.assert_array_equal(opened.reference(0), patches[0].reference)


def test_another_order_of_classes_is_refused(tmp_path):
    path = shard_path(write(tmp_path, [make_patch(0)], 1), 0)
    with h5py.File(path, "r+") as file:
        write_texts(file, {"classes": json.dumps(sorted(CLASSES))})
    with pytest.raises(BadInput, match="its classes are"):
        PatchStore(tmp_path)


def test_a_batch_is_the_images_in_the_order_asked_for(tmp_path, form):
    patches = [make_patch(seed) for seed in range(7)]
    opened = PatchStore(write(tmp_path, patches, 3))
    np.testing.assert_array_equal(opened.batch([6, 0, 3, 3]), [patches[i].image for i in (6, 0, 3, 3)])
    assert opened.batch([]).shape == (0, 6, 5, 3)
    assert [opened.split_of(index) for index in range(7)] == [patch.split for patch in patches]


def test_maps_are_bounded_whatever_the_number_of_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "OPEN_MAPS", 3)
    patches = [make_patch(seed) for seed in range(20)]
    opened = PatchStore(write(tmp_path, patches, 1))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        same(opened, patches)
    assert len(opened._maps) == 3
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 3


def test_threads_may_share_a_store(tmp_path, monkeypatch):
    """Of more shards than are mapped, so that they take each other's maps away all the time."""
    monkeypatch.setattr(store, "OPEN_MAPS", 8)
    patches = [make_patch(seed) for seed in range(16)]
    opened = PatchStore(write(tmp_path, patches, 1))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(opened.__getitem__, [*range(16)] * 50))
    finally:
        sys.setswitchinterval(before)
    for number, image in enumerate(found):
        np.testing.assert_array_equal(image, patches[number % 16].image)
    assert len(opened._maps) <= 8


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
    for number in range(1200):
        with ShardWriter(shard_path(tmp_path, number)) as writer:
            writer.add(
                Patch(
                    f"p{number}", "train", np.zeros(19, np.uint8), np.full((2, 2, 3), number % 251, np.uint8)
                )
            )
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


def interrupted(path: Path, patches: list[Patch], error: type[BaseException] = KeyboardInterrupt) -> None:
    with pytest.raises(error), ShardWriter(path, {"sr": "hat"}, resume=True) as writer:  # noqa: PT012
        for patch in patches:
            writer.extend([patch])
        raise error


@pytest.mark.parametrize("seconds", [0, 1e9])
def test_an_interrupted_shard_is_finished_to_the_same_bytes(tmp_path, monkeypatch, form, seconds):
    monkeypatch.setattr(shard_writer, "CHECKPOINT_SECONDS", seconds)
    patches = [make_patch(seed, reference=True) for seed in range(10)]
    whole, path = shard_path(tmp_path / "whole", 0), shard_path(tmp_path / "parts", 0)
    with ShardWriter(whole, {"sr": "hat"}) as writer:
        writer.extend(patches)
    interrupted(path, patches[:4])
    assert not path.exists()
    interrupted(path, [])
    with ShardWriter(path, {"sr": "hat"}, resume=True) as writer:
        assert writer.count == 4
        writer.extend(patches[writer.count :])
    assert path.read_bytes() == whole.read_bytes()
    assert sorted(file.name for file in path.parent.iterdir()) == ["SHA256SUMS", path.name]
    assert kept(path)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "journal"])
def test_damaged_pieces_are_made_again(tmp_path, monkeypatch, capsys, form, damage):
    monkeypatch.setattr(shard_writer, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(shard_writer, "WAITING_BYTES", 0)
    patches = [make_patch(seed) for seed in range(6)]
    path = shard_path(tmp_path, 0)
    interrupted(path, patches[:5])
    part, journal = path.with_suffix(".images.part"), path.with_suffix(".journal")
    data = bytearray(part.read_bytes())
    pieces = [json.loads(line.split(" ", 1)[1])["images"]["images"] for line in journal.open()]
    third, end = np.cumsum([0, *(piece["lengths"][0] for piece in pieces)])[2:4]
    if damage == "flip":
        data[third + 7] ^= 1
        part.write_bytes(data)
    elif damage == "cut":
        part.write_bytes(data[: end - 1])
    elif damage == "gone":
        part.unlink()
    else:
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(lines[:2]) + lines[2][:40])
    with ShardWriter(path, resume=True) as writer:
        assert writer.count == (0 if damage == "gone" else 2)
        writer.extend(patches[writer.count :])
    assert "shard-00000.h5: damaged behind" in capsys.readouterr().out
    same(PatchStore(tmp_path), patches)


def test_shards_are_about_a_gigabyte():
    assert patches_per_shard((480, 480, 3)) == 1553
    assert patches_per_shard((120, 120, 3), (480, 480, 3)) == 1462
    assert patches_per_shard((50_000, 50_000, 3)) == 1


LIMITED = """
import resource, sys
from pathlib import Path
from srscene.core import codec
from srscene.runtime.console import run_stage
from srscene.core.writer import ShardWriter
from tests.core.test_store import make_patch

def main():
    codec.LEAST = int(sys.argv[1])
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with ShardWriter(Path("shard-00000.h5"), resume=True) as writer:
        for seed in range(writer.count, 30):
            writer.add(make_patch(seed))

run_stage(main)
"""


@pytest.mark.parametrize("limit", [2_000, 9_000])
def test_a_full_disk_is_one_line_and_the_next_run_ends_in_the_same_bytes(tmp_path, form, limit):
    patches = [make_patch(seed) for seed in range(30)]
    whole = shard_path(write(tmp_path / "whole", patches, 30), 0)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(codec.LEAST), str(limit)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*shard-00000\.h5.*: the disk is full \(.*\n", done.stderr)
    assert not (tmp_path / "shard-00000.h5").exists()
    with ShardWriter(shard_path(tmp_path, 0), resume=True) as writer:
        writer.extend(patches[writer.count :])
    assert shard_path(tmp_path, 0).read_bytes() == whole.read_bytes()
