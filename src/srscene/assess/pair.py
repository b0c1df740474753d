"""Two stores of the same patches, as they were ingested and upscaled."""

from srscene.core.store import PatchStore, Split
from srscene.runtime.console import BadInput


def scale_between(patches: PatchStore, upscaled: PatchStore) -> int:
    """Return the scale between two stores of the same patches; raises BadInput where they differ."""
    if patches.names != upscaled.names:
        raise BadInput(
            f"{upscaled.folder}: {len(upscaled)} patches, expected the {len(patches)} of {patches.folder} in "
            "their order; run `dvc repro upscale`"
        )
    small, large = patches.image_shape[0], upscaled.image_shape[0]
    if large % small:
        raise BadInput(
            f"{upscaled.folder}: images {large} px high, expected a multiple of {patches.folder}'s {small}; "
            "run `dvc repro upscale`"
        )
    return large // small


def assessed_split(patches: PatchStore) -> Split:
    """Return test where it has patches, else validation, else train."""
    order: tuple[Split, ...] = ("test", "val", "train")
    return next(split for split in order if len(patches.indices(split)))
