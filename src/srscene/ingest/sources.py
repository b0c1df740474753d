"""Where raw patches come from: an extracted tree, or the official archive read as a stream.

Both hold the patches' folders under any others. Radar and reference maps, which come in folders of the same
form and even of the same names, are told from Sentinel-2's patches by the files in them.
"""

import bz2
import gzip
import os
import re
import tarfile
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import zstandard

from srscene.core.console import BadInput, brief
from srscene.raw.layout import BAND_FILES, LABEL_FILE, of_sentinel2

_WANTED = {LABEL_FILE, *BAND_FILES}
_PATCH_FOLDER = re.compile(r".*_\d+_\d+")
_OTHER_ARCHIVE = re.compile(r"[-_.]S1[-_.]|Reference_Maps")
_LOOKS = 16
"""At most so many patches are looked into to tell what a folder of them holds."""


class Rejected(NamedTuple):
    """A patch that cannot be taken: `reason` names the file, what was found and what was expected."""

    name: str
    reason: str


class OtherData(NamedTuple):
    """Patch folders in `place` without Sentinel-2's bands: radar, or reference maps."""

    place: str
    folders: int


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


def find_patches(root: Path, listed: Collection[str]) -> Iterator[RawPatch | OtherData | Rejected]:
    """Yield every patch in `root`, listed or not, and what other data lie beside them.

    An archive is read in its own order; a tree is sorted by name. Raises BadInput when there is neither, or
    when it is unclear which archive is meant.
    """
    archive = find_archive(root)
    return read_archive(archive, listed) if archive else read_tree(root, listed)


def read_tree(root: Path, listed: Collection[str]) -> Iterator[FolderPatch | OtherData]:
    """Yield the patches of an extracted tree, sorted by name, after what other data there are.

    A folder is a patch when a list names it or its name ends in two numbers; others are looked into.
    """
    patches: list[tuple[str, str]] = []
    others: list[OtherData] = []
    for place, names in _walk(str(root), "", listed):
        if of_sentinel2(_some_files(os.path.join(root, place), names, listed)):
            patches += [(name, os.path.join(place, name)) for name in names]
        else:
            others.append(OtherData(place, len(names)))
    if not patches and not others:
        raise BadInput(
            f"{root}: no patch folders and no archive of Sentinel-2's in it; expected BigEarthNet-S2, "
            "extracted or as .tar.gz (version 1) or .tar.zst (version 2)"
        )
    patches.sort()
    return chain(sorted(others), (FolderPatch(name, place, str(root)) for name, place in patches))


def _walk(root: str, place: str, listed: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder that holds patches, and their names, sorted."""
    names = []
    with os.scandir(os.path.join(root, place)) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name in listed or _PATCH_FOLDER.fullmatch(entry.name):
                    names.append(entry.name)
                else:
                    yield from _walk(root, os.path.join(place, entry.name), listed)
    if names:
        yield place, sorted(names)


def _some_files(folder: str, names: list[str], listed: Collection[str]) -> Iterator[str]:
    """Yield the files of some of the patches in `folder`, of listed ones where there are any.

    What lies side by side is of one kind, so that the first patch nearly always tells: looking into each of
    500,000 would take minutes on a network's disk.
    """
    names = [name for name in names if name in listed] or names
    for name in names[:: -(-len(names) // _LOOKS)]:
        try:
            yield from os.listdir(os.path.join(folder, name))
        except OSError:  # whoever reads the patch says so
            continue


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
    """Return the archive in `root`, None when there is none; of several, the only one with S2 in its name.

    One that is called after radar or reference maps is none: the patches lie beside it.
    """
    archives = sorted(path for path in root.glob("*") if path.is_file() and _suffix(path))
    archives = [path for path in archives if "S2" in path.name or not _OTHER_ARCHIVE.search(path.name)]
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


def read_archive(path: Path, listed: Collection[str]) -> Iterator[ArchivedPatch | OtherData | Rejected]:
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
        reason = f"cut short or damaged ({brief(error)}), expected a whole archive; download it again"
        yield Rejected(path.name, f"{path.name}: {reason}")
    if place:
        yield _patch(path, place, files)


def _patch(path: Path, place: str, files: dict[str, bytes]) -> ArchivedPatch | OtherData:
    above, _, name = place.rpartition("/")
    if not of_sentinel2(files):
        return OtherData(f"{path.name}: {above}", 1)
    return ArchivedPatch(name, f"{path.name}: {place}", files)


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
