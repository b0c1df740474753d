"""Archives that are damaged, cut short, or ask for more memory than there may be."""

import bz2
import gzip
import io
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.core.store import PatchStore
from srscene.ingest.archive import Member, Unpacked
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.ingest.sources import Rejected, read_archive
from srscene.runtime.console import BadInput
from tests.ingest.raw_patches import LABELS, NAMES, write_lists, write_patch
from tests.options import section

SKIP = section("datasets.bigearthnet", IngestOptions, on_error="skip")
NAME = NAMES[0]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".tar.gz": lambda data: gzip.compress(data, mtime=0),
    ".tar.bz2": bz2.compress,
    ".tar.zst": zstd,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tar of a patch."""
    folder = tmp_path_factory.mktemp("patch")
    write_patch(folder, NAME, 0, LABELS)
    with tarfile.open(folder / "plain", "w") as tar:
        tar.add(folder / NAME, f"BigEarthNet-v1.0/{NAME}")
    return (folder / "plain").read_bytes()


def tar_of(*files: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files:
            member = tarfile.TarInfo(f"BigEarthNet-v1.0/{NAME}/{NAME}_{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def found_in(path: Path, data: bytes) -> list:
    path.write_bytes(data)
    return list(read_archive(path, {NAME}))


@pytest.mark.parametrize("suffix", PACKED)
def test_no_flipped_bit_changes_a_pixel_in_silence(plain, tmp_path, suffix):
    packed = PACKED[suffix](plain)
    whole = found_in(tmp_path / f"a{suffix}", packed)
    bits = [*range(64), *random.Random(0).sample(range(64, 8 * len(packed)), 60)]
    bits += range(8 * len(packed) - 64, 8 * len(packed))
    taken = set()
    for bit in bits:
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        with suppress(BadInput):
            found = found_in(tmp_path / f"a{suffix}", damaged)
            if not any(isinstance(item, Rejected) for item in found):
                assert found == whole
                taken.add(bit // 8)
    harmless = {
        ".tar.gz": {*range(3, 10)},  # flags, time, system
        ".tar.bz2": {3, len(packed) - 1},  # the memory to take, and what fills the last byte
        ".tar.zst": {4},  # a bit without a meaning
    }
    assert taken <= harmless[suffix]


@pytest.mark.parametrize("suffix", PACKED)
def test_one_cut_behind_the_tar_is_noticed(plain, tmp_path, suffix):
    packed = PACKED[suffix](plain)
    for missing in (1, 2, 3):
        *_, last, patch = found_in(tmp_path / f"a{suffix}", packed[:-missing])
        assert isinstance(last, Rejected)
        assert "cut short or damaged" in last.reason
        assert "nothing vouches for the patches before; download it again" in last.reason
        assert patch.name == NAME


@pytest.mark.parametrize("suffix", PACKED)
def test_no_end_comes_behind_an_error(plain, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    damaged = bytearray(PACKED[suffix](plain))
    damaged[len(damaged) * 3 // 4] ^= 4
    for data, error in ((damaged, BadInput), (damaged[: len(damaged) // 2], EOFError)):
        path.write_bytes(data)
        with closing(Unpacked(path)) as stream:
            with pytest.raises(error):
                stream.drain()
            for again in (stream.read, stream.drain):
                with pytest.raises(error):
                    again()


@pytest.mark.parametrize("suffix", PACKED)
def test_damage_stops_the_run_under_skip_too(plain, tmp_path, suffix):
    write_lists(tmp_path / "raw", {"train": [NAME], "val": [], "test": []})
    packed = bytearray(PACKED[suffix](plain))
    packed[len(packed) * 3 // 4] ^= 4
    (tmp_path / f"raw/a{suffix}").write_bytes(packed)
    with pytest.raises(BadInput, match=rf"raw/a{suffix}: damaged .*which patches are right: download it"):
        ingest(tmp_path / "raw", tmp_path / "patches", "bigearthnet", SKIP)
    assert not (tmp_path / "patches").exists()


def test_an_archive_of_which_nothing_comes_is_named(plain, tmp_path):
    write_lists(tmp_path / "raw", {"train": [NAME], "val": [], "test": []})
    (tmp_path / "raw/a.tar").write_bytes(b"x" * 2048)
    with pytest.raises(BadInput, match=r"raw/a\.tar: cut short or damaged"):
        ingest(tmp_path / "raw", tmp_path / "patches", "bigearthnet", SKIP)


def test_what_lies_behind_a_plain_tar_is_not_read(plain, tmp_path):
    write_lists(tmp_path / "raw", {"train": [NAME], "val": [], "test": []})
    archive = tmp_path / "raw/a.tar"
    archive.write_bytes(plain)
    os.truncate(archive, 1 << 38)  # a hole of 275 GB
    ingest(tmp_path / "raw", tmp_path / "patches", "bigearthnet", SKIP)
    assert PatchStore(tmp_path / "patches").names == [NAME]


def test_a_file_that_comes_twice_in_its_folder(tmp_path):
    (found,) = found_in(tmp_path / "a.tar", tar_of(("B04.tif", b"a"), ("B03.tif", b"b"), ("B04.tif", b"c")))
    assert found.name == NAME
    assert found.reason.endswith(f"{NAME}_B04.tif: comes a second time, expected once")


def test_frames_of_zstd_and_what_is_to_be_skipped(plain, tmp_path, capsys):
    half = len(plain) // 2
    skipped = b"\x52\x2a\x4d\x18" + (9).to_bytes(4, "little") + bytes(9)
    packed = zstd(plain[:half]) + skipped + zstd(plain[half:])
    assert found_in(tmp_path / "a.tar.zst", packed) == found_in(tmp_path / "a.tar.zst", zstd(plain))
    assert capsys.readouterr().out == ""
    found_in(tmp_path / "a.tar.zst", zstandard.compress(plain))
    assert "a.tar.zst has no checksum in it" in capsys.readouterr().out


def test_members_of_gzip_and_zeros_between_them(plain, tmp_path):
    half = len(plain) // 2
    packed = gzip.compress(plain[:half]) + bytes(700_000) + gzip.compress(plain[half:]) + bytes(3)
    assert found_in(tmp_path / "a.tar.gz", packed) == found_in(tmp_path / "a.tar.gz", gzip.compress(plain))
    with pytest.raises(BadInput, match=r"a\.tar\.gz: damaged"):
        found_in(tmp_path / "a.tar.gz", packed + b"more than a header has")


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])  # bz2 reads nothing behind its end
def test_a_hole_behind_a_packed_tar_is_damage(plain, tmp_path, suffix):
    archive = tmp_path / f"a{suffix}"
    archive.write_bytes(PACKED[suffix](plain))
    os.truncate(archive, 1 << 38)
    with pytest.raises(BadInput, match=r"damaged .*nobody can tell which patches are right"):
        list(read_archive(archive, {NAME}))


@pytest.mark.parametrize("size", [b"-1", b"-2000", b"-0000001000"])
def test_a_file_of_less_than_nothing_is_damage(tmp_path, size):
    damaged = bytearray(tar_of(("B04.tif", bytes(600)), ("B03.tif", b"b")))
    damaged[124:136], damaged[148:156] = size.ljust(12, b"\0"), b" " * 8
    damaged[148:156] = b"%06o\0 " % sum(damaged[:512])
    (found,) = found_in(tmp_path / "a.tar", damaged)
    assert "cut short or damaged (a size of -" in found.reason


@pytest.mark.parametrize(
    "told", [{"map": "0,512,1024,0"}, {"numblocks": "1", "offset": "0", "numbytes": "512"}]
)
def test_a_sparse_file_is_refused(tmp_path, told):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(f"BigEarthNet-v1.0/{NAME}/{NAME}_B04.tif")
        member.size = 512
        member.pax_headers = {f"GNU.sparse.{key}": value for key, value in {"size": "1536", **told}.items()}
        tar.addfile(member, io.BytesIO(bytes(range(256)) * 2))
    (found,) = found_in(tmp_path / "a.tar", packed.getvalue())
    assert "cut short or damaged (a sparse file)" in found.reason


@pytest.mark.parametrize("suffix", ["", *PACKED])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_it_is_read_as_a_file_is(tmp_path_factory, suffix, data):
    whole = random.Random(0).randbytes(1000) * 3000  # some pieces, none alike
    path = tmp_path_factory.getbasetemp() / f"forwards.tar{suffix.removeprefix('.tar')}"
    if not path.exists():
        path.write_bytes(PACKED[suffix](whole) if suffix else whole)
    at = 0
    with closing(Unpacked(path)) as stream:
        for skip, count in data.draw(
            st.lists(st.tuples(st.integers(0, 2_000_000), st.integers(0, 1_500_000)))
        ):
            stream.seek(at + skip)
            at = min(at + skip, len(whole))
            assert stream.tell() == at
            assert stream.read(count) == whole[at : at + count]
            at = min(at + count, len(whole))


NAMES_IN_TARS = ("a_b", "B" * 99, "c" * 100, "d" * 101, f"{'e' * 90}/{'f' * 90}", "ü/é_1")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", NAMES_IN_TARS)
def test_a_header_says_what_tarfile_reads_in_it(form, name):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
        if form == tarfile.USTAR_FORMAT and name == "d" * 101:
            return  # it has no room for it
        for size in (0, 1, 511, 513):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = size, 1.5
            tar.addfile(member, io.BytesIO(bytes(size)))
    read = []
    for kind in (tarfile.TarInfo, Member):
        packed.seek(0)
        with tarfile.open(fileobj=packed, tarinfo=kind) as tar:
            read.append([(each.name, each.size, each.type, each.offset_data) for each in tar])
    assert read[0] == read[1]
    assert len(read[0]) == 4


def test_a_large_window_is_refused(tmp_path):
    parameters = zstandard.ZstdCompressionParameters(window_log=28)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BadInput, match=r"needs 268 MB of memory .* compress it again without --long"):
        found_in(tmp_path / "a.tar.zst", packer.compress(bytes(1000)) + packer.flush())


def test_bombs_take_little_memory(tmp_path):
    """A band of 400 MB, and a tar header of as many."""
    band = tar_of(("B04.tif", bytes(400_000_000)))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(band, 1))
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 400_000_000
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(header.tobuf() + band[512:], 1))
    (tmp_path / "c.tar.zst").write_bytes(zstd(band))
    script = f"""
import resource, sys
from pathlib import Path
from srscene.ingest.sources import read_archive
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for name in ("a.tar.gz", "b.tar.gz", "c.tar.zst"):
    list(read_archive(Path({str(tmp_path)!r}) / name, {{{NAME!r}}}))
print(peak() - before)
"""
    del band
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(run.stdout.splitlines()[-1]) < 100  # MiB
