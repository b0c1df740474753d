"""Which files of a folder or a zip are a scene's bands; a zip is read in place, nothing is unpacked."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import ZipFile, is_zipfile

from srscene.raw.layout import BANDS
from srscene.runtime.console import BadInput
from srscene.runtime.files import size
from srscene.runtime.names import foreign
from srscene.runtime.reading import read_bytes, reading

REMEDY = "get it again"
MOST_FILES = 100_000
"""In a folder or zip; a product has some hundred."""
_BAND = re.compile(r"(?:.*[_.-])?(B\d\d)(_10m)?\.(?:tif|tiff|jp2)", re.I)


@dataclass(frozen=True)
class Files:
    """The files of a folder, or of a zip, by their paths in it; those that are data of ours."""

    path: Path
    names: tuple[str, ...]
    zipped: bool

    def gdal(self, name: str) -> str:
        """Return what GDAL opens."""
        place = self.path.resolve()
        return f"/vsizip/{{{place}}}/{name}" if self.zipped else str(place / name)

    def shown(self, name: str) -> str:
        """Return what a message calls the file."""
        return f"{self.path}/{name}"

    def read(self, name: str, at_most: int) -> bytes:
        """Return a small file's bytes; raises BadInput where it can't be read, or is larger than that."""
        if not self.zipped:
            with reading(self.path / name, "a product's metadata", REMEDY):
                return read_bytes(self.path / name, at_most)
        with (
            reading(self.path, "a whole zip", REMEDY),
            ZipFile(self.path) as archive,
            archive.open(name) as file,
        ):
            data = file.read(at_most + 1)
        if len(data) > at_most:
            raise BadInput(f"{self.shown(name)}: expected at most {size(at_most)}; {REMEDY}")
        return data

    @contextmanager
    def opening(self, name: str) -> Iterator[None]:
        """Turn what reading the image `name` raises into BadInput."""
        if self.zipped:
            with reading(self.path, f"a zip whose {name} is a whole image", REMEDY):
                yield
        else:
            with reading(self.path / name, "a whole GeoTIFF or JPEG 2000 file", REMEDY):
                yield


def files_of(path: Path) -> Files | None:
    """Return the files of a folder or zip, None where `path` is neither.

    Raises BadInput for a zip with names that lead out of it, a damaged one, or too many files.
    """
    if path.is_dir():
        return Files(path, _listed(path, (str(file.relative_to(path)) for file in path.rglob("*"))), False)
    if not path.is_file() or not is_zipfile(path):
        return None
    with reading(path, "a zip", REMEDY), ZipFile(path) as archive:
        names = _listed(path, archive.namelist())
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise BadInput(f"{path}: {name!r} in it leads out of it; expected a product as it was downloaded")
    return Files(path, names, True)


def _listed(path: Path, names: Iterable[str]) -> tuple[str, ...]:
    found = []
    for name in names:
        if not foreign(name):
            found.append(name)
        if len(found) > MOST_FILES:
            raise BadInput(f"{path}: more than {MOST_FILES:,} files, expected one scene's; name its folder")
    return tuple(sorted(found))


def band_files(files: Files, expected: str = "a file of each of B04, B03, B02") -> tuple[str, ...]:
    """Return the names of red's, green's and blue's files, at 10 m where the names tell.

    Raises BadInput where one is missing, or there are several.
    """
    found: dict[str, list[str]] = {band: [] for band in BANDS}
    at_10m: dict[str, list[str]] = {band: [] for band in BANDS}
    for name in files.names:
        match = _BAND.fullmatch(PurePosixPath(name).name)
        if match and (band := match[1].upper()) in found:
            (at_10m if match[2] else found)[band].append(name)
    chosen = {band: at_10m[band] or found[band] for band in BANDS}
    for band, names in chosen.items():
        if len(names) != 1:
            several = (
                f"{len(names)} files of {band} ({', '.join(names[:2])}, …)" if names else f"no file of {band}"
            )
            raise BadInput(f"{files.path}: {several}; expected {expected}, of one scene")
    return tuple(names[0] for names in chosen.values())
