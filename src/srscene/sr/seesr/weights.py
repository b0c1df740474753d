"""Gets SeeSR's checkpoints, makes models/upscaler/ from them, and says where they come from."""

from collections.abc import Mapping
from pathlib import Path

from srscene.core.store import PatchStore
from srscene.core.tables import write_json
from srscene.runtime.console import BadInput, progress
from srscene.runtime.files import sha256
from srscene.runtime.parts import root
from srscene.sr.seesr.checkpoint import sources
from srscene.sr.seesr.checkpoint.conversion import convert, read_json
from srscene.sr.seesr.options import WeightsOptions
from srscene.sr.weights.download import Remote, fetch
from srscene.sr.weights.locate import Card

PINS = "sha256.json"
"""In checkpoints/seesr: the hashes, when first used, of the files whose hash nobody publishes."""
LISTED = 3
"""Missing files that a message names."""


def prepare(options: WeightsOptions, patches: PatchStore, seed: int | None, folder: Path, key: str) -> Card:
    """Fill `folder` from the official files or from those in a folder of yours; return the card.

    Raises BadInput when files are missing, damaged, changed since they were first used, or not SeeSR's.
    """
    official = options.source == "official"
    remotes = sources.needed(options.turbo)
    files = root() / ("checkpoints/seesr" if official else options.source)
    hashes = _fetched(remotes, files) if official else _found(remotes, files, options.source)
    unknown = {path: hashes[path] for path in remotes if official and len(remotes[path].sha256) < 64}
    pins = agreed(unknown, files / PINS)
    parameters = convert(files, options.turbo, folder)
    if official:  # only now: what could not be converted is not pinned
        write_json(files / PINS, dict(sorted(pins.items())))
    return {
        "source": "official" if official else "folder",
        "files": {
            path: {
                "sha256": hashes[path],
                "bytes": (files / path).stat().st_size,
                "licence": remotes[path].licence,
                "page": remotes[path].page,
            }
            for path in sorted(remotes)
        },
        "licence": "; ".join(sorted({remote.licence for remote in remotes.values()})),
        "made": "tensors renamed, DAPE merged into RAM" + (", sd-turbo's UNet" if options.turbo else ""),
        "parameters": parameters,
    }


def _fetched(remotes: Mapping[str, Remote], folder: Path) -> dict[str, str]:
    """Return the sha256 of the official files, downloaded where they are not there yet."""
    hashes: dict[str, str] = {}
    for path, remote in remotes.items():
        try:
            _, hashes[path] = fetch(remote._replace(file=Path(path).name), (folder / path).parent)
        except BadInput as error:
            if (folder / path).exists():  # but it is another file
                raise
            missing = _missing(remotes, folder)
            raise BadInput(
                f"{folder}: lacks {len(missing)} of {len(remotes)} files: {_listed(missing)}; put each there "
                f"under its name, or mend this and run again: {error}"
            ) from None
    return hashes


def _found(remotes: Mapping[str, Remote], folder: Path, source: str) -> dict[str, str]:
    """Return the sha256 of the files of a folder in the official layout."""
    expected = f"official or a folder laid out like preset/models of {sources.SEESR_PAGE}"
    if not folder.is_dir():
        raise BadInput(
            f"params.yaml: upscalers.seesr.weights.source: {source!r}: no such folder; choose {expected}"
        )
    if missing := _missing(remotes, folder):
        raise BadInput(
            f"{folder}: lacks {len(missing)} of {len(remotes)} files: {_listed(missing)}; put each there "
            f"under its name, or set upscalers.seesr.weights.source to {expected}"
        )
    return {path: sha256(folder / path) for path in progress(sorted(remotes), "sha256", "file")}


def _missing(remotes: Mapping[str, Remote], folder: Path) -> dict[str, Remote]:
    return {path: remote for path, remote in remotes.items() if not (folder / path).is_file()}


def _listed(missing: Mapping[str, Remote]) -> str:
    """Return the first files' paths, about how large each is and where a person finds it; how many more."""
    files = [f"{sources.with_size(path)} from {remote.page}" for path, remote in missing.items()]
    more = len(files) - LISTED
    return ", ".join(files[:LISTED]) + (f" and {more} more" if more > 0 else "")


def agreed(hashes: Mapping[str, str], file: Path) -> dict[str, str]:
    """Return these hashes and those noted in `file`; raises BadInput where the two differ."""
    pins = read_json(file, "restore it, or delete it to pin the files anew") if file.exists() else {}
    for path, found in hashes.items():
        if pins.setdefault(path, found) != found:
            raise BadInput(
                f"{file.parent / path}: its sha256 is {found}, expected {pins[path]} as first used; put "
                f"the old file back, or delete its entry in {file} if you trust the new one"
            )
    return pins
