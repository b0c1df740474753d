"""A page's input: measures that are made up, and what the statistics say about them."""

from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image as Pillow
from scipy.spatial import cKDTree

from srscene.compare import samples, significance
from srscene.compare.answer import Contrast
from srscene.compare.cell import Cell
from srscene.core.classes import CLASSES
from srscene.core.store import Image
from srscene.page.write import Figure, Page, PatchPictures

GAINS = {"none": -0.06, "bicubic": 0.0, "srresnet": 0.08, "hat": 0.01, "truth": 0.15}
"""How much better than bicubic enlargement a variant is, by any measure."""
F2_OF_LAST, AP_OF_LAST = f"f2 {CLASSES[-1]}", f"ap {CLASSES[-1]}"
BACKBONES = ("resnet50", "resnet101")
NAMES = [f"S2A_MSIL2A_201706{product:02d}T101031_{patch}_7" for product in range(20) for patch in range(4)]


@cache
def page(seeds: int = 3) -> Page:
    """Return a page on 5 variants × 2 backbones × `seeds`, with 6 patches and a figure."""
    contrasts, cells = [], []
    for backbone in BACKBONES:
        drawn = {sr: sample_of(sr, backbone, seeds) for sr in GAINS}
        for sr in ("srresnet", "hat", "none", "truth"):
            differences = significance.contrast(drawn[sr], drawn["bicubic"])
            share = significance.share(drawn[sr], drawn["bicubic"], drawn["truth"])
            contrasts.append(Contrast(sr, "bicubic", backbone, differences, share))
        cells += [cell_of(sr, backbone, seed) for sr in GAINS for seed in range(seeds)]
    patches = [patch_of(number) for number in range(6)]
    return Page("synthetic", cells, contrasts, [table()], patches, [figure()])


def sample_of(sr: str, backbone: str, seeds: int) -> samples.Sample:
    """Return measures that differ by `GAINS[sr]` on 20 products; the last class has no patch."""
    shared = np.random.default_rng(BACKBONES.index(backbone))
    own = np.random.default_rng([sorted(GAINS).index(sr), BACKBONES.index(backbone)])
    count = len(samples.MEASURES)
    lower = np.array([measure in samples.LOWER_IS_BETTER for measure in samples.MEASURES])
    mean = 0.5 + np.where(lower, -GAINS[sr], GAINS[sr])
    values = mean + 0.01 * own.normal(size=(seeds, count))
    drawn = values.mean(0) + 0.03 * shared.normal(size=(60, count)) + 0.01 * own.normal(size=(60, count))
    values[:, samples.MEASURES.index(F2_OF_LAST)] = drawn[:, samples.MEASURES.index(F2_OF_LAST)] = 0
    values[:, samples.MEASURES.index(AP_OF_LAST)] = drawn[:, samples.MEASURES.index(AP_OF_LAST)] = np.nan
    return samples.Sample(f"{sr} on {backbone}", values, drawn, 20)


def cell_of(sr: str, backbone: str, seed: int) -> Cell:
    words = {"experiment": "sunny-owl", "commit": "d59ad22" * 6, "params": "8a3c0f11b2d4", "device": "cpu"}
    return Cell(f"{sr}-{backbone}-s{seed}", sr, backbone, seed, {"macro_ap": 0.5}, {}, provenance=words)


def table() -> tuple[str, str]:
    """Return a table as `formats` writes one."""
    rows = "".join(
        f"<tr><th scope='row'>{name}</th><td data-value='{value}'>{value}</td>"
        f"<td data-value='{other}'>{other or '–'}</td></tr>"
        for name, value, other in (("a", 0.25, ""), ("b", 0.125, 0.5), ("c", 0.5, 0.0625))
    )
    head = "<thead><tr><th scope='col'>SR</th><th scope='col'>acc</th><th scope='col'>paper</th></tr></thead>"
    return "Table 1", f"<table id='table-1'>{head}<tbody>{rows}</tbody></table>"


def patch_of(number: int) -> PatchPictures:
    """Return a patch of 480 × 480 with fields, edges and noise, as variants could show it."""
    truth = landscape(number)
    small = np.asarray(Pillow.fromarray(truth).resize((120, 120), Pillow.Resampling.BOX))
    soft = np.asarray(Pillow.fromarray(small).resize((480, 480), Pillow.Resampling.BICUBIC))
    shown: dict[str, Image] = {"none": small, "bicubic": soft}
    for sr, weight in (("srresnet", 0.5), ("hat", 0.7)):
        shown[sr] = ((1 - weight) * soft + weight * truth).astype(np.uint8)
    labels = [CLASSES[number], CLASSES[number + 6]]
    probabilities = {sr: [(k * 7 + number) % 19 / 19 for k in range(19)] for sr in shown}
    return PatchPictures(NAMES[number], labels, shown | {"truth": truth}, probabilities)


def landscape(number: int) -> Image:
    rng = np.random.default_rng(number)
    places = rng.random((60, 2)) * 480
    rows, columns = np.mgrid[:480, :480]
    nearest = cKDTree(places).query(np.stack([rows, columns], 2))[1]
    colours = rng.integers([30, 60, 30], [150, 150, 110], (60, 3))
    furrows = 8 * np.sin((rows + 0.4 * columns) * rng.uniform(0.2, 0.6, 60)[nearest])
    noise = rng.normal(0, 5, (480, 480))
    return (colours[nearest] + (furrows + noise)[..., None]).clip(0, 255).astype(np.uint8)


def figure() -> Figure:
    stream = BytesIO()
    Pillow.fromarray(landscape(9)).resize((800, 300)).save(stream, "PNG")
    return Figure("Figure 2. The same patches.", "Fields <b>side by side</b>", stream.getvalue())
