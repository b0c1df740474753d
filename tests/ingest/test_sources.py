import bz2
import gzip
import tarfile

import pytest
import zstandard

from srscene.ingest.sources import (
    ArchivedPatch,
    FolderPatch,
    Rejected,
    find_archive,
    find_patches,
    read_archive,
)
from srscene.runtime.console import BadInput
from tests.ingest.raw_patches import BANDS, NAMES, REAL, TILE, V2_NAMES, pack, write_band, write_v1, write_v2
from tests.ingest.raw_patches import pixels as raw_pixels
from tests.litter import litter

SUFFIXES = [*(f"{band}.tif" for band in BANDS), "labels_metadata.json"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_v1(tmp_path_factory.mktemp("v1"))


def contents(patch) -> dict[str, bytes]:
    return {suffix: patch.read(suffix) for suffix in SUFFIXES}


def test_a_tree_is_sorted_by_name(tree):
    patches = list(find_patches(tree.parent, NAMES))
    assert [patch.name for patch in patches] == sorted(NAMES)
    file = tree / NAMES[1] / f"{NAMES[1]}_B03.tif"
    assert next(patch for patch in patches if patch.name == NAMES[1]).read("B03.tif") == file.read_bytes()


def test_the_folder_itself_may_be_the_tree(tree):
    assert [patch.name for patch in find_patches(tree, NAMES)] == sorted(NAMES)


def test_a_tile_folder_is_no_patch(tmp_path):
    write_v2(tmp_path)
    patches = list(find_patches(tmp_path, V2_NAMES))
    assert [patch.name for patch in patches] == sorted(V2_NAMES)
    assert patches[0].place == f"BigEarthNet-S2/{TILE}/{patches[0].name}"


def test_listed_folders_count_whatever_their_name(tmp_path):
    write_band(tmp_path / "deep/er/scene" / "scene_B04.tif", raw_pixels(0))
    assert [patch.place for patch in find_patches(tmp_path, {"scene"})] == ["deep/er/scene"]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.zst"])
def test_an_archive_holds_what_the_tree_holds(tree, tmp_path, suffix):
    packed = gzip.decompress(pack(tree, tmp_path / "x.tar.gz").read_bytes())
    (tmp_path / "x.tar.gz").unlink()
    compress = {".tar": bytes, ".tar.bz2": bz2.compress, ".tar.zst": zstandard.compress}.get(
        suffix, gzip.compress
    )
    (tmp_path / f"data{suffix}").write_bytes(compress(packed))
    from_tree = {patch.name: contents(patch) for patch in find_patches(tree.parent, NAMES)}
    from_archive = {patch.name: contents(patch) for patch in find_patches(tmp_path, NAMES)}
    assert from_archive == from_tree


@pytest.mark.parametrize("write", [write_v1, write_v2])
def test_what_is_no_data_changes_nothing(tmp_path, write):
    """Neither in a tree nor in an archive, nor beside one; folders that are called like patches included."""
    names = NAMES if write is write_v1 else V2_NAMES
    folder = write(tmp_path / "tree")
    kinds = SUFFIXES if write is write_v1 else SUFFIXES[:3]
    expected = {name: [next(folder.rglob(f"{name}_{kind}")).read_bytes() for kind in kinds] for name in names}

    def found(root):
        patches = list(find_patches(root, names))
        assert all(isinstance(patch, FolderPatch | ArchivedPatch) for patch in patches)
        return {patch.name: [patch.read(kind) for kind in kinds] for patch in patches}

    litter(folder)
    assert found(tmp_path / "tree") == expected
    packed = pack(folder, tmp_path / "packed/BigEarthNet-S2.tar.zst")
    packed.with_name(f"._{packed.name}").write_bytes(b"\0\5\26\7")
    assert found(tmp_path / "packed") == expected


def test_the_real_archive_of_the_package():
    patches = list(read_archive(REAL, {"S2B_MSIL2A_20170924T93020_69_24"}))
    assert len(patches) == 6
    listed = next(patch for patch in patches if patch.name == "S2B_MSIL2A_20170924T93020_69_24")
    assert [len(data) for data in contents(listed).values()] == [29192, 29192, 29192, 1036]
    others = [patch for patch in patches if patch is not listed]
    assert not any(any(patch.files.values()) for patch in others)  # what no list names is not even read


def test_a_missing_file_is_an_oserror(tree, tmp_path):
    (patch,) = [p for p in find_patches(tree.parent, NAMES) if p.name == NAMES[0]]
    for raw in (patch, ArchivedPatch(NAMES[0], "x", {})):
        with pytest.raises(FileNotFoundError):
            raw.read("B12.tif")


@pytest.mark.parametrize("kind", [".tar", ".tar.gz", ".tar.zst"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.77, 0.9, 0.97])
def test_a_cut_archive_gives_its_whole_patches_and_says_so(tree, tmp_path, kind, share):
    plain = gzip.decompress(pack(tree, tmp_path / "x.tar.gz").read_bytes())
    data = {".tar": bytes, ".tar.gz": gzip.compress, ".tar.zst": zstandard.compress}[kind](plain)
    archive = tmp_path / f"cut{kind}"
    archive.write_bytes(data[: int(share * len(data))])
    found = list(read_archive(archive, NAMES))
    (rejected,) = [item for item in found if isinstance(item, Rejected)]
    assert rejected.name == archive.name
    assert "cut short or damaged" in rejected.reason
    expected = {patch.name: contents(patch) for patch in find_patches(tree.parent, NAMES)}
    whole = found[: found.index(rejected)]
    assert {patch.name: contents(patch) for patch in whole} == {p.name: expected[p.name] for p in whole}
    assert len(whole) >= int(share * len(NAMES)) - 1


def test_a_tar_cut_between_two_files_is_noticed(tree, tmp_path):
    """tarfile takes that for the end, and zstandard for the end of the stream."""
    plain = gzip.decompress(pack(tree, tmp_path / "x.tar.gz").read_bytes())
    (tmp_path / "plain.tar").write_bytes(plain)
    with tarfile.open(tmp_path / "plain.tar") as tar:
        start = next(member.offset for member in tar if member.name.endswith(f"{NAMES[3]}_B03.tif"))
    for archive, data in (("a.tar", plain[:start]), ("b.tar.zst", zstandard.compress(plain[:start]))):
        (tmp_path / archive).write_bytes(data)
        assert sum(isinstance(item, Rejected) for item in read_archive(tmp_path / archive, NAMES)) == 1


def test_a_damaged_header_is_not_taken_for_the_end(tree, tmp_path):
    plain = bytearray(gzip.decompress(pack(tree, tmp_path / "x.tar.gz").read_bytes()))
    (tmp_path / "plain.tar").write_bytes(plain)
    with tarfile.open(tmp_path / "plain.tar") as tar:
        start = next(member.offset for member in tar if member.name.endswith(f"{NAMES[3]}_B03.tif"))
    plain[start : start + 512] = b"x" * 512
    (tmp_path / "bad.tar").write_bytes(plain)
    found = list(read_archive(tmp_path / "bad.tar", NAMES))
    assert sum(isinstance(item, Rejected) for item in found) == 1
    assert len(found) < len(NAMES)


def test_of_several_archives_the_one_of_sentinel_2(tmp_path):
    for name in ("BigEarthNet-S1.tar.zst", "BigEarthNet-S2.tar.zst", "Reference_Maps.tar.zst"):
        (tmp_path / name).touch()
    assert find_archive(tmp_path) == tmp_path / "BigEarthNet-S2.tar.zst"
    (tmp_path / "BigEarthNet-S2-v1.0.tar.gz").touch()
    with pytest.raises(
        BadInput, match=r"2 archives \(BigEarthNet-S2-v1\.0\.tar\.gz, BigEarthNet-S2\.tar\.zst\)"
    ):
        find_archive(tmp_path)


def test_nothing_there_says_what_belongs_there(tmp_path):
    with pytest.raises(
        BadInput, match=r"no patch folders and no archive of Sentinel-2's in it; expected BigEar"
    ):
        find_patches(tmp_path, NAMES)
