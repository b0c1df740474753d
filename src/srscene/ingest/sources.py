"""Where raw patches come from: an extracted tree, or the official archive read as a stream.

Both hold the patches' folders under any others. Radar and reference maps, which come in folders of the same
form and even of the same names, are told from Sentinel-2's patches by the files in them.
"""

import os
import re
import tarfile
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from srscene.ingest.archive import PUBLISHED_MD5, Member, Unpacked, packed_as
from srscene.raw.layout import BAND_FILES, LABEL_FILE, of_sentinel2
from srscene.runtime.console import BadInput, brief, say
from srscene.runtime.files import size
from srscene.runtime.names import foreign
from srscene.runtime.reading import read_bytes

BAND_BYTES = 1 << 20
LARGEST = {LABEL_FILE: 64 << 10} | dict.fromkeys(BAND_FILES, BAND_BYTES)
"""The files of a patch that are read, and the bytes each may have."""
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
        """Return the bytes of the file `<patch>_<suffix>`; raises OSError when there is none, BadInput where
        it is no ordinary file or too large.
        """
        return read_bytes(f"{self.root}/{self.place}/{self.name}_{suffix}", LARGEST.get(suffix, BAND_BYTES))


class ArchivedPatch(NamedTuple):
    """A patch out of an archive; `place` is the archive's name and the folder in it."""

    name: str
    place: str
    files: dict[str, bytes]

    def read(self, suffix: str) -> bytes:
        """Return the bytes of the file `<patch>_<suffix>`; raises OSError when there is none, BadInput where
        it is too large.
        """
        if suffix not in self.files:
            raise FileNotFoundError(suffix)
        data = self.files[suffix]
        if len(data) > LARGEST.get(suffix, BAND_BYTES):
            raise BadInput(
                f"{self.place}/{self.name}_{suffix}: more than {size(len(data) - 1)}; get it again"
            )
        return data


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
    patches: list[FolderPatch] = []
    others: list[OtherData] = []
    for place, names in _walk(str(root), listed):
        if of_sentinel2(_some_files(os.path.join(root, place), names, listed)):
            patches += [FolderPatch(name, os.path.join(place, name), str(root)) for name in names]
        else:
            others.append(OtherData(place, len(names)))
    if not patches and not others:
        raise BadInput(
            f"{root}: no patch folders and no archive of Sentinel-2's in it; expected BigEarthNet-S2, "
            "extracted or as .tar.gz (version 1) or .tar.zst (version 2)"
        )
    patches.sort()
    return chain(sorted(others), patches)


def _walk(root: str, listed: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder that holds patches, and their names, sorted; none a second time through a link."""
    places, seen = [""], set()
    while places:
        place = places.pop()
        names = []
        try:
            found = os.stat(os.path.join(root, place))
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
            with os.scandir(os.path.join(root, place)) as entries:
                for entry in entries:
                    if foreign(entry.name) or not _is_folder(entry):
                        continue
                    if entry.name in listed or _PATCH_FOLDER.fullmatch(entry.name):
                        names.append(entry.name)
                    else:
                        places.append(os.path.join(place, entry.name))
        except OSError as error:
            raise BadInput(
                f"{os.path.join(root, place)}: not readable ({error.strerror}), expected a folder; mend it, "
                "or move it away"
            ) from None
        if names:
            yield place, sorted(names)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _some_files(folder: str, names: list[str], listed: Collection[str]) -> Iterator[str]:
    """Yield the files of some of the patches in `folder`, of listed ones where there are any.

    What lies side by side is of one kind, so that the first patch nearly always tells: looking into each of
    500,000 would take minutes on a network's disk.
    """
    names = [name for name in names if name in listed] or names
    for name in names[:: -(-len(names) // _LOOKS)]:
        try:
            yield from (file for file in os.listdir(os.path.join(folder, name)) if not foreign(file))
        except OSError:  # whoever reads the patch says so
            continue


def find_archive(root: Path) -> Path | None:
    """Return the archive in `root`, None when there is none; of several, the only one with S2 in its name.

    One that is called after radar or reference maps is none: the patches lie beside it.
    """
    named = (path for path in root.glob("*") if packed_as(path) and not foreign(path.name))
    archives = sorted(path for path in named if path.is_file())
    archives = [path for path in archives if "S2" in path.name or not _OTHER_ARCHIVE.search(path.name)]
    if len(archives) > 1:
        archives = [path for path in archives if "S2" in path.name] or archives
    if len(archives) > 1:
        names = ", ".join(path.name for path in archives)
        raise BadInput(f"{root}: {len(archives)} archives ({names}), expected one; move the others away")
    return archives[0] if archives else None


def read_archive(path: Path, listed: Collection[str]) -> Iterator[ArchivedPatch | OtherData | Rejected]:
    """Yield the patches of a tar archive in its order, without extracting it; memory does not grow.

    A patch's files must follow each other, as in the official archives. An archive that is cut short, or
    whose tar is damaged though its checksums agree, yields, in the end, a Rejected for itself and what there
    is of the last patch. Raises BadInput where its checksums do not agree.
    """
    place = ""
    files: dict[str, bytes] = {}
    twice = ""
    with closing(Unpacked(path)) as stream:
        try:
            for folder, file, data in _read_members(stream, listed):
                if folder != place:
                    if place:
                        yield _patch(path, place, files, twice)
                    place, files, twice = folder, {}, ""
                if file in files and file in LARGEST and folder.rpartition("/")[2] in listed:
                    twice = file
                files[file] = data
            stream.drain()
        except BadInput:
            raise
        except Exception as error:  # tarfile raises more than its own errors for damaged headers
            yield _broken(stream, error)
        if place:
            yield _patch(path, place, files, twice)
        if not stream.checked:
            _say_unchecked(path)


def _broken(stream: Unpacked, error: Exception) -> Rejected:
    """Return what is wrong with an archive, and whether checksums vouch for what came before."""
    name, unchecked = stream.path.name, isinstance(error, EOFError)
    if not unchecked:
        try:
            stream.drain()
        except EOFError:
            unchecked = True
    reason = f"cut short or damaged ({brief(error) or type(error).__name__}), expected a whole archive"
    if unchecked:
        reason += ", and nothing vouches for the patches before"
    return Rejected(name, f"{name}: {reason}; download it again")


def _say_unchecked(path: Path) -> None:
    md5 = PUBLISHED_MD5.get(path.name)
    compare = f"; `md5sum` of the published one gives {md5}" if md5 else ""
    say(f"ingest: {path.name} has no checksum in it, so that damaged pixels would not be noticed{compare}")


def _patch(
    path: Path, place: str, files: dict[str, bytes], twice: str
) -> ArchivedPatch | OtherData | Rejected:
    above, _, name = place.rpartition("/")
    if twice:
        return Rejected(name, f"{path.name}: {place}/{name}_{twice}: comes a second time, expected once")
    if not of_sentinel2(files):
        return OtherData(f"{path.name}: {above}", 1)
    return ArchivedPatch(name, f"{path.name}: {place}", files)


def _read_members(stream: Unpacked, listed: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield patch folder, file name less the patch's, and bytes: empty where they are not wanted.

    Of a file that is too large comes one byte more than it may have.
    """
    with tarfile.TarFile(fileobj=stream, tarinfo=Member) as tar:  # type: ignore[arg-type]
        while member := tar.next():
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps all 7 million
            place, _, file = member.name.rpartition("/")
            name = place.rpartition("/")[2]
            if name and member.isfile() and file.startswith(f"{name}_") and not foreign(member.name):
                what = file[len(name) + 1 :]
                wanted = what in LARGEST and name in listed
                yield place, what, _data(stream, member, LARGEST[what] + 1) if wanted else b""


def _data(stream: Unpacked, member: tarfile.TarInfo, largest: int) -> bytes:
    count = min(member.size, largest)
    data = stream.read(count)
    if len(data) < count:
        raise tarfile.ReadError("unexpected end of data")
    return data
