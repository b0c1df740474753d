import shutil

from benchmarks.ingest import PACKERS, decompressors, make_tree, pack, readers
from srscene.ingest.sources import find_patches


def test_the_readers_that_are_compared_read_the_benchmarks_data(tmp_path):
    names = make_tree(tmp_path / "raw", 7, shutil.copyfile)
    cases = readers(tmp_path / "raw", names)
    assert len(cases) >= 3
    for read in cases.values():
        read()
    from_tree = {patch.name: patch.read("B02.tif") for patch in find_patches(tmp_path / "raw", names)}
    assert set(from_tree) == set(names)
    archives = {suffix: pack(tmp_path / "raw", tmp_path / suffix, suffix) for suffix in PACKERS}
    for packed in archives.values():
        assert {patch.name: patch.read("B02.tif") for patch in find_patches(packed, names)} == from_tree
    for unpack in decompressors(archives).values():
        unpack()
