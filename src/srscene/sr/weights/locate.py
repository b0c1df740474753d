"""From a `source` in params.yaml to a checkpoint's file."""

from collections.abc import Mapping
from pathlib import Path

from srscene.runtime.console import BadInput
from srscene.runtime.files import sha256
from srscene.runtime.parts import root
from srscene.sr.common.upscaler import Card
from srscene.sr.weights.download import Remote, fetch


def locate(source: str, official: Mapping[str, Remote], *others: str) -> tuple[Path, Card]:
    """Return the checkpoint file that `source` means and the start of its card.

    `source` is a key of `official`, fetched into `checkpoints/` if it is not there, or a path seen from the
    repository's top folder; `others` are what else it might have been. Raises BadInput if there is no such
    file.
    """
    if source in official:
        remote = official[source]
        path, digest = fetch(remote, root() / "checkpoints")
        card = {"source": source, "url": remote.urls[0], "licence": remote.licence}
    else:
        path = root() / source
        card = {"source": "file"}
        if not path.is_file():
            known = " | ".join([*others, *official])
            hint = f"; choose {known} or the path of a file" if known else ""
            raise BadInput(f"params.yaml: weights.source: {source!r}: no such file{hint}")
        digest = sha256(path)
    return path, card | {"file": path.name, "sha256": digest}
