"""The official archives as a stream: unpacked in bounded pieces, and read to their verified end.

A tar ends before the checksums of what it is packed in: only behind them are all pixels known to be right.
"""

import bz2
import gzip
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from srscene.core.console import BadInput, brief
from srscene.core.disk import size
from srscene.core.reading import what_it_is

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.zst")
PUBLISHED_MD5 = {
    "BigEarthNet-S2-v1.0.tar.gz": "5a64e9ce38deb036a435a7b59494924c",
    "BigEarthNet-S2.tar.zst": "2245ed2d1a93f6ce637d839bc856396e",
}
PIECE = 1 << 17
"""Bytes unpacked at a time; a block of zstd has no more."""
WINDOW = 128 << 20
"""Bytes that zstd may look back, which it keeps in memory; `--long` asks for more."""
LONGEST_HEADER = 1 << 20
"""Bytes of a tar header for a long name or other additions, which tarfile reads at once."""
_FRAME_HEADER = 18
"""Bytes of zstd's longest."""
_ADDITIONS = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}


def suffix(path: Path) -> str:
    """Return the ending that tells how an archive is packed, an empty text where it is none."""
    return next((ending for ending in SUFFIXES if path.name.endswith(ending)), "")


class Unpacked:
    """The tar in an archive. `checked` tells, at its end, whether checksums vouch for all of it.

    Not in a thread of its own: it would have to wait for the interpreter after each piece (measured: 0.6
    times as fast).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checked = suffix(path) != ".tar"
        self._pieces = self._unpack()
        self._broken: Exception | None = None

    def read(self, _: int = PIECE) -> bytes:
        """Return the next piece, empty at the end.

        Raises EOFError where the archive is cut short, BadInput where it is damaged: nobody can tell which
        of the bytes before are right. So does each further call: no end is one behind an error.
        """
        if self._broken is None:
            try:
                return next(self._pieces, b"")
            except Exception as error:
                self._broken = self._in_words(error)
        raise self._broken

    def _in_words(self, error: Exception) -> Exception:
        if isinstance(error, BadInput | EOFError):
            return error
        found = what_it_is(self.path) or f"damaged ({brief(error) or type(error).__name__})"
        return BadInput(
            f"{self.path}: {found}, expected a whole archive; nobody can tell which patches are right: "
            "download it again"
        )

    def drain(self) -> None:
        """Read to the end, behind which the checksums have been compared; raises what `read` does.

        A plain tar has none, and behind its end may be a hole of terabytes.
        """
        while suffix(self.path) != ".tar" and self.read():
            pass

    def close(self) -> None:
        self._pieces.close()

    def _unpack(self) -> Any:
        with self.path.open("rb") as file:
            if suffix(self.path) == ".tar.zst":
                yield from self._unpack_zstd(file)
                return
            stream: Any = file
            if suffix(self.path) in (".tar.gz", ".tgz"):
                stream = gzip.GzipFile(fileobj=file)
            elif suffix(self.path) == ".tar.bz2":
                stream = bz2.BZ2File(file)
            while piece := stream.read1(PIECE):  # what there is before an error, too
                yield piece

    def _unpack_zstd(self, file: IO[bytes]) -> Iterator[bytes]:
        """Unpack block by block: the library's own stream takes a cut file for a whole one."""
        while start := file.read(_FRAME_HEADER):
            if start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5:  # a frame to be skipped
                file.seek(8 - len(start), 1)
                _skip(file, int.from_bytes(start[4:8], "little"))
                continue
            length = zstandard.frame_header_size(start) if len(start) > 4 else _FRAME_HEADER
            if len(start) < length:
                raise EOFError("the file ends within a frame")
            frame = zstandard.get_frame_parameters(start)
            if frame.window_size > WINDOW:
                raise BadInput(
                    f"{self.path}: needs {size(frame.window_size)} of memory to unpack, expected at most "
                    f"{size(WINDOW)}; compress it again without --long, or extract it"
                )
            self.checked &= frame.has_checksum
            file.seek(length - len(start), 1)
            yield from _unpack_frame(file, start[:length], frame.has_checksum)


def _unpack_frame(file: IO[bytes], header: bytes, has_checksum: bool) -> Iterator[bytes]:
    unpack = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()
    unpack.decompress(header)
    last = 0
    while not last:
        start = _exactly(file, 3)
        number = int.from_bytes(start, "little")
        last, kind, length = number & 1, number >> 1 & 3, number >> 3
        block = start + _exactly(file, 1 if kind == 1 else length)  # 1: one byte, repeated
        if piece := unpack.decompress(block):
            yield piece
    if has_checksum and (piece := unpack.decompress(_exactly(file, 4))):
        yield piece


def _exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError("the file ends within a frame")
    return data


def _skip(file: IO[bytes], count: int) -> None:
    while count:
        count -= len(_exactly(file, min(count, PIECE)))


class Member(tarfile.TarInfo):
    """Makes a cut or damaged header an error, which tarfile takes for the end, and one without bounds."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "Member":
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise  # the zeros that end a whole archive
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {tar.offset:,} of the tar") from None

    def _proc_member(self, tar: tarfile.TarFile) -> "Member":
        if self.type in _ADDITIONS and not 0 <= self.size <= LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes at byte {tar.offset:,} of the tar")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"a sparse file at byte {tar.offset:,} of the tar")
        return super()._proc_member(tar)  # type: ignore[misc]

    def _proc_gnusparse_10(self, *_: Any) -> None:
        raise tarfile.ReadError("a sparse file")
