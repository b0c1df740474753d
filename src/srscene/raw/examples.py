"""The six real BigEarthNet v1 patches that the `bigearthnet-common` distribution carries as test data.

Its modules need an old fastcore and make a folder in the user's home, so none is imported: only its files are
read. The official lists name four of the six for training and one for testing; the sixth lies under snow, and
no list names it.
"""

import bz2
import tarfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from srscene.core.store import SPLITS, Split
from srscene.raw.layout import LISTS, V1_FOLDER, write_lists
from srscene.runtime.console import BadInput
from srscene.runtime.files import whole_folder, writing
from srscene.runtime.reading import reading

PACKAGE = "bigearthnet-common"
ARCHIVE = "BigEarthNet-S2-Example.tar.bz2"


def unpack(out: Path) -> dict[Split, list[str]]:
    """Write the patches, all twelve bands, to `out/BigEarthNet-v1.0/`, and `out/{train,val,test}.csv`.

    Returns the patch names by split. Raises BadInput when the package or a file of it is missing or damaged.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise BadInput(
            f"{PACKAGE}: not installed, expected version 2.8.0; run `pip install {PACKAGE}==2.8.0`"
        ) from None
    with whole_folder(out) as folder:
        patches = _unpack_archive(_file(package, ARCHIVE), folder / V1_FOLDER)
        splits = {split: _named(package, split, patches) for split in SPLITS}
        write_lists(folder, splits)
    return splits


def _file(package: Distribution, name: str) -> Path:
    path = Path(str(package.locate_file(f"bigearthnet_common/{name}")))
    if not path.is_file():
        raise BadInput(f"{path}: not found, expected in {PACKAGE} 2.8.0; install that version again")
    return path


def _unpack_archive(archive: Path, folder: Path) -> set[str]:
    folder.mkdir()
    with (
        reading(archive, f"the archive of {PACKAGE} 2.8.0", f"install {PACKAGE} again"),
        writing(folder),
        tarfile.open(archive, "r:bz2") as tar,
    ):
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                _, patch, name = Path(member.name).parts  # below the archive's own top folder
                (folder / patch).mkdir(exist_ok=True)
                (folder / patch / Path(name).name).write_bytes(file.read())
    return {path.name for path in folder.iterdir()}


def _named(package: Distribution, split: Split, patches: set[str]) -> list[str]:
    """Return those of `patches` that the official list of a split names, in its order."""
    path = _file(package, f"{LISTS[split]}.bz2")
    with reading(path, "a list of patches", f"install {PACKAGE} again"), bz2.open(path, "rt") as names:
        return [name for name in map(str.strip, names) if name in patches]
