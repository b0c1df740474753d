"""Gets SeeSR's checkpoints, makes models/upscaler/ from them, and says where they come from."""

import json
import os
from pathlib import Path

from srscene.console import BadInput, progress
from srscene.scratch import root
from srscene.sr.download import Remote, fetch, sha256
from srscene.sr.seesr import sources
from srscene.sr.seesr.conversion import convert, read_json
from srscene.sr.upscaler import Card

PINS = "sha256.json"
"""In checkpoints/seesr: the hashes, when first used, of the files whose hash nobody publishes."""


def prepare(weights: str, turbo: bool, out: Path) -> Card:
    """Fill `out` from the official files or from the folder that `weights` names; return the card.

    Raises BadInput when files are missing, damaged, changed since they were first used, or not SeeSR's.
    """
    official = weights == "official"
    remotes = sources.needed(turbo)
    folder = root() / ("checkpoints/seesr" if official else weights)
    hashes = _fetched(remotes, folder) if official else _found(remotes, folder)
    unknown = {path: hashes[path] for path in remotes if official and len(remotes[path].sha256) < 64}
    pins = agreed(unknown, folder / PINS)
    parameters = convert(folder, turbo, out)
    if official:  # only now: what could not be converted is not pinned
        _note(pins, folder / PINS)
    return {
        "source": "official" if official else "folder",
        "files": {
            path: {
                "sha256": hashes[path],
                "bytes": (folder / path).stat().st_size,
                "licence": remotes[path].licence,
                "page": remotes[path].page,
            }
            for path in sorted(remotes)
        },
        "licence": "; ".join(sorted({remote.licence for remote in remotes.values()})),
        "made": "tensors renamed, DAPE merged into RAM" + (", sd-turbo's UNet" if turbo else ""),
        "parameters": parameters,
    }


def _fetched(remotes: dict[str, Remote], folder: Path) -> dict[str, str]:
    """Return the sha256 of the official files, downloaded where they are not there yet."""
    hashes: dict[str, str] = {}
    for path, remote in remotes.items():
        try:
            _, hashes[path] = fetch(remote._replace(file=Path(path).name), (folder / path).parent)
        except BadInput as error:
            missing = [other for other in remotes if other != path and not (folder / other).exists()]
            pages = ", ".join(sorted({remotes[other].page for other in missing}))
            listed = ", ".join(map(sources.with_size, missing))
            also = f"; also missing in {folder}: {listed} (from {pages})" if missing else ""
            raise BadInput(f"{error}{also}") from None
    return hashes


def _found(remotes: dict[str, Remote], folder: Path) -> dict[str, str]:
    """Return the sha256 of the files of a folder in the official layout."""
    missing = [path for path in remotes if not (folder / path).is_file()]
    if missing:
        listed = ", ".join(map(sources.with_size, missing))
        raise BadInput(
            f"{folder}: {listed} not found; expected a folder laid out like preset/models of "
            f"{sources.SEESR_PAGE}, or weights: official"
        )
    return {path: sha256(folder / path) for path in progress(sorted(remotes), "sha256", "file")}


def agreed(hashes: dict[str, str], file: Path) -> dict[str, str]:
    """Return these hashes and those noted in `file`; raises BadInput where the two differ."""
    pins = read_json(file, "restore it, or delete it to pin the files anew") if file.exists() else {}
    for path, found in hashes.items():
        if pins.setdefault(path, found) != found:
            raise BadInput(
                f"{file.parent / path}: its sha256 is {found}, expected {pins[path]} as first used; put "
                f"the old file back, or delete its entry in {file} if you trust the new one"
            )
    return pins


def _note(pins: dict[str, str], file: Path) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(pins, indent=2, sort_keys=True) + "\n")
    os.replace(temporary, file)
