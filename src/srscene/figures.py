"""How every figure is drawn and saved: one look, and the same bytes on every run."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from srscene.core.outputs import whole_file

DPI = 120
BLUE, ORANGE, GREY = "#2f6690", "#d1751f", "#8a8f98"
"""What was measured; what it is compared with; the rest. The colour-blind can tell them apart."""

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
    }
)


def save(figure: Figure, path: Path, dpi: int = DPI) -> None:
    """Write `figure` as PNG, cut to its content, and close it; no version, date or host is stored in it."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
