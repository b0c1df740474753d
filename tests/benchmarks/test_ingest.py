import shutil

from benchmarks.ingest import make_tree, pack, readers
from srscene.ingest.sources import find_patches


def test_the_readers_that_are_compared_read_the_benchmarks_data(tmp_path):
    names = make_tree(tmp_path / "raw", 7, shutil.copyfile)
    cases = readers(tmp_path / "raw", names)
    assert len(cases) >= 3
    for read in cases.values():
        read()
    packed = pack(tmp_path / "raw", tmp_path / "packed", ".tar", open)
    from_tree = {patch.name: patch.read("B02.tif") for patch in find_patches(tmp_path / "raw", names)}
    assert {patch.name: patch.read("B02.tif") for patch in find_patches(packed, names)} == from_tree
    assert set(from_tree) == set(names)
