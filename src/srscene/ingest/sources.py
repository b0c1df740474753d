"""Where raw patches come from: an extracted tree, or the official archive read as a stream.

Both hold, under any folders, one folder per patch with the files `<patch>_B04.tif` and so on; version 1 also
`<patch>_labels_metadata.json`. Version 1 lies flat, version 2 in a folder per tile.
"""

import bz2
import gzip
import os
import re
import tarfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import zstandard

from srscene.console import BadInput
from srscene.ingest.reflectance import BANDS

LABEL_FILE = "labels_metadata.json"
_WANTED = {LABEL_FILE, *(f"{band}.tif" for band in BANDS)}
_PATCH_FOLDER = re.compile(r".*_\d+_\d+")


class Rejected(NamedTuple):
    """A patch that cannot be taken: `reason` names the file, what was found and what was expected."""

    name: str
    reason: str


class FolderPatch(NamedTuple):
    """A patch in a tree; `place` is its folder, relative to `root`."""

    name: str
    place: str
    root: str

    def read(self, suffix: str) -> bytes:
        """Return the bytes of the file `<patch>_<suffix>`; raises OSError when there is none."""
        with open(f"{self.root}/{self.place}/{self.name}_{suffix}", "rb", buffering=0) as file:
            return file.read()


class ArchivedPatch(NamedTuple):
    """A patch out of an archive; `place` is the archive's name and the folder in it."""

    name: str
    place: str
    files: dict[str, bytes]

    def read(self, suffix: str) -> bytes:
        """Return the bytes of the file `<patch>_<suffix>`; raises OSError when there is none."""
        if suffix not in self.files:
            raise FileNotFoundError(suffix)
        return self.files[suffix]


RawPatch = FolderPatch | ArchivedPatch


def find_patches(root: Path, listed: Collection[str]) -> Iterator[RawPatch | Rejected]:
    """Yield every patch in `root`, listed or not.

    An archive is read in its own order; a tree is sorted by name. Raises BadInput when there is neither, or
    when it is unclear which archive is meant.
    """
    archive = find_archive(root)
    return read_archive(archive, listed) if archive else read_tree(root, listed)


def read_tree(root: Path, listed: Collection[str]) -> Iterator[FolderPatch]:
    """Yield the patches of an extracted tree, sorted by name.

    A folder is a patch when a list names it or its name ends in two numbers; others are looked into.
    """
    folders = sorted(_walk(str(root), "", listed))
    if not folders:
        raise BadInput(
            f"{root}: no patch folders and no archive in it; expected BigEarthNet, extracted or as .tar.gz "
            "(version 1) or .tar.zst (version 2)"
        )
    return (FolderPatch(name, place, str(root)) for name, place in folders)


def _walk(root: str, place: str, listed: Collection[str]) -> Iterator[tuple[str, str]]:
    with os.scandir(os.path.join(root, place)) as entries:
        for entry in entries:
            if entry.is_dir():
                inner = os.path.join(place, entry.name)
                if entry.name in listed or _PATCH_FOLDER.fullmatch(entry.name):
                    yield entry.name, inner
                else:
                    yield from _walk(root, inner, listed)


def _open_zst(path: Path, mode: Literal["rb"]) -> IO[bytes]:
    # The window is bounded by the format (2 GiB), not by the library's cautious default of 128 MiB.
    unpack = zstandard.ZstdDecompressor(max_window_size=2**31)
    return unpack.stream_reader(path.open(mode), read_across_frames=True, closefd=True)


_OPENERS: dict[str, Callable[[Path, Literal["rb"]], Any]] = {
    ".tar": open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar.zst": _open_zst,
}


def _suffix(path: Path) -> str:
    return next((suffix for suffix in _OPENERS if path.name.endswith(suffix)), "")


def find_archive(root: Path) -> Path | None:
    """Return the archive in `root`, None when there is none; of several, the only one with S2 in its name."""
    archives = sorted(path for path in root.glob("*") if path.is_file() and _suffix(path))
    if len(archives) > 1:
        archives = [path for path in archives if "S2" in path.name] or archives
    if len(archives) > 1:
        names = ", ".join(path.name for path in archives)
        raise BadInput(f"{root}: {len(archives)} archives ({names}), expected one; move the others away")
    return archives[0] if archives else None


class _Member(tarfile.TarInfo):
    """Makes a cut or damaged header an error: tarfile takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_Member":
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise  # the zeros that end a whole archive
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {tar.offset:,} of the tar") from None


def read_archive(path: Path, listed: Collection[str]) -> Iterator[ArchivedPatch | Rejected]:
    """Yield the patches of a tar archive in its order, without extracting it; memory does not grow.

    A patch's files must follow each other, as in the official archives. A cut or damaged archive yields, in
    the end, a Rejected for itself and what there is of the last patch.
    """
    place = ""
    files: dict[str, bytes] = {}
    try:
        for folder, suffix, data in _read_members(path, listed):
            if folder != place:
                if place:
                    yield _patch(path, place, files)
                place, files = folder, {}
            files[suffix] = data
    except (tarfile.TarError, EOFError, OSError, zstandard.ZstdError) as error:
        reason = f"cut short or damaged ({error}), expected a whole archive; download it again"
        yield Rejected(path.name, f"{path.name}: {reason}")
    if place:
        yield _patch(path, place, files)


def _patch(path: Path, place: str, files: dict[str, bytes]) -> ArchivedPatch:
    return ArchivedPatch(place.rpartition("/")[2], f"{path.name}: {place}", files)


def _read_members(path: Path, listed: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield patch folder, file name less the patch's, and bytes: empty where they are not wanted."""
    with (
        _OPENERS[_suffix(path)](path, "rb") as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as tar,
    ):
        for member in tar:
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps all 7 million
            place, _, file = member.name.rpartition("/")
            name = place.rpartition("/")[2]
            if name and member.isfile() and file.startswith(f"{name}_"):
                suffix = file[len(name) + 1 :]
                wanted = suffix in _WANTED and name in listed
                yield place, suffix, tar.extractfile(member).read() if wanted else b""  # type: ignore
