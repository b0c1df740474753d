"""Figures of how faithful a split's upscaled patches are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from srscene.assess.fidelity import area_mean, enlarge, psnr, ssim
from srscene.assess.figure import draw
from srscene.assess.pair import assessed_split, scale_between
from srscene.core.console import progress, say
from srscene.core.outputs import write_json
from srscene.core.store import Image, PatchStore


def assess_store(patches: PatchStore, upscaled: PatchStore, metrics: Path, figure: Path) -> None:
    """Write the report (JSON) and the figure (PNG); raises BadInput where the stores differ in patches."""
    write_json(metrics, assess(patches, upscaled))
    draw(patches, upscaled, figure)


def assess(patches: PatchStore, upscaled: PatchStore) -> dict[str, Any]:
    """Return the report on the assessed split: what was measured, and the means over its patches.

    psnr, ssim: upscaled against reference, where there is a reference of the same size.
    lr_psnr: upscaled, brought back to 10 m by the mean over each pixel's area, against the input; left out at
    scale 1, where it is the input. The mean makes no guess at the sensor's blur; the reference, which the
    sensor did blur, tells what the truth itself scores.
    Each also for bicubic interpolation by the same scale, else by the reference's. All PSNR in dB.
    """
    scale, split = scale_between(patches, upscaled), assessed_split(patches)
    name = upscaled.attributes.get("sr", "upscaled")
    indices = patches.indices(split)
    say(f"assess: {name}, {len(indices)} {split} patches{'' if patches.has_reference else ', no reference'}")
    rows = []
    for index in progress(map(int, indices), "assess", "patch", len(indices)):
        reference = patches.reference(index) if patches.has_reference else None
        rows.append(_measure(patches[index], upscaled[index] if scale > 1 else None, reference))
    means = {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}
    return {"sr": name, "scale": scale, "split": split, "patches": len(rows)} | means


def _measure(image: Image, upscaled: Image | None, reference: Image | None) -> dict[str, float]:
    candidates: dict[str, Image] = {}
    if upscaled is not None:
        candidates[""] = upscaled
    size = reference if reference is not None else upscaled
    if size is not None:
        candidates["_bicubic"] = enlarge(image, len(size) // len(image))
    values: dict[str, float] = {}
    measures: dict[str, Callable[[Image, Image], float]] = {"psnr": psnr, "ssim": ssim}
    if reference is not None:
        for measure, function in measures.items():
            for suffix, candidate in candidates.items():
                if candidate.shape == reference.shape:
                    values[measure + suffix] = function(candidate, reference)
        candidates["_reference"] = reference
    for suffix, candidate in candidates.items():
        values["lr_psnr" + suffix] = psnr(area_mean(candidate, len(candidate) // len(image)), image)
    return values
