"""The figure of some patches at 10 m, enlarged, super-resolved, and as they are."""

from pathlib import Path

import cv2
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from srscene import figures
from srscene.assess.fidelity import enlarge, psnr, ssim
from srscene.assess.pair import assessed_split, scale_between
from srscene.core.store import Image, PatchStore

ROWS = 4
WINDOW = 36
"""Side of the zoomed square, pixels of 10 m: a third of a patch."""


def draw(patches: PatchStore, upscaled: PatchStore, path: Path) -> None:
    """Write a row a patch to `path`, PNG and PDF: the patch, and a square of it as each candidate shows it.

    Patches are spread evenly over the assessed split; the square is the patch's richest in detail.
    """
    scale, split = scale_between(patches, upscaled), assessed_split(patches)
    indices = patches.indices(split)
    chosen = indices[np.unique(np.linspace(0, len(indices) - 1, ROWS).astype(int))]
    name = str(upscaled.attributes.get("sr", "upscaled"))
    rows = [_candidates(patches, upscaled, int(index), scale, name) for index in chosen]
    columns = len(rows[0]) + 1
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(2.35 * columns, 2.6 * len(rows)), layout="constrained", squeeze=False
    )
    for line, index, candidates in zip(axes, chosen, rows, strict=True):
        image = patches[int(index)]
        top, left = richest(image, min(WINDOW, *image.shape[:2]))
        _whole(line[0], image, top, left, f"{split}: {patches.names[index]}")
        for ax, (title, candidate) in zip(line[1:], candidates.items(), strict=True):
            zoom = len(candidate) // len(image)
            box = [slice(start * zoom, (start + WINDOW) * zoom) for start in (top, left)]
            ax.imshow(candidate[tuple(box)], interpolation="nearest")
            ax.set_title(title, fontsize=7)
            ax.set_axis_off()
    if patches.has_reference:
        figure.supxlabel("PSNR and SSIM: the whole patch against its reference", fontsize=7)
    figures.save_for_print(figure, path)


def richest(image: Image, side: int) -> tuple[int, int]:
    """Return top and left of the square of `side` px with the strongest gradients, on a grid of 4 px."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    total = cv2.integral(np.sqrt(detail))  # the root keeps one bright edge from deciding alone
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    top, left = np.unravel_index(int(sums[::4, ::4].argmax()), sums[::4, ::4].shape)
    return 4 * int(top), 4 * int(left)


def _candidates(
    patches: PatchStore, upscaled: PatchStore, index: int, scale: int, name: str
) -> dict[str, Image]:
    """Return title -> image for one patch: 10 m, bicubic, upscaled and reference, as far as they exist."""
    image = patches[index]
    reference = patches.reference(index) if patches.has_reference else None
    zoom = len(reference) // len(image) if reference is not None else max(scale, 2)
    found = {"input, 10 m": image, "bicubic": enlarge(image, zoom)}
    if scale > 1 and name != "bicubic":
        found[name] = upscaled[index]
    scored = {title + _score(candidate, reference): candidate for title, candidate in found.items()}
    return scored if reference is None else scored | {"reference": reference}


def _score(candidate: Image, reference: Image | None) -> str:
    if reference is None or candidate.shape != reference.shape:
        return ""
    return f"  {psnr(candidate, reference):.1f} dB, SSIM {ssim(candidate, reference):.2f}"


def _whole(ax: plt.Axes, image: Image, top: int, left: int, title: str) -> None:
    ax.imshow(image, interpolation="nearest")
    ax.add_patch(Rectangle((left - 0.5, top - 0.5), WINDOW, WINDOW, fill=False, color="white", linewidth=1))
    ax.set_title(title, fontsize=5.5)
    ax.set_axis_off()
