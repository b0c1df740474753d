"""How every figure is drawn and saved: one look, and the same bytes on every run."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from srscene.runtime.files import whole_file

DPI = 120
WIDTH = 180 / 25.4
"""Inches: a printed page's two columns, 180 mm."""
GREY = "#8a8f98"
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours that the colour-blind can tell apart (Okabe and Ito 2008), without their yellow, pale on white."""
BLUE, ORANGE = OKABE_ITO[:2]
"""What was measured; what it is compared with."""

plt.rcParams.update(
    {
        "font.family": "DejaVu Sans",  # ships with matplotlib: the same on every machine
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#55595f",
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "grid.color": "#e3e5e8",
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "pdf.fonttype": 42,  # letters stay letters
    }
)


def _glowing() -> ListedColormap:
    """Return a map of even steps in lightness, from clear, where what lies below shows, to pale yellow."""
    colours = colormaps["inferno"](np.linspace(0.3, 1, 256))
    colours[:, 3] = np.linspace(0, 1, 256) ** 0.6 * 0.85
    return ListedColormap(colours, name="glowing")


HEAT = _glowing()
UNSET = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}
"""What matplotlib would tell of itself and of the day."""


def show_heat(axes: Axes, image: NDArray[np.uint8], heat: NDArray[np.floating], top: float) -> None:
    """Lay a map (h, w) of 0..top, in HEAT, over the grey of an image (H, W, 3); `top` must not be 0."""
    height, width = image.shape[:2]
    extent = (0, width, height, 0)
    grey = image @ np.array([0.299, 0.587, 0.114])
    axes.imshow(grey, "gray", extent=extent, vmin=0, vmax=255, interpolation="antialiased")
    axes.imshow(heat, HEAT, extent=extent, vmin=0, vmax=top, interpolation="bilinear")


def heat_bar(figure: Figure, axes: NDArray[np.object_], label: str) -> None:
    """Lay HEAT's colours, as they are over grey, below `axes`."""
    colours = HEAT(np.linspace(0, 1, 256))
    colours = colours[:, 3:] * colours + (1 - colours[:, 3:]) * np.array([0.5, 0.5, 0.5, 1])
    colours[:, 3] = 1
    bar = figure.colorbar(
        ScalarMappable(cmap=ListedColormap(colours)), ax=axes, location="bottom", shrink=0.3, aspect=30,
        pad=0.02, ticks=[0, 0.5, 1],
    )  # fmt: skip
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=8)


def save(figure: Figure, path: Path, dpi: int = DPI) -> None:
    """Write `figure` as PNG, cut to its content, and close it."""
    _write(figure, path, dpi)
    plt.close(figure)


def save_for_print(figure: Figure, path: Path, dpi: int = DPI) -> None:
    """Do as `save` does; the same figure goes beside `path`, as PDF."""
    _write(figure, path, dpi)
    _write(figure, path.with_suffix(".pdf"), dpi)
    plt.close(figure)


def _write(figure: Figure, path: Path, dpi: int) -> None:
    """Write PNG or PDF, as `path` is named, without version, date or host in it."""
    kind = path.suffix[1:]
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi, bbox_inches="tight", metadata=UNSET[kind])
