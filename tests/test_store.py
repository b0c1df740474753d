import io
import json
import pickle
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srscene.console import BadInput
from srscene.labels import CLASSES
from srscene.store import SPLITS, WRITE_AT_ONCE, Patch, PatchStore, ShardWriter, shard_path


def make_patch(seed: int, shape: tuple[int, int] = (6, 5), reference: bool = False) -> Patch:
    random = np.random.default_rng(seed)
    return Patch(
        name=f"patch_{seed}",
        split=SPLITS[seed % 3],
        labels=random.integers(0, 2, 19, np.uint8),
        image=random.integers(0, 256, (*shape, 3), np.uint8),
        reference=random.integers(0, 256, (4 * shape[0], 4 * shape[1], 3), np.uint8) if reference else None,
    )


def write_shard(folder: Path, patches: Iterable[Patch], capacity: int) -> None:
    with ShardWriter(shard_path(folder, 0), capacity) as writer:
        for patch in patches:
            writer.add(patch)


def write(folder: Path, patches: list[Patch], shard: int, attributes: dict | None = None) -> Path:
    for number, start in enumerate(range(0, len(patches), shard)):
        with ShardWriter(shard_path(folder, number), shard, attributes) as writer:
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


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    count=st.integers(1, 3 * WRITE_AT_ONCE),
    shard=st.integers(1, 2 * WRITE_AT_ONCE + 3),
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    reference=st.booleans(),
)
def test_what_goes_in_comes_out(tmp_path, count, shard, shape, reference):
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
    ranges = store.shard_ranges()
    assert [index for part in ranges for index in part] == list(range(count))
    assert all(len(part) == shard for part in ranges[:-1])
    for split in SPLITS:
        assert [patches[i].split for i in store.indices(split)] == [split] * len(store.indices(split))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(count=st.integers(1, 40), extra=st.integers(0, 100), reference=st.booleans())
def test_capacity_leaves_no_trace(tmp_path, count, extra, reference):
    """A shard that was planned larger equals, image for image and in size, one of just the right size."""
    patches = [make_patch(seed, reference=reference) for seed in range(count)]
    for name, capacity in (("exact", count), ("larger", count + extra)):
        write_shard(tmp_path / name, patches, capacity)
    same(PatchStore(tmp_path / "larger"), patches)
    exact, larger = shard_path(tmp_path / "exact", 0), shard_path(tmp_path / "larger", 0)
    assert larger.read_bytes() == exact.read_bytes()
    assert [path.name for path in (tmp_path / "larger").iterdir()] == ["shard-00000.h5"]


def test_the_same_patches_give_the_same_bytes(tmp_path):
    patches = [make_patch(seed) for seed in range(20)]
    for name in "ab":
        write(tmp_path / name, patches, 8, {"b": 1, "a": [2]} if name == "a" else {"a": [2], "b": 1})
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_any_hdf5_reader_can_read_it(tmp_path):
    patches = [make_patch(seed) for seed in range(20)]
    write(tmp_path, patches, 100, {"scale": 4})
    with h5py.File(shard_path(tmp_path, 0)) as file:
        np.testing.assert_array_equal(file["images"][:], [patch.image for patch in patches])
        assert file["images"].chunks is None
        assert file["names"].asstr()[3] == "patch_3"
        assert json.loads(file.attrs["classes"]) == list(CLASSES)


def test_the_writer_keeps_nothing_of_the_array_it_is_given(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    with ShardWriter(shard_path(tmp_path, 0), 5) as writer:
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
        write_shard(tmp_path, broken(), 5)
    assert not list(tmp_path.iterdir())


def test_no_patch_no_file(tmp_path):
    with ShardWriter(shard_path(tmp_path, 0), 5):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [1, WRITE_AT_ONCE])
def test_patches_of_a_shard_must_be_alike(tmp_path, number):
    for wrong in (make_patch(0, (6, 4)), make_patch(0, reference=True)):
        with pytest.raises(ValueError, match="patch_0"):
            write_shard(tmp_path, [*map(make_patch, range(number)), wrong], 99)
        assert not list(tmp_path.iterdir())


def test_a_full_shard_says_so(tmp_path):
    with pytest.raises(ValueError, match="full at 1"):
        write_shard(tmp_path, map(make_patch, range(2)), 1)


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
    with pytest.raises(BadInput, match=r"shard-00000\.h5: damaged"):
        PatchStore(tmp_path)


def test_a_shard_without_its_tables_is_noticed(tmp_path):
    path = shard_path(write(tmp_path, [make_patch(0)], 1), 0)
    with h5py.File(path, "r+") as file:
        del file["labels"]
    with pytest.raises(BadInput, match=r"shard-00000\.h5: damaged"):
        PatchStore(tmp_path)


def test_another_order_of_classes_is_refused(tmp_path):
    path = shard_path(write(tmp_path, [make_patch(0)], 1), 0)
    with h5py.File(path, "r+") as file:
        file.attrs["classes"] = json.dumps(sorted(CLASSES))
    with pytest.raises(BadInput, match="its classes are"):
        PatchStore(tmp_path)
