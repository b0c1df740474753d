"""The official archives as a stream: unpacked in bounded pieces, and read to their verified end.

A tar ends before the checksums of what it is packed in: only behind them are all pixels known to be right.
"""

import bz2
import tarfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import zstandard
from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor

from srscene.runtime.console import BadInput, brief
from srscene.runtime.files import size
from srscene.runtime.reading import what_it_is
from srscene.runtime.threads import ahead

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.zst")
PUBLISHED_MD5 = {
    "BigEarthNet-S2-v1.0.tar.gz": "5a64e9ce38deb036a435a7b59494924c",
    "BigEarthNet-S2.tar.zst": "2245ed2d1a93f6ce637d839bc856396e",
}
PIECE = 1 << 17
"""Bytes unpacked at a time; a block of zstd has no more."""
JOINED = 8
"""Pieces that the thread hands over as one."""
FILLING = 1 << 20
"""Zeros that may fill up a tape's block; a file's hole may have terabytes of them."""
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


def packed_as(path: Path) -> str:
    """Return the ending that tells how an archive is packed, an empty text where it is none."""
    return next((ending for ending in SUFFIXES if path.name.endswith(ending)), "")


class Unpacked:
    """The tar in an archive, as a file that is read forwards; a thread unpacks ahead.

    `checked` tells, at its end, whether checksums vouch for all of it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._packed = path, packed_as(path)
        self.checked = self._packed != ".tar"
        self._unpacking = _large(self._unpack())
        self._pieces = ahead(lambda _: next(self._unpacking, b""), repeat(None))
        self._piece = memoryview(b"")
        self._at = 0  # in the piece
        self._before = 0  # bytes before it
        self._broken: Exception | None = None

    def read(self, count: int = PIECE) -> bytes:
        """Return the next bytes, fewer than `count` only at the end.

        Raises EOFError where the archive is cut short, BadInput where it is damaged: nobody can tell which
        of the bytes before are right. So does each further call: no end is one behind an error.
        """
        if self._broken:
            raise self._broken
        parts = [self._take(count)]
        left = count - len(parts[0])
        while left and self._next():
            parts.append(self._take(left))
            left -= len(parts[-1])
        return b"".join(parts)

    def tell(self) -> int:
        return self._before + self._at

    def seek(self, position: int) -> None:
        """Go forwards, to the end at most; raises EOFError and BadInput, and StreamError to go back."""
        if position < self.tell():
            raise tarfile.StreamError(f"back to byte {position:,} from {self.tell():,}")
        while position > self._before + len(self._piece) and self._next():
            pass
        self._at = min(position - self._before, len(self._piece))

    def drain(self) -> None:
        """Read to the end, behind which the checksums have been compared; raises what `read` does.

        A plain tar has none, and behind its end may be a hole of terabytes.
        """
        while self._packed != ".tar" and self._next():
            pass

    def close(self) -> None:
        self._pieces.close()
        self._unpacking.close()

    def _take(self, count: int) -> memoryview:
        """Return what there is of the next `count` bytes in this piece."""
        found = self._piece[self._at : self._at + count]
        self._at += len(found)
        return found

    def _next(self) -> bool:
        """Go to the next piece; tell whether there was one."""
        if self._broken:
            raise self._broken
        try:
            piece = memoryview(next(self._pieces))
        except Exception as error:
            self._broken = self._in_words(error)
            raise self._broken from None
        self._before, self._at = self._before + len(self._piece), 0
        self._piece = piece
        return bool(piece)

    def _in_words(self, error: Exception) -> Exception:
        if isinstance(error, BadInput | EOFError):
            return error
        found = what_it_is(self.path) or f"damaged ({brief(error) or type(error).__name__})"
        return BadInput(
            f"{self.path}: {found}, expected a whole archive; nobody can tell which patches are right: "
            "download it again"
        )

    def _unpack(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            if self._packed == ".tar.zst":
                yield from self._unpack_zstd(file)
                return
            if self._packed in (".tar.gz", ".tgz"):
                yield from _unpack_gzip(file)
                return
            stream = bz2.BZ2File(file) if self._packed == ".tar.bz2" else file
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


def _large(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Join pieces: a thread that hands over small ones waits for the interpreter most of the time.

    Where the next one fails, those before it come first.
    """
    parts: list[bytes] = []
    try:
        for piece in pieces:
            parts.append(piece)
            if len(parts) == JOINED:
                yield b"".join(parts)
                parts = []
    except Exception:
        if parts:
            yield b"".join(parts)
        raise
    if parts:
        yield b"".join(parts)


def _unpack_gzip(file: IO[bytes]) -> Iterator[bytes]:
    """Unpack member by member, with ISA-L; its own file object keeps back what it has before an error."""
    data, zeros = b"", 0
    while data or (data := file.read(PIECE)):
        zeros += len(data) - len(data := data.lstrip(b"\0"))
        if zeros > FILLING:
            raise ValueError(f"more than {size(FILLING)} of zeros in it")
        if data:
            zeros = 0
            unpack = IgzipDecompressor(flag=DECOMP_GZIP)
            while not unpack.eof:
                if unpack.needs_input and not (data := data or file.read(PIECE)):
                    raise EOFError("the file ends within a member")
                if piece := unpack.decompress(data, PIECE):
                    yield piece
                data = b""
            data = unpack.unused_data


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
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Member":
        """Take from an ordinary file's header what is used here; to take all is most of tarfile's time."""
        if len(buf) == tarfile.BLOCKSIZE and buf[156:157] == tarfile.REGTYPE and buf[345] == 0:
            with suppress(ValueError):
                checksum = _octal(buf[148:156])
                if checksum == sum(buf) - sum(buf[148:156]) + 8 * ord(" "):
                    member = cls(buf[:100].partition(b"\0")[0].decode(encoding, errors))
                    member.size, member.chksum = _octal(buf[124:136]), checksum
                    return member
        return super().frombuf(buf, encoding, errors)

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "Member":
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise  # the zeros that end a whole archive
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {tar.offset:,} of the tar") from None

    def _proc_member(self, tar: tarfile.TarFile) -> "Member":
        if self.size < 0 or (self.type in _ADDITIONS and self.size > LONGEST_HEADER):
            raise tarfile.ReadError(f"a size of {self.size:,} bytes at byte {tar.offset:,} of the tar")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"a sparse file at byte {tar.offset:,} of the tar")
        return super()._proc_member(tar)  # type: ignore[misc]

    def _sparse(self, *_: Any) -> None:
        raise tarfile.ReadError("a sparse file")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _sparse


def _octal(field: bytes | bytearray) -> int:
    return int(field.rstrip(b" \0"), 8)
