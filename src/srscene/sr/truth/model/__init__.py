"""The true high-resolution image, where the store holds it: nothing is computed."""

from collections.abc import Sequence

from srscene.core.store import Image, PatchStore
from srscene.runtime.console import BadInput
from srscene.sr.common.unchanged import Unchanged


class Truth(Unchanged):
    cpu_batch = 8
    of_any_image = False

    def images(self, patches: PatchStore, indices: Sequence[int]) -> Image:
        if not patches.has_reference:
            raise BadInput(
                f"{patches.folder}: holds no true images at 2.5 m, which sr: truth needs; only dataset: "
                "synthetic knows them, so choose it, or another sr"
            )
        return patches.references(indices)


UPSCALER = Truth()
"""The ceiling: what an upscaler without any error would show."""
