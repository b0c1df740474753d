"""Figures of how faithful a split's upscaled patches are, measured in as many threads as there may be."""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from srscene.assess.consistency import consistency
from srscene.assess.correctness import correctness
from srscene.assess.fidelity import area_mean, enlarge, psnr, ssim
from srscene.assess.figure import draw
from srscene.assess.pair import assessed_split, scale_between
from srscene.core.store import Image, PatchStore
from srscene.core.tables import write_json
from srscene.runtime.console import progress, say
from srscene.runtime.machine import cpu_threads
from srscene.runtime.threads import ahead

CHUNK = 8
"""Patches that a thread takes at a time."""
Columns = defaultdict[str, "array[float]"]
"""Measures of all patches, 8 bytes each: dictionaries would take 200 MB at 125,000 patches."""


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
    reflectance_consistency (reflectance), spectral_consistency (degrees), spatial_shift (pixels of 10 m) and
    the shares improvement, omission and hallucination: those of opensr-test, where there is a reference of
    the same size. A patch for which one is not defined does not count in its mean.
    Each also for bicubic interpolation by the same scale, else by the reference's. All PSNR in dB.
    """
    scale, split = scale_between(patches, upscaled), assessed_split(patches)
    name = upscaled.attributes.get("sr", "upscaled")
    indices = patches.indices(split)
    threads = cpu_threads()
    say(
        f"assess: {name}, {len(indices):,} {split} patches"
        f"{'' if patches.has_reference else ', no reference'}; CPU, {threads} threads"
    )
    chunks = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
    columns: Columns = defaultdict(lambda: array("d"))
    with _one_thread_each():
        rows = chain.from_iterable(ahead(partial(_measures, patches, upscaled, scale), chunks, threads))
        for row in progress(rows, "assess", "patch", len(indices)):
            for key, value in row.items():
                columns[key].append(value)
    return {"sr": name, "scale": scale, "split": split, "patches": len(indices)} | _means(columns)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Have PyTorch start no threads beside ours."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _measures(
    patches: PatchStore, upscaled: PatchStore, scale: int, indices: NDArray[np.intp]
) -> list[dict[str, float]]:
    """Return what is measured of each of these patches."""
    patches, upscaled = copy(patches), copy(upscaled)  # maps of this thread's own
    return [_measure(patches, upscaled, scale, index) for index in map(int, indices)]


def _measure(patches: PatchStore, upscaled: PatchStore, scale: int, index: int) -> dict[str, float]:
    image = patches[index]
    reference = patches.reference(index) if patches.has_reference else None
    candidates = _candidates(image, upscaled[index] if scale > 1 else None, reference)
    found = {}
    if reference is not None:
        found = _against_truth(image, candidates, reference, patches.attributes["reflectance_max"])
        candidates["_reference"] = reference
    return found | _brought_back(image, candidates)


def _candidates(image: Image, upscaled: Image | None, reference: Image | None) -> dict[str, Image]:
    """Return suffix of keys -> enlarged image: what was upscaled, and bicubic interpolation."""
    candidates: dict[str, Image] = {}
    if upscaled is not None:
        candidates[""] = upscaled
    size = reference if reference is not None else upscaled
    if size is not None:
        candidates["_bicubic"] = enlarge(image, len(size) // len(image))
    return candidates


def _brought_back(image: Image, candidates: Mapping[str, Image]) -> dict[str, float]:
    return {
        "lr_psnr" + suffix: psnr(area_mean(candidate, len(candidate) // len(image)), image)
        for suffix, candidate in candidates.items()
    }


def _against_truth(
    image: Image, candidates: Mapping[str, Image], truth: Image, reflectance_max: int
) -> dict[str, float]:
    """Return what can be told of the candidates of the truth's size; NaN where a measure is not defined."""
    found: dict[str, dict[str, float]] = {}
    for suffix, candidate in candidates.items():
        if candidate.shape == truth.shape:
            consistent = consistency(image, candidate, reflectance_max)
            found[suffix] = {
                "psnr": psnr(candidate, truth),
                "ssim": ssim(candidate, truth),
                "reflectance_consistency": consistent.reflectance,
                "spectral_consistency": consistent.spectral,
                "spatial_shift": consistent.shift,
                **correctness(image, candidate, truth)._asdict(),
            }
    measures = dict.fromkeys(measure for values in found.values() for measure in values)
    return {measure + suffix: found[suffix][measure] for measure in measures for suffix in found}


def _means(columns: Columns) -> dict[str, float]:
    """Return the mean of each column's numbers, left out where it has none.

    Four decimals; four digits below 1.
    """
    known = {}
    for key, column in columns.items():
        values = np.frombuffer(column)
        known[key] = values[~np.isnan(values)]
    means = {key: float(np.mean(values)) for key, values in known.items() if len(values)}
    return {key: float(f"{mean:.4g}") if abs(mean) < 1 else round(mean, 4) for key, mean in means.items()}
